"""Intervals of a ratio, head's over base's: of two means and of two medians, paired by case."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Sequence

from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.distributions import normal_quantile, t_quantile
from promptctl.statistics.intervals import Interval, cluster_totals, skewed_interval, skewness_of, standard_error

FEWEST_UNITS = 10
# Expected skewness over √n, above which a mean is too much a matter of its largest values to say how sure it is.
_MOST_SKEWED = 2.0
# e to the power of a larger variance of logarithms would be no number.
_LARGEST_VARIANCE = 50.0
_PERMUTATIONS = 1999
# Values of each side that are dealt out one by one.
_LARGEST = 50
# An interval that reaches further, as a logarithm, says nothing.
_FARTHEST = 10.0
_HALVINGS = 10
_LEAST_STEP = 1e-6


def ratio_of_means(
    base: Sequence[float],
    head: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval | None:
    """The interval of head's mean over base's; None with fewer than 10 units, or too heavy a tail to tell.

    Formula: of the logarithm of the ratio, with the jackknife's error (of cases, or of whole clusters left out): the
    hull of Student's t and of `skewed_interval`. The tail is too heavy if on either side the skewness (ω+2)·√(ω−1)
    that a lognormal has, ω = e^s² and s the deviation of the logarithms, is above 2·√n.
    Source: Miller 1974, Biometrika 61:1, for the jackknife; Hall 1992, Journal of the Royal Statistical Society B
    54:221. Of lognormal values with s up to 1.5 it covers at least 93 % where 95 % is said; with s = 2 and up to 1,000
    cases there is none (`benchmarks/interval_coverage.py`).
    """
    before, after = (_totals(values, clusters) for values in (base, head))
    all_before, all_after, units = math.fsum(before), math.fsum(after), len(before)
    without = [(all_after - a, all_before - b) for b, a in zip(before, after, strict=True)]
    if units < FEWEST_UNITS or any(a <= 0 or b <= 0 for a, b in without):
        return None
    if max(_lognormal_skewness(values) for values in (before, after)) > _MOST_SKEWED * math.sqrt(units):
        return None
    # Left out, a case with a high ratio leaves a low one: with the sign turned these are the cases' pulls.
    pulls = [-(units - 1) * math.log(a / b) for a, b in without]
    error = standard_error(pulls) or 0.0
    log_ratio = math.log(all_after / all_before)
    half = t_quantile((1 + confidence) / 2, units - 1) * error
    skewed = skewed_interval(log_ratio, error, skewness_of(pulls), units, confidence)
    low, high = min(log_ratio - half, skewed.low), max(log_ratio + half, skewed.high)
    return Interval(math.exp(low), math.exp(high), confidence, "jackknife")


def ratio_of_unpaired_means(base: Sequence[float], head: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The interval of head's mean over base's, of values that are not paired; None where `ratio_of_means` has none.

    Formula: the hull of two. Of the logarithm of the ratio, Student's t with the error √(s₁²/(n₁x̄₁²) + s₂²/(n₂x̄₂²))
    and Welch's degrees of freedom; and all ratios by which base's values can be multiplied without a permutation test
    of the two sums refusing that they are head's: a side that has not met its tail yet learns of it from the other.
    The tail is too heavy as for `ratio_of_means`, judged by the spread within both sides and the size of the smaller.
    Source: Hedges, Gurevitch and Curtis 1999, Ecology 80:1150, for the error; Welch 1947, Biometrika 34:28, for the
    degrees of freedom; Pitman 1937, Supplement to the Journal of the Royal Statistical Society 4:119, for permutations.
    """
    parts = []
    for values in (base, head):
        n = len(values)
        if n < FEWEST_UNITS or math.fsum(values) <= 0:
            return None
        parts.append((math.fsum(values) / n, (standard_error(values) or 0.0) * n / math.fsum(values), n))
    if _lognormal_skewness(base, head) > _MOST_SKEWED * math.sqrt(min(len(base), len(head))):
        return None
    (before, e1, n1), (after, e2, n2) = parts
    variance, log_ratio = e1 * e1 + e2 * e2, math.log(after / before)
    degrees = variance**2 / (e1**4 / (n1 - 1) + e2**4 / (n2 - 1)) if variance else n1 + n2 - 2
    half = t_quantile((1 + confidence) / 2, degrees) * math.sqrt(variance)
    share, least = _permutations(base, head), (1 - confidence) / 2
    low = _refused_from(lambda at: share(math.exp(at), -1), log_ratio, -half, least)
    high = _refused_from(lambda at: share(math.exp(at), 1), log_ratio, half, least)
    if low is None or high is None:
        return None
    return Interval(math.exp(low), math.exp(high), confidence, "welch-permutation")


