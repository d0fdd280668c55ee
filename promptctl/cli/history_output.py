"""Shows the commits and labels that a registry's versions become, and makes them once that is wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from promptctl.cli.output import format_moment, say, say_json, tell, tell_wrapped, time_heading
from promptctl.cli.proposing import WriteOptions, is_decided, offer
from promptctl.cli.tables import say_table
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import ImportReport, Workspace, WrittenHistory


def offer_history(workspace: Workspace, report: ImportReport, wanted: WriteOptions) -> None:
    """Print the commits, labels and other files, and make them if `wanted` says so, or a person at the terminal."""
    history, proposal = report.history, report.proposal
    is_wanted = wanted.yes and not wanted.dry_run
    if wanted.as_json:
        made = workspace.exchange.write_history(history) if is_wanted and not history.is_empty else None
        if is_wanted and not proposal.is_empty:
            workspace.write(proposal)
        say_json(_document(report, made, is_written=is_wanted))
        return
    if history.is_empty:
        offer(workspace, proposal, wanted)
        if proposal.is_empty:
            is_all = bool(report.refused) or len({source.format for source in report.sources}) == 1
            there = f"{count(history.there, 'version')} {'is' if history.there == 1 else 'are'} here already"
            tell(f"nothing to write: {there}" + ("" if is_all else ", and so are the other files"))
        return
    _say(report)
    sys.stdout.flush()
    if not proposal.is_empty:

        def write() -> None:
            _tell_made(workspace.exchange.write_history(history))
            workspace.write(proposal)

        offer(workspace, proposal, wanted, write=write)
        return
    if is_decided(wanted, "Make these commits?", "--yes makes these commits"):
        _tell_made(workspace.exchange.write_history(history))


def _document(report: ImportReport, made: WrittenHistory | None, *, is_written: bool) -> dict[str, Any]:
    document, proposal = report.as_dict(), report.proposal
    document["history"] |= made.as_dict() if made is not None else {}
    changes = [change.as_dict() for change in proposal.changes]
    is_any = not (report.history.is_empty and proposal.is_empty)
    return {**document, "changes": changes, "diff": proposal.diff(), "written": is_written and is_any}


def _say(report: ImportReport) -> None:
    history = report.history
    rows = [
        (
            format_moment(each.utc_date),
            each.past.prompt,
            each.registry.number,
            each.author.name,
            ", ".join(each.registry.labels),
            each.subject,
        )
        for each in history.versions
    ]
    date = time_heading("Date", (each.utc_date for each in history.versions))
    say_table([date, "Prompt", "Version", "By", "Labels", "Commit"], rows, right=["Version"], texts=["By", "Commit"])
    for path in history.files:
        say(f"with the first commit: {path}")


def _tell_made(made: WrittenHistory) -> None:
    tell(f"made {count(len(made.commits), 'commit')} on {made.branch}, up to {made.commits[-1][:7]}")
    if made.labels:
        tell(f"moved {count(len(made.labels), 'label')}: {', '.join(made.labels)}")
    if not made.later:
        return
    tell(f"{count(len(made.later), 'label')} not moved yet; run these later:")
    if made.first:
        say(made.first)
    for each in made.later:
        say(each.command)
    for reason in dict.fromkeys(each.reason for each in made.later):
        tell_wrapped(f"why: {reason}", "  ")
