"""Planning: the smallest difference a comparison could have seen, and how many cases would settle one."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

from promptctl.statistics.distributions import normal_quantile, normal_tail
from promptctl.statistics.intervals import skewed_interval, unvaried_interval
from promptctl.statistics.metric import ALPHA, MetricComparison
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.statistics.scores import FEWEST_TO_RESAMPLE

POWER = 0.8
# Beyond this many cases the exact test and the normal approximation agree to about a tenth of a point.
_EXACT_CASES = 2_000
_MOST_CASES = 10_000_000


def cases_to_rule_out(metric: MetricComparison, margin: float) -> int | None:
    """The smallest number of cases, above those there are, with which a loss of the margin would be ruled out.

    None if the loss seen is as large, or if nothing is known of the spread, or beyond ten million. The shares of
    improved and regressed cases, or the scores' mean, spread and skewness, are taken to stay as they are; the bound is
    that of `MetricComparison.rules_out`, except that `skewed_interval` stands in for the bootstrap, which it follows.
    Cases grow with the clusters they form. Found by bisection; counts of cases are whole, so that the answer is the
    smallest up to a few.
    """
    if metric.units < 2 or metric.difference <= -margin:
        return None
    few, enough = metric.units, metric.units + 1
    while not _would_rule_out(metric, margin, enough):
        few, enough = enough, enough * 2
        if enough > _MOST_CASES:
            return None
    while enough - few > 1:
        middle = (few + enough) // 2
        if _would_rule_out(metric, margin, middle):
            enough = middle
        else:
            few = middle
    return math.ceil(enough * metric.n / metric.units)


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


def detectable_difference(
    standard_error: float, *, alpha: float = ALPHA, power: float = POWER, is_two_sided: bool = False
) -> float:
    """The smallest true difference of mean scores that the test would see with this power.

    Formula: (z_{1−α} + z_{power})·SE, which is 2.49·SE; two-sided (z_{1−α/2} + z_{power})·SE, which is 2.80·SE.
    Source: Miller 2024, "Adding Error Bars to Evals" (arXiv 2411.00640), solved for the difference.
    """
    return _z_sum(alpha, power, is_two_sided=is_two_sided) * standard_error


def cases_for_difference(
    deviation: float,
    difference: float,
    *,
    alpha: float = ALPHA,
    power: float = POWER,
    is_two_sided: bool = False,
) -> int:
    """The number of cases that it takes to see a true difference of mean scores with this power, rounded up.

    `deviation` is the standard deviation of the differences of single cases.
    Formula: (z_{1−α/2} + z_{power})²·sd²/δ² two-sided, with z_{1−α} one-sided.
    Source: Miller 2024 (arXiv 2411.00640), the sample-size formula.
    """
    if difference <= 0:
        raise ValueError(f"a difference to look for must be above zero, not {difference}")
    needed = (_z_sum(alpha, power, is_two_sided=is_two_sided) * deviation / difference) ** 2
    return max(2, math.ceil(needed - 1e-9))


@lru_cache(maxsize=4096)
def drop_power(n: int, noise: float, drop: float, alpha: float = ALPHA) -> float:
    """The chance that McNemar's exact one-sided test at α sees the pass rate fall by `drop` over n cases.

    `noise` is the share of cases that would flip each way if nothing had changed. Then a case regresses with
    probability noise + drop and improves with probability noise (scaled to add up to at most 1). Formula: the sum
    over the number of flips m, binomial in n, of the chance that a binomial in m reaches the test's critical value.
    Source: Duffy 1984, Biometrics 40:1005 (exact power); beyond 2,000 cases Connor 1987, Biometrics 43:207.
    """
    flipping = min(1.0, 2 * noise + drop)
    if drop <= 0 or n == 0 or drop > flipping:
        return 0.0
    if n > _EXACT_CASES:
        spread = math.sqrt(max(flipping - drop * drop, 0.0))
        # Less 1/√n, the correction for continuity, without which the exact test's caution is missed.
        distance = drop * math.sqrt(n) - 1 / math.sqrt(n) - normal_quantile(1 - alpha) * math.sqrt(flipping)
        return normal_tail(-distance / spread) if spread else float(distance > 0)
    regressing = (1 + drop / flipping) / 2
    reach = 6 * math.sqrt(n * flipping * (1 - flipping)) + 1
    fewest = max(0, math.floor(n * flipping - reach))
    most = min(n, math.ceil(n * flipping + reach))
    return math.fsum(
        _binomial_mass(flips, n, flipping) * _binomial_upper(_critical_value(flips, alpha), flips, regressing)
        for flips in range(fewest, most + 1)
    )


def detectable_drop(n: int, noise: float, *, alpha: float = ALPHA, power: float = POWER) -> float | None:
    """The smallest fall of the pass rate that McNemar's exact one-sided test would see with this power; None if none.

    Found by bisection of `drop_power`, to a tenth of a percentage point, rounded up.
    """
    highest = 1000
    if drop_power(n, noise, 1.0, alpha) < power:
        return None
    lowest = 0
    while highest - lowest > 1:
        middle = (lowest + highest) // 2
        if drop_power(n, noise, middle / 1000, alpha) >= power:
            highest = middle
        else:
            lowest = middle
    return highest / 1000


def cases_for_drop(drop: float, noise: float, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """About how many cases McNemar's exact one-sided test needs to see the pass rate fall by `drop`; None if too many.

    Found by bisection of `drop_power`. Power rises with n in saw teeth, so a slightly smaller number may do too.
    """
    if drop <= 0:
        raise ValueError(f"a drop to look for must be above zero, not {drop}")
    enough = 1
    while drop_power(enough, noise, drop, alpha) < power:
        enough *= 2
        if enough > _MOST_CASES:
            return None
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        if drop_power(middle, noise, drop, alpha) >= power:
            enough = middle
        else:
            few = middle
    return enough


@lru_cache(maxsize=8192)
def _critical_value(flips: int, alpha: float) -> int:
    """The fewest regressions among so many flips at which the one-sided p-value is below alpha; flips + 1 if none."""
    limit = math.ceil(Fraction(alpha) * (1 << flips))
    term = total = 1
    fewest = flips + 1
    while total < limit:
        fewest -= 1
        below = flips - fewest
        term = term * (flips - below) // (below + 1)
        total += term
    return fewest


def _binomial_mass(successes: int, trials: int, probability: float) -> float:
    if probability in (0.0, 1.0):
        return float(successes == round(trials * probability))
    return math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(probability)
        + (trials - successes) * math.log1p(-probability)
    )


def _binomial_upper(successes: int, trials: int, probability: float) -> float:
    """P(X ≥ successes), from the mass at the critical value and the ratio of neighbouring masses."""
    if successes > trials:
        return 0.0
    if probability >= 1.0:
        return 1.0
    start = _binomial_mass(successes, trials, probability)
    odds = probability / (1 - probability)
    # Below the mean the lower tail is the shorter sum.
    if successes > trials * probability:
        term = total = start
        for k in range(successes, trials):
            term *= (trials - k) / (k + 1) * odds
            total += term
            if term < 1e-12 * total:
                break
        return min(1.0, total)
    term, total = start, 0.0
    for k in range(successes, 0, -1):
        term *= k / ((trials - k + 1) * odds)
        total += term
        if term < 1e-12:
            break
    return 1.0 - total


def _z_sum(alpha: float, power: float, *, is_two_sided: bool) -> float:
    return normal_quantile(1 - alpha / 2 if is_two_sided else 1 - alpha) + normal_quantile(power)
