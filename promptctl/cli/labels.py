"""`promptctl label`: names that move from version to version, with who moved them and why."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl import errors, parse_moment
from promptctl.cli import options
from promptctl.cli.checks import say_check
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.output import (
    format_moment,
    is_terminal,
    left_to_show,
    say,
    say_json,
    styled,
    tell,
    tell_problems,
    time_heading,
    told_moment,
    visible,
    warn,
)
from promptctl.cli.tables import say_table
from promptctl.errors import GitError
from promptctl.reports.wording import count, without_address

if TYPE_CHECKING:
    from promptctl import LabelEvent, Labelling, MoveResult

app = Group("Names that move from version to version: production, staging. Each move is a Git tag of its own.")

EXAMPLES = """\
  promptctl label set support/triage@production v7 --reason "Fewer wrong refunds"
  promptctl label rollback support/triage@production
  promptctl label log support/triage@production
"""

RemoteName = Annotated[
    str | None, option("--remote", "NAME", "A configured remote; the one in promptctl.yaml by default.")
]


@app.command("set")
def set_label(
    context: typer.Context,
    label: options.Label,
    version: Annotated[
        str | None,
        argument("[VERSION]", "v7, a revision or a different label; by default what HEAD has.", completes="version"),
    ] = None,
    reason: options.Reason = "",
    as_json: options.Json = False,
) -> None:
    """Let a label name a version. The rules of promptctl.yaml on the default branch hold."""
    labels = options.workspace_of(context, asks=True).labels
    _say_move(labels, labels.set(label, version, reason=reason), as_json=as_json)


@app.command("rollback")
def roll_back(
    context: typer.Context,
    label: options.Label,
    to: Annotated[
        str | None,
        option("--to", "VERSION", "A version that it named; the one before by default.", completes="version"),
    ] = None,
    reason: options.Reason = "",
    as_json: options.Json = False,
) -> None:
    """Let a label name what it named before. A second rollback goes one version further back."""
    labels = options.workspace_of(context, asks=True).labels
    _say_move(labels, labels.rollback(label, to, reason=reason), as_json=as_json)


@app.command("remove")
def remove(
    context: typer.Context, label: options.Label, reason: options.Reason = "", as_json: options.Json = False
) -> None:
    """Let a label name nothing. Its history stays, and rollback brings it back."""
    labels = options.workspace_of(context, asks=True).labels
    _say_move(labels, labels.remove(label, reason=reason), as_json=as_json)


@app.command("list")
def list_labels(
    context: typer.Context,
    prompt: Annotated[str | None, argument("[PROMPT]", "Only this prompt's.", completes="ref")] = None,
    everything: Annotated[bool, option("--all", "Also labels that were removed.")] = False,
    as_json: options.Json = False,
) -> None:
    """List the labels and what they name. Says also who moved each there, when and why."""
    found = options.workspace_of(context).labels.all(prompt)
    states = [state for state in found.states.values() if everything or state.is_live]
    tell_problems(found.problems)
    none = "no label is known here; to make one: promptctl label set PROMPT@production"
    if left_to_show(states, "no label names a version; --all shows more" if found.states else none, as_json=as_json):
        rows = [
            (f"{state.prompt}@{state.label}", state.version if state.is_live else "removed", *_moved(state.event))
            for state in states
        ]
        say_table(
            ["Label", "Version", "Commit", _dates(state.event for state in states), "By", "Reason"],
            rows,
            texts=["By", "Reason"],
        )


@app.command("log")
def show_log(context: typer.Context, label: options.Label, as_json: options.Json = False) -> None:
    """Show every move of a label. Newest first: who, when, why, on which evidence."""
    history = options.workspace_of(context).labels.log(label)
    tell_problems(history.problems)
    events = list(reversed(history.events))
    if as_json:
        say_json([event.as_dict() for event in events])
        return
    columns = ["N", "Action", "Version", "Commit", _dates(events), "By", "Reason"]
    if not is_terminal() or any(event.evaluation for event in events):
        columns.append("Evaluation")
    rows = [(event.n, event.action, event.version, *_moved(event), event.evaluation or None) for event in events]
    say_table(columns, [row[: len(columns)] for row in rows], right=["N"], texts=["By", "Reason"])


@app.command("at")
def show_at(
    context: typer.Context,
    label: options.Label,
    moment: Annotated[str, argument("TIME", "2026-05-03, 2026-05-03T09:30, yesterday, or an age: 90m, 12h, 7d.")],
    as_json: options.Json = False,
) -> None:
    """Say what a label named at a time. If clocks contradict the order of the moves, that is said."""
    meant = parse_moment(moment, zone=None)
    when = datetime.fromisoformat(meant)
    labels = options.workspace_of(context).labels
    found = labels.at(label, when)
    for event in found.doubtful:
        warn(f"event {event.n} ({event.action} {event.version}) may have come before: its clock contradicts the order")
    if as_json:
        say_json({"time": meant, **found.as_dict()})
    elif found.event is None:
        say(f"{label} did not exist yet")
    elif not found.is_live:
        say(f"{label} was removed ({_about(found.event)})")
    else:
        say(f"{label} was {labels.shown(found.event)}: {_about(found.event)}")


@app.command("fetch")
def fetch(context: typer.Context, remote: RemoteName = None, as_json: options.Json = False) -> None:
    """Bring every label of the remote. Git's own fetch does not bring them all."""
    found = options.workspace_of(context, asks=True).labels.fetch(remote)
    if as_json:
        say_json(found.as_dict())
    else:
        for name in found.names:
            say(name)
        tell(f"{count(len(found.names), 'new move')} from {found.remote}")
    if found.conflicts:
        tags = ", ".join(each.ref.removeprefix("refs/tags/") for each in found.conflicts)
        raise GitError(
            f"{count(len(found.conflicts), 'tag')} differ between here and {found.remote}, and were left alone: {tags}",
            hint="promptctl label verify",
        )


