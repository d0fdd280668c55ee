"""Two texts as one: unchanged lines, removed ones and added ones."""

from __future__ import annotations

import difflib

from promptctl.files.wording import alike_until

_LONGEST = 4000
_CONTEXT = 2


def line_diff(base: str, head: str) -> str:
    """Return a unified diff without its header; `(equal)` if there is no difference.

    Of very long texts the part is compared that begins a little before the first difference.
    """
    if base == head:
        return "(equal)\n" + _cut(head)
    if max(len(base), len(head)) > _LONGEST:
        start = max(0, base.rfind("\n", 0, max(0, alike_until(base, head) - _LONGEST // 4)) + 1)
        base, head = ("…\n" * (start > 0) + _cut(text[start:]) for text in (base, head))
    lines = difflib.unified_diff(base.splitlines(), head.splitlines(), lineterm="", n=_CONTEXT)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\n… (cut)"
