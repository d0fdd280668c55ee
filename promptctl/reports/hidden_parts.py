"""The parts of a stored text that were hidden: secrets, sensitive values, and what was erased later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from promptctl.log.needle import ERASED
from promptctl.log.redaction import REDACTED
from promptctl.prompts.prompt import HASHED, SENSITIVE

Hidden = Literal["redacted", "sensitive", "erased"]
ABOUT: Mapping[Hidden, str] = {
    "redacted": "a secret was hidden before the call was stored",
    "sensitive": "the value of a sensitive input was masked before the call was stored",
    "erased": "erased from the log later, by promptctl log redact",
}
_MARKS = re.compile(
    f"(?P<redacted>{re.escape(REDACTED)})|(?P<erased>{re.escape(ERASED)})"
    rf"|(?P<sensitive>{re.escape(SENSITIVE)}[^\]\n]{{0,200}}\]|{HASHED}[0-9a-f]+)"
)


def pieces(text: str) -> Iterator[tuple[str, Hidden | None]]:
    """Yield a text piece by piece: what stands in the place of a hidden part with its kind, and what is between."""
    end = 0
    for found in _MARKS.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], None
        yield found[0], found.lastgroup  # type: ignore[misc]  # the groups are named so
        end = found.end()
    if end < len(text):
        yield text[end:], None
