"""Numbers, values and lists of names as they stand in sentences: `1 case`, `97%`, `a, b, c and 4 more`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from promptctl.errors import UsageError, code_point, printable

_LONGEST_SHOWN = 40


def percent(share: float, digits: int = 0) -> str:
    """Return a share in per cent; never rounded to 100 or to 0 when it is not, but for what is no millionth of one.

    >>> percent(0.9996), percent(0.99996, 1), percent(-0.0004), percent(-0.9996), percent(-1e-17)
    ('99.96%', '99.996%', '-0.04%', '-99.96%', '0%')
    """
    texts = (f"{100 * share:z.{more}f}" for more in range(digits, 7))
    true = (text for text in texts if abs(float(text)) not in (0, 100) or float(text) == 100 * share)
    return f"{next(true, None) or f'{100 * share:z.{digits}f}'}%"


def count(number: int, noun: str) -> str:
    """Return a number of things, with a comma at each thousand: `1 case`, `12,345 cases`, `2 replies`."""
    several = f"{noun.removesuffix('y')}ies" if noun.endswith(("ly", "ty")) else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def name_some(ids: Sequence[str], most: int = 3) -> str:
    """Return the first few of some ids, and how many more there are."""
    rest = len(ids) - most
    return ", ".join(ids[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def without_commit(version: str) -> str:
    """Return the text of a version without its commit.

    >>> without_commit("v7 (3f2a9c1)"), without_commit("v7+dirty")
    ('v7', 'v7+dirty')
    """
    return version.partition(" (")[0]


def version_number(display: str) -> int | None:
    """Return the number of a version that has one, from its text.

    >>> version_number("v7 (3f2a9c1)"), version_number("v7+2 (1b2c3d4)")
    (7, None)
    """
    found = re.fullmatch(r"v([1-9][0-9]{0,8})(?: \(.*\))?", display)
    return int(found[1]) if found else None


def version_keys(display: str | None) -> dict[str, int | str | None]:
    """Return the keys that a version has in JSON: its number, or None, and its text."""
    return {"version": version_number(display or ""), "version_display": display}


def without_address(person: str) -> str:
    """Return the name of an author without the mail address.

    >>> without_address("Ada <ada@example.com>")
    'Ada'
    """
    return person.partition(" <")[0]


def clip(text: str, most: int) -> str:
    """Return a text in at most so many characters; what is left out at its end is a `…`.

    >>> clip("ninety", 6), clip("ninety-nine", 6)
    ('ninety', 'ninet…')
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def as_text(value: Any) -> str:
    """Return a text as it is, and any other value as one line of JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(value: object) -> str:
    """Return a value as an error names it: a short plain one as it is written, any other by its type.

    >>> shown("ful"), shown(17), shown([1])
    ('`ful`', '17', 'a value of type list')
    """
    if isinstance(value, str) and len(value) <= _LONGEST_SHOWN:
        return f"`{printable(value)}`"
    is_plain = value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 10**15)
    return repr(value) if is_plain else f"a value of type {type(value).__name__}"


def check_text(name: str, value: object) -> None:
    """Raise `UsageError` for a value that is no text, or one with half a character, which no file can hold."""
    if not isinstance(value, str):
        raise UsageError(f"{name} is a text, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = code_point(value[error.start])
        raise UsageError(f"{name} holds half of a character, {half}: {shown(value)}") from None


def alike_until(first: Sequence[Any], second: Sequence[Any]) -> int:
    """Return how many characters, words or lines two texts begin alike with, by halves: as fast as they are compared.

    >>> alike_until("before", "behind")
    2
    """
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
