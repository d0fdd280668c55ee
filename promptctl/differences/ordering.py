"""The largest part of a list that is in order: the rest has moved, or cannot be believed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


def longest_in_order(values: Sequence[float]) -> list[int]:
    """Return the indexes of a longest run of values, gaps allowed, that never goes down.

    >>> longest_in_order([10, 20, 5, 30])
    [0, 1, 3]
    """
    ends: list[int] = []
    tails: list[float] = []
    before: list[int] = []
    for index, value in enumerate(values):
        at = bisect_right(tails, value)
        before.append(ends[at - 1] if at else -1)
        ends[at : at + 1] = [index]
        tails[at : at + 1] = [value]
    chosen: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chosen.append(index)
        index = before[index]
    return chosen[::-1]
