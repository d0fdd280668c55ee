"""What differs in a schema's limits on one value: lengths, sizes, numbers, patterns and formats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from promptctl.schemas.values import INTEGER, NUMBERS, Effect, Finding, show

Schema = Mapping[str, Any]

# What a limit of a size applies to: (the least, the most, the kind of value, how people say it).
_SIZES = (
    ("minLength", "maxLength", "string", "characters"),
    ("minItems", "maxItems", "array", "items"),
    ("minProperties", "maxProperties", "object", "properties"),
)
_WHOLE = (("pattern", "string"), ("format", "string"))


def compare_bounds(old: Schema, new: Schema, kinds: frozenset[str]) -> list[Finding]:
    """The differences in limits that concern `kinds`, the kinds of value both schemas let through."""
    findings: list[Finding] = []
    for least, most, kind, noun in _SIZES:
        if kind in kinds:
            findings += _least(least, old.get(least, 0), new.get(least, 0), noun)
            findings += _most(most, old.get(most), new.get(most), noun)
    for keyword, kind in _WHOLE:
        if kind in kinds and old.get(keyword) != new.get(keyword):
            findings.append(_whole(keyword, old.get(keyword), new.get(keyword)))
    if "array" in kinds and old.get("uniqueItems", False) != new.get("uniqueItems", False):
        is_unique = bool(new.get("uniqueItems", False))
        text = "items must be unique now" if is_unique else "items may repeat now"
        findings.append(Finding("uniqueItems", "narrowed" if is_unique else "widened", text, not is_unique, is_unique))
    if kinds & NUMBERS:
        findings += _numbers(old, new, is_whole=kinds & NUMBERS == {INTEGER})
    return findings


def compare_counts(old: Schema, new: Schema) -> list[Finding]:
    """The differences in how many items of an array must fit `contains`."""
    return [
        *_least("minContains", old.get("minContains", 1), new.get("minContains", 1), "fitting items"),
        *_most("maxContains", old.get("maxContains"), new.get("maxContains"), "fitting items"),
    ]


def _least(keyword: str, before: Any, after: Any, noun: str) -> list[Finding]:
    if before == after:
        return []
    effect: Effect = "narrowed" if after > before else "widened"
    return [Finding(keyword, effect, f"at least {before} → {after} {noun}", before, after)]


def _most(keyword: str, before: Any, after: Any, noun: str) -> list[Finding]:
    if before == after:
        return []
    if before is None:
        return [Finding(keyword, "narrowed", f"at most {after} {noun} now", before, after)]
    if after is None:
        return [Finding(keyword, "widened", f"more than {before} {noun} now allowed", before, after)]
    effect: Effect = "narrowed" if after < before else "widened"
    return [Finding(keyword, effect, f"at most {before} → {after} {noun}", before, after)]


def _whole(keyword: str, before: Any, after: Any) -> Finding:
    """A keyword that is only there or not there: whether one pattern lets through less than another is not decided."""
    if before is None:
        return Finding(keyword, "narrowed", f"{keyword} {show(after)} added", before, after)
    if after is None:
        return Finding(keyword, "widened", f"{keyword} {show(before)} removed", before, after)
    return Finding(keyword, "changed", f"{keyword} {show(before)} → {show(after)}", before, after)


def _numbers(old: Schema, new: Schema, *, is_whole: bool) -> list[Finding]:
    findings: list[Finding] = []
    for side, sign in (("minimum", 1), ("maximum", -1)):
        before, after = _edge(old, side, sign, is_whole=is_whole), _edge(new, side, sign, is_whole=is_whole)
        if before == after:
            continue
        # Edges are mirrored for maxima, so that the greater edge is the narrower one on both sides.
        is_narrower = before is None or (after is not None and after > before)
        text = f"{side} {_say(old, side)} → {_say(new, side)}"
        findings.append(
            Finding(side, "narrowed" if is_narrower else "widened", text, _given(old, side), _given(new, side))
        )
    before_step, after_step = old.get("multipleOf"), new.get("multipleOf")
    if before_step != after_step:
        findings.append(_step(before_step, after_step))
    return findings


def _edge(schema: Schema, side: str, sign: int, *, is_whole: bool) -> tuple[Fraction, bool] | None:
    """The binding limit as (mirrored value, is it itself excluded), None where there is none."""
    edges: list[tuple[Fraction, bool]] = []
    exclusive = "exclusive" + side.capitalize()
    if _is_number(schema.get(side)):
        edge = sign * Fraction(str(schema[side]))
        # Draft 4 wrote `exclusiveMinimum: true` beside the limit.
        edges.append((edge, schema.get(exclusive) is True))
    if _is_number(schema.get(exclusive)):
        edges.append((sign * Fraction(str(schema[exclusive])), True))
    if is_whole:
        edges = [
            (Fraction(math.floor(edge) + 1 if is_excluded else math.ceil(edge)), False) for edge, is_excluded in edges
        ]
    return max(edges, default=None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _given(schema: Schema, side: str) -> Any:
    exclusive = schema.get("exclusive" + side.capitalize())
    return exclusive if _is_number(exclusive) and not _is_number(schema.get(side)) else schema.get(side)


def _say(schema: Schema, side: str) -> str:
    exclusive = schema.get("exclusive" + side.capitalize())
    words = [str(schema[side])] if _is_number(schema.get(side)) else []
    words += [f"{exclusive} (not included)"] if _is_number(exclusive) else []
    return " and ".join(words) or "none"


def _step(before: Any, after: Any) -> Finding:
    text = f"multiple of {show(before) if before else 'anything'} → {show(after) if after else 'anything'}"
    if before and after:
        ratio = Fraction(str(after)) / Fraction(str(before))
        effect: Effect = "narrowed" if ratio.denominator == 1 else "widened" if ratio.numerator == 1 else "changed"
    else:
        effect = "narrowed" if after else "widened"
    return Finding("multipleOf", effect, text, before, after)
