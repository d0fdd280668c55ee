"""`promptctl blame`: who made each line that a model saw, and who put it live."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.commands import argument
from promptctl.cli.output import flat, format_id, is_terminal, say, say_json, styled, told_moment, visible
from promptctl.cli.page_layout import page_width, say_columns, say_fact, say_heading, template
from promptctl.cli.tables import cells, cut
from promptctl.reports.wording import as_text, clip, count, format_cost, format_latency, without_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptctl import Blame, BlamedLine, BlamedPart, FilledInput, LineChange, LiveMove

_ID = 7
_UNCOMMITTED, _UNKNOWN = "changed", "unknown"
# From so many columns on, the author and the date stand beside each line; the list of commits always has them.
_WITH_AUTHOR, _WITH_DATE = 76, 100
_AUTHOR_WIDTH = 14
_MOST_VALUE = 200
_LEAST_ROOM = 12
_ORIGINS = {"call": "the call", "default": "its default", "none": "nothing", "unknown": "not kept"}


def blame(
    context: typer.Context,
    wanted: Annotated[
        str,
        argument(
            "EXECUTION|REF",
            "A call by its id, its beginning or its end; or a prompt, with @label, @v7 or @revision.",
            completes="blamed",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Say who made each line that a model saw, what filled in the rest, and who put it live.

    Of a call, its own version: with the inputs that the log kept, and the label's move that held at that time.
    """
    found = options.workspace_of(context).blame(wanted)
    if as_json:
        say_json(found.as_dict())
        return
    _say_head(found)
    said = [part for part in found.parts if part.kind in ("model", "parameter")]
    if said:
        own = next((part.path for part in found.parts if part.kind == "message"), "")
        say_heading("Model")
        say_columns(["", "sent", "commit", "author", "from"], [_row(part, own) for part in said], wraps_last=True)
    for part in found.parts:
        if part.kind not in ("model", "parameter"):
            _say_part(part)
    if found.inputs:
        say_heading("Inputs")
        say_columns(
            ["input", "used in", "filled by", "value"], [_input_row(each) for each in found.inputs], wraps_last=True
        )
    if found.changes:
        say_heading("Commits")
        say_columns(
            ["commit", "date", "author", "subject"], [_change_row(each) for each in found.changes], wraps_last=True
        )


def _say_head(found: Blame) -> None:
    say(styled(visible(found.ref), sys.stdout, bold=True) + "  " + visible(found.version.display))
    call = found.execution
    if call is not None:
        cost = format_cost(call.cost_nano_usd) if call.cost_nano_usd is not None else "cost unknown"
        when = told_moment(call.started_at)
        told = (format_id(call.id), when, call.model, call.status, format_latency(call.latency_ms), cost)
        say_fact("call", " · ".join(told))
    for move in found.moves:
        say_fact("live", _move(move), fg="green")
    if not found.moves:
        say_fact("live", "no label named this version " + ("then" if call is not None else "so far"))
    for row in found.evaluations[:5]:
        totals, is_whole = row.totals, row.totals.verdict != "incomplete"
        cases = count(totals.cases if is_whole else totals.expected_cases, "case")
        result = (
            f"{'' if is_whole else 'incomplete, '}{totals.passed} of {cases} passed" if totals.cases else row.status
        )
        say_fact("evaluated", f"{row.spec.dataset}: {result}, {row.model}, {row.started_at[:10]} ({format_id(row.id)})")
    if len(found.evaluations) > 5:
        say_fact("", f"and {len(found.evaluations) - 5} earlier: promptctl results list --prompt {found.prompt}")
    for note in found.notes:
        say_fact("note", note, fg="yellow")


def _move(move: LiveMove) -> str:
    event = move.event
    who = without_address(event.actor)
    words = f"{event.label} since {told_moment(event.utc_date)} by {who} ({event.action} {event.version})"
    if move.until is not None:
        words += f", until {told_moment(move.until.utc_date)}"
    words += f": {event.reason}" if event.reason else ""
    return words + (f"; on evaluation {event.evaluation}" if event.evaluation else "")


