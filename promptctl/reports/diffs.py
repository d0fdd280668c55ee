"""Two texts as one: unchanged lines, removed ones and added ones."""

from __future__ import annotations

import difflib

_LONGEST = 4000
_CONTEXT = 2


def line_diff(base: str, head: str) -> str:
    """Return a unified diff without its header; `(equal)` if there is no difference. Very long texts are cut."""
    if base == head:
        return "(equal)\n" + _cut(head)
    lines = difflib.unified_diff(_cut(base).splitlines(), _cut(head).splitlines(), lineterm="", n=_CONTEXT)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n… (cut)"
