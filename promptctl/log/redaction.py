"""Keeps secrets out of everything that is written: known values, plain and encoded, and texts with a key's shape.

One expression of RE2 does the work, in linear time, on the serialised text of a whole payload: some 500 MB/s if
there is nothing to hide. Loading it costs 3 ms, so a few short texts are only searched for what any match must contain.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from promptctl.log.secrets import Secret

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
