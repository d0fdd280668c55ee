"""What single keywords of JSON Schema ask of a value, drafts 6 to 2020-12."""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any

from promptctl.files.plain import canonical
from promptctl.schemas import formats

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

_is_number = TYPES["number"]

# RE2's time is at worst the product of the text's length and the pattern's: a third of a second for so many.
MAX_MATCH_STEPS = 50_000_000
_PATTERN_MEMORY = 1 << 20
_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9A-Fa-f]{4})")


class BadPattern(ValueError):
    """A `pattern` that cannot be searched for in linear time, or is no regular expression."""


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """The pattern, compiled by RE2: whatever it is given, it takes linear time. Raises `BadPattern`."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(_UNICODE_ESCAPE.sub(r"\1\\x{\2}", pattern), options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else "it is not Unicode text"
        raise BadPattern(words) from None


def found(pattern: str, text: str) -> bool:
    """Whether the pattern is found anywhere in the text. Raises `BadPattern`."""
    expression = compiled(pattern)
    if len(text) * expression.programsize > MAX_MATCH_STEPS:
        raise BadPattern("the text is too long to be searched for it")
    try:
        return expression.search(text) is not None
    except UnicodeEncodeError:
        return False


def is_type(names: str | list[str], value: Any) -> bool:
    """Whether the value is of the type, or of one of them."""
    if isinstance(names, str):
        return TYPES[names](value)
    return any(TYPES[name](value) for name in names)


def is_one_of(allowed: list[Any], value: Any) -> bool:
    """Whether the value equals one of those."""
    if isinstance(value, str):
        return any(isinstance(each, str) and each == value for each in allowed)
    return any(is_equal(each, value) for each in allowed)


def one_of(allowed: list[Any]) -> Callable[[Any, Any], bool]:
    """The check of one enum, made ready: it takes no longer for many values than for few."""
    texts = frozenset(each for each in allowed if isinstance(each, str))
    others = frozenset(canonical(each) for each in allowed if not isinstance(each, str))

    def holds(_: Any, value: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        return bool(others) and canonical(value) in others

    return holds


def is_equal(one: Any, other: Any) -> bool:
    """JSON's equality: `1` is `1.0`, and neither is true."""
    if isinstance(one, (list, dict)) or isinstance(other, (list, dict)):
        return type(one) is type(other) and len(one) == len(other) and canonical(one) == canonical(other)
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def is_multiple(step: float, value: float) -> bool:
    """Whether the number is a whole multiple of the step, decimals taken as written: 0.3 is one of 0.1."""
    if isinstance(step, int) and isinstance(value, int):
        return value % step == 0
    if isinstance(value, float) and not math.isfinite(value):
        return False
    from fractions import Fraction

    return (Fraction(repr(value)) / Fraction(repr(step))).denominator == 1


def has_equal_items(values: list[Any]) -> bool:
    """Whether two items are equal."""
    return len({canonical(value) for value in values}) < len(values)


CHECKS: dict[str, Callable[[Any, Any], bool]] = {
    "type": is_type,
    "enum": is_one_of,
    "const": is_equal,
    "minLength": lambda least, value: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda most, value: not isinstance(value, str) or len(value) <= most,
    "pattern": lambda pattern, value: not isinstance(value, str) or found(pattern, value),
    "format": lambda name, value: not isinstance(value, str) or formats.fits(name, value),
    "minimum": lambda least, value: not _is_number(value) or value >= least,
    "maximum": lambda most, value: not _is_number(value) or value <= most,
    "exclusiveMinimum": lambda bound, value: not _is_number(value) or value > bound,
    "exclusiveMaximum": lambda bound, value: not _is_number(value) or value < bound,
    "multipleOf": lambda step, value: not _is_number(value) or is_multiple(step, value),
    "minItems": lambda least, value: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda most, value: not isinstance(value, list) or len(value) <= most,
    "uniqueItems": lambda wanted, value: not wanted or not isinstance(value, list) or not has_equal_items(value),
    "minProperties": lambda least, value: not isinstance(value, dict) or len(value) >= least,
    "maxProperties": lambda most, value: not isinstance(value, dict) or len(value) <= most,
}
