"""Values of an environment that are secrets: by the names of their variables, and by what the values are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

# The keys of models are secrets whatever they are made of.
_KEY_OF_A_MODEL = re.compile(
    r"(?i)(API_?KEY|ACCESS_KEY|(AI|API|AD|HF|ACCESS|SESSION|AUTH|BEARER|DATABRICKS)_TOKEN(_BEDROCK)?)(_?[0-9]+)?$"
)
_SECRET_NAME = re.compile(
    r"(?i)(APIKEY|PASSWORD|PASSWD|PASSPHRASE|(_|^)(KEY|TOKEN|SECRET|CREDENTIALS?|PASS|PWD|PAT))(_?[0-9]+)?$"
)
# The keys of data: PARTITION_KEY is the name of a column.
_KEY_OF_DATA = re.compile(r"(?i)(_|^)(PARTITION|SORT|PRIMARY|FOREIGN|JOIN|SHARD|INDEX|ROUTING|CACHE)_KEY(_?[0-9]+)?$")

_SEPARATORS = re.compile(r"[-_./:~\\ ]+")
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME = re.compile(r"v?[0-9]{1,4}|[0-9]?[A-Za-z]{1,2}[0-9]?|[A-Za-z]{1,4}|[A-Za-z]{1,10}[0-9]{1,2}")
_PASSPHRASE_WORDS = 3
_SHORT = 4
_LONGEST_WORD = 15
_LONG = 16
# The letters that often follow each letter: 92 % of the pairs in 32,000 words of technical English, 41 % of all pairs.
_FOLLOWERS = {
    "a": "abcdefgiklmnprstuvwy", "b": "aceijlorsu", "c": "acdehiklorstu", "d": "abcdefilorsu",
    "e": "abcdefghiklmnopqrstvwxy", "f": "adefilorsu", "g": "aehilnorsu", "h": "aeiortu", "i": "abcdefglmnoprstvz",
    "j": "ae", "k": "aeios", "l": "adeilostuy", "m": "abeimopsu", "n": "acdefgiknopstuv", "o": "abcdfgiklmnoprstuvw",
    "p": "aehiloprstu", "q": "u", "r": "acdefgiklmnoprstuvy", "s": "acehiklmoprstuy", "t": "acdefhilmnoprstuy",
    "u": "abcefilmnprst", "v": "aei", "w": "aeiors", "x": "pt", "y": "anps", "z": "et",
}  # fmt: skip
_LIKE_A_WORD = 0.75


class Secret(NamedTuple):
    """A value to be hidden, and the variable that holds it.

    One that could be a part of ordinary text is hidden only where it `is_whole`: not inside a longer word.
    """

    name: str
    value: str
    is_whole: bool = False


def secrets_of(environ: Mapping[str, str], certain: Collection[str] = ()) -> Iterator[Secret]:
    """Yield the secrets of an environment.

    A key of a model, and a variable named in `certain`, is a secret whatever its value. Any other variable with the
    name of a secret (`…_PASSWORD`, `…_KEY`) is one unless its value is a word or an identifier of two: `postgres`,
    `customer_id`. For a file's path, and for a key of data such as `SORT_KEY`, the name of anything is enough.
    """
    for name, given in environ.items():
        value = given.strip()
        is_certain = name in certain or _KEY_OF_A_MODEL.search(name) is not None
        if is_certain or (_SECRET_NAME.search(name) and _can_be_secret(name, value)):
            yield Secret(name, value, is_whole=len(value) < _LONG or _is_made_of_words(value))


def _can_be_secret(name: str, value: str) -> bool:
    pieces = _pieces(value)
    if value.startswith(("/", "./", "../", "~/")) or _KEY_OF_DATA.search(name):
        return not all(_NAME.fullmatch(piece) or _is_like_words(piece) for piece in pieces)
    if _is_made_of_words(value) or value.lower() in name.lower():
        return len(pieces) >= _PASSPHRASE_WORDS
    return True


def _is_made_of_words(value: str) -> bool:
    """Return True for words of English, of which one is longer than four letters."""
    pieces = _pieces(value)
    return any(len(piece) > _SHORT for piece in pieces) and all(map(_is_like_words, pieces))


def _pieces(value: str) -> list[str]:
    return [piece for piece in _SEPARATORS.split(value) if piece]


def _is_like_words(piece: str) -> bool:
    """Return True for a word, or several in one (`customerId`), whose letters follow each other as English ones do."""
    if not (piece.isascii() and piece.isalpha()):
        return False
    words = _HUMPS.split(piece)
    if len(words) > 1 and len(piece) < _SHORT * len(words):
        return False
    return all(len(word) <= _LONGEST_WORD and _is_like_a_word(word.lower()) for word in words)


def _is_like_a_word(word: str) -> bool:
    pairs = list(pairwise(word))
    usual = sum(second in _FOLLOWERS[first] for first, second in pairs)
    return len(pairs) <= 1 or usual >= _LIKE_A_WORD * len(pairs)
