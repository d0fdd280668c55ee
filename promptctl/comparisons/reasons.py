"""A verdict's reason in one plain sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptctl.comparisons.comparison import PASSED, Comparison
from promptctl.files.wording import count, name_some, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.statistics.intervals import Interval
    from promptctl.statistics.metric import MetricComparison


def tested(claim: str, metric: MetricComparison, p: float, metrics: int) -> str:
    """Worse, or better, by the test."""
    correction = f" after Holm's correction over {metrics} metrics" if metrics > 1 else ""
    return f"{claim}: {describe(metric)}, p {p_value(p)}{correction}."


def worse_at_best(comparison: Comparison, improved: int, p: float) -> str:
    """Worse whatever the errors would have been."""
    return (
        f"Worse: {count(len(comparison.regressed), 'case')} regressed, and even if all without a result "
        f"({count(comparison.ungraded, 'case')}) went head's way only {improved} would have improved, p {p_value(p)}."
    )


def confirmed_worse(
    metric: MetricComparison, regressions: Sequence[str], improvements: Sequence[str], p: float | None
) -> str:
    """Worse by fresh runs of flipped cases; `p` is None if too few differ for a test."""
    backing = f"of {count(metric.n, 'case')} too few differ for a test" if p is None else f"p {p_value(p)}"
    return (
        f"Worse: run again, {count(len(regressions), 'regression')} ({name_some(regressions)}) and "
        f"{count(len(improvements), 'improvement')} held every time; {backing}."
    )


def not_worse(metric: MetricComparison, largest_loss: float, margin: float) -> str:
    """A loss of the margin is ruled out; of all metrics this one leaves room for the largest loss."""
    loss = f"any loss is below {amount(metric, largest_loss)}" if largest_loss else "there is no loss"
    confidence = percent((1 + metric.tolerance.confidence) / 2)
    return f"Not worse: {describe(metric)}; with {confidence} confidence {loss} (margin {amount(metric, margin)})."


def inconclusive(metric: MetricComparison, p: float, outlook: str) -> str:
    """Neither shown nor ruled out."""
    return f"Inconclusive: {describe(metric)}, p {p_value(p)}; {outlook}."


def powerless(metric: MetricComparison, outlook: str) -> str:
    """Too few cases differ for any test."""
    return f"Powerless: {describe(metric)}; too few cases differ for any test to tell, and {outlook}."


def outlook(metric: MetricComparison, detectable: float | None, cases_needed: int | None, power: float) -> str:
    """Say which loss could have been seen, and how many cases would show more."""
    seen = (
        f"no loss, however large, was likely to be seen with {count(metric.n, 'case')}"
        if detectable is None
        else f"only a loss of {amount(metric, detectable)} or more was likely to be seen ({percent(power)} power)"
    )
    return seen + (f", while about {cases_needed} cases would settle it" if cases_needed is not None else "")


def incomplete(comparison: Comparison, sparse: Sequence[MetricComparison]) -> str:
    """Too much is missing, or there is nothing to compare."""
    if not comparison.comparable:
        apart = len(comparison.changed), len(comparison.added), len(comparison.removed)
        if not any(apart):
            return "Incomplete: there are no cases to compare."
        return "Incomplete: no case is the same in both runs ({} changed, {} added, {} removed).".format(*apart)
    if not comparison.ungraded:
        return (
            f"Incomplete: {count(sparse[0].missing, 'case')} of {sparse[0].n + sparse[0].missing} "
            f"{'has' if sparse[0].missing == 1 else 'have'} the metric `{sparse[0].name}` on one side only."
        )
    lacking = comparison.ungraded
    sides = ", ".join(
        f"{side} lacks {missing}"
        for side, missing in (
            ("base", comparison.never_run + sum(pair.base.status == "error" for pair in comparison.errors)),
            ("head", comparison.never_run + sum(pair.head.status == "error" for pair in comparison.errors)),
        )
        if missing
    )
    rest = (
        f"; of the others {len(comparison.regressed)} regressed and {len(comparison.improved)} improved"
        if comparison.n
        else ""
    )
    verb = "has" if lacking == 1 else "have"
    return (
        f"Incomplete: {lacking} of {count(comparison.comparable, 'case')} {verb} no result on one side or both "
        f"({sides}){rest}."
    )


def worst_case(improved: int, regressed: int, n: int, p: float) -> str:
    """Say what the result would be if every error counted against head."""
    return (
        f"Were every error held against head, {count(regressed, 'case')} would have regressed and {improved} improved "
        f"of {n}, p {p_value(p)}."
    )


def describe(metric: MetricComparison) -> str:
    """Describe a metric's change with its interval: `7 cases regressed and 1 improved of 120 (-5.0 points, …)`."""
    if metric.name == PASSED and metric.is_binary:
        what = f"{count(metric.regressed, 'case')} regressed and {metric.improved} improved of {metric.n}"
    elif metric.name == PASSED:
        what = (
            f"the pass rate went from {percent(metric.base_mean, 1)} to {percent(metric.head_mean, 1)} over "
            f"{count(metric.n, 'case')}"
        )
    else:
        what = (
            f"{metric.name} went from {metric.base_mean:.3f} to {metric.head_mean:.3f} over {count(metric.n, 'case')}"
        )
    return f"{what} ({amount(metric, metric.difference, is_signed=True)}, {_interval(metric, metric.interval)})"


def amount(metric: MetricComparison, value: float, *, is_signed: bool = False) -> str:
    """A difference in the metric's unit: percentage points of the pass rate, or the score's own."""
    if metric.name != PASSED:
        return _number(value, 3, is_signed=is_signed)
    return f"{_number(100 * value, 1, is_signed=is_signed)} points"


def p_value(p: float) -> str:
    """A p-value with as many digits as are worth reading, and its sign: `= 0.0342`."""
    if p < 0.0001:
        return "< 0.0001"
    return f"= {p:.4f}" if p < 0.1 else f"= {p:.2f}"


def _interval(metric: MetricComparison, interval: Interval) -> str:
    scale, digits = (100, 1) if metric.name == PASSED else (1, 3)
    low, high = (_number(scale * end, digits, is_signed=True) for end in (interval.low, interval.high))
    return f"{percent(interval.confidence)} interval {low} to {high}"


def _number(value: float, digits: int, *, is_signed: bool) -> str:
    # Adding zero turns the minus zero that rounding leaves into a plain one.
    rounded = round(value, digits) + 0.0
    return f"{rounded:+.{digits}f}" if is_signed else f"{rounded:.{digits}f}"