@app.command("push")
def push(context: typer.Context, remote: RemoteName = None, as_json: options.Json = False) -> None:
    """Publish the moves that no remote has yet. One that came too late is undone here, and what won is said."""
    done = options.workspace_of(context, asks=True).labels.push(remote)
    if as_json:
        say_json(done.as_dict())
    else:
        for event in done.events:
            say(f"pushed  {event.name}  {event.action} {event.version}")
        if not (done.events or done.undone or done.refused):
            tell(f"nothing to push: {done.remote} has every move")
    for each in done.undone:
        won = f"{each.won.action} {each.won.version} by {_about(each.won)}" if each.won else "a different move"
        warn(
            f"{each.event.name} ({each.event.action} {each.event.version}) came too late and was undone: {won} came first"
        )
    tell_problems(done.refused)
    if done.undone or done.refused:
        raise typer.Exit(errors.WORKSPACE)


@app.command("verify")
def verify(context: typer.Context, as_json: options.Json = False) -> None:
    """Check every label. Its tags, what each follows, the commits they name, the remote. Exit code 1 on any error."""
    say_check(options.workspace_of(context, asks=True).labels.verify(), as_json=as_json)


@app.command("lock")
def lock(
    context: typer.Context,
    check: Annotated[
        bool, option("--check", "Write nothing; exit code 1 if the file is not as it would be written.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Write what the labels name to promptctl.lock.yaml. A pull request shows it, and a clone without tags reads it."""
    labels = options.workspace_of(context, asks=True).labels
    if check:
        say_check(labels.check_lock(), as_json=as_json)
        return
    done = labels.lock()
    if as_json:
        say_json(done.as_dict())
        return
    say(done.file.name)
    tell(f"{count(len(done.labels), 'label')}{'' if done.is_new else '; it said the same already'}")


def _say_move(labels: Labelling, result: MoveResult, *, as_json: bool) -> None:
    event, before = result.event, result.before
    if as_json:
        say_json(result.as_dict())
        return
    name = f"{event.prompt}@{event.label}"
    if not result.is_moved:
        say(f"{name} is {event.version} already" if event.is_live else f"{name} was removed already")
        return
    old = before.version if before and before.is_live else "nothing"
    new = labels.shown(event) if event.is_live else "nothing"
    say(f"{styled(name, sys.stdout, bold=True)}  {old} → {styled(new, sys.stdout, fg='green')}")
    if not result.is_pushed and labels.has_remote:
        tell("only this clone knows: publish it with promptctl label push")


def _moved(event: LabelEvent) -> tuple[Any, ...]:
    """Return commit, date, actor and reason of a move, as a table shows them."""
    if not is_terminal():
        return event.commit, event.utc_date, event.actor, event.reason or None
    return event.commit[:7], format_moment(event.utc_date), without_address(event.actor), event.reason or "-"


def _dates(events: Iterable[LabelEvent]) -> str:
    return time_heading("Date", (event.utc_date for event in events))


def _about(event: LabelEvent) -> str:
    why = f": {event.reason}" if event.reason else ""
    return visible(f"{event.actor.partition(' <')[0]}, {told_moment(event.utc_date)}{why}")
