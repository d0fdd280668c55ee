"""Texts that look alike and are different: Unicode forms, blanks of other kinds, characters that nobody sees."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import takewhile

from promptctl.files.wording import alike_until

# Zero-width and other characters without a shape of their own.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)

# Long runs in which there may be marks: none of those is a letter or a digit, and none comes before this character.
_MARKS = re.compile(r"(?:(?![\0-\u02ff])\W){31,}")
_MOST_MARKS = 30

FORMS = ("nfc", "whitespace")


def normal(text: str, forms: Collection[str] = FORMS) -> str:
    """Return the text in one Unicode form (`nfc`), and with plain blanks and nothing unseen (`whitespace`)."""
    if "whitespace" in forms:
        text = " ".join(_UNSEEN.sub("", text).split())
    if "nfc" in forms and not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", _MARKS.sub(_joined, text))
    return text


def folded_path(path: str) -> str:
    """Return the same text for all paths that are one file on some file systems, as macOS and Windows have them.

    >>> folded_path("Café.md") == folded_path("cafe" + chr(0x301) + ".md")
    True
    """
    return normal(path, ("nfc",)).casefold()


def _joined(run: re.Match[str]) -> str:
    """Return a run of characters with a joiner that shows nothing after each 30 marks in a row.

    The time of normalising grows with the square of a run of marks; this is how Unicode's Stream-Safe Text Format
    (UAX 15) bounds it.
    """
    pieces: list[str] = []
    marks = 0
    for character in run[0]:
        marks = marks + 1 if _is_mark(character) else 0
        if marks > _MOST_MARKS:
            pieces.append("\u034f")
            marks = 1
        pieces.append(character)
    return "".join(pieces)


def unseen_difference(first: str, second: str) -> str | None:
    """Return where and how two texts differ that look alike, as the end of a sentence; None if they do not.

    >>> unseen_difference("café", "cafe" + chr(0x301))
    'they differ at character 4, U+00E9 and U+0065 U+0301, and are equal after NFC'
    """
    if first == second or normal(first) != normal(second):
        return None
    at = alike_until(first, second)
    while at and _is_mark(first[at : at + 1] or second[at : at + 1]):
        at -= 1
    how = next(
        (f"after {name}" for form, name in _NAMES.items() if normal(first, (form,)) == normal(second, (form,))), ""
    )
    where = f"they differ at character {at + 1}, {_code_points(first[at:])} and {_code_points(second[at:])}"
    return f"{where}, and are equal {how or 'after both'}"


_NAMES = {"nfc": "NFC", "whitespace": "blanks are made plain and unseen characters left out"}


def _is_mark(character: str) -> bool:
    from unicodedata import combining

    return bool(character) and combining(character) != 0


def _code_points(text: str) -> str:
    """Return the first character with its marks as code points."""
    marks = list(takewhile(_is_mark, text[1:4]))
    return " ".join(f"U+{ord(each):04X}" for each in [*text[:1], *marks]) or "the end"
