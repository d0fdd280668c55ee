"""The semantic diff of a prompt as lines: `+` and `-` for what came and went, `!` for what is another now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from promptctl.differences.diff import PromptDiff
from promptctl.differences.message_diff import MessageChange
from promptctl.differences.part_changes import InputChange, PartialChange, ToolChange
from promptctl.differences.text_diff import Hunk
from promptctl.differences.value_changes import ValueChange
from promptctl.schemas.effects import SchemaChange

_SIGNS = {"added": "+", "removed": "-"}
_LONGEST_VALUE = 200
_SCHEMA_PATH = "output.schema_path"


def diff_lines(diff: PromptDiff, *, leaves_out: Iterable[str] = ()) -> Iterator[str]:
    """Every difference, part by part under a heading; `leaves_out` names partials that are shown elsewhere."""
    elsewhere = set(leaves_out)
    for message in diff.messages:
        yield from _message(message)
    for partial in diff.partials:
        yield from _partial(partial, is_elsewhere=partial.path in elsewhere)
    for each in diff.inputs:
        yield from _input(each)
    values = [each for each in (diff.model, diff.engine) if each is not None]
    yield from _values("", [*values, *diff.parameters])
    if diff.output is not None:
        if diff.output.kind != "changed":
            yield f"{_SIGNS[diff.output.kind]} output: schema {diff.output.kind}{in_file(diff)}"
        yield from _values("output.", diff.output.settings)
        yield from _schema("output", diff.output.schema)
    yield from _values("response_format.", diff.response_format)
    for tool in diff.tools:
        yield from _tool(tool)
    yield from _values("", beside_behaviour(diff))


def beside_behaviour(diff: PromptDiff) -> list[ValueChange]:
    """Return the changes that no model sees, without the path of a schema that came or went."""
    is_told = diff.output is not None and diff.output.kind != "changed"
    return [each for each in diff.metadata if not (is_told and each.name == _SCHEMA_PATH)]


def in_file(diff: PromptDiff) -> str:
    """Return the file that a schema came from or went with, as a suffix; empty without one."""
    path = next((each.after or each.before for each in diff.metadata if each.name == _SCHEMA_PATH), None)
    return f" ({path})" if path else ""


def hunk_lines(hunks: Iterable[Hunk]) -> Iterator[str]:
    """The lines of hunks, as in a unified diff."""
    for hunk in hunks:
        yield f"@@ line {hunk.after_start or 1} @@"
        # The empty line behind the last line end says nothing.
        lines = hunk.lines[:-1] if hunk.lines[-1:] == (" ",) else hunk.lines
        yield from (line if line.strip() else "" for line in lines)


def _message(change: MessageChange) -> Iterator[str]:
    who = f"placeholder {change.placeholder}" if change.placeholder else change.role_after or change.role_before or ""
    if change.before is None or change.after is None:
        kind = "added" if change.before is None else "removed"
        yield f"{_SIGNS[kind]} message {change.after or change.before} ({who}) {kind}"
    else:
        told = [f"was number {change.before}"] if "moved" in change.kinds else []
        told += [f"was {change.role_before}"] if "role" in change.kinds else []
        yield f"! message {change.after} ({who})" + (f": {', '.join(told)}" if told else "")
    yield from hunk_lines(change.hunks)
    yield from _values("  ", change.extra)


def _partial(change: PartialChange, *, is_elsewhere: bool) -> Iterator[str]:
    moved = f", was {change.moved_from}" if change.moved_from else ""
    yield f"{_SIGNS.get(change.kind, '!')} partial {change.path} {change.kind}{moved}"
    if not is_elsewhere:
        yield from hunk_lines(change.hunks)


def _input(change: InputChange) -> Iterator[str]:
    told = []
    if change.required is not None and change.kind != "removed":
        told.append("must be given" if change.required.after else "may be left out")
    if change.default is not None and change.kind != "removed":
        told.append("no default" if change.default.kind == "removed" else f"default {shown(change.default.after)}")
    sign = _SIGNS.get(change.kind, "!")
    yield f"{sign} input {change.name} {change.kind}" + (f": {', '.join(told)}" if told else "")
    yield from _schema(f"input {change.name}", change.schema)


def _tool(change: ToolChange) -> Iterator[str]:
    yield f"{_SIGNS.get(change.kind, '!')} tool {change.name} {change.kind}"
    yield from _values(f"{change.name}.", change.settings)
    yield from _schema(f"tool {change.name}", change.parameters)


def _schema(what: str, changes: Iterable[SchemaChange]) -> Iterator[str]:
    for change in changes:
        place = "" if change.path == "$" else f" {change.path}"
        effect = "" if change.effect in ("none", "changed") else f" ({change.effect})"
        yield f"! {what}{place}: {change.text}{effect}"


def _values(start: str, changes: Iterable[ValueChange]) -> Iterator[str]:
    for change in changes:
        if change.kind != "added":
            yield f"- {start}{change.name}: {shown(change.before)}"
        if change.kind != "removed":
            yield f"+ {start}{change.name}: {shown(change.after)}"


def shown(value: Any) -> str:
    """A value on one line, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    flat = text.replace("\n", "⏎")
    return flat if len(flat) <= _LONGEST_VALUE else flat[: _LONGEST_VALUE - 1] + "…"
