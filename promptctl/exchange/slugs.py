"""Short names of plain letters, made of titles and descriptions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

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


def free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with the first number from 2 on behind it if it is taken."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found
