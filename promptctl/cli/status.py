"""`promptctl status`, and `promptctl` alone: where the workspace stands, and the commands that are useful now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from promptctl.cli import options
from promptctl.cli.output import columns, flat, format_version, say, say_json, say_wrapped, styled, tell, told_moment
from promptctl.errors import USAGE, WorkspaceNotFound
from promptctl.reports.wording import count, format_count, format_known, name_some

if TYPE_CHECKING:
    from promptctl import EvaluationRow, Standing

_WIDTH = 12
_INDENT = " " * _WIDTH
_MOST_LABELS = 8
_MOST_PROBLEMS = 5
_MOST_EVALUATIONS = 5
_COLOURS = {"passed": "green", "failed": "red"}
_OUTSIDE = (
    ("promptctl init", "make a workspace here"),
    ("promptctl -C DIR", "see a workspace that is elsewhere"),
    ("promptctl --help", "see every command"),
)


def status(context: typer.Context, as_json: options.Json = False) -> None:
    """Show where the workspace stands, and the next useful commands; so does `promptctl` alone.

    Prompts and what was changed, labels that are behind, the last evaluation, what was spent today, budgets near their
    end, and files that cannot be used. Nothing is asked of a model or a remote.
    """
    found = options.workspace_of(context).standing()
    if as_json:
        say_json(found.as_dict())
    else:
        _say(found)


def begin(context: typer.Context) -> None:
    """Do what `promptctl` alone does: outside a workspace it says how to come to one."""
    try:
        status(context)
    except WorkspaceNotFound as error:
        options.end_waiting(context)
        tell(f"{error.message}; {error.hint}" if "-C" in (error.hint or "") else error.message)
        for command, why in _OUTSIDE:
            tell(f"  {command.ljust(18)}{why}")
        raise typer.Exit(USAGE) from None


def _say(found: Standing) -> None:
    branch = f" · {flat(found.branch)}" if found.branch else ""
    _line("workspace", styled(flat(found.root), sys.stdout, bold=True) + branch)
    for note in found.notes:
        _line("", note, fg="yellow")
    others = f", {found.vendored:,} of other repositories" if found.vendored else ""
    changed = f", {len(found.changed)} changed: {name_some(found.changed)}" if found.changed else ""
    _line("prompts", f"{format_count(found.prompts)}{others}{changed}")
    _say_problems(found)
    _say_labels(found)
    if found.calls_today is not None:
        for number, line in enumerate(_evaluations(found)):
            _line("" if number else "evaluated", line)
        spent = format_known(found.cost_today_nano_usd, found.unpriced_today)
        calls = count(found.calls_today - found.evaluation_calls_today, "call")
        calls += f" and {found.evaluation_calls_today:,} of evaluations" if found.evaluation_calls_today else ""
        _line("today", f"{calls}, {spent}" if found.calls_today else "no calls")
    for number, budget in enumerate(found.budgets):
        _line("" if number else "budgets", f"{budget.rule.name} is {budget.state}: {budget.reason}", fg="yellow")
    say()
    _say_steps(found)


def _say_problems(found: Standing) -> None:
    for number, problem in enumerate((found.problems or ())[:_MOST_PROBLEMS]):
        _line("" if number else "problems", str(problem), fg="red")
    if found.problems is None:
        _line("problems", "not looked for: too many files differ from what Git has")
    elif len(found.problems) > _MOST_PROBLEMS:
        _line("", f"… and {len(found.problems) - _MOST_PROBLEMS} more: promptctl validate")


def _say_labels(found: Standing) -> None:
    if found.labels:
        _line("labels", f"{format_count(found.labels)}, {len(found.behind) or 'none'} behind")
    for each in found.behind[:_MOST_LABELS]:
        _line("", f"{each.prompt}@{each.label} is v{each.version}, the newest is v{each.newest}", fg="yellow")
    if len(found.behind) > _MOST_LABELS:
        _line("", f"… and {len(found.behind) - _MOST_LABELS} more: promptctl list")


def _say_steps(found: Standing) -> None:
    """Print the next commands, each with why it is useful: beside it, or below one that is long."""
    width = columns(sys.stdout) or 0
    short = [len(step.command) for step in found.next if not width or len(step.command) <= width // 2 - _WIDTH]
    room = max(short, default=0) + 2
    for number, step in enumerate(found.next):
        heading = ("" if number else "next").ljust(_WIDTH)
        command = styled(step.command.ljust(room), sys.stdout, fg="cyan")
        if len(step.command) < room and (not width or _WIDTH + room + len(step.why) <= width):
            say(f"{heading}{command}{styled(step.why, sys.stdout, dim=True)}")
        else:
            say(f"{heading}{command.rstrip()}")
            say_wrapped(step.why, f"{_INDENT}  ", dim=True)


def _line(heading: str, text: str, **style: str) -> None:
    say_wrapped(text, _INDENT, heading.ljust(_WIDTH), **style)


def _evaluations(found: Standing) -> Iterator[str]:
    rows = found.evaluations
    if not rows:
        yield "nothing yet"
        return
    when = told_moment(rows[-1].started_at)
    if len(rows) > 1:
        passed = sum(row.totals.verdict == "passed" for row in rows)
        yield f"{passed} of {count(len(rows), 'evaluation')} passed, {when}"
        rows = tuple(row for row in rows if row.totals.verdict != "passed")
        yield from map(_evaluation, rows[:_MOST_EVALUATIONS])
    else:
        yield f"{_evaluation(rows[0])}, {when}"
    if len(rows) > _MOST_EVALUATIONS:
        yield f"… and {len(rows) - _MOST_EVALUATIONS} more: promptctl results list"


def _evaluation(row: EvaluationRow) -> str:
    totals = row.totals
    verdict = totals.verdict or row.status
    word = styled(verdict, sys.stdout, fg=_COLOURS.get(verdict, "yellow"))
    cases = totals.expected_cases if verdict == "incomplete" else totals.cases
    passed = "" if verdict == "running" else f": {totals.passed:,} of {count(cases, 'case')}"
    return f"{row.prompt} {format_version(row.version_display)} {word}{passed} on {row.model}"
