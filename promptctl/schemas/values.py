"""The JSON values that a schema lets through by `type`, `enum` and `const`, as plain sets, and by its limits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.schemas.effects import Effect, SchemaChange, added_or_removed, change, show
from promptctl.schemas.keywords import TYPES, type_names, type_of, with_numeric_bounds

Schema = Mapping[str, Any]

# JSON Schema's "number" contains its "integer"; split in two, types become sets and "wider" becomes "superset".
INTEGER, FRACTION = "integer", "fraction"
NUMBERS = frozenset({INTEGER, FRACTION})
ANY = (frozenset(TYPES) - {"number"}) | {FRACTION}

# A limit of a size, the kind of value it applies to, its default, and how people say it.
_SIZES = (
    ("minLength", "string", 0, "characters"),
    ("maxLength", "string", None, "characters"),
    ("minItems", "array", 0, "items"),
    ("maxItems", "array", None, "items"),
    ("minProperties", "object", 0, "properties"),
    ("maxProperties", "object", None, "properties"),
)
_COUNTS = (("minContains", "array", 1, "fitting items"), ("maxContains", "array", None, "fitting items"))
# Conditions that are only there or not there: which of two patterns lets through less is not decided.
_CONDITIONS = (("pattern", "string"), ("format", "string"))


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


def compare_bounds(old: Schema, new: Schema, kinds: frozenset[str]) -> list[SchemaChange]:
    """Return the differences in limits that concern `kinds`, the kinds of value that both schemas let through."""
    counts = _COUNTS if "contains" in old and "contains" in new else ()
    changes = [
        _limit(keyword, old.get(keyword, default), new.get(keyword, default), noun)
        for keyword, kind, default, noun in (*_SIZES, *counts)
        if kind in kinds and old.get(keyword, default) != new.get(keyword, default)
    ]
    for keyword, kind in _CONDITIONS:
        if kind in kinds and old.get(keyword) != new.get(keyword):
            changes.append(added_or_removed(keyword, old.get(keyword), new.get(keyword)))
    was_unique, is_unique = (schema.get("uniqueItems", False) for schema in (old, new))
    if "array" in kinds and was_unique != is_unique:
        text = "items must be unique now" if is_unique else "items may repeat now"
        changes.append(change("uniqueItems", "narrowed" if is_unique else "widened", text, was_unique, is_unique))
    if kinds & NUMBERS:
        changes += _numbers(old, new, is_whole=kinds & NUMBERS == {INTEGER})
    return changes


def _limit(keyword: str, before: Any, after: Any, noun: str) -> SchemaChange:
    if before is None:
        return change(keyword, "narrowed", f"at most {after} {noun} now", before, after)
    if after is None:
        return change(keyword, "widened", f"more than {before} {noun} now allowed", before, after)
    is_least = keyword.startswith("min")
    text = f"at {'least' if is_least else 'most'} {before} → {after} {noun}"
    return change(keyword, "narrowed" if (after > before) is is_least else "widened", text, before, after)


def _numbers(old: Schema, new: Schema, *, is_whole: bool) -> list[SchemaChange]:
    changes: list[SchemaChange] = []
    for side, sign in (("minimum", 1), ("maximum", -1)):
        limits = [_limits(schema, side) for schema in (old, new)]
        before, after = (_edge(given, sign, is_whole=is_whole) for given in limits)
        if before != after:
            # Edges are mirrored for maxima, so that the greater edge is the narrower one on both sides.
            is_narrower = before is None or (after is not None and after > before)
            words = [
                " and ".join(str(value) + " (not included)" * out for value, out in given) or "none" for given in limits
            ]
            values = [next((value for value, _ in given), None) for given in limits]
            text = f"{side} {words[0]} → {words[1]}"
            changes.append(change(side, "narrowed" if is_narrower else "widened", text, *values))
    before_step, after_step = old.get("multipleOf"), new.get("multipleOf")
    if before_step != after_step:
        changes.append(_step(before_step, after_step))
    return changes


def _limits(schema: Schema, side: str) -> list[tuple[Any, bool]]:
    """Return the limits of one side, each with True if the limit itself is excluded."""
    given = with_numeric_bounds(schema)
    keys = ((side, False), ("exclusive" + side.capitalize(), True))
    return [(given[key], is_excluded) for key, is_excluded in keys if key in given and math.isfinite(given[key])]


def _edge(limits: list[tuple[Any, bool]], sign: int, *, is_whole: bool) -> tuple[Fraction, bool] | None:
    """Return the binding limit as (mirrored value, True if it is itself excluded), None if there is none."""
    edges = [(sign * Fraction(str(value)), is_excluded) for value, is_excluded in limits]
    if is_whole:
        edges = [(Fraction(math.floor(edge) + 1 if out else math.ceil(edge)), False) for edge, out in edges]
    return max(edges, default=None)


def _step(before: Any, after: Any) -> SchemaChange:
    if before is None or after is None:
        return added_or_removed("multipleOf", before, after)
    ratio = Fraction(str(after)) / Fraction(str(before))
    effect: Effect = "narrowed" if ratio.denominator == 1 else "widened" if ratio.numerator == 1 else "changed"
    return change("multipleOf", effect, f"multiple of {before} → {after}", before, after)
