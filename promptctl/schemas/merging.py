"""Two schemas as one: what fits the merged schema should fit both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptctl.schemas.keywords import is_one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


# Of two long lists of alternatives, so many of each are combined.
_MOST = 20


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of both; of keywords that both have, what satisfies both where that can be told.

    Where it cannot (two patterns), the first is kept: whoever uses the result checks it against the originals.
    """
    result = dict(one)
    for keyword, value in other.items():
        if keyword not in result:
            result[keyword] = value
        elif keyword in _MERGES:
            result[keyword] = _MERGES[keyword](result[keyword], value)
    return result


def _types(one: Any, other: Any) -> Any:
    first = one if isinstance(one, list) else [one]
    second = other if isinstance(other, list) else [other]
    both = [name for name in first if name in second]
    if "integer" not in both and (
        ("integer" in first and "number" in second) or ("integer" in second and "number" in first)
    ):
        both.append("integer")
    return both


def _together(one: Any, other: Any) -> Any:
    if one is True:
        return other
    if other is True:
        return one
    if one is False or other is False:
        return False
    return {"allOf": [one, other]}


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys([*one, *other])
    return {name: _together(one.get(name, True), other.get(name, True)) for name in names}


def _both(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(name for name in other if name not in one)]


_MERGES: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": lambda one, other: [value for value in one if is_one_of(other, value)],
    "required": _both,
    "allOf": lambda one, other: [*one, *other],
    "anyOf": lambda one, other: [_together(first, second) for first in one[:_MOST] for second in other[:_MOST]],
    "properties": _properties,
    "patternProperties": _properties,
    "$defs": _properties,
    "items": _together,
    "contains": lambda one, _: one,
    "additionalProperties": _together,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
}
