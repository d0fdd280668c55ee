"""Breaks of a changed prompt: of callers, who give its inputs, and of consumers, who read replies or run tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.differences.part_changes import InputChange, OutputChange, ToolChange
    from promptctl.prompts.prompt import Prompt
    from promptctl.schemas.effects import SchemaChange

_OF_SCHEMA, _ANY_OBJECT = "JSON of a schema", "any JSON object"


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
    old: Prompt, new: Prompt, output: OutputChange | None, tools: Sequence[ToolChange]
) -> tuple[Break, ...]:
    """Return what fails for consumers who read replies or run tools as the old version promised them."""
    return (
        *_form_breaks(old, new),
        *(Break("output", part.path, part.text) for part in (output.schema if output else ()) if part.breaks_readers),
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
        breaks.append(
            found("must be given now: " + ("its default was removed" if change.default else "it was optional"))
        )
    return breaks + [found(_told(change.name, part)) for part in change.schema if part.breaks_writers]


def _form_breaks(old: Prompt, new: Prompt) -> list[Break]:
    """Return the break of replies that are of a different form; an object of a schema is still a JSON object."""
    before, after, schema = _form(old), _form(new), new.output.schema or {}
    if before == after or (before == _ANY_OBJECT and schema.get("type") == "object"):
        return []
    part: Literal["output", "response_format"] = "output" if _OF_SCHEMA in (before, after) else "response_format"
    name = "schema" if part == "output" else "type"
    return [Break(part, name, f"replies were {before} and are {after} now")]


def _form(prompt: Prompt) -> str:
    if prompt.output.schema is not None:
        return _OF_SCHEMA
    kind = str((prompt.response_format or {}).get("type", "text"))
    return {"text": "free text", "json_object": _ANY_OBJECT}.get(kind, kind)


def _tool_breaks(change: ToolChange) -> list[Break]:
    if change.kind == "added":
        return [Break("tool", change.name, "was added: the code that runs tools must know it")]
    return [Break("tool", change.name, _told("", part)) for part in change.parameters if part.breaks_readers]


def _told(name: str, change: SchemaChange) -> str:
    """Return a change of a schema with the place it concerns, unless that is the whole value."""
    return change.text if change.path == "$" else f"{name}{change.path[1:]}: {change.text}".removeprefix(".")
