"""Confidence sequences: intervals that are right at every look at once. Of a rate, a quantile, a mean and a ratio.

Exact, for any distribution: of a rate and of a quantile. Asymptotic: of means, which no number of observations makes
exact without a bound on the largest value; there is none before `FEWEST` observations of each side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from promptctl.statistics.distributions import normal_quantile
from promptctl.statistics.intervals import Interval

FEWEST = 100
# The number of observations at which intervals of means are as narrow as they can be.
_TUNED_FOR = 2_000
# The quantile's mixture expects a rate about as near to q as that of so many observations.
_CONCENTRATION = 100.0
# A ratio is looked for from its estimate over and under so many times that, to 2^-40 of the range of logarithms.
_FARTHEST = 1e6
_HALVINGS = 40
_EVEN = 1e-6
_MOST_NEEDED = 1 << 40


def rate_sequence(total: float, n: int, alpha: float = 0.05) -> Interval:
    """The interval of a rate, or of the mean of values from 0 to 1, whose sum is `total`.

    Formula: the p at which B(a + S, b + n − S)/B(a, b) / (p^S (1−p)^(n−S)) is below 1/α, with a = b = 1. With values
    other than 0 and 1 the ratio is smaller in expectation, since p^y (1−p)^(1−y) lies below the chord.
    Source: Robbins 1970, Annals of Mathematical Statistics 41:1397; Howard, Ramdas, McAuliffe and Sekhon 2021, Annals
    of Statistics 49:1055.
    """
    if n == 0:
        return Interval(0.0, 1.0, 1 - alpha, "beta-mixture")
    threshold = math.log(1 / alpha) - _log_beta(1 + total, 1 + n - total)

    def is_refused(p: float) -> bool:
        return -_log_likelihood(total, n, p) >= threshold

    rate = total / n
    low, high = edge(is_refused, 0.0, rate), edge(is_refused, 1.0, rate)
    return Interval(low, high, 1 - alpha, "beta-mixture")


def quantile_sequence(ordered: Sequence[float], probability: float, alpha: float = 0.05) -> Interval:
    """The interval of a quantile, from sorted values: from one of them to another, or to infinity.

    Formula: the number of values at or below the quantile is binomial with the rate q; the counts k at which
    B(a + k, b + n − k)/B(a, b) / (q^k (1−q)^(n−k)) is below 1/α, a = 100·q and b = 100·(1−q), give the ranks.
    Source: Howard and Ramdas 2022, Bernoulli 28:1704, with the binomial's own mixture for the boundary.
    """
    n = len(ordered)
    a, b = _CONCENTRATION * probability, _CONCENTRATION * (1 - probability)

    def is_refused(count: int) -> bool:
        log = _log_beta(a + count, b + n - count) - _log_beta(a, b) - _log_likelihood(count, n, probability)
        return log >= math.log(1 / alpha)

    likely = round(n * probability)
    fewest = _first(lambda count: not is_refused(count), 0, likely)
    most = _first(is_refused, likely, n + 1) - 1
    low = ordered[fewest - 1] if fewest else -math.inf
    return Interval(low, ordered[most] if most < n else math.inf, 1 - alpha, "quantile-mixture")


def mean_sequence(values: Sequence[float], alpha: float = 0.05) -> Interval | None:
    """The asymptotic interval of a mean of values with a finite variance; None with fewer than `FEWEST` of them.

    Formula: x̄ ± s·`widening`(n)/√n.
    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Annals of Statistics 52:2613, theorem 2.2.
    """
    if len(values) < FEWEST:
        return None
    side = _moments(values)
    half = math.sqrt(side.variance / side.n) * widening(side.n, alpha)
    return Interval(side.mean - half, side.mean + half, 1 - alpha, "asymptotic")


def ratio_sequence(values: Sequence[tuple[bool, float]], share: float, alpha: float = 0.05) -> Interval | None:
    """The interval of the arm's mean over control's, of values not below zero in the order in which they became known.

    `values` are (is on the arm, value), the arm drawn with the chance `share`. None with fewer than `FEWEST` on either
    side, or if control's mean is zero. An arm of zeros is told from each other ratio at once, and then is [0, 0].
    It contains each ratio that one of two processes allows. The one is asymptotic, for means whatever else differs:
    |x̄₁ − r·x̄₀| ≤ `widening`(n)·√(s₁²/n₁ + r²s₀²/n₀). The other is exact where arms differ by that factor alone, so that
    heavy tails and an uneven split, for which the first alarms far too often, make no false alarm if there is nothing:
    Formula: u is the value, over r on the arm, less the mean of those before it; S = Σ u/π on the arm − Σ u/(1−π) on
    control; S² ≤ (Q + ρ)·log((Q + ρ)/(ρα²)), Q = k·Σu², k = (1−2π)/(2π²(1−π)²·log((1−π)/π)), 4 of two halves, since
    E exp(λx) ≤ exp(kλ²/2) of x = 1/π with the chance π, else −1/(1−π). The first `FEWEST` values only fix ρ.
    Source: Waudby-Smith and others 2024, Annals of Statistics 52:2613, for the first; Kearns and Saul 1998, UAI 14:311,
    for k, and Robbins's mixture as in Howard and others 2021, Annals of Statistics 49:1055, for the second.
    """
    arm, control = (_moments([value for is_on_arm, value in values if is_on_arm is side]) for side in (True, False))
    if min(arm.n, control.n) < FEWEST or control.mean <= 0:
        return None
    wide = widening(arm.n + control.n, alpha)
    sums = _randomized_sums(values, share)

    def is_refused(log_ratio: float) -> bool:
        ratio = math.exp(log_ratio)
        error = math.sqrt(arm.variance / arm.n + ratio**2 * control.variance / control.n)
        return abs(arm.mean - ratio * control.mean) > wide * error and sums.refuse(1 / ratio, alpha)

    if arm.mean <= 0:  # each ratio above zero is as far from it
        return Interval(0.0, 0.0, 1 - alpha, "asymptotic") if is_refused(0.0) else None
    estimate, reach = math.log(arm.mean / control.mean), math.log(_FARTHEST)
    low, high = (edge(is_refused, estimate + side * reach, estimate) for side in (-1, 1))
    return Interval(math.exp(low), math.exp(high), 1 - alpha, "asymptotic")


def ratio_keys_needed(
    values: Sequence[tuple[bool, float]], share: float, change: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Return how many observations in all it takes until `ratio_sequence` leaves out one, if the ratio is 1 + change.

    None without enough of both sides. Formula: the smallest n with (`widening`(n) + z_power)·√(V/n) ≤ log(1 + change),
    V the larger of c₁²/π + c₀²/(1−π) and k·c², c the coefficients of variation.
    """
    arm, control = (_moments([value for is_on_arm, value in values if is_on_arm is side]) for side in (True, False))
    if min(arm.n, control.n) < FEWEST or arm.mean <= 0 or control.mean <= 0:
        return None
    of_arm, of_control = (side.variance / side.mean**2 for side in (arm, control))
    pooled = share * of_arm + (1 - share) * of_control
    variance = max(of_arm / share + of_control / (1 - share), _spread(share) * pooled)

    def is_enough(n: int) -> bool:
        return (widening(n, alpha) + normal_quantile(power)) * math.sqrt(variance / n) <= math.log1p(change)

    most = 2 * FEWEST
    while not is_enough(most) and most < _MOST_NEEDED:
        most *= 2
    return _first(is_enough, 2 * FEWEST, most) if is_enough(most) else None


