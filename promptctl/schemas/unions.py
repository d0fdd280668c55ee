"""Schemas made of alternatives (`anyOf`, `oneOf`), and the pairs that the alternatives of two schemas form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.schemas.effects import show
from promptctl.schemas.keywords import ANNOTATIONS
from promptctl.schemas.values import NUMBERS, kind_names, kinds_of, listed_values, value_names

Schema = Mapping[str, Any] | bool
UNIONS = ("anyOf", "oneOf")


def plain_union(schema: Mapping[str, Any]) -> tuple[str, list[Schema]] | None:
    """Return `anyOf` or `oneOf` and its alternatives if the schema says nothing else about values."""
    said = [name for name in schema if name not in (*ANNOTATIONS, "$defs", "$schema", "$id", "definitions")]
    return (said[0], list(schema[said[0]])) if len(said) == 1 and said[0] in UNIONS else None


def by_type(schema: Mapping[str, Any]) -> list[Schema]:
    """Return one alternative for each of a list of types, so that `[string, "null"]` can meet an `anyOf`."""
    if not isinstance(schema.get("type"), list) or listed_values(schema) is not None:
        return [schema]
    return [{**schema, "type": name} for name in schema["type"]]


def without_equals(old: Sequence[Schema], new: Sequence[Schema]) -> tuple[list[Schema], list[Schema]]:
    """Return both lists without the schemas that, but for words, stand in both and mean the same there."""
    left: list[Schema] = []
    right = {index: _unworded(schema) for index, schema in enumerate(new)}
    for schema in old:
        key = _unworded(schema)
        # What a reference names can differ.
        same = None if '"$ref"' in key else next((index for index, other in right.items() if other == key), None)
        if same is None:
            left.append(schema)
        else:
            del right[same]
    return left, [new[index] for index in right]


def pairs(old: Sequence[Schema], new: Sequence[Schema]) -> list[tuple[Schema, Schema]]:
    """Return alternatives that are one rewritten: of the same name or tag, or alone of their type on each side."""
    if len(old) == 1 and len(new) == 1:
        return [(old[0], new[0])]
    found: list[tuple[Schema, Schema]] = []
    left, right = list(old), list(new)
    for mark in (_unworded, _name, _kinds):
        for before in list(left):
            same = [schema for schema in right if mark(schema) is not None and mark(schema) == mark(before)]
            if len(same) == 1 and sum(mark(schema) == mark(before) for schema in left) == 1:
                found.append((before, same[0]))
                left, right = without(left, before), without(right, same[0])
    return found


def without(schemas: Sequence[Schema], one: Schema) -> list[Schema]:
    """Return the schemas but for this very one."""
    return [schema for schema in schemas if schema is not one]


def are_disjoint(schemas: Sequence[Schema]) -> bool:
    """Return True if no value fits two of the schemas: different types, or constants of a required property."""
    return all(
        not _kind_set(one) & _kind_set(other)
        or any(not _tags(one)[name] & _tags(other)[name] for name in _tags(one).keys() & _tags(other).keys())
        for index, one in enumerate(schemas)
        for other in schemas[:index]
    )


def describe(schema: Schema) -> str:
    """Return an alternative in a few words: its title, its reference, its values or its type."""
    if isinstance(schema, bool):
        return "anything" if schema else "nothing"
    if "title" in schema or "$ref" in schema:
        return str(schema.get("title", schema.get("$ref")))
    values = listed_values(schema)
    if values is not None:
        return value_names(values)
    return kind_names(kinds_of(schema)) if list(schema) == ["type"] else show(schema)


def _unworded(schema: Schema) -> str:
    if isinstance(schema, bool):
        return canonical_json(schema)
    return canonical_json({key: value for key, value in schema.items() if key not in ANNOTATIONS})


def _name(schema: Schema) -> Any:
    tags = {name: sorted(values) for name, values in _tags(schema).items()}
    reference = None if isinstance(schema, bool) else schema.get("$ref")
    return reference or (canonical_json(tags) if tags else None)


def _kinds(schema: Schema) -> Any:
    return None if isinstance(schema, bool) or "$ref" in schema else _kind_set(schema)


def _kind_set(schema: Schema) -> frozenset[str]:
    kinds = kinds_of({} if isinstance(schema, bool) else schema)
    return kinds | NUMBERS if kinds & NUMBERS else kinds


def _tags(schema: Schema) -> dict[str, frozenset[str]]:
    """Return the required properties that can only hold listed values, as a discriminator does."""
    if isinstance(schema, bool):
        return {}
    listed = {
        name: listed_values(part)
        for name, part in schema.get("properties", {}).items()
        if name in schema.get("required", ()) and isinstance(part, Mapping)
    }
    return {name: frozenset(values) for name, values in listed.items() if values is not None}
