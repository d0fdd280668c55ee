"""One outcome on one arm, and on an arm beside control, by the method that fits its kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.distributions import normal_quantile
from promptctl.statistics.intervals import Interval
from promptctl.statistics.rate_differences import difference_interval, estimated_difference
from promptctl.statistics.sequences import (
    FEWEST,
    mean_sequence,
    quantile_sequence,
    rate_sequence,
    ratio_keys_needed,
    ratio_sequence,
)

_P95 = 0.95
_POWER = 0.8
# What looking at any time takes more than a fixed sample of 80 % power (`benchmarks/anytime.py`: 1.4 to 1.6).
_AT_ANY_TIME = 1.5
# The effect that rates are tested for soonest if none is asked for.
_USUAL_MINIMUM = 0.05


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its interval; None where nothing is known or an end has no bound."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def measure(kind: str, of: str, values: Sequence[float]) -> Measured:
    """Return what one arm amounts to, with an interval of 95 %."""
    if not values:
        return Measured()
    mean = math.fsum(values) / len(values)
    if kind in ("feedback", "errors"):
        return _estimate(mean, rate_sequence(math.fsum(values), len(values)))
    if of == "p95":
        ordered = sorted(values)
        return _estimate(quantile(ordered, _P95), quantile_sequence(ordered, _P95))
    return _estimate(mean, mean_sequence(values))


def compare(
    kind: str, of: str, values: Sequence[tuple[bool, float]], share: float, minimum: float | None, alpha: float
) -> Measured:
    """Return the arm's difference to control: of a rate or score itself, else as a share of control's.

    `values` are (is on the arm, value), in the order in which they were fixed; a key is on the arm with chance `share`.
    """
    if kind in ("feedback", "errors"):
        return _estimate(estimated_difference(values), difference_interval(values, share, _effect(minimum), alpha))
    arm, control = ([value for is_on_arm, value in values if is_on_arm is side] for side in (True, False))
    if of == "p95":
        return _compare_p95(arm, control, alpha)
    if not any(arm) and not any(control) and min(len(arm), len(control)) >= FEWEST:
        return Measured(0.0, 0.0, 0.0)  # what never costs anything is not a matter of chance
    if not arm or not sum(control):
        return Measured()
    change = math.fsum(arm) / len(arm) / (math.fsum(control) / len(control)) - 1
    return _estimate(change, ratio_sequence(values, share, alpha), less=1.0)


def keys_needed(
    kind: str, of: str, values: Sequence[tuple[bool, float]], share: float, minimum: float, alpha: float
) -> int | None:
    """Return how many keys with a value it takes in all to find a difference of the minimum in four cases of five.

    Formula: of a rate or score 1.5·(z_{1−α/2} + z_0.8)²·s²/(π(1−π))/δ², s² the variance of all values.
    """
    if of == "p95" or not values:
        return None
    if kind in ("cost", "latency"):
        return ratio_keys_needed(values, share, minimum, alpha)
    mean = math.fsum(value for _is_on_arm, value in values) / len(values)
    squares = math.fsum((value - mean) ** 2 for _is_on_arm, value in values)
    # With few values their variance may be none by chance: as if there were one more pair, of 0 and 1.
    variance = (squares + 0.5) / (len(values) + 2)
    z = normal_quantile(1 - alpha / 2) + normal_quantile(_POWER)
    return math.ceil(_AT_ANY_TIME * z * z * variance / (share * (1 - share)) / minimum**2)


def _compare_p95(arm: Sequence[float], control: Sequence[float], alpha: float) -> Measured:
    """The change of a p95, from one interval of each side, at half of α each."""
    if not arm or not control:
        return Measured()
    sides = sorted(arm), sorted(control)
    values = [quantile(side, _P95) for side in sides]
    head, base = (quantile_sequence(side, _P95, alpha / 2) for side in sides)
    return Measured(
        values[0] / values[1] - 1 if values[1] > 0 else None,
        max(0.0, head.low) / base.high - 1 if base.high > 0 else None,
        head.high / base.low - 1 if base.low > 0 and head.high < math.inf else None,
    )


def _effect(minimum: float | None) -> float:
    """Return the effect that a test of rates is tuned for: at least a tenth of a point."""
    return max(0.001, minimum or _USUAL_MINIMUM)


def _estimate(value: float | None, interval: Interval | None, less: float = 0.0) -> Measured:
    if interval is None:
        return Measured(value)
    low, high = (each - less if math.isfinite(each) else None for each in (interval.low, interval.high))
    return Measured(value, low, high)
