"""Lines that show how a reply differs from what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from promptctl.cli.output import flat, visible
from promptctl.reports.wording import alike_until, as_text, count

_WIDTH = 300
_KEPT_BEFORE = 30
_MOST_LINES = 20


def difference_lines(expected: Any, got: Any) -> Iterator[str]:
    """Yield two texts of several lines as a diff (`-` was expected, `+` came), any others on a line each, cut alike."""
    wanted, came = as_text(expected), as_text(got)
    if "\n" in wanted.strip() and "\n" in came.strip():
        yield from _diff(wanted, came)
        return
    start = alike_until(wanted, came)
    yield f"expected  {shortened(wanted, start)}"
    yield f"got       {shortened(came, start)}"


def shortened(value: Any, start: int = 0, width: int = _WIDTH) -> str:
    """Return a value on one line: from shortly before `start` if that is far, and no longer than `width`."""
    text = as_text(value)
    cut = start - _KEPT_BEFORE if start > width // 2 else 0
    shown = visible(flat(text[cut : cut + width]))
    return ("…" if cut else "") + shown + ("…" if len(text) > cut + width else "")


def _diff(wanted: str, came: str) -> Iterator[str]:
    lines = list(difflib.unified_diff(wanted.splitlines(), came.splitlines(), "expected", "got", lineterm="", n=1))
    for line in lines[2 : 2 + _MOST_LINES]:
        # No line begins with what a reply says: in a CI's log it could be a command to it, such as `::error::`.
        if not line.startswith("@@"):
            yield f"│{shortened(line)}"
    if len(lines) > _MOST_LINES + 2:
        yield f"… {count(len(lines) - _MOST_LINES - 2, 'more line')}"
