"""Keeps secrets out of everything that is written: known values, and texts with the shape of a key.

One expression of RE2 does the work, in linear time, on the serialised text of a whole payload: some 500 MB/s if
there is nothing to hide. Loading it costs 3 ms, so a few short texts are only searched for what any match must contain.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

REDACTED = "[redacted]"
SHORTEST_SECRET = 8

_SECRET_NAME = r"(?i)(_|^)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$"  # noqa: S105 - a pattern of names
_SHORT = 2_000
_FEW = 100

# Where a key begins: not inside a word, but after a JSON escape, whose last letter is not one of the text's.
_START = r"(^|[^A-Za-z0-9]|\\[bfnrt]|\\u[0-9a-fA-F]{4})"
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


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of an environment that are secrets by their names: `…_API_KEY`, `…_TOKEN` and the like."""
    return tuple(value for name, value in environ.items() if re.search(_SECRET_NAME, name))


class Redactor:
    """Replaces secrets by `[redacted]`. Values shorter than 8 characters do not count as secrets.

    >>> Redactor(["correct-horse"]).redact("it was correct-horse, or sk-proj-0123456789abcdefghij")
    'it was [redacted], or [redacted]'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {secret.strip() for secret in secrets if _is_text(secret)}
        self._known = {form for value in values if len(value) >= SHORTEST_SECRET for form in _forms(value)}
        self._anchors = (*self._known, *_ANCHORS)
        self._patterns: _Patterns | None = None
        self._texts = 0

    def is_suspect(self, text: str) -> bool:
        """Return True if the text may contain a secret; quicker than `redact`, and meant for many texts joined."""
        if self._patterns is None:
            self._texts += 1
            is_cheap = len(text) < _SHORT and self._texts < _FEW
            if is_cheap and not any(anchor in text for anchor in self._anchors):
                return False
            self._patterns = _Patterns(self._known)
        try:
            return self._patterns.any.search(text) is not None
        except UnicodeEncodeError:  # lone surrogates: `redact` deals with them
            return True

    def redact(self, text: str) -> str:
        """Return the text without its secrets; the very same object if there are none."""
        if not self.is_suspect(text) or self._patterns is None:
            return text
        try:
            redacted = self._patterns.hide(text)
        except UnicodeEncodeError:  # no key contains what cannot be encoded
            return self.redact(text.encode("utf-8", "replace").decode())
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


def _is_text(secret: str) -> bool:
    """Return True if the value can be part of a text; bytes of the environment that are no UTF-8 cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in secret)


class _Patterns:
    """The expressions of one set of known secrets: one that finds whether there is anything, and one for each kind."""

    def __init__(self, known: Iterable[str]) -> None:
        import re2

        literals = [re2.escape(value) for value in sorted(known, key=len, reverse=True)]
        self._known = re2.compile("|".join(literals)) if literals else None
        self._shapes = re2.compile("|".join(_SHAPES))
        self.any = re2.compile("|".join([*literals, *_SHAPES]))

    def hide(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return str(self._shapes.sub(_placeholder, text))


def _placeholder(match: Any) -> str:
    """Return the replacement of a match: the placeholder, after the part that only showed that a secret follows."""
    start, key, bearer, token, scheme = (match[group] or "" for group in range(1, 6))
    if (key or token) and not any(character.isdigit() for character in key + token):
        return str(match[0])  # a long name looks like this too; a key has digits
    return f"{start}{bearer}{scheme}{REDACTED}{'@' if scheme else ''}"


def _forms(value: str) -> set[str]:
    """Return a secret as it is written in plain text and in JSON."""
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