def _row(part: BlamedPart, own: str) -> tuple[str, ...]:
    """Return the row of a model or a parameter; `own` is the prompt's file."""
    line = part.lines[0] if part.lines else None
    where = "" if line is None else f"line {line.number}" if part.path == own else f"{part.path}:{line.number}"
    about = ", ".join(each for each in (where, part.note) if each)
    author = _author(line.change) if line and line.change else ""
    return part.key, as_text(part.value), _id(line) if line else "", author, about


def _input_row(each: FilledInput) -> tuple[str, ...]:
    value = as_text(each.value) if each.is_kept or each.origin == "default" else ""
    change = each.default.change if each.default and each.origin == "default" else None
    origin = _ORIGINS[each.origin] + (f" ({change.commit.commit[:_ID]})" if change else "")
    return each.name, ", ".join(each.used_in), origin, clip(value, _MOST_VALUE)


def _change_row(change: LineChange) -> tuple[str, ...]:
    commit = change.commit
    return ("^" if change.is_cut else "") + commit.commit[:_ID], commit.date[:10], _author(change), flat(commit.subject)


def _say_part(part: BlamedPart) -> None:
    title = part.key if part.kind == "message" else f"{part.kind} {part.key}"
    say()
    width = page_width()
    path = part.path if width is None or cells(part.path) < width - cells(title) - 5 else ""
    head = styled(visible(title), sys.stdout, bold=True)
    say(f"{head}  {styled(visible(path), sys.stdout, dim=True)}" if path else head)
    digits = len(str(part.lines[-1].number)) if part.lines else 1
    before: Any = ()
    shown = textwrap.dedent("\n".join(line.text.expandtabs(4) for line in part.lines)).split("\n")
    for line, text in zip(part.lines, shown, strict=False):
        key = (_id(line), line.change)
        gutter = _gutter(line, is_repeated=key == before)
        before = key
        room = None if width is None else max(width - cells(gutter) - digits - 4, _LEAST_ROOM)
        for number, piece in enumerate(_wrapped(visible(text), room)):
            mark = f"{line.number:>{digits}}" if number == 0 else " " * digits
            left = gutter if number == 0 else " " * cells(gutter)
            bar = styled(f"{mark} │", sys.stdout, dim=True)
            colour = "yellow" if line.change is None else "cyan"
            say(f"{styled(left, sys.stdout, fg=colour)} {bar} {template(piece, 'jinja2')}".rstrip())


def _gutter(line: BlamedLine, *, is_repeated: bool) -> str:
    """Return the columns that say who made a line; empty ones below a line of the same commit, on a terminal."""
    width = page_width() or _WITH_DATE
    fields = [_id(line).ljust(_ID)]
    if width >= _WITH_DATE:
        fields.append((line.change.commit.date[:10] if line.change else "").ljust(10))
    if width >= _WITH_AUTHOR:
        author = cut(visible(_author(line.change)) if line.change else "", _AUTHOR_WIDTH)
        fields.append(author + " " * (_AUTHOR_WIDTH - cells(author)))
    text = " ".join(fields)
    return " " * cells(text) if is_repeated and is_terminal() else text


def _id(line: BlamedLine) -> str:
    if line.change is None:
        return _UNCOMMITTED if line.is_uncommitted else _UNKNOWN
    return ("^" if line.change.is_cut else "") + line.change.commit.commit[:_ID]


def _author(change: LineChange) -> str:
    return flat(without_address(change.commit.author))


def _wrapped(text: str, room: int | None) -> Iterator[str]:
    if room is None or cells(text) <= room:
        yield text
        return
    indent = len(text) - len(text.lstrip())
    if text.isascii():
        yield from textwrap.wrap(text, room, subsequent_indent=" " * indent, drop_whitespace=True)
        return
    from rich.cells import chop_cells

    yield from chop_cells(text, room)
