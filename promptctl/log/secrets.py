"""Values of an environment that are secrets: by the names of their variables, and by what the values are."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import unquote

# The keys of models are secrets whatever they are made of: of every variable that LiteLLM may read one from.
_KEY_OF_A_MODEL = re.compile(
    r"(?i)(API_?KEYS?|ACCESS_KEY|JWT|CLIENT_SECRET|SERVICE_KEY|CERTIFICATE_PASSWORD|"
    r"(AI|API|AD|HF|ACCESS|SESSION|AUTH|BEARER|DATABRICKS|FRIENDLI|OIDC|WATSONX|REPLICATE)_TOKEN(_BEDROCK)?|"
    r"(COMETAPI|AIMLAPI|SCW_SECRET)_KEY|(GIGACHAT|VERTEX|VERTEXAI)_CREDENTIALS|AZURE_PASSWORD)(_?[0-9]+)?$"
)
# The end of a name that says which of several: `STRIPE_KEY_PROD`, `TOKEN_2`.
_WHICH = r"(_?[0-9]+|_(PROD|PRODUCTION|STAGING|DEV|TEST|CI|EU|US|OLD|NEW|LIVE|BACKUP|PRIMARY|SECONDARY|[A-Z]))?$"
_SECRET_NAME = re.compile(
    r"(?i)(APIKEY|PASSWORD|PASSWD|PASSPHRASE|(PG|SSH|DB)PASS|"
    rf"(_|^)(KEY|TOKEN|SECRET|CREDENTIAL|PASS|PWD|PAT|JWT|COOKIE|AUTH)S?){_WHICH}"
)
# The values of its items are secrets: `x-api-key=…,authorization=Bearer%20…`.
_HEADERS = re.compile(r"OTEL_EXPORTER_OTLP_([A-Z]+_)?HEADERS")
_WITH_PASSWORD = re.compile(r"[a-zA-Z][\w+.-]*://[^/@:\s]*:([^/@\s]+)@")
# The keys of data: PARTITION_KEY is the name of a column.
_KEY_OF_DATA = re.compile(r"(?i)(_|^)(PARTITION|SORT|PRIMARY|FOREIGN|JOIN|SHARD|INDEX|ROUTING|CACHE)_KEY(_?[0-9]+)?$")

# Where a shell is: `_PWD` is the end of the name of a password.
_FOLDERS = frozenset(("PWD", "OLDPWD"))
_PATHS = ("/", "./", "../", "~/")
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


def secrets_of(
    environ: Mapping[str, str], certain: Collection[str] = (), *, whatever_the_name: bool = False
) -> Iterator[Secret]:
    """Yield the secrets of an environment.

    A key of a model, and a variable named in `certain`, is a secret whatever its value. Any other variable with the
    name of a secret (`…_PASSWORD`, `…_KEY`) is one unless its value is a word or an identifier of two: `postgres`,
    `customer_id`. For a key of data such as `SORT_KEY` the name of anything is enough, and for most
    parts of a file's path. So is the password in an address, and the value of each header of `OTEL_…_HEADERS`. Of a
    list, each item is one. With `whatever_the_name` any variable may hold a secret.
    """
    for name, given in environ.items():
        value = given.strip()
        is_certain = name in certain or _KEY_OF_A_MODEL.search(name) is not None
        is_named = whatever_the_name and not value.startswith(_PATHS)
        if is_certain or ((is_named or _SECRET_NAME.search(name)) and _can_be_secret(name, value)):
            yield _secret(name, value)
            if "," in value and name.lower().endswith("s"):  # `API_KEYS`
                yield from (
                    _secret(name, each) for each in map(str.strip, value.split(",")) if _can_be_secret(name, each)
                )
        elif _HEADERS.fullmatch(name):
            values = (unquote(item.partition("=")[2]).split() for item in value.split(","))
            yield from (_secret(name, each[-1]) for each in values if each and _can_be_secret(name, each[-1]))
        elif (found := _WITH_PASSWORD.match(value)) is not None and _can_be_secret(name, unquote(found[1])):
            yield _secret(name, unquote(found[1]))


def _secret(name: str, value: str) -> Secret:
    return Secret(name, value, is_whole=len(value) < _LONG or _is_made_of_words(value))


def _can_be_secret(name: str, value: str) -> bool:
    pieces = _pieces(value)
    if value.startswith(_PATHS):
        return name not in _FOLDERS and not _is_path(value)
    if _KEY_OF_DATA.search(name):
        return not _are_names(pieces)
    if _is_made_of_words(value) or value.lower() in name.lower():
        return len(pieces) >= _PASSPHRASE_WORDS
    return True


def _is_made_of_words(value: str) -> bool:
    """Return True for words of English, of which one is longer than four letters."""
    pieces = _pieces(value)
    return any(len(piece) > _SHORT for piece in pieces) and all(map(_is_like_words, pieces))


def _is_path(value: str) -> bool:
    """Return True if most parts of a path are names, whatever the others are: a build's folder has random ones."""
    parts = [part for part in value.strip("~./").split("/") if part]
    return sum(_are_names(_pieces(part)) for part in parts) * 2 > len(parts)


def _are_names(pieces: Iterable[str]) -> bool:
    return all(_NAME.fullmatch(piece) or _is_like_words(piece) for piece in pieces)


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
