"""Keeps secrets out of everything that is written: known values, plain and encoded, and texts with a key's shape.

One expression of RE2 does the work, in linear time, on the serialised text of a whole payload: some 500 MB/s if
there is nothing to hide. Loading it costs 3 ms, so a few short texts are only searched for what any match must contain.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus, unquote

REDACTED = "[redacted]"
SHORTEST_SECRET = 8

_URL_SAFE = str.maketrans("+/", "-_")
_BY_SHAPE = "the shape of a key"
_SHORT = 2_000
_MOST_MEMORY = 1 << 27  # bytes; a hundred tokens of 1,600 letters do not fit into the 8 MiB that RE2 takes unless told
_FEW = 100

# Where a key begins: not inside a word, but after a JSON escape, whose last letter is not one of the text's.
_ESCAPE = r"\\[bfnrt]|\\u[0-9a-fA-F]{4}"
_START = rf"(^|[^A-Za-z0-9]|{_ESCAPE})"
_KEYS = (
    r"(sk-[A-Za-z0-9_-]{20,})",
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"gh[pousr]_[A-Za-z0-9]{20,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"A[KS]IA[A-Z0-9]{16}\b",
    r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abprs]-[A-Za-z0-9-]{10,}",
    r"(?:hf_|gsk_|xai-|pplx-)[A-Za-z0-9]{28,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+",
)
_SHAPES = (
    f"{_START}(?:{'|'.join(_KEYS)})",
    r"(?i:(bearer ))([A-Za-z0-9._~+/-]{16,}=*)",
    r"(://)[^\s/:@\"'\\]+:[^\s/@\"'\\]+@",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----",
)
# Whatever the expressions above match contains one of these.
_ANCHORS = (
    "sk-", "k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "AKIA", "ASIA",
    "AIza", "xox", "hf_", "gsk_", "xai-", "pplx-", "eyJ", "earer ", "EARER ", "PRIVATE KEY", "://",
)  # fmt: skip


class Redactor:
    """Replaces secrets by `[redacted]`, and counts them. Values shorter than 8 characters do not count as secrets.

    A secret given as plain text is hidden anywhere, also inside a longer word.

    >>> Redactor(["correct-horse"]).redact("it was correct-horse, or sk-proj-0123456789abcdefghij")
    'it was [redacted], or [redacted]'
    """

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        self._known: dict[str, Secret] = {}
        self._anchors: tuple[str, ...] = _ANCHORS
        self._hidden: Counter[str] = Counter()
        self._patterns: _Patterns | None = None
        self._texts = 0
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret | str]) -> None:
        """Hide these from now on, beside those that are known."""
        known = dict(self._known)
        for given in secrets:
            secret = given if isinstance(given, Secret) else Secret("", given.strip())
            if len(secret.value) >= SHORTEST_SECRET and _is_text(secret.value):
                for form, is_whole in forms_of(secret):
                    if form not in known or not is_whole:
                        known[form] = secret._replace(is_whole=is_whole)
        if known != self._known:
            self._anchors = (*known, *_ANCHORS)  # first: a text that none of them is in is not looked at further
            self._known = known

    def is_suspect(self, text: str) -> bool:
        """Return True if the text may contain a secret; quicker than `redact`, and meant for many texts joined."""
        known = self._known
        if self._patterns is None or self._patterns.secrets is not known:
            self._texts += 1
            is_cheap = len(text) < _SHORT and self._texts < _FEW
            if is_cheap and not any(anchor in text for anchor in self._anchors):
                return False
            self._patterns = _Patterns(known)
        try:
            return self._patterns.any.search(text) is not None
        except UnicodeEncodeError:  # lone surrogates: `redact` deals with them
            return True

    @property
    def news(self) -> str | None:
        """Number of the texts hidden so far and their names, in one line; None if there was none."""
        hidden = +self._hidden
        if not hidden:
            return None
        count = hidden.total()
        texts = "1 text was" if count == 1 else f"{count} texts were"
        named = ", ".join(name if count == times else f"{name} ({times})" for name, times in hidden.most_common())
        return f"{texts} written as {REDACTED}: {named}"

    def redact(self, text: str) -> str:
        """Return the text without its secrets; the very same object if there are none."""
        return self._redact(text, self._hidden)

    def holds_secret(self, text: str) -> bool:
        """Return True if `redact` would change the text; nothing is counted."""
        return self._redact(text, Counter()) != text

    def _redact(self, text: str, hidden: Counter[str]) -> str:
        if not self.is_suspect(text) or self._patterns is None:
            return text
        try:
            redacted = self._patterns.hide(text, hidden)
        except UnicodeEncodeError:  # no key contains what cannot be encoded
            return self._redact(text.encode("utf-8", "replace").decode(), hidden)
        return text if redacted == text else redacted

    def redact_json(self, text: str) -> str:
        """Return JSON text without the secrets in its keys and values; always JSON again."""
        redacted = self.redact(text)
        if redacted is text or redacted == text:
            return text
        try:
            json.loads(redacted)
        except ValueError:  # a secret of digits, found as a number: it has to become a string
            return json.dumps(self._walk(json.loads(text)), ensure_ascii=False)
        return redacted

    def redact_data(self, data: Any) -> Any:
        """Return JSON-like data without its secrets, in keys and values."""
        text = json.dumps(data, ensure_ascii=False)
        redacted = self.redact_json(text)
        return data if redacted is text else json.loads(redacted)

    def _walk(self, data: Any) -> Any:
        if isinstance(data, dict):
            return {self.redact(key): self._walk(value) for key, value in data.items()}
        if isinstance(data, list):
            return [self._walk(value) for value in data]
        text = data if isinstance(data, str) else json.dumps(data)
        redacted = self.redact(text)
        return data if redacted == text else redacted


def key_shapes(text: str) -> Iterator[tuple[int, str]]:
    """Yield each part of a text that has a key's shape, with its offset: a key, or `://user:password@`."""
    if not any(anchor in text for anchor in _ANCHORS):
        return
    import re2

    for match in re2.compile("|".join(_SHAPES)).finditer(text.encode("utf-8", "replace").decode()):
        if _placeholder(match) != match[0]:
            before = (match[1] or "") + (match[3] or "")
            yield match.start() + len(before), match[0][len(before) :]


