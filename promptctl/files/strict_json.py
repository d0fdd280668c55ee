"""JSON read strictly: what two readers might take for different things is refused with its reason."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from promptctl.errors import printable
from promptctl.files.plain import depth_of
from promptctl.files.wording import clip

MAX_DEPTH = 64
_HALF = re.compile("[\ud800-\udfff]")
_BLANKS = " \t\n\r"


class BadJson(ValueError):
    """JSON that is not to be read: the message says why, `hint` what to write instead."""

    def __init__(self, message: str, hint: str, code: str = "not-json") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins at a character, and where it ends.

    Raises `BadJson` for a key that is there twice, for NaN, for half a character and for what is nested too deep;
    `json.JSONDecodeError`, which has its place, for what is no JSON; `ValueError` for a number of too many digits.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        written = text[start:end]
        if written.count("[") + written.count("{") > MAX_DEPTH and depth_of(value) > MAX_DEPTH:
            raise RecursionError
    except RecursionError:
        message = f"it is nested too deep, more than {MAX_DEPTH} levels"
        raise BadJson(message, "give deep data as JSON in a text", "too-deep") from None
    if "\\ud" in written.lower() and _HALF.search(json.dumps(value, ensure_ascii=False)):
        message = "a text has half a character, an escape from \\ud800 to \\udfff without its pair"
        raise BadJson(message, "write the character itself", "lone-surrogate")
    return value, end


def strict_json(text: str) -> Any:
    """Return the value of a text that is JSON and nothing else. Raises `ValueError` as `value_at` does."""
    start = len(text) - len(text.lstrip(_BLANKS))
    value, end = value_at(text, start)
    if text[end:].strip(_BLANKS):
        raise json.JSONDecodeError("there is more after the value", text, end)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these keys and values; a key that is given twice would silently lose a value."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise BadJson(
            f"the key `{printable(twice)}` is there twice in one object", "remove one of them", "duplicate-key"
        )
    return made


def no_number(word: str) -> NoReturn:
    """Refuse NaN and the infinities, which `json` reads."""
    raise BadJson(f"{word} is no number of JSON", "write null, or leave the value out")


def finite(digits: str) -> float:
    """Return a number that is written with a fraction or an exponent; one too large for a float is refused."""
    number = float(digits)
    if math.isinf(number):
        raise BadJson(
            f"the number {clip(digits, 20)} is too large to be read", "write a smaller one, or put it in quotes"
        )
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=no_number, parse_float=finite)
