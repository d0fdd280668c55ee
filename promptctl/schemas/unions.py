"""Schemas made of alternatives (`anyOf`, `oneOf`): which alternative of one belongs to which of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.schemas.values import NUMBERS, canonical, kinds_of, show, type_names, types_of, values_of

Schema = Mapping[str, Any] | bool
UNIONS = ("anyOf", "oneOf")
SAID_ONLY = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment",
             "contentEncoding", "contentMediaType", "contentSchema")  # fmt: skip


def plain_union(schema: Mapping[str, Any]) -> tuple[str, list[Schema]] | None:
    """`anyOf` or `oneOf` and its alternatives where the schema says nothing else about values; None otherwise."""
    said = [name for name in schema if name not in SAID_ONLY and name not in ("$defs", "$schema", "$id", "definitions")]
    return (said[0], list(schema[said[0]])) if len(said) == 1 and said[0] in UNIONS else None


def by_type(schema: Mapping[str, Any]) -> list[Schema]:
    """A schema with a list of types as one alternative for each, so that `[string, "null"]` can meet an `anyOf`."""
    if not isinstance(schema.get("type"), list) or values_of(schema) is not None:
        return [schema]
    return [{**schema, "type": name} for name in schema["type"]]


def without_equals(old: Sequence[Schema], new: Sequence[Schema]) -> tuple[list[Schema], list[Schema]]:
    """Both lists without the schemas that, but for words, stand in both and mean the same there."""
    left, right = list(old), list(new)
    known = [_unworded(schema) for schema in right]
    for schema in old:
        key = _unworded(schema)
        # What a reference names can differ.
        if key in known and '"$ref"' not in key:
            at = known.index(key)
            left = [other for other in left if other is not schema]
            del known[at], right[at]
    return left, right


def pairs(old: Sequence[Schema], new: Sequence[Schema]) -> list[tuple[Schema, Schema]]:
    """Alternatives that are one alternative rewritten: of the same name or tag, or alone of their type on each side."""
    if len(old) == 1 and len(new) == 1:
        return [(old[0], new[0])]
    found: list[tuple[Schema, Schema]] = []
    left, right = list(old), list(new)
    for mark in (_unworded, _name, _kinds):
        for before in list(left):
            same = [schema for schema in right if mark(schema) is not None and mark(schema) == mark(before)]
            if len(same) == 1 and sum(mark(schema) == mark(before) for schema in left) == 1:
                found.append((before, same[0]))
                left = [schema for schema in left if schema is not before]
                right = [schema for schema in right if schema is not same[0]]
    return found


def are_apart(schemas: Sequence[Schema]) -> bool:
    """Whether no value can fit two of the schemas: different types, or different constants of one required property."""
    tags = [_tags(schema) for schema in schemas]
    return all(
        not _kind_set(schemas[i]) & _kind_set(schemas[j])
        or any(not tags[i][name] & tags[j][name] for name in tags[i].keys() & tags[j].keys())
        for i in range(len(schemas))
        for j in range(i)
    )


def describe(schema: Schema) -> str:
    """An alternative in a few words: its title, its reference, its values or its type."""
    if isinstance(schema, bool):
        return "anything" if schema else "nothing"
    if "title" in schema or "$ref" in schema:
        return str(schema.get("title", schema.get("$ref")))
    values = values_of(schema)
    if values is not None:
        return ", ".join(show(value) for value in values.values()) or "nothing"
    return type_names(types_of(schema)) if list(schema) == ["type"] else show(schema)


def _unworded(schema: Schema) -> str:
    if isinstance(schema, bool):
        return canonical(schema)
    return canonical({key: value for key, value in schema.items() if key not in SAID_ONLY})


def _name(schema: Schema) -> Any:
    if isinstance(schema, bool):
        return None
    tags = {name: sorted(values) for name, values in _tags(schema).items()}
    return schema.get("$ref") or (canonical(tags) if tags else None)


def _kinds(schema: Schema) -> Any:
    return None if isinstance(schema, bool) or "$ref" in schema else _kind_set(schema)


def _kind_set(schema: Schema) -> frozenset[str]:
    kinds = kinds_of({} if isinstance(schema, bool) else schema)
    return kinds | NUMBERS if kinds & NUMBERS else kinds


def _tags(schema: Schema) -> dict[str, frozenset[str]]:
    """The required properties that can only hold listed values, as a discriminator does."""
    if isinstance(schema, bool):
        return {}
    required = schema.get("required", [])
    listed = {
        name: values_of(part)
        for name, part in schema.get("properties", {}).items()
        if name in required and isinstance(part, Mapping)
    }
    return {name: frozenset(values) for name, values in listed.items() if values is not None}
