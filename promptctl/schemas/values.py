"""The JSON values that a schema's `type`, `enum` and `const` let through, as plain sets that can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.schemas.effects import Effect, SchemaChange, change, show
from promptctl.schemas.keywords import TYPES, type_names, type_of

Schema = Mapping[str, Any]

# JSON Schema's "number" contains its "integer"; split in two, types become sets and "wider" becomes "superset".
INTEGER, FRACTION = "integer", "fraction"
NUMBERS = frozenset({INTEGER, FRACTION})
ANY = (frozenset(TYPES) - {"number"}) | {FRACTION}


def listed_values(schema: Schema) -> dict[str, Any] | None:
    """Return the values that `enum` or `const` list and `type` lets through, by canonical text; None if neither is."""
    if "const" not in schema and "enum" not in schema:
        return None
    listed = [schema["const"]] if "const" in schema else schema["enum"]
    allowed = {canonical_json(value) for value in schema.get("enum", listed)}
    values = {canonical_json(value): value for value in listed if _kind_of(value) in _typed_kinds(schema)}
    return {key: value for key, value in values.items() if key in allowed}


def kinds_of(schema: Schema) -> frozenset[str]:
    """Return the kinds of value, members of `ANY`, that `type`, `enum` and `const` together let through."""
    values = listed_values(schema)
    return _typed_kinds(schema) if values is None else frozenset(map(_kind_of, values.values()))


def kind_names(kinds: Iterable[str]) -> str:
    """Return kinds of value as JSON Schema names them: `string`, `null or number`."""
    names = set(kinds)
    if names >= ANY:
        return "any"
    if names >= NUMBERS:
        names = names - NUMBERS | {"number"}
    return " or ".join(sorted("fractional number" if name == FRACTION else name for name in names)) or "nothing"


def value_names(values: Mapping[str, Any]) -> str:
    """Return listed values as one text."""
    return ", ".join(map(show, values.values())) or "nothing"


def compare_values(old: Schema, new: Schema) -> list[SchemaChange]:
    """Return the differences of `type`, `enum` and `const`: a listed value is not also a change of type."""
    before, after = kinds_of(old), kinds_of(new)
    old_values, new_values = listed_values(old), listed_values(new)
    if old_values is not None and new_values is not None:
        removed = [value for key, value in old_values.items() if key not in new_values]
        added = [value for key, value in new_values.items() if key not in old_values]
        return [
            *(change("enum", "narrowed", f"value {show(value)} removed", value) for value in removed),
            *(change("enum", "widened", f"value {show(value)} added", None, value) for value in added),
        ]
    if old_values is not None:
        text = f"any {kind_names(after)} value instead of {value_names(old_values)}"
        return [change("enum", "widened" if before <= after else "changed", text, list(old_values.values()))]
    if new_values is not None:
        text = f"limited to {value_names(new_values)}"
        return [change("enum", "narrowed" if after <= before else "changed", text, None, list(new_values.values()))]
    if before == after:
        return []
    text = f"type {kind_names(before)} → {kind_names(after)}"
    effect: Effect = "narrowed" if after < before else "widened" if before < after else "changed"
    return [change("type", effect, text, old.get("type"), new.get("type"))]


def _typed_kinds(schema: Schema) -> frozenset[str]:
    if schema.get("type") is None:
        return ANY
    return frozenset(kind for name in type_names(schema) for kind in (NUMBERS if name == "number" else (name,)))


def _kind_of(value: Any) -> str:
    name = type_of(value)
    return FRACTION if name == "number" else name
