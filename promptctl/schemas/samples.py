"""Short texts that fit a format or a pattern."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT_SAMPLES = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "duration": "PT0S",
    "email": "a@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "json-pointer": "/a",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uri-reference": "/a",
    "uuid": "00000000-0000-4000-8000-000000000000",
}

_LETTERS = "aA0 -_.@/:"
_CATEGORIES = {
    "CATEGORY_DIGIT": "0",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_WORD": "a",
    "CATEGORY_NOT_WORD": " ",
}
_MAX_REPEATS = 1000
_MAX_LENGTH = 10_000


class NoSample(ValueError):
    """No text was found that matches the pattern."""


def pattern_sample(pattern: str) -> str:
    """A short text that the pattern should match, by reading the pattern. Raises `NoSample`."""
    from re import _parser  # type: ignore[attr-defined]

    try:
        tree = _parser.parse(pattern)
        text = "".join(_texts(tree))
    except (re.error, RecursionError, OverflowError):
        raise NoSample("the pattern is not understood") from None
    return text


def _texts(tree: Any) -> Iterator[str]:
    for code, argument in tree:
        yield from _text(str(code), argument)


def _text(code: str, argument: Any) -> Iterator[str]:
    if code == "LITERAL":
        yield chr(argument)
    elif code == "NOT_LITERAL":
        yield next(letter for letter in _LETTERS if ord(letter) != argument)
    elif code == "ANY":
        yield "a"
    elif code == "IN":
        yield _one_of(argument)
    elif code in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, _, inner = argument
        once = "".join(_texts(inner)) if least else ""
        if least > _MAX_REPEATS or len(once) * least > _MAX_LENGTH:
            raise NoSample("the pattern asks for a very long text")
        yield once * least
    elif code == "SUBPATTERN":
        yield from _texts(argument[-1])
    elif code == "BRANCH":
        yield from _texts(argument[1][0])
    elif code == "ATOMIC_GROUP":
        yield from _texts(argument)
    elif code != "AT":  # anchors take no text
        raise NoSample("the pattern is not understood")


def _one_of(items: Any) -> str:
    is_negated = bool(items) and str(items[0][0]) == "NEGATE"
    if is_negated:
        for letter in _LETTERS:
            if not any(_holds(item, letter) for item in items[1:]):
                return letter
        raise NoSample("the pattern is not understood")
    code, argument = str(items[0][0]), items[0][1]
    if code == "LITERAL":
        return chr(argument)
    if code == "RANGE":
        return chr(argument[0])
    return _CATEGORIES[str(argument)]


def _holds(item: Any, letter: str) -> bool:
    code, argument = str(item[0]), item[1]
    if code == "LITERAL":
        return ord(letter) == int(argument)
    if code == "RANGE":
        return int(argument[0]) <= ord(letter) <= int(argument[1])
    name = str(argument)
    holds = {
        "DIGIT": letter.isdigit(),
        "SPACE": letter.isspace(),
        "WORD": letter.isalnum() or letter == "_",
    }[name.rpartition("_")[2]]
    return holds is not name.startswith("CATEGORY_NOT")
