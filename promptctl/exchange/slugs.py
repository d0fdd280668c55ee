"""Short names of plain letters, made of titles and descriptions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")
_LONGEST = 60


def slug(text: str, otherwise: str) -> str:
    """Return a text as a short name; the other one if none of its letters can stand there.

    >>> slug("Über 3 Fragen?", "case"), slug("質問", "case")
    ('uber-3-fragen', 'case')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_SLUGS.sub("-", plain).strip("-")
    if len(words) > _LONGEST:
        words = words[: _LONGEST + 1].rpartition("-")[0] or words[:_LONGEST]
    return words or otherwise


class FreeNames:
    """Names that are taken one after another, each only once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._next = dict.fromkeys(taken, 2)

    def __len__(self) -> int:
        return len(self._next)

    def take(self, name: str) -> str:
        """Return the name, with the first number from 2 on behind it if it is taken, and take it."""
        found = name
        while found in self._next:
            found, self._next[name] = f"{name}-{self._next[name]}", self._next[name] + 1
        self._next[found] = 2
        return found
