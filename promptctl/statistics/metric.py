"""One metric on both sides of a comparison: its difference, how sure that is, and how many cases would settle it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from promptctl.statistics.bootstrap import RESAMPLES, bootstrap_t, studentized_interval, studentized_p
from promptctl.statistics.distributions import normal_quantile, normal_tail, t_cdf
from promptctl.statistics.intervals import (
    Interval,
    cluster_totals,
    influences,
    mean_interval,
    skewed_interval,
    skewness_of,
    standard_error,
    tango,
    tango_score,
    unskewed,
    unvaried_interval,
    unvaried_p,
)
from promptctl.statistics.paired import PairedTest, mcnemar

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Procedure:
    """The procedure of a comparison, fixed before any result is seen.

    `alpha` is the level of one-sided tests, which `comparisons` share that are made together; `confidence` that of the
    intervals shown. The same seed gives the same numbers to the last digit.
    """

    alpha: float = ALPHA
    confidence: float = 0.95
    resamples: int = RESAMPLES
    seed: str = ""
    comparisons: int = 1

    @property
    def level(self) -> float:
        """The level of one comparison: its share of alpha."""
        return self.alpha / self.comparisons


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric, paired by case; a repeated case counts once, with its mean. Higher is better.

    `n` cases have a value on both sides, `missing` on one side only. `units` are the clusters they form (n if there are
    none). `improved` and `regressed` count cases. `interval` is at the procedure's confidence, `tolerance` at
    1 − 2·alpha. `test` has raw p-values; Holm's correction is the verdict's. Of scores `skewness` is that of the units'
    differences, and no two differ by more than `spread`. `same_as` names an earlier metric with the very same values,
    so that one question is not asked twice.
    """

    name: str
    n: int
    missing: int
    units: int
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
    skewness: float = 0.0
    spread: float = 1.0
    same_as: str | None = None

    def rules_out(self, margin: float) -> bool:
        """Return True if a true loss of `margin` or more is ruled out, at the procedure's alpha.

        Of passes by the exact test and by Tango's interval, of scores by the tolerance interval.
        """
        if not self.is_binary:
            return self.tolerance.low > -margin
        return is_loss_ruled_out(self.improved, self.regressed, self.n, margin, (1 - self.tolerance.confidence) / 2)


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

    Passes and failures, each case its own cluster: McNemar and Tango. Anything else, of cases or clusters:
    `score_test`. If nothing differs every p-value is 1.
    """
    n = len(base)
    # Rounding what binary floating point leaves of 0.9 − 0.8 makes equal differences equal.
    differences = [round(after - before, 12) for before, after in zip(base, head, strict=True)]
    improved, regressed = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    totals = cluster_totals(differences, clusters)
    is_binary = len(totals) == n and all(value in (0, 1) for value in (*base, *head))
    levels = (procedure.confidence, 1 - 2 * procedure.alpha)
    values = influences(differences, clusters)
    spread = max(1.0, max(*base, *head) - min(*base, *head))
    if is_binary:
        test = mcnemar(improved, regressed)
        interval, tolerance = (tango(improved, regressed, n, confidence) for confidence in levels)
    else:
        seed = f"{procedure.seed}:{name}"
        test, (interval, tolerance) = score_test(
            values, levels, spread=spread, resamples=procedure.resamples, seed=seed
        )
    return MetricComparison(
        name=name,
        n=n,
        missing=missing,
        units=len(totals),
        improved=improved,
        regressed=regressed,
        base_mean=math.fsum(base) / n,
        head_mean=math.fsum(head) / n,
        difference=math.fsum(differences) / n,
        interval=interval,
        tolerance=tolerance,
        standard_error=standard_error(differences, clusters) or 0.0,
        test=test,
        is_binary=is_binary,
        skewness=skewness_of(values),
        spread=spread,
    )


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


POWER = 0.8
_MOST_CASES = 10_000_000


def cases_to_rule_out(metric: MetricComparison, margin: float) -> int | None:
    """The smallest number of cases, above those there are, with which a loss of the margin would be ruled out.

    None if the loss seen is as large, or if nothing is known of the spread, or beyond ten million. The shares of
    improved and regressed cases, or the scores' mean, spread and skewness, are taken to stay as they are; the bound is
    that of `MetricComparison.rules_out`, except that `skewed_interval` stands in for the bootstrap, which it follows.
    Cases grow with the clusters they form. Found by bisection; counts of cases are whole, so that the answer is the
    smallest up to a few.
    """
    if (metric.units < 2 and not metric.is_binary) or metric.difference <= -margin:
        return None
    units = smallest(lambda units: _would_rule_out(metric, margin, units), metric.units, _MOST_CASES)
    return None if units is None else math.ceil(units * metric.n / metric.units)


def smallest(is_enough: Callable[[int], bool], above: int, most: int) -> int | None:
    """The smallest number above `above` that is enough, as all larger ones are; None beyond `most`. By bisection.

    >>> smallest(lambda n: n * n > 200, above=3, most=100)
    15
    """
    few, enough = above, above + 1
    while not is_enough(enough):
        few, enough = enough, enough * 2
        if enough > most:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if is_enough(middle) else (middle, enough)
    return enough


def _would_rule_out(metric: MetricComparison, margin: float, units: int) -> bool:
    """Return True if so many units, like those there are, would rule out a loss of the margin."""
    growth, confidence = units / metric.units, metric.tolerance.confidence
    if metric.is_binary:
        improved, regressed = round(metric.improved * growth), round(metric.regressed * growth)
        return is_loss_ruled_out(improved, regressed, units, margin, (1 - confidence) / 2)
    error = metric.standard_error / math.sqrt(growth)
    skewness = metric.skewness if units >= FEWEST_TO_RESAMPLE else 0.0
    pivot = skewed_interval(metric.difference, error, skewness, units, confidence)
    return min(pivot.low, unvaried_interval(metric.difference, units, metric.spread, confidence).low) > -margin


def detectable_difference(standard_error: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference of mean scores that a one-sided test would see with this power.

    Formula: (z_{1−α} + z_{power})·SE, which is 2.49·SE.
    Source: Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640), solved for the difference.
    """
    return (normal_quantile(1 - alpha) + normal_quantile(power)) * standard_error


