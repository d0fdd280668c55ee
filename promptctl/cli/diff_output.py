"""Prints a difference for people: first who breaks, then part by part."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from promptctl.catalogue.difference import Difference
from promptctl.cli.output import say, styled, visible
from promptctl.differences.breaks import Break
from promptctl.differences.message_diff import MessageChange
from promptctl.differences.part_changes import InputChange, OutputChange, PartialChange, ToolChange
from promptctl.differences.text_diff import Hunk
from promptctl.differences.value_changes import ValueChange
from promptctl.reports.prompt_diff import beside_behaviour, in_file
from promptctl.schemas.effects import SchemaChange

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}
_COLOURS = {"+": "green", "-": "red", "~": "yellow"}
_LONGEST_VALUE = 200


def say_difference(found: Difference) -> None:
    """The whole difference; equal versions are said to be so."""
    diff = found.diff
    _say_sides(found)
    if diff.is_empty:
        say("no difference")
        return
    if diff.is_same_behaviour:
        say("same behaviour: only what no model and no caller sees differs")
    else:
        _say_breaks("callers", diff.breaks_callers)
        _say_breaks("consumers of replies", diff.breaks_consumers)
    if diff.messages:
        _say_heading("Messages")
        for message in diff.messages:
            _say_message(message)
    if diff.partials:
        _say_heading("Partials")
        for partial in diff.partials:
            _say_partial(partial)
    if diff.inputs:
        _say_heading("Inputs")
        for change in diff.inputs:
            _say_input(change)
    _say_values("Model and parameters", [each for each in (diff.model, diff.engine) if each] + list(diff.parameters))
    if diff.output is not None:
        _say_heading("Output")
        _say_output(diff.output, in_file(diff))
    _say_values("Response format", diff.response_format)
    if diff.tools:
        _say_heading("Tools")
        for tool in diff.tools:
            _say_tool(tool)
    _say_values("Beside the behaviour", beside_behaviour(diff))


def _say_sides(found: Difference) -> None:
    old, new = found.old, found.new
    is_one = old.prompt.id == new.prompt.id
    names = [
        ("" if is_one else f"{side.prompt.id} ")
        + side.version.display
        + (f" @{side.version.label}" if side.version.label else "")
        for side in (old, new)
    ]
    say(styled((f"{old.prompt.id}  " if is_one else "") + " → ".join(names), sys.stdout, bold=True))


def _say_breaks(whose: str, breaks: Sequence[Break]) -> None:
    if not breaks:
        say(styled(f"no break for {whose}", sys.stdout, fg="green"))
        return
    say(styled(f"breaks {whose}:", sys.stdout, fg="red", bold=True))
    for each in breaks:
        name = each.name if each.part == each.name else f"{each.part} {each.name}"
        say(styled(f"  {name}: {visible(each.reason)}", sys.stdout, fg="red"))


def _say_heading(text: str) -> None:
    say()
    say(styled(text, sys.stdout, bold=True))


def _say_change(kind: str, text: str, indent: str = "  ") -> None:
    sign = _SIGNS.get(kind, "~")
    say(styled(f"{indent}{sign} {visible(text)}", sys.stdout, fg=_COLOURS[sign]))


def _say_message(change: MessageChange) -> None:
    who = f"placeholder {change.placeholder}" if change.placeholder else (change.role_after or change.role_before or "")
    if change.before is None or change.after is None:
        place = change.after or change.before
        kind = "added" if change.before is None else "removed"
        _say_change(kind, f"message {place} ({who}) {kind}")
    else:
        moved = f" moved from {change.before}" if "moved" in change.kinds else ""
        role = f" was {change.role_before}" if "role" in change.kinds else ""
        _say_change("changed", f"message {change.after} ({who}){moved}{role}")
    _say_hunks(change.hunks)
    for value in change.extra:
        _say_value(value, "    ")


def _say_partial(change: PartialChange) -> None:
    moved = f", which was {change.moved_from}" if change.moved_from else ""
    _say_change(change.kind, f"{change.path} {change.kind}{moved}")
    _say_hunks(change.hunks)


def _say_hunks(hunks: Sequence[Hunk]) -> None:
    for number, hunk in enumerate(hunks):
        if number:
            say("    …")
        # The empty line behind the last line end says nothing.
        for line in hunk.lines[:-1] if hunk.lines[-1:] == (" ",) else hunk.lines:
            colour = {"+": "green", "-": "red"}.get(line[:1])
            text = f"    {visible(line)}".rstrip()
            say(styled(text, sys.stdout, fg=colour) if colour else text)


def _say_input(change: InputChange) -> None:
    told = []
    if change.kind == "changed":
        if change.required is not None:
            told.append("required now" if change.required.after else "optional now")
        if change.default is not None:
            told.append(_told(change.default))
    elif change.kind == "added":
        told.append("required" if change.required is not None and change.required.after else "optional")
        told += [f"default {_shown(change.default.after)}"] if change.default is not None else []
    _say_change(change.kind, f"{change.name} {change.kind}" + (f": {', '.join(told)}" if told else ""))
    _say_schema(change.schema)


def _say_output(change: OutputChange, where: str) -> None:
    if change.kind != "changed":
        _say_change(change.kind, f"schema {change.kind}{where}")
    for value in change.settings:
        _say_value(value)
    _say_schema(change.schema, "  ")


def _say_tool(change: ToolChange) -> None:
    _say_change(change.kind, f"{change.name} {change.kind}")
    for value in change.settings:
        _say_value(value, "    ")
    _say_schema(change.parameters)


def _say_schema(changes: Iterable[SchemaChange], indent: str = "    ") -> None:
    for change in changes:
        kind = "added" if change.before is None else "removed" if change.after is None else "changed"
        place = "" if change.path == "$" else f"{change.path.removeprefix('$').removeprefix('.')}: "
        effect = "" if change.effect == "none" else f" ({change.effect})"
        _say_change(kind if change.effect == "none" else "changed", f"{place}{change.text}{effect}", indent)


def _say_values(title: str, changes: Sequence[ValueChange]) -> None:
    if changes:
        _say_heading(title)
        for change in changes:
            _say_value(change)


def _say_value(change: ValueChange, indent: str = "  ") -> None:
    _say_change(change.kind, _told(change), indent)


def _told(change: ValueChange) -> str:
    if change.kind == "added":
        return f"{change.name}: {_shown(change.after)}"
    if change.kind == "removed":
        return f"{change.name}: {_shown(change.before)}"
    if change.before is None and change.after is None:
        return f"{change.name} changed"
    return f"{change.name}: {_shown(change.before)} → {_shown(change.after)}"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split()) if isinstance(value, str) else text
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
