"""The parts of a prompt compared one by one: partials, inputs, output, tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.differences.ordering import longest_in_order
from promptctl.differences.text_diff import Hunk, compare_texts
from promptctl.files.plain import canonical_json
from promptctl.prompts.closure import INPUT_WORDS
from promptctl.prompts.prompt import MISSING, Input, Output
from promptctl.schemas.changes import compare_schemas
from promptctl.schemas.effects import SchemaChange


@dataclass(frozen=True, slots=True)
class PartialChange:
    """An included file that differs; `moved_from` is its earlier path if only that changed."""

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    moved_from: str | None = None
    hunks: tuple[Hunk, ...] = ()


@dataclass(frozen=True, slots=True)
class InputChange:
    """An input that differs. `required` says whether callers must give it, `default` the value used if they do not."""

    name: str
    kind: Kind
    required: ValueChange | None = None
    default: ValueChange | None = None
    schema: tuple[SchemaChange, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputChange:
    """The change of what replies must be: a schema that came or went, changes in it, and the settings around it."""

    kind: Kind
    schema: tuple[SchemaChange, ...] = ()
    settings: tuple[ValueChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolChange:
    """A tool that differs, by its function's name; `parameters` are the changes of its arguments' schema."""

    name: str
    kind: Kind | Literal["moved"]
    parameters: tuple[SchemaChange, ...] = ()
    settings: tuple[ValueChange, ...] = ()


def compare_partials(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[PartialChange, ...]:
    """Return every included file that differs, by path. One whose text came back under a different path has moved."""
    gone = [path for path in sorted(old) if path not in new]
    changes: list[PartialChange] = []
    for path in sorted(new):
        if path in old:
            hunks = compare_texts(old[path], new[path])
            changes += [PartialChange(path, "changed", hunks=hunks)] if hunks else []
            continue
        moved_from = next((other for other in gone if old[other] == new[path]), None)
        if moved_from is None:
            changes.append(PartialChange(path, "added", hunks=compare_texts("", new[path])))
        else:
            gone.remove(moved_from)
            changes.append(PartialChange(path, "moved", moved_from))
    changes += [PartialChange(path, "removed", hunks=compare_texts(old[path], "")) for path in gone]
    return tuple(sorted(changes, key=lambda change: change.path))


def compare_inputs(
    old: Mapping[str, Input], new: Mapping[str, Input]
) -> tuple[tuple[InputChange, ...], tuple[ValueChange, ...]]:
    """Return the changes of inputs by name, and those of their words, which no digest covers."""
    changes: list[InputChange] = []
    words: list[ValueChange | None] = []
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        kind: Kind = "added" if before is None else "removed" if after is None else "changed"
        schema = compare_schemas(before.schema, after.schema) if before and after else ()
        own = [change for change in schema if change.path == "$" and change.keyword in INPUT_WORDS]
        words += [compare_value(f"inputs.{name}.{each.keyword}", each.before, each.after, absent=None) for each in own]
        if before and after:
            words.append(compare_value(f"inputs.{name}.sensitive", before.is_sensitive, after.is_sensitive))
        rest = tuple(change for change in schema if change not in own)
        found = InputChange(name, kind, _required(before, after), _default(before, after), rest)
        if found.required or found.default or found.schema:
            changes.append(found)
    return tuple(changes), tuple(filter(None, words))


def _required(before: Input | None, after: Input | None) -> ValueChange | None:
    old, new = (None if each is None else each.is_required for each in (before, after))
    return compare_value("required", old, new, absent=None)


def _default(before: Input | None, after: Input | None) -> ValueChange | None:
    return compare_value("default", before.default if before else MISSING, after.default if after else MISSING)


def compare_output(old: Output, new: Output) -> OutputChange | None:
    """Compare what replies must be; None if nothing differs."""
    if old.schema is None or new.schema is None:
        if old.schema is new.schema:
            return None
        return OutputChange("added" if old.schema is None else "removed")
    schema = _sent_schema(old.schema, new.schema)
    settings = compare_mappings(
        {"name": old.name, "strict": old.is_strict, "retries": old.retries},
        {"name": new.name, "strict": new.is_strict, "retries": new.retries},
    )
    return OutputChange("changed", schema, settings) if schema or settings else None


def _sent_schema(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[SchemaChange, ...]:
    """Return the changes of a schema that a model reads: to it, the order of keys matters too."""
    changes = compare_schemas(old, new)
    if changes or _is_written_alike(old, new):
        return changes
    return (SchemaChange("$", "order", "none", "its keys are in a different order"),)


def _is_written_alike(old: Any, new: Any) -> bool:
    return canonical_json(old, keeps_order=True) == canonical_json(new, keeps_order=True)


def compare_tools(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> tuple[ToolChange, ...]:
    """Return every tool that differs, by name, in the old order; new ones at the end."""
    before, after = _by_name(old), _by_name(new)
    shared = [name for name in before if name in after]
    places = [list(after).index(name) for name in shared]
    stayed = {shared[index] for index in longest_in_order(places)}
    changes: list[ToolChange] = []
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            changes.append(ToolChange(name, "removed"))
        elif name not in before:
            changes.append(ToolChange(name, "added"))
        else:
            parameters, settings = _tool(before[name], after[name])
            if parameters or settings:
                changes.append(ToolChange(name, "changed", parameters, settings))
            if name not in stayed:
                changes.append(ToolChange(name, "moved"))
    return tuple(changes)


def _by_name(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    named: dict[str, Mapping[str, Any]] = {}
    for number, tool in enumerate(tools, 1):
        function = tool.get("function", tool)
        name = str(function.get("name", f"tool {number}")) if isinstance(function, Mapping) else f"tool {number}"
        named[name if name not in named else f"{name} ({number})"] = tool
    return named


def _tool(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[tuple[SchemaChange, ...], tuple[ValueChange, ...]]:
    old_schema, old_rest = _split(old)
    new_schema, new_rest = _split(new)
    settings = compare_mappings(old_rest, new_rest)
    parameters = _sent_schema(old_schema, new_schema)
    if not parameters and not settings and not _is_written_alike(old, new):
        parameters = (SchemaChange("$", "order", "none", "its keys are in a different order"),)
    return parameters, settings


def _split(tool: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a tool's schema of arguments, and everything else of it."""
    holder = tool["function"] if isinstance(tool.get("function"), Mapping) else tool
    schema = holder.get("parameters")
    rest = {key: value for key, value in holder.items() if key != "parameters"}
    if holder is not tool:
        rest = {**tool, "function": rest}
    return (schema, rest) if isinstance(schema, Mapping) else ({}, tool)


