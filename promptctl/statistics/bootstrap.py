"""The paired bootstrap of a mean difference, studentized: cases drawn again with replacement."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from promptctl.statistics.intervals import Interval

RESAMPLES = 10_000
# Draws are 16 random bits each, looked up in one table: far faster than an index at a time.
_ENTRIES = 1 << 16
LARGEST = 1 << 12
# Sums are taken in integers, of this many bits for the largest value: fast, and the same on every Python.
_GRID_BITS = 24
_MARK_SHIFT = 48


def bootstrap_t(values: Sequence[float], *, resamples: int = RESAMPLES, seed: str = "") -> list[float]:
    """Student's t of `resamples` bootstrap samples around the values' own mean, sorted.

    A value is a case's difference, so that a pair stays together, or a cluster's (see `influences`); there are 2
    to 4,096 of them. Formula: t* = (x̄* − x̄)/(s*/√n), s* the sample's own deviation. Values are rounded to 2^-24 of
    the largest; a sample of equal values counts as having the least spread above none.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 12.5.
    """
    n = len(values)
    if not 2 <= n <= LARGEST:
        raise ValueError(f"cannot resample {n} cases; there must be 2 to {LARGEST}")
    largest = max(map(abs, values))
    if largest == 0:
        return [0.0] * resamples
    whole = [round(value / largest * (1 << _GRID_BITS)) for value in values]
    mean_of_all = sum(whole)
    scale = math.sqrt(n - 1)
    rng = random.Random(f"bootstrap:{seed}")  # noqa: S311 - a reproducible resample, not a secret
    return sorted(
        (total - mean_of_all) * scale / math.sqrt(max(1, n * squares - total * total))
        for total, squares in _resampled(whole, rng, resamples)
    )


def studentized_interval(
    mean: float, standard_error: float, t_values: Sequence[float], confidence: float = 0.95
) -> Interval:
    """The bootstrap-t interval of a mean, from sorted `bootstrap_t`: it leans to the side that the scores lean to.

    Formula: from x̄ − t*₍ᵤ₎·SE to x̄ − t*₍ₗ₎·SE, the r-th highest and the r-th lowest t*, r the largest whole number
    below α/2·(B+1): the interval leaves out zero exactly if `studentized_p` is below α/2.
    Source: Davison and Hinkley 1997, Bootstrap Methods and Their Application, section 5.2; Hall 1988, Annals of
    Statistics 16:927: its error is of order 1/n where a percentile interval's, one-sided and of skewed values, is of
    order 1/√n.
    """
    tail = (1 - confidence) / 2
    rank = max(1, math.ceil(round(tail * (len(t_values) + 1), 9)) - 1)
    low, high = mean - t_values[-rank] * standard_error, mean - t_values[rank - 1] * standard_error
    return Interval(low, high, confidence, "bootstrap-t")


def studentized_p(t: float, t_values: Sequence[float]) -> tuple[float, float]:
    """The one-sided p-values of an observed t among sorted `bootstrap_t`: of a mean below zero, and above.

    Formula: (r+1)/(B+1), r the number of t* as far out, ties included.
    Source: Davison and Hinkley 1997, Bootstrap Methods and Their Application, section 4.4.
    """
    drawn = len(t_values) + 1
    return (bisect_right(t_values, t) + 1) / drawn, (drawn - bisect_left(t_values, t)) / drawn


def quantile(ordered: Sequence[float], probability: float) -> float:
    """The quantile of sorted values, interpolated between the nearest two: type 7 of Hyndman and Fan 1996.

    Source: Hyndman and Fan 1996, American Statistician 50:361.
    """
    position = probability * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _resampled(whole: list[int], rng: random.Random, resamples: int) -> list[tuple[int, int]]:
    """Sum, and sum of squares, of each sample: only draws that hit a value other than zero are looked up.

    How many do is binomial, and those that do fall on each of these values alike.
    """
    moved = [value for value in whole if value]
    draw = _Drawer(moved)
    hits = _binomial_cdf(len(whole), len(moved) / len(whole)) if len(moved) < len(whole) else None
    return [draw(len(moved) if hits is None else bisect_left(hits, rng.random()), rng) for _ in range(resamples)]


class _Drawer:
    """Draws values with replacement, each exactly as likely, and sums them and their squares.

    65,536 is seldom a multiple of the number of values: numbers left over at the end of the table add a mark far above
    any sum instead of a value, and as many draws as there were marks are made again.
    """

    def __init__(self, values: list[int]) -> None:
        rounds = _ENTRIES // len(values)
        marks = _ENTRIES - rounds * len(values)
        self._value = (values * rounds + [1 << _MARK_SHIFT] * marks).__getitem__
        self._square = ([value * value for value in values] * rounds + [0] * marks).__getitem__

    def __call__(self, wanted: int, rng: random.Random) -> tuple[int, int]:
        total = squares = 0
        while wanted:
            numbers = memoryview(rng.randbytes(2 * wanted)).cast("H")
            drawn = sum(map(self._value, numbers))
            squares += sum(map(self._square, numbers))
            # The lower part may be below zero, so the upper one is rounded rather than cut.
            wanted = (drawn + (1 << (_MARK_SHIFT - 1))) >> _MARK_SHIFT
            total += drawn - (wanted << _MARK_SHIFT)
        return total, squares


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
