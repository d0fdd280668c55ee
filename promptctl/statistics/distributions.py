"""Quantiles and tails: the normal, Student's t, and the binomial."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_STANDARD_NORMAL = NormalDist()
_TINY = 1e-300
_CLOSE = 1e-15
_LARGEST_LOG = 709.0


def normal_quantile(probability: float) -> float:
    """The z below which a standard normal lies with this probability (Wichura 1988, AS 241, as in the library)."""
    return _STANDARD_NORMAL.inv_cdf(probability)


def normal_tail(z: float) -> float:
    """The probability that a standard normal exceeds z: erfc(z/√2)/2, exact far into the tail."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def t_cdf(t: float, degrees: float) -> float:
    """The probability that Student's t with this many degrees of freedom is at most `t`.

    Formula: P(T > t) = I_x(ν/2, ½)/2 for t ≥ 0, with x = ν/(ν + t²) and I the regularised incomplete beta function.
    Source: Abramowitz and Stegun 1964, 26.7.1.
    """
    upper = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t), t * t / (degrees + t * t))
    return 1 - upper if t > 0 else upper


@lru_cache(maxsize=256)
def t_quantile(probability: float, degrees: float) -> float:
    """The t below which Student's t lies with this probability: `t_cdf` inverted by bisection."""
    if not 0 < probability < 1:
        raise ValueError(f"a probability must lie between 0 and 1, not {probability}")
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    low, high = 0.0, 2.0
    while t_cdf(high, degrees) < probability:
        low, high = high, high * 2
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if t_cdf(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def binomial_tail(successes: int, trials: int) -> float:
    """The probability of at least `successes` heads in `trials` tosses of a fair coin, exact to the last digit.

    Formula: Σ_{i≥s} C(m,i)/2^m, summed in integers on the shorter side.
    """
    if successes <= 0:
        return 1.0
    if 2 * successes > trials:
        return _lowest_terms(trials - successes, trials) / (1 << trials)
    return ((1 << trials) - _lowest_terms(successes - 1, trials)) / (1 << trials)


def _lowest_terms(last: int, trials: int) -> int:
    """C(m,0) + … + C(m,last)."""
    term = total = 1
    for i in range(last):
        term = term * (trials - i) // (i + 1)
        total += term
    return total


def exponential(log: float) -> float:
    """The number with this natural logarithm; infinite where it would overflow."""
    return math.exp(log) if log < _LARGEST_LOG else math.inf


def incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """The regularised incomplete beta function I_x(a,b), with y = 1 − x given so that no digit is lost near x = 1."""
    if x <= 0:
        return 0.0
    if y <= 0:
        return 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    # The fraction converges fast on this side of the mean only: I_x(a,b) = 1 − I_y(b,a) serves the other.
    if x < (a + 1) / (a + b + 2):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1 - math.exp(log_front) * _beta_fraction(b, a, y) / b


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a,b), DLMF 8.17.22, evaluated forwards by Lentz's method (Lentz 1976)."""
    numerator, denominator = 1.0, 1.0 / _nonzero(1 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            denominator = 1.0 / _nonzero(1 + coefficient * denominator)
            numerator = _nonzero(1 + coefficient / numerator)
            value *= numerator * denominator
        if abs(numerator * denominator - 1) < _CLOSE:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