def widening(n: float, alpha: float = 0.05) -> float:
    """The number of standard errors that take the place of a normal quantile, after n observations.

    Formula: √((n + ρ)/n · log((n + ρ)/(ρα²))), ρ = 2,000/(−2·log α + log(1 − 2·log α)).
    Source: Waudby-Smith and others 2024, Annals of Statistics 52:2613, equation 9 and appendix B.2 for ρ.
    """
    rho = _TUNED_FOR / _flatness(alpha)
    return math.sqrt((n + rho) / n * math.log((n + rho) / (rho * alpha**2)))


def _flatness(alpha: float) -> float:
    return -2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))


@dataclass(frozen=True, slots=True)
class _Moments:
    n: int
    mean: float
    variance: float


def _moments(values: Sequence[float]) -> _Moments:
    n = len(values)
    if n < 2:
        return _Moments(n, math.fsum(values), 0.0)
    mean = math.fsum(values) / n
    return _Moments(n, mean, math.fsum([(value - mean) ** 2 for value in values]) / (n - 1))


@dataclass(frozen=True, slots=True)
class _RandomizedSums:
    """S, and Σu² of all values and of the first ones, of `ratio_sequence`, as polynomials of 1/r; and k."""

    sum_0: float
    sum_1: float
    squares: tuple[float, float, float]
    first: tuple[float, float, float]
    spread: float

    def refuse(self, inverse: float, alpha: float) -> bool:
        total = self.sum_0 + self.sum_1 * inverse
        whole, first = (self.spread * (a + b * inverse + c * inverse**2) for a, b, c in (self.squares, self.first))
        rho = first * _TUNED_FOR / FEWEST / _flatness(alpha)
        if rho <= 0:
            return False
        reached = whole - first + rho
        return total**2 > reached * math.log(reached / (rho * alpha**2))


