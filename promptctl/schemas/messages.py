"""How a value's failure to fit its schema reads: short, and for a model asked again as useful as for a person."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAME = re.compile(r"[A-Za-z_$][\w$-]{0,60}", re.ASCII)

_MAX_VALUE = 60
_MAX_LISTED = 20
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """One keyword that a value does not satisfy. `detail` is what else is known: the property that is missing."""

    path: tuple[str | int, ...]
    keyword: str
    expected: Any
    value: Any
    detail: str = ""


def path_text(path: Sequence[str | int]) -> str:
    """The path below the root as JSONPath: `.items[0].name`; empty for the root itself."""
    parts = []
    for part in path:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        else:
            parts.append(f".{part}" if _NAME.fullmatch(part) else f"[{_quoted(part)}]")
    return "".join(parts)


def message(failure: Failure, *, shows_values: bool = True) -> str:
    """What is wrong, without where. A value is shown where it is short, and never unless `shows_values`."""
    shown = shown_value(failure.value) if shows_values else "the value"
    writer = _WRITERS.get(failure.keyword)
    text = writer(failure, shown) if writer else f"{shown} does not fit `{failure.keyword}`"
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 1] + "…"


def rank(failure: Failure) -> tuple[Any, ...]:
    """Order of usefulness: near the root first, what most decides first, alternatives after plain failures."""
    path = tuple((isinstance(part, str), part) for part in failure.path)
    return (
        failure.keyword in ("anyOf", "oneOf", "not"),
        len(path),
        path,
        _WEIGHT.get(failure.keyword, 9),
        failure.keyword,
    )


_WEIGHT = {"type": 0, "required": 1, "additionalProperties": 2, "const": 3, "enum": 3}


def shown_value(value: Any) -> str:
    """A short value as it is, a long one as what it is."""
    if isinstance(value, str):
        return _quoted(value) if len(value) <= _MAX_VALUE else f"a text of {len(value):,} characters"
    if isinstance(value, (list, dict)) and _is_short(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"a list of {_counted(len(value), 'item')}"
    if isinstance(value, dict):
        return f"an object with {_counted(len(value), 'property', 'properties')}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return "a very long number"
    return json.dumps(value)


def _is_short(value: list[Any] | dict[str, Any]) -> bool:
    if len(value) > 4:
        return False
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return all(isinstance(part, (str, int, float, bool, type(None))) and len(shown_value(part)) <= 16 for part in parts)


def _quoted(text: str) -> str:
    cut = text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
    return "'" + json.dumps(cut, ensure_ascii=False)[1:-1].replace('\\"', '"') + "'"


def _listed(values: Sequence[Any]) -> str:
    more = f" and {len(values) - _MAX_LISTED} more" if len(values) > _MAX_LISTED else ""
    return ", ".join(shown_value(value) for value in values[:_MAX_LISTED]) + more


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _type(failure: Failure, shown: str) -> str:
    names = [failure.expected] if isinstance(failure.expected, str) else failure.expected
    return f"{shown} is not of type {' or '.join(str(name) for name in names)}"


def _additional(failure: Failure, _: str) -> str:
    return f"has what is not among its properties: {failure.detail}" if failure.detail else "has too many properties"


def _size(unit: str, comparison: str, many: str = "") -> Callable[[Failure, str], str]:
    return lambda failure, _: (
        f"has {_counted(len(failure.value), unit, many)}, {comparison} than {_shown_bound(failure.expected)}"
    )


def _bound(words: str) -> Callable[[Failure, str], str]:
    return lambda failure, shown: f"{shown} is {words} {_shown_bound(failure.expected)}"


def _shown_bound(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and abs(value) < 10**18 else shown_value(value)


def _choice(failure: Failure, shown: str) -> str:
    nearest = f"; for the nearest, {failure.detail}" if failure.detail else ""
    return f"{shown} fits none of the {len(failure.expected)} alternatives{nearest}"


_WRITERS: dict[str, Callable[[Failure, str], str]] = {
    "type": _type,
    "enum": lambda failure, shown: f"{shown} is not one of {_listed(failure.expected)}",
    "const": lambda failure, shown: f"{shown} is not {shown_value(failure.expected)}",
    "required": lambda failure, _: f"has no {failure.detail}, which is required",
    "additionalProperties": _additional,
    "unevaluatedProperties": _additional,
    "minLength": _size("character", "fewer"),
    "maxLength": _size("character", "more"),
    "minItems": _size("item", "fewer"),
    "maxItems": _size("item", "more"),
    "minProperties": _size("property", "fewer", "properties"),
    "maxProperties": _size("property", "more", "properties"),
    "minimum": _bound("less than"),
    "maximum": _bound("more than"),
    "exclusiveMinimum": _bound("not more than"),
    "exclusiveMaximum": _bound("not less than"),
    "multipleOf": _bound("not a multiple of"),
    "pattern": lambda failure, shown: (
        f"{shown} does not match the pattern {str(failure.expected)[:80]}"
        + (f": {failure.detail}" if failure.detail else "")
    ),
    "format": lambda failure, shown: f"{shown} is not a valid {failure.expected}",
    "uniqueItems": lambda *_: "has items that are equal",
    "contains": lambda *_: "has no item, or not the right number of items, that `contains` asks for",
    "propertyNames": lambda *_: "has a property of a name that is not allowed",
    "dependentRequired": lambda failure, _: failure.detail,
    "dependencies": lambda failure, _: failure.detail,
    "not": lambda _, shown: f"{shown} is what `not` forbids",
    "schema": lambda failure, _: f"cannot be checked: {failure.detail}",
    "false": lambda *_: "is not allowed here",
    "anyOf": _choice,
    "oneOf": lambda failure, shown: (
        _choice(failure, shown)
        if failure.detail != "several"
        else f"{shown} fits more than one of the alternatives, and should fit one"
    ),
}
