"""Plain data: what JSON can hold, and nothing else of Python. Inputs are made of it, and so is the log."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

MAX_DEPTH = 100

# What an item takes in memory beside its text, in characters of one byte.
_ITEM = 64


class NotPlain(ValueError):
    """A value that JSON cannot hold. The message says what it is, and never shows it."""


class Measure:
    """The size of values: the characters of their texts and a share for each item; and if all text is ASCII."""

    __slots__ = ("chars", "is_ascii")

    def __init__(self) -> None:
        self.chars = 0
        self.is_ascii = True

    def add(self, text: str) -> None:
        """See one more text."""
        self.chars += _ITEM + len(text)
        if self.is_ascii and not text.isascii():
            self.is_ascii = False


def plain(value: Any, measure: Measure, depth: int = 0) -> Any:
    """Return a copy of the value in plain types; tuples become lists. Raises `NotPlain`.

    >>> plain({"tags": ("a", "b")}, Measure())
    {'tags': ['a', 'b']}
    """
    if isinstance(value, str):
        text = value if type(value) is str else str.__str__(value)
        measure.add(text)
        return text
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NotPlain("a number is infinite or not a number")
        return float(value)
    if depth > MAX_DEPTH:
        raise NotPlain(f"lists and mappings are nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, (list, tuple)):
        measure.chars += _ITEM * len(value)
        return [plain(item, measure, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return _plain_mapping(value, measure, depth)
    raise NotPlain(f"{type(value).__name__} is not text, a number, true, false, null, a list or a mapping")


def _plain_mapping(value: Mapping[Any, Any], measure: Measure, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise NotPlain(f"a mapping has a key that is not text but {type(key).__name__}")
        name = key if type(key) is str else str.__str__(key)
        measure.add(name)
        measure.chars += _ITEM
        made[name] = plain(item, measure, depth + 1)
    return made


def bare_keys(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of a record as JSON names them: claims without their verb. A `dict_factory` for `asdict`.

    >>> bare_keys([("is_dirty", True), ("has_tests", False), ("name", "x")])
    {'dirty': True, 'tests': False, 'name': 'x'}
    """
    return {re.sub(r"^(is|has)_", "", name): value for name, value in items}


def utc(moment: datetime) -> str:
    """Return a moment as JSON has it: ISO 8601, UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
