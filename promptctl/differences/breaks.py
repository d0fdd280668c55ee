"""Breaks of a changed prompt: of callers, who give its inputs, and of consumers, who read replies or run tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.differences.part_changes import InputChange, OutputChange, ToolChange
    from promptctl.differences.value_changes import ValueChange
    from promptctl.prompts.prompt import Prompt
    from promptctl.schemas.effects import SchemaChange


@dataclass(frozen=True, slots=True)
class Break:
    """Something that worked with the old version and can fail with the new one."""

    part: Literal["prompt", "status", "input", "output", "response_format", "tool"]
    name: str
    reason: str


def breaks_of_callers(old: Prompt, new: Prompt, inputs: Sequence[InputChange]) -> tuple[Break, ...]:
    """Return what fails for callers who call the prompt as the old version wanted it."""
    return (*_status_breaks(old, new), *(found for change in inputs for found in _input_breaks(change)))


def breaks_of_consumers(
    output: OutputChange | None, response_format: Sequence[ValueChange], tools: Sequence[ToolChange]
) -> tuple[Break, ...]:
    """Return what fails for consumers who read replies or run tools as the old version promised them."""
    return (
        *_output_breaks(output),
        *_format_breaks(response_format),
        *(found for change in tools for found in _tool_breaks(change)),
    )


def _status_breaks(old: Prompt, new: Prompt) -> tuple[Break, ...]:
    if new.status != "inactive" or old.status == "inactive":
        return ()
    return (Break("status", "status", "an inactive prompt refuses to run"),)


def _input_breaks(change: InputChange) -> list[Break]:
    def found(reason: str) -> Break:
        return Break("input", change.name, reason)

    if change.kind == "removed":
        return [found("was removed: giving it is an error now")]
    must_be_given = change.required is not None and change.required.after is True
    if change.kind == "added":
        return [found("was added without a default: it must be given now")] if must_be_given else []
    breaks = []
    if must_be_given:
        had_default = change.default is not None and change.default.kind == "removed"
        breaks.append(found("must be given now: " + ("its default was removed" if had_default else "it was optional")))
    return breaks + [found(_told(change.name, part)) for part in change.schema if part.breaks_writers]


def _output_breaks(change: OutputChange | None) -> list[Break]:
    if change is None:
        return []
    if change.kind == "added":
        return [Break("output", "schema", "replies were free text and are JSON of a schema now")]
    if change.kind == "removed":
        return [Break("output", "schema", "replies were JSON of a schema and are free text now")]
    return [Break("output", part.path, part.text) for part in change.schema if part.breaks_readers]


def _format_breaks(changes: Sequence[ValueChange]) -> list[Break]:
    return [
        Break(
            "response_format", change.name, f"replies were {change.before or 'text'} and are {change.after or 'text'}"
        )
        for change in changes
        if change.name == "type"
    ]


def _tool_breaks(change: ToolChange) -> list[Break]:
    if change.kind == "added":
        return [Break("tool", change.name, "was added: the code that runs tools must know it")]
    return [Break("tool", change.name, _told("", part)) for part in change.parameters if part.breaks_readers]


def _told(name: str, change: SchemaChange) -> str:
    """Return a change of a schema with the place it concerns, unless that is the whole value."""
    return change.text if change.path == "$" else f"{name}{change.path[1:]}: {change.text}".removeprefix(".")
