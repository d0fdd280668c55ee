"""JSON of strangers, read strictly: what two readers might take for different things is refused with its reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from promptctl.errors import printable

if TYPE_CHECKING:
    from promptctl.exchange.drafts import Source

_MOST_DEPTH = 64
_HALF = re.compile("[\ud800-\udfff]")


def value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the value that begins at a character, and where it ends.

    Raises `ValueError` for a key that is there twice, for NaN, for half a character, for what is nested too deep, and
    for what is no JSON (`json.JSONDecodeError`, which has its place).
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        _check(value)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return value, end


def strict_json(text: str) -> Any:
    """Return the value of a text that is JSON and nothing else. Raises `ValueError` as `value_at` does."""
    start = len(text) - len(text.lstrip())
    value, end = value_at(text, start)
    if text[end:].strip():
        raise json.JSONDecodeError("there is more after the value", text, end)
    return value


def json_lines(source: Source) -> Iterator[tuple[int, Any, str | None]]:
    """Yield the number of each line that is not blank, with its value, or with why it has none."""
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip():
            try:
                yield number, strict_json(line), None
            except ValueError as error:
                yield number, None, getattr(error, "msg", str(error))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key `{printable(twice)}` is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if abs(number) != float("inf") else _no_number(digits)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)


def _check(value: Any, depth: int = 0) -> None:
    """Raise `RecursionError` for what is nested too deep, and `ValueError` for a text that no file can hold."""
    if depth > _MOST_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        if _HALF.search(value):
            raise ValueError("a text has half a character, an escape from \\ud800 to \\udfff without its pair")
    elif isinstance(value, dict):
        for key, each in value.items():
            _check(key, depth)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
