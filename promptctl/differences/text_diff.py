"""Two texts compared line by line, as hunks of plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher

_CONTEXT_LINES = 3


# About a second: two texts of 20,000 lines of few kinds would take half a minute, and of a mebibyte hours.
_MOST_STEPS = 10_000_000


class BoundedMatcher(SequenceMatcher[str]):
    """Finds what two sequences have in common, in bounded time: what is not looked at by then counts as different."""

    a: Sequence[str]
    b2j: dict[str, list[int]]
    _left = _MOST_STEPS

    def find_longest_match(self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None) -> Match:
        """Return the longest match within these bounds; an empty one if there is none, or the time is over."""
        end = len(self.a) if ahi is None else ahi
        if self._left > 0:
            self._left -= end - alo + sum(len(self.b2j.get(each, ())) for each in self.a[alo:end])
        return super().find_longest_match(alo, ahi, blo, bhi) if self._left > 0 else Match(alo, blo, 0)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Neighbouring lines that differ, with a few equal ones around them.

    Lines count from 1. Each of `lines` begins with a blank, `-` or `+`, as in a unified diff. A line end at the end of
    a text counts: it shows as an empty last line.
    """

    before_start: int
    before_count: int
    after_start: int
    after_count: int
    lines: tuple[str, ...]


def compare_texts(before: str, after: str) -> tuple[Hunk, ...]:
    """Return the hunks in which two texts differ; none if they are equal but for the kind of line end."""
    return compare_lines(lines_of(before), lines_of(after))


def compare_lines(before: Sequence[str], after: Sequence[str]) -> tuple[Hunk, ...]:
    """Return the hunks in which two lists of lines differ."""
    hunks = []
    for group in BoundedMatcher(None, before, after).get_grouped_opcodes(_CONTEXT_LINES):
        lines: list[str] = []
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                lines += [f" {line}" for line in before[i1:i2]]
            else:
                lines += [f"-{line}" for line in before[i1:i2]]
                lines += [f"+{line}" for line in after[j1:j2]]
        (_, i1, _, j1, _), (_, _, i2, _, j2) = group[0], group[-1]
        hunks.append(Hunk(i1 + 1, i2 - i1, j1 + 1, j2 - j1, tuple(lines)))
    return tuple(hunks)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text; the empty text has none, and one that ends with a line end has an empty last line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.split("\n") if text else []
