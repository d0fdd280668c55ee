"""Keeps secrets out of everything that is written: known values, and texts with the shape of a key.

One compiled expression does the work, on the serialised text of a whole payload. Before it runs, plain substring
searches look for what any match must contain; almost every text has none of it and is done in microseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

REDACTED = "[redacted]"
SHORTEST_SECRET = 8

_SECRET_NAME = r"(?i)(_|^)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$"  # noqa: S105 - a pattern of names

# Where a key begins: not inside a word, but after a JSON escape, whose last letter is not one of the text's.
_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"

# What a match must contain, and the expression for it. A digit is asked for where long names look alike.
_SHAPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("sk-",), _START + r"sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}"),
    (("sk_live_", "sk_test_", "rk_live_", "rk_test_"), _START + r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _START + r"gh[pousr]_[A-Za-z0-9]{20,}"),
    (("github_pat_",), _START + r"github_pat_[A-Za-z0-9_]{20,}"),
    (("glpat-",), _START + r"glpat-[A-Za-z0-9_-]{20,}"),
    (("AKIA", "ASIA"), _START + r"A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (("AIza",), _START + r"AIza[A-Za-z0-9_-]{35}"),
    (("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"), _START + r"xox[abprs]-[A-Za-z0-9-]{10,}"),
    (("hf_", "gsk_", "xai-", "pplx-"), _START + r"(?:hf_|gsk_|xai-|pplx-)[A-Za-z0-9]{28,}"),
    (("eyJ",), _START + r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"),
    (("Bearer ", "bearer ", "BEARER "), r"(?i:(?<=bearer ))(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*"),
    (
        ("PRIVATE KEY-----",),
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{20,16384}?-----END [A-Z ]{0,40}PRIVATE KEY-----",
    ),
    (("://",), r"(?<=://)[^\s/:@\"'\\]{1,200}:[^\s/@\"'\\]{1,200}(?=@)"),
)


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of an environment that are secrets by their names: `…_API_KEY`, `…_TOKEN`, `…_SECRET` and the like."""
    return tuple(value for name, value in environ.items() if re.search(_SECRET_NAME, name))


class Redactor:
    """Replaces secrets by `[redacted]`. Values shorter than 8 characters are not taken for secrets.

    >>> Redactor(["correct-horse"]).redact("it was correct-horse, or sk-proj-0123456789abcdefghij")
    'it was [redacted], or [redacted]'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        values = {secret.strip() for secret in secrets}
        self._known = {form for value in values if len(value) >= SHORTEST_SECRET for form in _forms(value)}
        self._anchors = (*self._known, *(anchor for anchors, _ in _SHAPES for anchor in anchors))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:  # compiled on the first suspicion; most processes never have one
        known = [re.escape(value) for value in sorted(self._known, key=len, reverse=True)]
        return re.compile("|".join([*known, *(pattern for _, pattern in _SHAPES)]))

    def redact(self, text: str) -> str:
        """The text without its secrets; the very same object where there are none."""
        for anchor in self._anchors:
            if anchor in text:
                return self._pattern.sub(REDACTED, text)
        return text

    def redact_json(self, text: str) -> str:
        """JSON text without the secrets in its keys and values; always JSON again."""
        redacted = self.redact(text)
        if redacted is text or redacted == text:
            return text
        try:
            json.loads(redacted)
        except ValueError:  # a secret of digits, found as a number: it has to become a string
            return json.dumps(self._walk(json.loads(text)), ensure_ascii=False)
        return redacted

    def redact_data(self, data: Any) -> Any:
        """JSON-like data without its secrets, in keys and values."""
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


def _forms(value: str) -> set[str]:
    """A secret as it stands in plain text and in JSON."""
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
