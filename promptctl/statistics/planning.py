"""Planning: the smallest difference a comparison could have seen, and how many cases would settle one."""

from __future__ import annotations

import math
from collections.abc import Callable

from promptctl.statistics.distributions import normal_quantile
from promptctl.statistics.intervals import skewed_interval, unvaried_interval
from promptctl.statistics.metric import ALPHA, MetricComparison
from promptctl.statistics.noninferiority import is_loss_ruled_out
from promptctl.statistics.scores import FEWEST_TO_RESAMPLE

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
