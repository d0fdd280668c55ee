"""The difference of two arms' rates, or of scores from 0 to 1: an exact e-process, true after every observation.

An observation is `(is_on_arm, value)`: whether it belongs to the arm (or to control), and its value from 0 to 1, in
the order in which values became known. Each is of one unit, drawn to the arm with the chance `share`.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from promptctl.statistics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Observations = Sequence[tuple[bool, float]]

# Effects that are bet on: the minimum times these powers of two, most on the minimum itself.
_POWERS = range(-6, 5)
# No bet loses more than this share of the capital.
_MOST_LOST = 0.9
# Observations that the first guess at the mean and the variance counts for.
_GUESSES = 4.0
# Factors between 0.1 and 1.9 multiplied before the logarithm is taken, so that none overflows.
_AT_ONCE = 250
# An interval is seldom wider than so many times 1/√(n·π(1−π)) on a side. Its ends are refused by next to nothing.
_REACH = 4.0
_NEAR = 0.003
_NEAREST = 1e-6


def difference_interval(values: Observations, share: float, minimum: float, alpha: float = 0.05) -> Interval:
    """Return the interval of arm's rate less control's: right at every look at once with chance 1 − α at least.

    It consists of the differences that `log_evidence` does not refuse at α/2 on either side. `minimum` is the effect
    at which it should decide soonest; it is right for each.
    """
    threshold, estimate = math.log(2 / alpha), estimated_difference(values)
    if estimate is None:
        return Interval(-1.0, 1.0, 1 - alpha, "e-process")
    near = _REACH / math.sqrt(len(values) * share * (1 - share))

    def end(side: int) -> float:
        @cache
        def excess(difference: float) -> float:
            # The logarithm rises with the square of the distance, its root with the distance.
            return math.sqrt(max(0.0, log_evidence(values, share, minimum, difference, side))) - math.sqrt(threshold)

        inner, outer = estimate, -float(side)
        # Zero first, so that the interval leaves it out exactly if the test does; then not far from the estimate.
        for between in (0.0, estimate - side * near):
            if side * outer < side * between < side * inner:
                inner, outer = (inner, between) if excess(between) >= 0 else (between, outer)
        return _crossing(excess, outer, inner)

    return Interval(end(1), end(-1), 1 - alpha, "e-process")


def estimated_difference(values: Observations) -> float | None:
    """The mean of the arm's values less that of control's; None if one of them has none."""
    sides = [[value for is_on_arm, value in values if is_on_arm is side] for side in (True, False)]
    if not all(sides):
        return None
    arm, control = (math.fsum(side) / len(side) for side in sides)
    return arm - control


def log_evidence(values: Observations, share: float, minimum: float, difference: float = 0.0, side: int = 1) -> float:
    """Return the logarithm of the evidence that arm's rate less control's is more than `difference` (side −1: less).

    If the difference is that, or less, then the evidence ever exceeds 1/α with the chance α at most.
    Formula: the mean over effects h, weighted 1/(1+|log₂ h/minimum|)³, of Π(1 + λφ), φ = (y − m₁)/π for the arm and
    −(y − m₀)/(1−π) for control. The centres, m₁ − m₀ the difference and (1−π)m₀ + πm₁ the mean so far, and the bet
    λ = hπ(1−π)/s², s² the variance so far, are fixed before y is known: under the null E φ = 0, however rates drift.
    Source: these are the e-variables of Turner, Ly and Grünwald 2024, Journal of Statistical Planning and Inference
    230:106116, and for other differences of Turner and Grünwald 2023, Statistics and Probability Letters 198:109835, of
    blocks of one observation whose arm is drawn: θ(y)/θ₀(y), θ₀ the null nearest to θ, is linear in y. Linear bets are
    fair for any value from 0 to 1: Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86:1.
    """
    odds = _standardized(values, share, difference)
    least = min((largest for _away, largest in odds), default=math.inf)
    effects = [(minimum * 2.0**power, 1 / (1 + abs(power)) ** 3) for power in _POWERS]
    logs = [_log_capital(odds, side * effect, is_capped=effect > least) for effect, _weight in effects]
    largest, whole = max(logs), math.fsum(weight for _effect, weight in effects)
    terms = (weight * math.exp(log - largest) for log, (_effect, weight) in zip(logs, effects, strict=True))
    return largest + math.log(math.fsum(terms) / whole)


def _standardized(values: Observations, share: float, difference: float) -> list[tuple[float, float]]:
    """Return for each observation φ over its variance, as known before it, and the largest effect to bet on."""
    rest = 1 - share
    n, total, squares = _GUESSES, _GUESSES / 2, _GUESSES / 4
    odds = []
    for is_on_arm, value in values:
        mean, variance = total / n, squares / (n * share * rest)
        on_arm, on_control = mean + rest * difference, mean - share * difference
        reach = max(max(on_arm, 1 - on_arm) / share, max(on_control, 1 - on_control) / rest)
        away = (value - on_arm) / share if is_on_arm else (on_control - value) / rest
        odds.append((away / variance, _MOST_LOST * variance / reach))
        n, total, squares = n + 1, total + value, squares + (value - mean) ** 2
    return odds


def _log_capital(odds: Sequence[tuple[float, float]], effect: float, *, is_capped: bool) -> float:
    """The logarithm of what betting on one effect has made of 1."""
    if is_capped:
        size, sign = abs(effect), math.copysign(1, effect)
        factors = [1 + (effect if size <= largest else sign * largest) * away for away, largest in odds]
    else:
        factors = [1 + effect * away for away, _largest in odds]
    chunks = (factors[start : start + _AT_ONCE] for start in range(0, len(factors), _AT_ONCE))
    return math.fsum([math.log(math.prod(chunk)) for chunk in chunks])


def _crossing(excess: Callable[[float], float], outer: float, inner: float) -> float:
    """Return the point towards `outer` at which the excess begins, by false position; `outer` if it does nowhere.

    Source: the Illinois rule, Dowell and Jarratt 1971, BIT 11:168.
    """
    beyond = lead = excess(outer)
    trail, last = excess(inner), 0
    while beyond > _NEAR and abs(outer - inner) > _NEAREST:
        point = (outer * trail - inner * lead) / (trail - lead) if trail < 0 else (outer + inner) / 2
        here = excess(point)
        # An end that stays where it is a second time counts half, so that both move.
        if here >= 0:
            trail = trail / 2 if last > 0 else trail
            outer, beyond, lead, last = point, here, here, 1
        else:
            lead = lead / 2 if last < 0 else lead
            inner, trail, last = point, here, -1
    return outer
