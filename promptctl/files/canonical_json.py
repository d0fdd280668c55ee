"""Canonical JSON: one text for equal values, from which digests are made and by which values are compared.

The rule: keys sorted, no whitespace, nothing escaped that need not be, whole numbers without a fraction (`0`, not
`0.0`). Golden vectors in the tests hold it, since prompts' digests are made of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

# Beyond this a float is not a count of anything, and its digits as a whole number would be made up.
_WHOLE_BELOW = 2.0**53

# Made once: `json.dumps` makes an encoder at each call.
_encoder = partial(json.JSONEncoder, separators=(",", ":"))
_encode = _encoder(sort_keys=True, ensure_ascii=False).encode
_encode_in_order = _encoder(ensure_ascii=False).encode
_encode_ascii = _encoder(sort_keys=True).encode


def canonical_json(value: Any, *, keeps_order: bool = False) -> str:
    """Return one JSON text for equal values: `1` and `1.0` are equal, `1` and true are not.

    With `keeps_order` mappings whose keys stand in a different order are different.

    >>> canonical_json({"b": 1.0, "a": True})
    '{"a":true,"b":1}'
    """
    return (_encode_in_order if keeps_order else _encode)(_with_whole_numbers(value))


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


def _with_whole_numbers(value: Any) -> Any:
    kind = value.__class__
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _WHOLE_BELOW else value
    if kind is dict or isinstance(value, Mapping):
        return {key: _with_whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_whole_numbers(item) for item in value]
    return value
