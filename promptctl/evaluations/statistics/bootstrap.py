"""The paired bootstrap of a mean difference: cases, or whole clusters, drawn again with replacement."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from promptctl.evaluations.statistics.intervals import Interval, cluster_totals
from promptctl.evaluations.statistics.paired import RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

# Draws are 16 random bits each, looked up in one table: far faster than an index at a time, for up to this many units.
LARGEST = 1 << 16
# Sums are taken in integers, of this many bits for the largest difference: fast, and the same on every Python.
_GRID_BITS = 30
_SIZE_SHIFT = 48
_REFUSED_SHIFT = 96


def bootstrap_means(
    differences: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: str = "",
) -> list[float]:
    """The mean differences of `resamples` bootstrap samples, sorted. At most 65,536 cases (or clusters), at least one.

    Each sample draws as many cases with replacement as there are, a pair never torn apart, clusters whole.
    Source: Efron 1979, Annals of Statistics 7:1; clusters after Davison and Hinkley 1997, Bootstrap Methods and their
    Application, section 3.8. Differences are rounded to 2^-30 of the largest.
    """
    units = cluster_totals(differences, clusters)
    if not 1 <= len(units) <= LARGEST:
        raise ValueError(f"cannot resample {len(units)} cases; 1 to {LARGEST} it must be")
    largest = max(abs(total) for total, _size in units)
    if largest == 0:
        return [0.0] * resamples
    unit = largest / (1 << _GRID_BITS)
    totals = [round(total / unit) for total, _size in units]
    sizes = [size for _total, size in units]
    rng = random.Random(f"bootstrap:{seed}")  # noqa: S311 - a reproducible resample, not a secret
    if min(sizes) == max(sizes):
        scale = unit / (sizes[0] * len(units))
        return sorted(total * scale for total in _resampled_totals(totals, rng, resamples))
    return sorted(total * unit / size for total, size in _resampled_ratios(totals, sizes, rng, resamples))


def percentile_interval(means: Sequence[float], confidence: float = 0.95) -> Interval:
    """The percentile interval of sorted bootstrap means, by `quantile`.

    Source: Efron 1981, Canadian Journal of Statistics 9:139.
    """
    tail = (1 - confidence) / 2
    return Interval(quantile(means, tail), quantile(means, 1 - tail), confidence, "bootstrap")


def quantile(ordered: Sequence[float], probability: float) -> float:
    """The quantile of sorted values, interpolated between the nearest two: type 7 of Hyndman and Fan 1996.

    Source: Hyndman and Fan 1996, American Statistician 50:361.
    """
    position = probability * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _resampled_totals(totals: list[int], rng: random.Random, resamples: int) -> Iterator[int]:
    """Sums of samples from units of equal size: only draws that hit a non-zero unit are looked up.

    How many do is binomial, and those that do fall on each of the non-zero units alike.
    """
    moved = [total for total in totals if total]
    draw = _Drawer(moved, _SIZE_SHIFT)
    hits = _binomial_cdf(len(totals), len(moved) / len(totals)) if len(moved) < len(totals) else None
    for _ in range(resamples):
        wanted = len(moved) if hits is None else bisect_left(hits, rng.random())
        yield draw(wanted, rng)


def _resampled_ratios(
    totals: list[int], sizes: list[int], rng: random.Random, resamples: int
) -> Iterator[tuple[int, int]]:
    """Sums and sizes of samples from clusters of unequal size: both are packed in one integer."""
    packed = [total + (size << _SIZE_SHIFT) for total, size in zip(totals, sizes, strict=True)]
    draw = _Drawer(packed, _REFUSED_SHIFT)
    for _ in range(resamples):
        total = draw(len(packed), rng)
        size = _upper(total, _SIZE_SHIFT)
        yield total - (size << _SIZE_SHIFT), size


class _Drawer:
    """Draws values with replacement, each exactly as likely, and sums them.

    65,536 is seldom a multiple of the number of values: numbers left over at the end of the table add a mark far above
    any sum instead of a value, and as many draws as there were marks are made again.
    """

    def __init__(self, values: list[int], mark_shift: int) -> None:
        rounds = LARGEST // len(values)
        marks = LARGEST - rounds * len(values)
        self._look_up = (values * rounds + [1 << mark_shift] * marks).__getitem__
        self._mark_shift = mark_shift

    def __call__(self, wanted: int, rng: random.Random) -> int:
        total = 0
        while wanted:
            drawn = sum(map(self._look_up, memoryview(rng.randbytes(2 * wanted)).cast("H")))
            wanted = _upper(drawn, self._mark_shift)
            total += drawn - (wanted << self._mark_shift)
        return total


def _upper(packed: int, shift: int) -> int:
    """The upper part of two numbers packed in one, where the lower may be below zero."""
    return (packed + (1 << (shift - 1))) >> shift


def _binomial_cdf(trials: int, probability: float) -> list[float]:
    """P(X ≤ k) for k = 0 … trials, X binomial; the last is exactly 1."""
    log_p, log_q = math.log(probability), math.log1p(-probability)
    log_all = math.lgamma(trials + 1)
    terms = (
        math.exp(log_all - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_p + (trials - k) * log_q)
        for k in range(trials + 1)
    )
    cdf = list(accumulate(terms))
    cdf[-1] = 1.0
    return cdf
