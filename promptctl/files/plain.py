"""Plain data: what JSON can hold, and nothing else of Python; and its canonical JSON: one text for equal values.

Inputs are made of plain data, and so is the log. Digests are made from the canonical text. Its rule: keys sorted, no
whitespace, nothing escaped that need not be, whole numbers without a fraction (`0`, not `0.0`). Golden vectors in the
tests hold it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from promptctl.files.wording import version_keys

MAX_DEPTH = 100

# What an item takes in memory beside its text, in characters of one byte.
_ITEM = 64

# Beyond this a float is not a count of anything, and its digits as a whole number would be made up.
_WHOLE_BELOW = 2.0**53

# Made once: `json.dumps` makes an encoder at each call.
_encoder = partial(json.JSONEncoder, separators=(",", ":"))
_encode = _encoder(sort_keys=True, ensure_ascii=False).encode
_encode_in_order = _encoder(ensure_ascii=False).encode
_encode_ascii = _encoder(sort_keys=True).encode


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


def depth_of(data: Any) -> int:
    """Return how many levels of lists and mappings plain data has; it may be too deep for a function that recurs."""
    deepest, level = 0, [data]
    while level:
        deepest += 1
        values = (value for item in level for value in (item.values() if item.__class__ is dict else item))
        level = [value for value in values if value.__class__ is dict or value.__class__ is list]
    return deepest


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


def canonical_json(value: Any, *, keeps_order: bool = False) -> str:
    """Return one JSON text for equal values: `1` and `1.0` are equal, `1` and true are not.

    With `keeps_order` mappings whose keys stand in a different order are different.

    >>> canonical_json({"b": 1.0, "a": True})
    '{"a":true,"b":1}'
    """
    return (_encode_in_order if keeps_order else _encode)(whole_numbers(value))


def written_json(value: Any) -> str:
    """Return one JSON text for values that are written alike: `1` and `1.0` differ.

    Digests of requests are made of it. They are older than `canonical_json`, and stand in recordings and in the cache
    of replies: with any change to its bytes no recorded reply would be found again.
    """
    return _encode(value)


def content_digest(value: Any) -> str:
    """Return 32 hexadecimal digits, the same for values that are written alike.

    Cases, assertions and GitHub's test rows are known by it in the log, so its text keeps the bytes it always had:
    unlike `written_json`, it escapes everything beyond ASCII.
    """
    return hashlib.blake2b(_encode_ascii(value).encode(), digest_size=16).hexdigest()


def whole_numbers(value: Any) -> Any:
    """Return plain data with whole numbers without a fraction: `0` for `0.0`."""
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _WHOLE_BELOW else value
    if kind is dict or isinstance(value, Mapping):
        return {key: whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [whole_numbers(item) for item in value]
    return value


def bare_keys(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return the fields of a record as JSON names them: claims without their verb, and a version with its number.

    A `dict_factory` for `asdict`.

    >>> bare_keys([("is_dirty", True), ("has_tests", False), ("version_display", "v7 (3f2a9c1)")])
    {'dirty': True, 'tests': False, 'version': 7, 'version_display': 'v7 (3f2a9c1)'}
    """
    found: dict[str, Any] = {}
    for name, value in items:
        if name == "version_display" and "version" not in found:
            found |= version_keys(value)
        found[name.removeprefix("is_") if name.startswith("is_") else name.removeprefix("has_")] = value
    return found


def record_data(record: Any, *, without: Collection[str] = (), **others: Any) -> dict[str, Any]:
    """Return the fields of a record as a JSON object: claims without their verb, and records in it as their `as_dict`.

    Fields that are `without` are left out; `others` come after them, or in the place of one.
    """
    kept = ((each.name, getattr(record, each.name)) for each in fields(record) if each.name not in without)
    return {name: _data(value) for name, value in {**bare_keys(kept), **others}.items()}


def _data(value: Any) -> Any:
    if is_dataclass(value):
        return value.as_dict() if hasattr(value, "as_dict") else record_data(value)
    if isinstance(value, Mapping):
        return {key: _data(each) for key, each in value.items()}
    return [_data(each) for each in value] if isinstance(value, list | tuple) else value


def utc(moment: datetime) -> str:
    """Return a moment as JSON has it: ISO 8601, UTC, whole seconds.

    >>> utc(datetime.fromisoformat("2026-05-03T09:30:00+02:00"))
    '2026-05-03T07:30:00Z'
    """
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def with_texts(value: Any, change: Callable[[str], str], skipped: Collection[str] = ()) -> Any:
    """Return a value in which every text is changed, except what stands under the keys that are `skipped`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: each if key in skipped else with_texts(each, change, skipped) for key, each in value.items()}
    return [with_texts(each, change, skipped) for each in value] if isinstance(value, list | tuple) else value


def texts_in(value: Any, *, with_keys: bool = False) -> Iterator[str]:
    """Yield every text of plain data, in its order; the keys of mappings only if asked.

    >>> list(texts_in({"tags": ["a", {"b": "c"}], "n": 1}))
    ['a', 'c']
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts_in(key) if with_keys else ()
            yield from texts_in(each, with_keys=with_keys)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each, with_keys=with_keys)