def _is_text(secret: str) -> bool:
    """Return True if the value can be part of a text; bytes of the environment that are no UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in secret)


class _Patterns:
    """The expressions of one set of known secrets: one that finds whether there is anything, and one for each kind."""

    def __init__(self, known: Mapping[str, Secret]) -> None:
        import re2

        forms = sorted(known, key=len, reverse=True)
        inside = [re2.escape(form) for form in forms if not known[form].is_whole]
        whole = [_as_whole(form, re2.escape(form)) for form in forms if known[form].is_whole]
        sources = [("()", inside), (rf"({_ESCAPE}|\b)", [form for begins, form in whole if begins])]
        sources.append(("()", [form for begins, form in whole if not begins]))
        expressions = [f"{before}({'|'.join(some)})" for before, some in sources if some]
        self.secrets = known
        self._names = {form: secret.name for form, secret in known.items()}
        options = re2.Options()
        options.log_errors = False  # they quote the expression
        options.max_mem = _MOST_MEMORY
        self._known = [re2.compile(expression, options) for expression in expressions]
        self._shapes = re2.compile("|".join(_SHAPES))
        self.any = re2.compile("|".join([*expressions, *_SHAPES]), options)

    def hide(self, text: str, hidden: Counter[str]) -> str:
        """Return the text without secrets, which are counted by what told them."""

        def value(match: Any) -> str:
            name = self._names.get(match[2], "")
            hidden[f"the value of {name}" if name else "a known secret"] += 1
            return f"{match[1]}{REDACTED}"

        def shape(match: Any) -> str:
            replaced = _placeholder(match)
            hidden[_BY_SHAPE] += replaced != match[0]
            return replaced

        for pattern in self._known:
            text = pattern.sub(value, text)
        return str(self._shapes.sub(shape, text))


def _placeholder(match: Any) -> str:
    """Return the replacement of a match: the placeholder, after the part that only showed that a secret follows."""
    start, key, bearer, token, scheme = (match[group] or "" for group in range(1, 6))
    if (key or token) and not any(character.isdigit() for character in key + token):
        return str(match[0])  # a long name looks like this too; a key has digits
    return f"{start}{bearer}{scheme}{REDACTED}{'@' if scheme else ''}"


def _as_whole(form: str, escaped: str) -> tuple[bool, str]:
    """Return whether a value begins with a letter, and its expression, which ends where a word does."""
    begins, ends = (re.match("[A-Za-z0-9_]", form[at]) is not None for at in (0, -1))
    return begins, escaped + (r"\b" if ends else "")


def forms_of(secret: Secret) -> Iterator[tuple[str, bool]]:
    """Yield a secret as it is written in plain text, in JSON, percent-encoded and in base64.

    The second of each pair says that the form is hidden only as a whole word; an encoded one can be part of no word.
    """
    value = secret.value
    for plain in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield plain, secret.is_whole
    for quoted in {quote(value, safe=""), quote(value), quote_plus(value)} - {value}:
        yield quoted, False
        yield re.sub("%..", lambda code: code[0].lower(), quoted), False
    data = value.encode()
    for before in range(3):  # bytes that may come before it in what is encoded: a user's name
        encoded = base64.b64encode(b"\0" * before + data).decode()
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield core, False
        yield core.translate(_URL_SAFE), False


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
_SHORT_PIECE = 4
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
    return any(len(piece) > _SHORT_PIECE for piece in pieces) and all(map(_is_like_words, pieces))


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
    if len(words) > 1 and len(piece) < _SHORT_PIECE * len(words):
        return False
    return all(len(word) <= _LONGEST_WORD and _is_like_a_word(word.lower()) for word in words)


def _is_like_a_word(word: str) -> bool:
    pairs = list(pairwise(word))
    usual = sum(second in _FOLLOWERS[first] for first, second in pairs)
    return len(pairs) <= 1 or usual >= _LIKE_A_WORD * len(pairs)
