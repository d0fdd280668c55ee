"""Shapes that the values of assertions must have, and the forms in which they are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard

from promptctl.assertions.outcome import shown
from promptctl.files.look_alikes import FORMS

_LONGEST_PATTERN = 10_000
# As JavaScript writes a pattern with its flags.
_SLASHED = re.compile(r"/(.+)/([gimsuy]{1,4})")


@dataclass(frozen=True, slots=True)
class Shape:
    """Form that a value must have. `read` returns the form it is used in, or raises `ValueError` ending "`value` …".

    `is_text` values are rendered as text; others keep the type of a lone expression. With `is_required` the case's
    `expected` stands in for a value that is not there.
    """

    read: Callable[[Any], Any]
    is_text: bool = False
    is_required: bool = True
    is_templated: bool = True


def listed(value: Any, noun: str) -> list[Any]:
    """Read one thing, or a list of at least one."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError(f"must name at least one {noun}")
    return items


def read_text(value: Any) -> str:
    """Read a text; a whole number is read as its digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"must be text, not {shown(value)}; put it in quotes")


def read_filled_text(value: Any) -> str:
    """Read a text that is not empty: nothing can lack an empty one, so it would always pass."""
    text = read_text(value)
    if not text:
        raise ValueError("is empty, which every reply would satisfy")
    return text


def read_visible_text(value: Any) -> str:
    """Read a text of more than whitespace, for types that leave the whitespace aside."""
    text = read_text(value)
    if not text.strip():
        raise ValueError("is blank, which every reply would satisfy")
    return text


def read_texts(value: Any) -> tuple[str, ...]:
    """Read a list of at least one text, none of them empty."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of texts, not {shown(value)}")
    return tuple(read_filled_text(item) for item in listed(value, "text"))


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Any:
    """Return a regular expression in RE2's syntax. Raises `ValueError`, ending a sentence that begins with its name."""
    import re2

    options = re2.Options()
    options.log_errors = False
    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"has more than {_LONGEST_PATTERN:,} characters")
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0] if error.args else ""
        said = why.decode() if isinstance(why, bytes) else "it is no Unicode text"
        raise ValueError(
            f"is not a regular expression of RE2: {said} (RE2 has no look-around and no back-references; "
            "instead of a large count such as `{1,500}` write `+` or `*`)"
        ) from error


def read_pattern(value: Any) -> Any:
    """Compile a regular expression, in RE2's syntax, which no pattern can make slow."""
    text = read_filled_text(value)
    if (slashed := _SLASHED.fullmatch(text)) and len(set(slashed[2])) == len(slashed[2]):
        flags = "".join(flag for flag in slashed[2] if flag in "ims")
        instead = f"(?{flags})" * bool(flags) + slashed[1]
        raise ValueError(f"is written `/…/{slashed[2]}`: write {shown(instead)}, or `[/]` for a slash that is text")
    return compile_pattern(text)


def read_forms(value: Any) -> frozenset[str]:
    """Read the names of the forms that texts are compared in."""
    names = listed(value, "form")
    for name in names:
        if name not in FORMS:
            raise ValueError(f"must be {' or '.join(FORMS)}, or a list of them, not {shown(name)}")
    return frozenset(names)


def read_amount(value: Any) -> float:
    """Read a number that is not negative; a text that is one is read as one, since a template may give it so."""
    number = value
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = None
    if not is_number(number):
        raise ValueError(f"must be a number, not {shown(value)}")
    if number < 0:
        raise ValueError(f"must not be negative: {shown(value)}")
    return number


def is_number(value: Any) -> TypeGuard[float]:
    """Return True for a finite number, which true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def is_share(value: Any) -> bool:
    """Return True for a number from 0 to 1, as a score is."""
    return is_number(value) and 0 <= value <= 1


def read_share(value: Any) -> float:
    """Read a number from 0 to 1."""
    number = read_amount(value)
    if not is_share(number):
        raise ValueError(f"must be from 0 to 1, not {shown(value)}")
    return number


@dataclass(frozen=True, slots=True)
class Range:
    """A range of whole numbers; None is open."""

    low: int | None
    high: int | None

    def __contains__(self, number: int) -> bool:
        return (self.low is None or number >= self.low) and (self.high is None or number <= self.high)

    def __str__(self) -> str:
        if self.low == self.high:
            return str(self.low)
        if self.high is None:
            return f"at least {self.low}"
        return f"at most {self.high}" if self.low is None else f"from {self.low} to {self.high}"


def read_range(value: Any) -> Range:
    """Read a whole number, or `{min: …, max: …}` of which one may be left out."""
    if not isinstance(value, Mapping):
        exact = _count(value)
        return Range(exact, exact)
    if set(value) - {"min", "max"} or not value:
        raise ValueError(f"must be a whole number or {{min: …, max: …}}, not {shown(value)}")
    low, high = (_count(value[key]) if key in value else None for key in ("min", "max"))
    if low is not None and high is not None and low > high:
        raise ValueError(f"has a min of {low} above its max of {high}")
    return Range(low, high)


def _count(value: Any) -> int:
    number = read_amount(value)
    if number != int(number):
        raise ValueError(f"must be a whole number, not {shown(value)}")
    return int(number)


TEXT = Shape(read_text, is_text=True)
FILLED_TEXT = Shape(read_filled_text, is_text=True)
VISIBLE_TEXT = Shape(read_visible_text, is_text=True)
# A text that may be left out, and for which `expected` does not stand in.
OPTIONAL_TEXT = Shape(read_filled_text, is_text=True, is_required=False)
TEXTS = Shape(read_texts)
PATTERN = Shape(read_pattern, is_text=True)
ANYTHING = Shape(lambda value: value)
RANGE = Shape(read_range)
AMOUNT = Shape(read_amount)
COMPARING = {"normalize": Shape(read_forms)}
SHARE = Shape(read_share)
