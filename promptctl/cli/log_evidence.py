"""`promptctl log verify`, `redact` and `merge`: the log as evidence, what is erased from it, and what comes in."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.output import flat, say, say_json, tell, tell_hint, told_moment, warn
from promptctl.errors import CHECK_FAILED, UsageError, printable
from promptctl.reports.wording import count

if TYPE_CHECKING:
    from promptctl import Erased, Event

_MOST_EVENTS = 5
_HEAD = re.compile(r"\b[0-9a-f]{64}\b")
_HEAD_HINT = "a head is 64 characters of 0-9 and a-f, as promptctl log verify prints it"


def verify_log(
    context: typer.Context,
    head: Annotated[
        str | None, option("--head", "HASH|FILE", "A head printed earlier, or a file with it: it must be in the chain.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check that no row was changed, cut off or slipped in, and that contents and totals fit; print the chain's head.

    The head is the evidence: whoever can write the file can make a new chain, but not one with a head that was
    committed before.
    """
    found = options.workspace_of(context).log.verify(None if head is None else _head(head))
    if as_json:
        say_json(found.as_dict())
    else:
        for problem in found.problems:
            say(f"{problem.kind}: {printable(problem.message)}")
        if found.left_out:
            say(f"… and {count(found.left_out, 'more problem')}")
        say(f"head: {found.head or 'none yet'}")
        parts = [count(found.rows, "row"), count(found.contents, "content"), count(len(found.events), "event")]
        tell(f"{', '.join(parts)}: {'nothing is wrong' if found.is_sound else 'not sound'}")
        _tell_events(found.events)
        if found.unchained:
            tell(f"{count(found.unchained, 'row')} from before the chain began: it does not cover them")
        if found.expected_link is not None:
            tell(f"the head that was asked for is link {found.expected_link} of {found.links}")
        if not found.is_sound:
            tell_hint("keep this file as it is; compare it with a copy that promptctl log backup made")
    if not found.is_sound:
        raise typer.Exit(CHECK_FAILED)


def redact_log(
    context: typer.Context,
    text: Annotated[str | None, option("--text", "TEXT", "Contents of all calls with this text, in any case.")] = None,
    user: Annotated[str | None, option("--user", "NAME", "All calls for this user, and the name itself.")] = None,
    session: Annotated[str | None, option("--session", "NAME", "All calls of this session, and its name.")] = None,
    execution: Annotated[
        str | None, option("--execution", "ID", "One execution, by its id or the end of it.", completes="execution")
    ] = None,
    reason: options.EventReason = None,
    dry_run: Annotated[bool, option("--dry-run", "Erase nothing; say exactly what would be.")] = False,
    yes: Annotated[bool, option("--yes", "Erase; without it a terminal is asked.")] = False,
    as_json: options.Json = False,
) -> None:
    """Erase what a person said from the log for good: contents, names, words in errors and metadata. Totals stay."""
    if sum(value is not None for value in (text, user, session, execution)) != 1:
        raise UsageError(
            "say what is erased: one of --text, --user, --session and --execution",
            hint="promptctl log redact --user u-17 --dry-run",
        )
    log = options.workspace_of(context).log
    erase = partial(log.redact, text=text, user=user, session=session, execution=execution)
    if not (dry_run or yes):
        if as_json or sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("erasing cannot be undone", hint="see what goes with --dry-run, then give --yes")
        _say_erased(erase(is_dry_run=True), is_dry_run=True)
        options.end_waiting(context)
        typer.confirm("Erase this for good?", abort=True, err=True)
    erased = erase(reason=reason, is_dry_run=dry_run)
    if as_json:
        say_json({"dry_run": dry_run, **erased.as_dict()})
    else:
        _say_erased(erased, is_dry_run=dry_run)


def merge_logs(
    context: typer.Context,
    files: Annotated[list[Path], argument("FILE...", "Logs of other machines, or copies by log backup.")],
    reason: options.EventReason = None,
    dry_run: Annotated[bool, option("--dry-run", "Add nothing; say what is new.")] = False,
    as_json: options.Json = False,
) -> None:
    """Add the calls and evaluations of other logs to this one, each once; what was deleted here stays deleted."""
    log = options.workspace_of(context).log
    merged = []
    for file in files:
        found = log.merge(file, reason=reason, is_dry_run=dry_run)
        merged.append(asdict(found))
        if not as_json:
            parts = [count(found.rows, "row"), count(found.evaluations, "evaluation"), count(found.results, "result")]
            parts += [f"{count(found.feedback, 'piece')} of feedback"] if found.feedback else []
            say(f"{file}: {', '.join(parts)} {'would be ' if dry_run else ''}added; {count(found.known, 'row')} known")
            if found.kept_out:
                tell(f"{count(found.kept_out, 'row')} had been deleted here, and stay out")
    if as_json:
        say_json({"dry_run": dry_run, "merged": merged})


def _tell_events(events: Sequence[Event]) -> None:
    """Tell how many events of each kind there are, if more than are listed, and the newest."""
    newest = events[-_MOST_EVENTS:]
    if len(newest) < len(events):
        kinds = Counter(each.kind for each in events)
        numbers = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
        tell(f"events: {numbers}; the newest are")
    for each in newest:
        reason = f": {flat(each.reason)}" if each.reason else ""
        tell(f"  {each.kind} at {told_moment(each.at)} by {flat(each.by)}{reason}")


def _say_erased(erased: Erased, *, is_dry_run: bool) -> None:
    done = "would be erased" if is_dry_run else "erased"
    if erased.is_nothing:
        say("the log holds nothing of the kind")
    else:
        parts = [
            count(erased.executions, "row"),
            count(erased.latest_calls, "latest call"),
            count(erased.results, "result"),
            count(erased.contents, "content"),
            *([f"{count(erased.feedback, 'piece')} of feedback"] if erased.feedback else []),
        ]
        say(f"{', '.join(parts)} {done}; totals stay")
        if erased.marker and not is_dry_run:
            say(f"in the place of the name stands {erased.marker}")
        if erased.shared_sessions:
            sessions = count(erased.shared_sessions, "session")
            tell(f"{sessions} with calls of others: those keep the session's name; log redact --session erases it")
    if erased.is_cache_dropped:
        say(f"the reply cache {'would be' if is_dry_run else 'is'} emptied: evaluations ask models again")
    for path in erased.left:
        warn(f"{path} is not changed, and may hold it", "look into it, and delete it if so")
    tell("copies elsewhere are not: backups, exports, other machines' logs, files in Git")


def _head(given: str) -> str:
    """Return the head that is given, or that a file holds. Raises `UsageError` if there is none."""
    text = given
    try:
        if Path(given).is_file():
            text = Path(given).read_text("utf-8", "replace")
    except OSError:
        pass  # too long for a name
    found = _HEAD.search(text.lower())
    if found is None:
        raise UsageError(f"`{printable(given)}` is neither a head nor a file that holds one", hint=_HEAD_HINT)
    return found[0]
