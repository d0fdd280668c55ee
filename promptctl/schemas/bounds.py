"""Differences in a schema's limits on one value: lengths, sizes, numbers, patterns and formats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from promptctl.schemas.effects import Effect, SchemaChange, added_or_removed, change
from promptctl.schemas.keywords import with_numeric_bounds
from promptctl.schemas.values import INTEGER, NUMBERS

Schema = Mapping[str, Any]

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
