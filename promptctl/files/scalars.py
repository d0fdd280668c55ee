"""What a plain scalar means in YAML 1.2's core schema."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"([-+]?(?:0|[1-9][0-9]*))((?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_NUMBER_STARTS = frozenset("+-.0123456789")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Beyond this a number is an identifier that happens to be digits: kept as text, as are numbers beyond a float's range.
_MAX_DIGITS = 100


def scalar_value(written: str) -> str | int | float | bool | None:
    """The value of a plain scalar as it is written; what has leading zeros, or is beyond JSON, stays text.

    >>> [scalar_value(written) for written in ("no", "012", "1e3", "~")]
    ['no', '012', 1000.0, None]
    """
    if written in _WORDS:
        return _WORDS[written]
    if written[0] not in _NUMBER_STARTS:
        return written
    match = _NUMBER.fullmatch(written)
    if match is None:
        if len(written) <= _MAX_DIGITS and _BASED.fullmatch(written):
            return int(written, 0)
        return written
    if match[1] and not match[2]:
        return int(written) if len(written) <= _MAX_DIGITS else written
    number = float(written)
    return written if number in (float("inf"), float("-inf")) else number