Kind = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value that differs. `name` leads to it through mappings with dots; what is not there is None."""

    name: str
    kind: Kind
    before: Any = None
    after: Any = None


def compare_mappings(before: Mapping[str, Any], after: Mapping[str, Any], name: str = "") -> tuple[ValueChange, ...]:
    """Return every value that differs, down through mappings; keys in the old order, then the new ones."""
    changes: list[ValueChange] = []
    for key in [*before, *(key for key in after if key not in before)]:
        path = f"{name}.{key}" if name else str(key)
        old, new = before.get(key, MISSING), after.get(key, MISSING)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += compare_mappings(old, new, path)
        elif (found := compare_value(path, old, new)) is not None:
            changes.append(found)
    return tuple(changes)


def compare_value(name: str, before: Any, after: Any, absent: Any = MISSING) -> ValueChange | None:
    """Return the change of one value, None if there is none; `1` and `1.0` are the same.

    `absent` is what says that there is no value: with MISSING, None and empty are values.
    """
    if before is absent or after is absent:
        if before is absent and after is absent:
            return None
        is_new = before is absent
        return ValueChange(name, "added", after=plain(after)) if is_new else ValueChange(name, "removed", plain(before))
    if canonical_json(before) == canonical_json(after):
        return None
    return ValueChange(name, "changed", plain(before), plain(after))


def plain(value: Any) -> Any:
    """Return a copy of the value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
