"""Patterns (`pattern`, `patternProperties`) in linear time, whatever schema and text they come from."""

from __future__ import annotations

import functools
import re
from typing import Any

# RE2's time is at worst the product of the text's length and the pattern's: a third of a second for so many.
MAX_MATCH_STEPS = 50_000_000
_PATTERN_MEMORY = 1 << 20
_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9A-Fa-f]{4})")


class BadPattern(ValueError):
    """A pattern that is no regular expression, or that cannot be searched for in linear time."""


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """Return the pattern compiled by RE2. Raises `BadPattern`."""
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
    """Return whether the pattern is found anywhere in the text. Raises `BadPattern`."""
    expression = compiled(pattern)
    if len(text) * expression.programsize > MAX_MATCH_STEPS:
        raise BadPattern("the text is too long to be searched for it")
    try:
        return expression.search(text) is not None
    except UnicodeEncodeError:
        return False
