"""One metric on both sides of a comparison: its difference, how sure that is, and how it was found."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.statistics.bootstrap import bootstrap_t, studentized_interval
from promptctl.statistics.intervals import (
    Interval,
    cluster_totals,
    influences,
    mean_interval,
    skewed_interval,
    standard_error,
    tango,
    unvaried_interval,
)
from promptctl.statistics.paired import RESAMPLES, PairedTest, mcnemar, sign_flip
from promptctl.statistics.planning import ALPHA

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

# Below this a resample is too often of next to nothing; Student's t serves.
_FEWEST_TO_RESAMPLE = 10
# Above this the bootstrap takes long, and says what the cubic of `skewed_interval` says at once.
_MOST_TO_RESAMPLE = 200
# With fewer values beside the most common one, resamples often hold none of them, and t has not met enough of the
# spread.
_FEWEST_VARIED = 5


@dataclass(frozen=True, slots=True)
class Procedure:
    """The procedure of a comparison, fixed before any result is seen.

    `alpha` is the level of one-sided tests; `confidence` that of the intervals shown. The same seed gives the same
    numbers to the last digit.
    """

    alpha: float = ALPHA
    confidence: float = 0.95
    resamples: int = RESAMPLES
    seed: str = ""


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric, paired by case; a repeated case counts once, with its mean. Higher is better.

    `n` cases have a value on both sides, `missing` on one side only. `units` are the clusters they form (n if there are
    none), `moved` the units that differ. `improved` and `regressed` count cases. `interval` is at the procedure's
    confidence, `tolerance` at 1 − 2·alpha: non-inferiority is judged by its lower end. `test` has raw p-values; Holm's
    correction is the verdict's. `same_as` names an earlier metric with the very same values, so that one question is
    not asked twice.
    """

    name: str
    n: int
    missing: int
    units: int
    moved: int
    improved: int
    regressed: int
    base_mean: float
    head_mean: float
    difference: float
    interval: Interval
    tolerance: Interval
    standard_error: float
    test: PairedTest
    is_binary: bool
    same_as: str | None = None


def compare_metric(
    name: str,
    base: Sequence[float],
    head: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    *,
    procedure: Procedure,
    missing: int = 0,
) -> MetricComparison:
    """Compare one metric's values, paired by position; at least one pair, finite numbers.

    Passes and failures, each case its own cluster: McNemar and Tango. Anything else: sign flips, and the studentized
    bootstrap for 10 to 200 units, Student's t for fewer, without skewness for more; if next to nothing varied,
    `unvaried_interval` besides.
    """
    n = len(base)
    # Rounding what binary floating point leaves of 0.9 − 0.8 makes equal differences equal.
    differences = [round(after - before, 12) for before, after in zip(base, head, strict=True)]
    improved, regressed = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    totals = cluster_totals(differences, clusters)
    moved = sum(abs(total) > 1e-12 for total, _size in totals)
    is_binary = len(totals) == n and all(value in (0, 1) for value in (*base, *head))
    if is_binary:
        test = mcnemar(improved, regressed)
        levels = [tango(improved, regressed, n, confidence) for confidence in _levels(procedure)]
    else:
        test = sign_flip(differences, clusters, resamples=procedure.resamples, seed=f"{procedure.seed}:{name}")
        spread = max(1.0, max(*base, *head) - min(*base, *head))
        levels = _score_intervals(_Differences(name, differences, clusters, len(totals), moved, spread), procedure)
    return MetricComparison(
        name=name,
        n=n,
        missing=missing,
        units=len(totals),
        moved=moved,
        improved=improved,
        regressed=regressed,
        base_mean=math.fsum(base) / n,
        head_mean=math.fsum(head) / n,
        difference=math.fsum(differences) / n,
        interval=levels[0],
        tolerance=levels[1],
        standard_error=standard_error(differences, clusters) or 0.0,
        test=test,
        is_binary=is_binary,
    )


@dataclass(frozen=True, slots=True)
class _Differences:
    name: str
    values: list[float]
    clusters: Sequence[Hashable] | None
    units: int
    moved: int
    spread: float


def _levels(procedure: Procedure) -> tuple[float, float]:
    return procedure.confidence, 1 - 2 * procedure.alpha


def _score_intervals(differences: _Differences, procedure: Procedure) -> list[Interval]:
    values = influences(differences.values, differences.clusters)
    error = standard_error(values)
    varied = len(values) - Counter(round(value, 9) for value in values).most_common(1)[0][1]
    found: list[Interval | None]
    if not error or differences.units < _FEWEST_TO_RESAMPLE or varied < _FEWEST_VARIED:
        found = [mean_interval(differences.values, differences.clusters, level) for level in _levels(procedure)]
    elif differences.units <= _MOST_TO_RESAMPLE:
        t_values = bootstrap_t(values, resamples=procedure.resamples, seed=f"{procedure.seed}:{differences.name}")
        mean = math.fsum(values) / len(values)
        found = [studentized_interval(mean, error, t_values, level) for level in _levels(procedure)]
    else:
        found = [skewed_interval(values, level) for level in _levels(procedure)]
    return [
        _bounded(interval, differences, confidence, is_known=varied >= _FEWEST_VARIED)
        for interval, confidence in zip(found, _levels(procedure), strict=True)
    ]


def _bounded(interval: Interval | None, differences: _Differences, confidence: float, *, is_known: bool) -> Interval:
    """The interval within what is possible; if too little varied, the hull of it and `unvaried_interval`."""
    limit = differences.spread
    bound = interval
    if interval is None or not is_known:
        mean = math.fsum(differences.values) / len(differences.values)
        bound = unvaried_interval(mean, differences.units, limit, confidence)
    assert bound is not None
    both = (interval or bound, bound)
    low, high = min(each.low for each in both), max(each.high for each in both)
    return Interval(max(-limit, low), min(limit, high), confidence, bound.method)