# Beyond this many cases the score test's own p-value errs by less than a tenth of a point.
MOST_EXACT = 2_000
# Shares of flipping cases that are tried, evenly spaced in the arcsine of their roots, and steps towards the worst.
_SHARES = 64
_REFINEMENTS = 4
# The mass of a binomial beyond so many standard deviations, and two more, is left out.
_REACH = 6.5


def is_loss_ruled_out(improved: int, regressed: int, n: int, margin: float, alpha: float) -> bool:
    """Return True if both the exact test and Tango's interval of confidence 1 − 2α rule out a loss of the margin."""
    if tango_score(-margin, improved, regressed, n) <= normal_quantile(1 - alpha):
        return False
    return loss_p_value(improved, regressed, n, margin) < alpha


def loss_p_value(improved: int, regressed: int, n: int, margin: float) -> float:
    """The exact p-value of a true loss of `margin` or more of the pass rate, from the flips of n pairs.

    Tables are ordered by Tango's score statistic at −margin. The probability of one as far out is highest over the
    unknown share of cases that flip, from `margin` (no case gained) to 1, for a loss of just the margin: given m flips,
    binomial in n, the improved among them are binomial in m.
    Source: the unconditional test of Suissa and Shuster 1991, Biometrics 47:361, for a margin as in Hsueh, Liu and Chen
    2001, Biometrics 57:478.
    """
    if not 0 <= margin < 1:
        return 0.0 if margin >= 1 and regressed < n else 1.0
    score = tango_score(-margin, improved, regressed, n)
    if n > MOST_EXACT:
        return normal_tail(score)
    needed = _improved_needed(score, n, margin)

    def chance(angle: float) -> float:
        return _chance(needed, n, max(margin, math.sin(angle) ** 2), margin)

    low = math.asin(math.sqrt(margin))
    step = (math.pi / 2 - low) / _SHARES
    highest, worst = max((chance(low + position * step), low + position * step) for position in range(_SHARES + 1))
    for _ in range(_REFINEMENTS):
        step /= 2
        beside = (max(low, worst - step), min(math.pi / 2, worst + step))
        highest, worst = max([(highest, worst), *((chance(angle), angle) for angle in beside)])
    return min(1.0, highest)


def _improved_needed(score: float, n: int, margin: float) -> list[int]:
    """For each number of flips the fewest improved at which the score is as high; one more than the flips if none.

    One more flip takes none more improved, or one: the score rises with each improved and falls with each regressed.
    """
    reached = score - 1e-9
    needed, fewest = [], 0
    for flips in range(n + 1):
        if fewest <= flips and tango_score(-margin, fewest, flips - fewest, n) < reached:
            fewest += 1
        needed.append(fewest)
    return needed


def _chance(needed: list[int], n: int, share: float, margin: float) -> float:
    """The probability of as many improved as needed, if `share` of all cases flip at a loss of `margin`."""
    improving = (1 - margin / share) / 2 if share else 0.5
    reach = _REACH * math.sqrt(n * share * (1 - share)) + 2
    first, last = max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach))
    log = _log_factorials(n)
    flip, stay = _logs(share)
    gain, lose = _logs(improving)

    def mass(flips: int, improved: int) -> float:
        return math.exp(
            log[flips] - log[improved] - log[flips - improved] + improved * gain + (flips - improved) * lose
        )

    fewest = needed[first]
    upper = math.fsum(mass(first, improved) for improved in range(fewest, first + 1))
    total = 0.0
    for flips in range(first, last + 1):
        total += upper * math.exp(log[n] - log[flips] - log[n - flips] + flips * flip + (n - flips) * stay)
        if flips == last:
            break
        # From P(X ≥ k) of one number of flips to that of the next, by the mass at the edge.
        if needed[flips + 1] > fewest:
            upper -= (1 - improving) * mass(flips, fewest) if fewest <= flips else 0.0
            fewest += 1
        elif fewest:
            upper += improving * mass(flips, fewest - 1)
    return total


def _logs(probability: float) -> tuple[float, float]:
    """log p and log(1−p); of nothing a number so low that its power is none, and its power 0 is 1."""
    return (
        math.log(probability) if probability > 0 else -1e9,
        math.log1p(-probability) if probability < 1 else -1e9,
    )


@lru_cache(maxsize=8)
def _log_factorials(n: int) -> list[float]:
    return [math.lgamma(k + 1) for k in range(n + 1)]
