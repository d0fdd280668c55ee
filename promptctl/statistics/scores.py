"""A mean difference of scores: its test and its intervals, both of one pivot, so that they never disagree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from promptctl.statistics.bootstrap import RESAMPLES, bootstrap_t, studentized_interval, studentized_p
from promptctl.statistics.distributions import t_cdf
from promptctl.statistics.intervals import (
    Interval,
    mean_interval,
    skewed_interval,
    skewness_of,
    standard_error,
    unskewed,
    unvaried_interval,
    unvaried_p,
)
from promptctl.statistics.paired import PairedTest

# Below this a resample is too often of next to nothing; Student's t serves.
FEWEST_TO_RESAMPLE = 10
# Above this the bootstrap takes long, and says what the cubic of `skewed_interval` says at once.
_MOST_TO_RESAMPLE = 200
# With fewer values beside the most common one, resamples often hold none of them, and t has not met enough of the
# spread.
_FEWEST_VARIED = 5


def score_test(
    values: Sequence[float],
    levels: Sequence[float],
    *,
    spread: float = 1.0,
    resamples: int = RESAMPLES,
    seed: str = "",
) -> tuple[PairedTest, list[Interval]]:
    """Test a mean difference, and return an interval for each of the levels of confidence.

    `values` are the cases' differences, or the clusters' (`influences`); no two scores differ by more than `spread`.
    The one-sided p-value is below α exactly if the interval of confidence 1 − 2α leaves out zero. Both hold to the more
    cautious of two bounds: a pivot (the bootstrap's t for 10 to 200 units, Student's for fewer, t with its skewness
    removed for more), and `unvaried_interval`, for what the cases seen say nothing of. The second keeps the error near
    α for values of any skew: a rare large loss that no case has met yet looks like a sure gain to every pivot.
    """
    mean, units = math.fsum(values) / len(values), len(values)
    p = unvaried_p(mean, units, spread)
    p_worse, p_better = (p, 1.0) if mean < 0 else (1.0, p)
    unvaried = partial(unvaried_interval, mean, units, spread)
    pivot = _pivot(values, mean, resamples, seed)
    if pivot is None:
        return PairedTest(p_worse, p_better), [unvaried(level) for level in levels]
    test = PairedTest(max(pivot.p_worse, p_worse), max(pivot.p_better, p_better))
    return test, [_hull(pivot.interval(level), unvaried(level), spread) for level in levels]


@dataclass(frozen=True, slots=True)
class _Pivot:
    p_worse: float
    p_better: float
    interval: Callable[[float], Interval]


def _pivot(values: Sequence[float], mean: float, resamples: int, seed: str) -> _Pivot | None:
    """The mean over its error, held against the distribution that fits so many values; None without spread."""
    error, units = standard_error(values), len(values)
    if not error:
        return None
    t = mean / error
    varied = units - Counter(round(value, 9) for value in values).most_common(1)[0][1]
    if units < FEWEST_TO_RESAMPLE or varied < _FEWEST_VARIED:
        return _Pivot(t_cdf(t, units - 1), t_cdf(-t, units - 1), partial(mean_interval, mean, error, units))
    if units <= _MOST_TO_RESAMPLE:
        drawn = bootstrap_t(values, resamples=resamples, seed=seed)
        return _Pivot(*studentized_p(t, drawn), partial(studentized_interval, mean, error, drawn))
    skewness = skewness_of(values)
    straight = unskewed(t, skewness, units)
    interval = partial(skewed_interval, mean, error, skewness, units)
    return _Pivot(t_cdf(straight, units - 1), t_cdf(-straight, units - 1), interval)


def _hull(first: Interval, second: Interval, spread: float) -> Interval:
    low, high = min(first.low, second.low), max(first.high, second.high)
    method = second.method if (low, high) == (second.low, second.high) else first.method
    return Interval(max(-spread, low), min(spread, high), first.confidence, method)
