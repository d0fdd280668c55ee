"""Which JSON values a schema's `type`, `enum` and `const` let through, as plain sets that can be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

Effect = Literal["none", "narrowed", "widened", "changed"]

# JSON Schema's "number" contains its "integer"; split in two, types become sets and "wider" becomes "superset".
INTEGER, FRACTION = "integer", "fraction"
NUMBERS = frozenset({INTEGER, FRACTION})
ANY = frozenset({"null", "boolean", "object", "array", "string", INTEGER, FRACTION})


class Finding(NamedTuple):
    """One difference in a schema's own keywords, wherever that schema stands."""

    keyword: str
    effect: Effect
    text: str
    before: Any = None
    after: Any = None


def canonical(value: Any) -> str:
    """A text that two JSON values share when JSON Schema calls them equal: `1` and `1.0` are, `1` and `true` not."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def show(value: Any) -> str:
    """The value as one short line of JSON."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def kind_of(value: Any) -> str:
    """The one member of `ANY` that a JSON value belongs to."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return INTEGER if isinstance(value, int) or value.is_integer() else FRACTION
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, Mapping) else "array"


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of value that the schema's `type` lets through, all of them where it names none."""
    named = schema.get("type")
    if named is None:
        return ANY
    names = [named] if isinstance(named, str) else list(named)
    return frozenset(kind for name in names for kind in (NUMBERS if name == "number" else (str(name),)))


def type_names(kinds: Iterable[str]) -> str:
    """Kinds of value as JSON Schema names them: `string`, `null or number`."""
    names = set(kinds)
    if names >= ANY:
        return "any"
    if names >= NUMBERS:
        names = names - NUMBERS | {"number"}
    return " or ".join(sorted("fractional number" if name == FRACTION else name for name in names)) or "nothing"


def values_of(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values that `enum` or `const` list and `type` lets through, by canonical text; None where neither is."""
    if "const" not in schema and "enum" not in schema:
        return None
    listed = [schema["const"]] if "const" in schema else list(schema["enum"])
    allowed = {canonical(value) for value in schema.get("enum", listed)}
    types = types_of(schema)
    values = {canonical(value): value for value in listed if kind_of(value) in types}
    return {key: value for key, value in values.items() if key in allowed}


def kinds_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of value that `type`, `enum` and `const` together let through."""
    values = values_of(schema)
    return types_of(schema) if values is None else frozenset(kind_of(value) for value in values.values())


def compare_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Finding]:
    """The differences of `type`, `enum` and `const`, each said once: a listed value is not also a change of type."""
    before, after = kinds_of(old), kinds_of(new)
    old_values, new_values = values_of(old), values_of(new)
    if old_values is not None and new_values is not None:
        removed = [value for key, value in old_values.items() if key not in new_values]
        added = [value for key, value in new_values.items() if key not in old_values]
        return [
            *(Finding("enum", "narrowed", f"value {show(value)} removed", value) for value in removed),
            *(Finding("enum", "widened", f"value {show(value)} added", None, value) for value in added),
        ]
    if old_values is not None:
        text = f"any {type_names(after)} value instead of {_listing(old_values)}"
        return [Finding("enum", "widened" if before <= after else "changed", text, list(old_values.values()))]
    if new_values is not None:
        text = f"limited to {_listing(new_values)}"
        return [Finding("enum", "narrowed" if after <= before else "changed", text, None, list(new_values.values()))]
    if before == after:
        return []
    effect: Effect = "narrowed" if after < before else "widened" if before < after else "changed"
    text = f"type {type_names(before)} → {type_names(after)}"
    return [Finding("type", effect, text, old.get("type"), new.get("type"))]


def _listing(values: Mapping[str, Any]) -> str:
    return ", ".join(show(value) for value in values.values()) or "nothing"
