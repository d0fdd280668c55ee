"""Differences between two versions of a prompt in words, the same on a terminal, in a comment and on a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.differences.diff import MessageChange, PromptDiff
from promptctl.differences.part_changes import InputChange, PartialChange, ToolChange, ValueChange
from promptctl.differences.text_diff import Hunk
from promptctl.files.wording import as_text, clip
from promptctl.schemas.effects import SchemaChange

if TYPE_CHECKING:
    from promptctl.catalogue.difference import Difference

_SIGNS = {"added": "+", "removed": "-"}
_TEXTS = ("Messages", "Partials")
_LONGEST_VALUE = 200
_SCHEMA_PATH = "output.schema_path"


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference. `sign` is `+`, `-` or `!` (changed); empty for the `text` of a hunk.

    `noun` stands before the text if no heading says what it is about. With `is_detail` it belongs to the line above.
    """

    text: str
    sign: str = ""
    noun: str = ""
    is_detail: bool = False


def diff_parts(diff: PromptDiff, *, leaves_out: Iterable[str] = ()) -> Iterator[tuple[str, list[DiffLine]]]:
    """Yield each part that differs, with its heading; `leaves_out` names partials that are shown elsewhere."""
    elsewhere = set(leaves_out)
    values = [each for each in (diff.model, diff.engine) if each is not None]
    parts = {
        "Messages": [line for each in diff.messages for line in _message(each)],
        "Partials": [line for each in diff.partials for line in _partial(each, is_elsewhere=each.path in elsewhere)],
        "Inputs": [line for each in diff.inputs for line in _input(each)],
        "Model and parameters": list(_values([*values, *diff.parameters])),
        "Output": list(_output(diff)),
        "Response format": list(_values(diff.response_format, "response_format.")),
        "Tools": [line for each in diff.tools for line in _tool(each)],
        "Description and metadata": list(_values(_without_told_schema(diff))),
    }
    yield from ((title, lines) for title, lines in parts.items() if lines)


def diff_lines(diff: PromptDiff, *, leaves_out: Iterable[str] = ()) -> Iterator[str]:
    """Yield every difference as a line, without headings: `+` for what came, `-` for what went, `!` for the rest.

    Texts come last: a line that follows theirs would seem to be one of them.
    """
    parts = diff_parts(diff, leaves_out=leaves_out)
    for _, lines in sorted(parts, key=lambda part: part[0] in _TEXTS):
        yield from (f"{line.sign} {line.noun}{line.text}" if line.sign else line.text for line in lines)


def value_lines(changes: Iterable[ValueChange]) -> Iterator[str]:
    """Yield each value that differs as a line: `model: local/small → local/large`."""
    for change, line in zip(changes, _values(changes), strict=True):
        yield line.text if change.kind == "changed" else f"{line.text} ({change.kind})"


def version_names(found: Difference, form: Callable[[str], str] = str) -> list[str]:
    """Return what both sides are called: `v7 (3f2a9c1) @production`, after their prompts' ids if these differ."""
    is_one = found.old.prompt.id == found.new.prompt.id
    return [
        ("" if is_one else f"{side.prompt.id} ")
        + form(side.version.display)
        + (f" @{side.version.label}" if side.version.label else "")
        for side in (found.old, found.new)
    ]


def hunk_lines(hunks: Iterable[Hunk]) -> Iterator[str]:
    """Yield the lines of hunks, as in a unified diff."""
    for hunk in hunks:
        yield f"@@ line {hunk.after_start or 1} @@"
        # The empty line after the last line end says nothing.
        lines = hunk.lines[:-1] if hunk.lines[-1:] == (" ",) else hunk.lines
        yield from (line if line.strip() else "" for line in lines)


def _message(change: MessageChange) -> Iterator[DiffLine]:
    who = f"placeholder {change.placeholder}" if change.placeholder else change.role_after or change.role_before or ""
    if change.before is None or change.after is None:
        kind = "added" if change.before is None else "removed"
        yield DiffLine(f"message {change.after or change.before} ({who}) {kind}", _SIGNS[kind])
    else:
        told = [f"was number {change.before}"] if "moved" in change.kinds else []
        told += [f"was {change.role_before}"] if "role" in change.kinds else []
        yield DiffLine(f"message {change.after} ({who})" + (f": {', '.join(told)}" if told else ""), "!")
    yield from map(DiffLine, hunk_lines(change.hunks))
    yield from _values(change.extra, is_detail=True)


def _partial(change: PartialChange, *, is_elsewhere: bool) -> Iterator[DiffLine]:
    moved = f", was {change.moved_from}" if change.moved_from else ""
    yield DiffLine(f"{change.path} {change.kind}{moved}", _SIGNS.get(change.kind, "!"), "partial ")
    if not is_elsewhere:
        yield from map(DiffLine, hunk_lines(change.hunks))


def _input(change: InputChange) -> Iterator[DiffLine]:
    told = []
    if change.required is not None and change.kind != "removed":
        told.append(("required" if change.required.after else "optional") + " now" * (change.kind == "changed"))
    if change.default is not None and change.kind != "removed":
        told.append("no default" if change.default.kind == "removed" else f"default {_shown(change.default.after)}")
    text = f"{change.name} {change.kind}" + (f": {', '.join(told)}" if told else "")
    yield DiffLine(text, _SIGNS.get(change.kind, "!"), "input ")
    yield from _schema(change.schema, f"input {change.name} ", is_detail=True)


def _output(diff: PromptDiff) -> Iterator[DiffLine]:
    change = diff.output
    if change is None:
        return
    if change.kind != "changed":
        path = next((each.after or each.before for each in diff.metadata if each.name == _SCHEMA_PATH), None)
        yield DiffLine(f"schema {change.kind}" + (f" ({path})" if path else ""), _SIGNS[change.kind], "output: ")
    yield from _values(change.settings, "output.")
    yield from _schema(change.schema, "output ")


def _tool(change: ToolChange) -> Iterator[DiffLine]:
    yield DiffLine(f"{change.name} {change.kind}", _SIGNS.get(change.kind, "!"), "tool ")
    yield from _values(change.settings, f"{change.name}.", is_detail=True)
    yield from _schema(change.parameters, f"tool {change.name} ", is_detail=True)


def _schema(changes: Iterable[SchemaChange], noun: str, *, is_detail: bool = False) -> Iterator[DiffLine]:
    for change in changes:
        place = "" if change.path == "$" else f"{change.path.removeprefix('$').removeprefix('.')}: "
        effect = "" if change.effect in ("none", "changed") else f" ({change.effect})"
        yield DiffLine(f"{place}{change.text}{effect}", "!", noun, is_detail)


def _values(changes: Iterable[ValueChange], noun: str = "", *, is_detail: bool = False) -> Iterator[DiffLine]:
    for change in changes:
        sides = [_shown(change.before)] * (change.kind != "added") + [_shown(change.after)] * (change.kind != "removed")
        text = f"{change.name}: {' → '.join(sides)}"
        if change.before is None and change.after is None:
            text = f"{change.name} changed"
        yield DiffLine(text, _SIGNS.get(change.kind, "!"), noun, is_detail)


def _without_told_schema(diff: PromptDiff) -> list[ValueChange]:
    """Return the changes that no model sees, without the path of a schema that came or went."""
    is_told = diff.output is not None and diff.output.kind != "changed"
    return [each for each in diff.metadata if not (is_told and each.name == _SCHEMA_PATH)]


def _shown(value: Any) -> str:
    """Return a value on one line, cut if it is long."""
    return clip(as_text(value).replace("\n", "⏎"), _LONGEST_VALUE)