def _randomized_sums(values: Sequence[tuple[bool, float]], share: float) -> _RandomizedSums:
    # The mean before an observation is (control + arm/r)/n, and what it is away from it u₀ + u₁/r.
    control = arm = sum_0 = sum_1 = 0.0
    squares = first = (0.0, 0.0, 0.0)
    spread = _spread(share)
    for n, (is_on_arm, value) in enumerate(values):
        before = max(n, 1)
        u_0, u_1 = -control / before, -arm / before
        if is_on_arm:
            u_1, arm = u_1 + value, arm + value
        else:
            u_0, control = u_0 + value, control + value
        if n == FEWEST:
            first = squares
        if n >= FEWEST:
            weight = 1 / share if is_on_arm else -1 / (1 - share)
            sum_0, sum_1 = sum_0 + weight * u_0, sum_1 + weight * u_1
        if n:
            squares = (squares[0] + u_0 * u_0, squares[1] + 2 * u_0 * u_1, squares[2] + u_1 * u_1)
    return _RandomizedSums(sum_0, sum_1, squares, first, spread)


def _spread(share: float) -> float:
    """The k of `ratio_sequence`: 4 of two halves."""
    log_odds = math.log((1 - share) / share)
    if abs(log_odds) < _EVEN:
        return 4.0
    return (1 - 2 * share) / (2 * log_odds * (share * (1 - share)) ** 2)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_likelihood(total: float, n: float, p: float) -> float:
    """S·log p + (n − S)·log(1 − p), nothing of what did not occur."""
    hits = total * math.log(p) if total and p > 0 else -math.inf if total else 0.0
    misses = (n - total) * math.log1p(-p) if n - total and p < 1 else -math.inf if n - total else 0.0
    return hits + misses


def _first(is_true: Callable[[int], bool], low: int, high: int) -> int:
    """Return the smallest number from low on for which it is true, at most `high`."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_true(middle) else (middle + 1, high)
    return low


def edge(is_refused: Callable[[float], bool], outer: float, inner: float) -> float:
    """Return where points towards `outer` begin to be refused, from `inner`, which is not; `outer` if none is."""
    if not is_refused(outer):
        return outer
    for _ in range(_HALVINGS):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if is_refused(middle) else (outer, middle)
    return outer
