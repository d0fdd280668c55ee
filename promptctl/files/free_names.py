"""Names that are free, with a number behind a wish that is taken; and short names of plain letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import count

from promptctl.files.names import id_problem

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_./-]+")
_NOT_IN_SLUGS = re.compile(r"[^a-z0-9]+")
_LONGEST = 60
# Letters that Unicode takes apart no further, as they are written without them.
_SPELLED = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
     "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T", "ı": "i"}
)  # fmt: skip


def plain_letters(text: str) -> str:
    """Return a text without what is not ASCII; letters lose their marks, and `ß` is `ss`.

    >>> plain_letters("Über 質問"), plain_letters("Großkunde Łódź")
    ('Uber ', 'Grosskunde Lodz')
    """
    return unicodedata.normalize("NFKD", text.translate(_SPELLED)).encode("ascii", "ignore").decode()


def plain_id(text: str) -> str | None:
    """Return a text that cannot be an id as one of plain letters; None if that cannot be one either.

    >>> plain_id("support/größe prüfen"), plain_id("../x")
    ('support/grosse-prufen', None)
    """
    plain = _NOT_IN_IDS.sub("-", plain_letters(text))
    return plain if id_problem(plain) is None else None


def slug(text: str, otherwise: str) -> str:
    """Return a text as a short name; the other one if none of its letters can stand there.

    >>> slug("Über 3 Fragen?", "case"), slug("質問", "case")
    ('uber-3-fragen', 'case')
    """
    words = _NOT_IN_SLUGS.sub("-", plain_letters(text).lower()).strip("-")
    if len(words) > _LONGEST:
        words = words[: _LONGEST + 1].rpartition("-")[0] or words[:_LONGEST]
    return words or otherwise


def first_free(wished: str, is_taken: Callable[[str], bool], *, sign: str = "-", ending: str = "") -> str:
    """Return the name, or with the first number from 2 on before its ending with which it is not taken.

    >>> first_free("triage", {"triage", "triage-2"}.__contains__)
    'triage-3'
    """
    stem, numbers, found = wished.removesuffix(ending), count(2), wished
    while is_taken(found):
        found = f"{stem}{sign}{next(numbers)}{ending}"
    return found


class FreeNames:
    """Names that are taken one after another, each only once; `fold` makes those alike that are one name.

    It remembers the next number of each, so that a thousand equal wishes are no thousand times as slow as one.
    """

    def __init__(self, taken: Iterable[str] = (), *, sign: str = "-", fold: Callable[[str], str] = str) -> None:
        self._sign, self._fold = sign, fold
        self._next = dict.fromkeys(map(fold, taken), 2)

    def __len__(self) -> int:
        return len(self._next)

    def __contains__(self, name: str) -> bool:
        return self._fold(name) in self._next

    def take(self, name: str) -> str:
        """Return the name, with the first number from 2 on behind it if it is taken, and take it."""
        found, wished = name, self._fold(name)
        while self._fold(found) in self._next:
            found = f"{name}{self._sign}{self._next[wished]}"
            self._next[wished] += 1
        self._next[self._fold(found)] = 2
        return found