def ratio_of_medians(
    base: Sequence[float],
    head: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval | None:
    """The interval of head's median over base's, however heavy the tails; None with fewer than 10 units.

    Formula: of the logarithm of the ratio, Student's t with the error of Σ (s₂·sgn(y−m₂) − s₁·sgn(x−m₁))/n, of whole
    clusters if there are any, four pairs of signs added. s is a logarithm's spread about the median:
    √n·(log x₍ₙ₋c₊₁₎ − log x₍c₎)/2z, c about (n+1)/2 − √n, z the normal quantile of the binomial chance of fewer than c
    below the median.
    Source: McKean and Schrader 1984, Communications in Statistics B 13:751; Price and Bonett 2002, Journal of
    Statistical Computation and Simulation 72:119; for pairs Bonett and Price 2020, British Journal of Mathematical and
    Statistical Psychology 73 (supplement 1):1.
    """
    n, units = len(base), len(base) if clusters is None else len(set(clusters))
    if units < FEWEST_UNITS or min(*base, *head) <= 0:
        return None
    (first, s1, first_pulls), (second, s2, second_pulls) = _median_pulls(base), _median_pulls(head)
    pulls = [after - before for before, after in zip(first_pulls, second_pulls, strict=True)]
    # Few pairs may all agree by chance: four more, one for each pair of signs, leave the correlation short of one.
    pulls += [s2 - s1, s1 - s2, s2 + s1, -s1 - s2]
    groups = None if clusters is None else [*clusters, *(object() for _ in range(4))]
    error = (standard_error(pulls, groups) or 0.0) * math.sqrt(len(pulls) / n)
    half = t_quantile((1 + confidence) / 2, units - 1) * error
    log_ratio = math.log(second / first)
    return Interval(math.exp(log_ratio - half), math.exp(log_ratio + half), confidence, "price-bonett")


def _permutations(base: Sequence[float], head: Sequence[float]) -> Callable[[float, int], float]:
    """Return a function of a ratio and a sign: the share of permutations in which head's sum is at most what it is.

    With the sign -1, at least that. The largest values of each side are dealt out one by one; the sum of the others
    that fall to head is normal, with the mean and variance of a draw without replacement.
    """
    rng, n, seen = random.Random(0), len(base) + len(head), math.fsum(head)  # noqa: S311 - no secret
    (large_base, few_base), (large_head, few_head) = (_split(values) for values in (base, head))
    small = few_base[0] + few_head[0]
    deals = []
    for _ in range(_PERMUTATIONS):
        free, of_side = len(head), [0.0, 0.0]
        left = n
        for side, values in enumerate((large_base, large_head)):
            for value in values:
                if rng.random() * left < free:
                    of_side[side] += value
                    free -= 1
                left -= 1
        spread = math.sqrt(free * (small - free) / (small - 1)) * rng.gauss(0, 1) if small > 1 else 0.0
        deals.append((*of_side, free, spread))

    def share(ratio: float, sign: int) -> float:
        mean = (ratio * few_base[1] + few_head[1]) / small if small else 0.0
        square = (ratio * ratio * few_base[2] + few_head[2]) / small if small else 0.0
        deviation, slack = math.sqrt(max(0.0, square - mean * mean)), 1e-9 * seen
        away = [ratio * b + h + free * mean + spread * deviation - seen for b, h, free, spread in deals]
        return (1 + sum(sign * each <= slack for each in away)) / (1 + len(away))

    return share


def _split(values: Sequence[float]) -> tuple[list[float], tuple[int, float, float]]:
    """Return the largest values, and of the others the number, the sum and the sum of squares."""
    ordered = sorted(values, reverse=True)
    others = ordered[_LARGEST:]
    return ordered[:_LARGEST], (len(others), math.fsum(others), math.fsum(value * value for value in others))


def _refused_from(share: Callable[[float], float], seen: float, step: float, least: float) -> float | None:
    """Return the point, a step from what was seen or further, beyond which the share is below the least; or None."""
    near, far = seen, seen + step
    step = step or math.copysign(_LEAST_STEP, step)
    while share(far) >= least:
        near, far = far, far + step
        step *= 2
        if abs(far - seen) > _FARTHEST:
            return None
    if near == seen:
        return far
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if share(middle) >= least else (near, middle)
    return far


def _totals(values: Sequence[float], clusters: Sequence[Hashable] | None) -> list[float]:
    return [total for total, _size in cluster_totals(values, clusters)]


def _lognormal_skewness(*sides: Sequence[float]) -> float:
    """The skewness of a lognormal whose logarithm varies as much as that of the values above zero, within sides."""
    squares, degrees = 0.0, 0
    for values in sides:
        logs = [math.log(value) for value in values if value > 0]
        squares += (standard_error(logs) or 0.0) ** 2 * len(logs) * (len(logs) - 1)
        degrees += max(0, len(logs) - 1)
    omega = math.exp(min(_LARGEST_VARIANCE, squares / degrees if degrees else 0.0))
    return (omega + 2) * math.sqrt(omega - 1)


def _median_pulls(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """The median, the logarithms' spread about it, and with its sign how far each value pulls it."""
    ordered, n = sorted(values), len(values)
    median = quantile(ordered, 0.5)
    rank = max(1, round((n + 1) / 2 - math.sqrt(n)))
    z = normal_quantile(1 - _fewer_heads(rank, n))
    spread = math.sqrt(n) * math.log(ordered[n - rank] / ordered[rank - 1]) / (2 * z)
    return median, spread, [spread * ((value > median) - (value < median)) for value in values]


def _fewer_heads(heads: int, tosses: int) -> float:
    """P(X < heads), X the heads of so many tosses of a fair coin; heads about two deviations below the middle."""
    log_all = math.lgamma(tosses + 1) - tosses * math.log(2)
    first = max(0, heads - 5 * math.isqrt(tosses))
    return math.fsum(math.exp(log_all - math.lgamma(k + 1) - math.lgamma(tosses - k + 1)) for k in range(first, heads))
