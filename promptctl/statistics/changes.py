"""Two stretches of time compared: is a share of them different by more than chance explains?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, lgamma, sqrt

Counts = Sequence[tuple[int, int]]
"""Of each step of time how many there were, and how many of these had it."""


def change_p(before: Counts, after: Counts, alike: Iterable[Counts] | None = None) -> float:
    """Return the two-sided p-value of Fisher's exact test that a share did not change.

    Where shares differ from step to step by more than chance, as things come in bursts, so many count as fewer: all
    numbers are divided by the dispersion (Pearson's) of the `alike`, steps within which nothing is known to have
    changed. By default those are both stretches. A lasting change within one of them would look like a burst.
    """
    spread = _dispersion((before, after) if alike is None else tuple(alike))
    n1, x1, n2, x2 = (round(sum(step[place] for step in side) / spread) for side in (before, after) for place in (0, 1))
    return min(1.0, 2 * min(fisher_tail(x2, n2, x1, n1), fisher_tail(x1, n1, x2, n2)))


def fisher_tail(more: int, of: int, others: int, of_others: int) -> float:
    """Return the chance of so many or more among `of`, if each of all was as likely to be one of them.

    It is 1 for as many as are to be expected, or fewer.

    >>> round(fisher_tail(3, 3, 0, 3), 3)
    0.05
    """
    all_of_them, total = more + others, of + of_others
    if more * total <= all_of_them * of:
        return 1.0
    start = _log_choose(all_of_them, more) + _log_choose(total - all_of_them, of - more) - _log_choose(total, of)
    term, tail, number = 1.0, 0.0, more
    while term > tail * 1e-12:
        tail += term
        rest = total - all_of_them - of + number + 1
        term *= (all_of_them - number) * (of - number) / ((number + 1) * rest)
        number += 1
    return min(1.0, exp(start) * tail)


def _dispersion(groups: Iterable[Counts]) -> float:
    """Return how many times as much as chance lets them the steps of all groups vary, at least 1.

    It is that of one group, if that is larger, and by chance so large once in a hundred times: a mean of all would hide
    one burst behind many steady steps.
    """
    found = []
    for group in groups:
        steps = [step for step in group if step[0]]
        share = sum(x for _, x in steps) / max(1, sum(n for n, _ in steps))
        if 0 < share < 1 and len(steps) > 1:
            variance, degrees = share * (1 - share), len(steps) - 1
            total = sum((x - n * share) ** 2 / (n * variance) for n, x in steps)
            excess = sum((1 - 6 * variance) / (n * variance) for n, _ in steps) / len(steps)
            found.append((total, degrees, degrees * (2 + excess)))
    mean = sum(total for total, _, _ in found) / max(1, sum(degrees for _, degrees, _ in found))
    return max([1.0, mean, *(total / degrees for total, degrees, spread in found if total > _most(degrees, spread))])


def _most(mean: float, variance: float) -> float:
    """Return what Pearson's sum exceeds once in a hundred times by chance: of few, more than chi-square has it."""
    unit = variance / (2 * mean)  # that of so many times chi-square, by Wilson and Hilferty
    part = 2 * unit / (9 * mean)
    return mean * (1 - part + 2.326 * sqrt(part)) ** 3


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
