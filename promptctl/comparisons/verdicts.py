"""The verdict on a comparison, with its reason.

    incomplete     too many cases have no grade on one side, or there is nothing to compare
    worse          the one-sided test says so after Holm's correction; or it says so of the flipped cases that held
                   on fresh runs; or no test has power, and more of these are regressions than improvements
    better         the one-sided test the other way says so, of at least one metric
    not-worse      every metric rules out a loss as large as the margin, in ten cases or more
    powerless      even the likeliest regression could not have shown: too few cases differ at all
    inconclusive   none of these; how much could have been seen, and what it would take, is said

The first that holds, from the top, is the verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from promptctl.comparisons import reasons
from promptctl.comparisons.comparison import PASSED, Comparison
from promptctl.comparisons.confirmation import Confirmed
from promptctl.errors import UsageError
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import MetricComparison
from promptctl.statistics.multiplicity import holm
from promptctl.statistics.paired import mcnemar
from promptctl.statistics.planning import cases_for_difference, cases_for_drop, detectable_difference, detectable_drop

VerdictKind = Literal["worse", "not-worse", "better", "inconclusive", "powerless", "incomplete"]
GateKind = Literal["worse", "noninferior", "strict"]
# With fewer differing cases the spread seen is no guide to the spread there is.
_FEWEST_MOVED = 5
# In fewer units Tango's interval, an approximation, would be wrong up to 11 % of the time where 5 % is promised.
_FEWEST_UNITS = 10


@dataclass(frozen=True, slots=True)
class GateRule:
    """The rule that a comparison is judged by.

    `gate`: `worse` fails only on a verdict `worse`; `noninferior` also unless a loss of `margin` is ruled out;
    `strict` also on any confirmed regression. `margin` and `min_effect` are in the metric's own unit (0.05 is five
    points of the pass rate); a difference smaller than `min_effect` is neither worse nor better. `max_errors` is the
    share of comparable cases that may lack a grade. `metrics` are those judged; empty means all. Of head's cases the
    share `min_pass` must pass besides; None asks for no share.
    """

    gate: GateKind = "worse"
    margin: float = 0.05
    min_effect: float = 0.0
    max_errors: float = 0.0
    metrics: tuple[str, ...] = ()
    power: float = 0.8
    min_pass: float | None = None

    def __post_init__(self) -> None:
        for name in ("margin", "min_effect", "max_errors"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} must be a number from 0 on, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class MetricVerdict:
    """One judged metric: one-sided p-values after Holm's correction, and whether a loss of the margin is ruled out."""

    name: str
    p_worse: float
    p_better: float
    is_noninferior: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a comparison. `reason` is one plain sentence.

    `metric` is the one that decided, with its `difference`, `interval` and Holm-corrected one-sided `p` (of head being
    better for `better`, else of its being worse); all None if nothing could be compared. For `inconclusive` and
    `powerless`, `detectable` is the smallest loss this comparison would have seen with the rule's power (None: none
    at all) and `cases_needed` about how many cases would settle it (None: too many to tell).
    `is_noninferior` says that every judged metric rules out a loss of the margin. `worst_case` says what would be so
    if every error were held against head, where there are errors.
    """

    kind: VerdictKind
    reason: str
    n: int
    metric: str | None = None
    difference: float | None = None
    interval: Interval | None = None
    p: float | None = None
    detectable: float | None = None
    cases_needed: int | None = None
    is_noninferior: bool = False
    confirmed: Confirmed = field(default_factory=Confirmed)
    worst_case: str | None = None
    metrics: tuple[MetricVerdict, ...] = ()


def judge(comparison: Comparison, rule: GateRule | None = None, confirmed: Confirmed | None = None) -> Verdict:
    """The verdict on a comparison. Raises UsageError if the rule names a metric that no case has on both sides."""
    evidence = _gather(comparison, rule or GateRule(), confirmed or Confirmed())
    for answer in (_too_incomplete, _worse, _confirmed_worse, _better, _not_worse):
        verdict = answer(evidence)
        if verdict is not None:
            return verdict
    return _undecided(evidence)


@dataclass(frozen=True, slots=True)
class _Evidence:
    comparison: Comparison
    rule: GateRule
    confirmed: Confirmed
    metrics: tuple[MetricComparison, ...]
    tests: tuple[MetricVerdict, ...]

    @property
    def alpha(self) -> float:
        return self.comparison.procedure.alpha

    @property
    def is_powerless(self) -> bool:
        """True if no metric could have been significant, even if every difference were a regression."""
        return self.questions * 2.0 ** -max(metric.moved for metric in self.metrics) >= self.alpha

    @property
    def questions(self) -> int:
        """Number of metrics that the correction is over, at least one."""
        return max(1, sum(metric.moved > 0 for metric in self.metrics))

    def verdict(
        self,
        kind: VerdictKind,
        reason: str,
        metric: MetricComparison,
        *,
        detectable: float | None = None,
        cases_needed: int | None = None,
    ) -> Verdict:
        test = self.tests[self.metrics.index(metric)]
        return Verdict(
            kind=kind,
            reason=reason,
            n=self.comparison.n,
            metric=metric.name,
            difference=metric.difference,
            interval=metric.interval,
            p=test.p_better if kind == "better" else test.p_worse,
            detectable=detectable,
            cases_needed=cases_needed,
            is_noninferior=kind not in ("worse", "incomplete") and all(test.is_noninferior for test in self.tests),
            confirmed=self.confirmed,
            worst_case=_worst_case(self.comparison),
            metrics=self.tests,
        )


def _gather(comparison: Comparison, rule: GateRule, confirmed: Confirmed) -> _Evidence:
    metrics = tuple(metric for metric in comparison.metrics if metric.same_as is None)
    if rule.metrics and comparison.n:
        known = {metric.name: metric for metric in comparison.metrics}
        unknown = [name for name in rule.metrics if name not in known]
        if unknown:
            raise UsageError(
                f"no case has the metric `{unknown[0]}` on both sides", hint=f"there are: {', '.join(known)}"
            )
        named = dict.fromkeys(rule.metrics)
        metrics = tuple(known[name] for name in named if known[name].same_as not in named)
    # Where nothing differs no sign could have made the test significant, so it is no question asked: the tests are
    # conditional on what differs, and leaving it out keeps Holm's guarantee (Tarone 1990, Biometrics 46:515).
    asked = [metric for metric in metrics if metric.moved]
    worse = dict(zip(asked, holm([metric.test.p_worse for metric in asked]), strict=True))
    better = dict(zip(asked, holm([metric.test.p_better for metric in asked]), strict=True))
    tests = tuple(
        MetricVerdict(
            name=metric.name,
            p_worse=worse.get(metric, 1.0),
            p_better=better.get(metric, 1.0),
            is_noninferior=_is_noninferior(metric, rule.margin, comparison.procedure.alpha),
        )
        for metric in metrics
    )
    return _Evidence(comparison, rule, confirmed, metrics, tests)


def _is_noninferior(metric: MetricComparison, margin: float, alpha: float) -> bool:
    """Return True if a loss of the margin is ruled out, by the interval or since the exact test says better."""
    if metric.test.p_better < alpha:
        return True
    return metric.units >= _FEWEST_UNITS and metric.tolerance.low > -margin


def _too_incomplete(evidence: _Evidence) -> Verdict | None:
    """Return the verdict if there is nothing to compare, or more without a grade than the rule allows."""
    comparison, limit = evidence.comparison, evidence.rule.max_errors
    sparse = [metric for metric in evidence.metrics if metric.missing > limit * (metric.n + metric.missing)]
    if comparison.n and comparison.ungraded <= limit * comparison.comparable and not sparse:
        return None
    if comparison.n and comparison.ungraded:
        certain = _worse_at_best(evidence)
        if certain is not None:
            return certain
    reason = reasons.incomplete(comparison, sparse)
    if not comparison.n:
        return Verdict("incomplete", reason, n=0, confirmed=evidence.confirmed)
    return evidence.verdict("incomplete", reason, sparse[0] if sparse else evidence.metrics[0])


def _worse(evidence: _Evidence) -> Verdict | None:
    found = [
        (test.p_worse, position)
        for position, (metric, test) in enumerate(zip(evidence.metrics, evidence.tests, strict=True))
        if test.p_worse < evidence.alpha and metric.difference <= -evidence.rule.min_effect
    ]
    if not found:
        return None
    p, position = min(found)
    metric = evidence.metrics[position]
    return evidence.verdict("worse", reasons.tested("Worse", metric, p, evidence.questions), metric)


def _confirmed_worse(evidence: _Evidence) -> Verdict | None:
    """Worse by flipped cases that held on fresh runs: any majority of them if nothing else has power.

    Elsewhere the same exact test must say so of the held flips alone: they are free of the flaky cases' noise.
    """
    regressions, improvements = evidence.confirmed.regressions, evidence.confirmed.improvements
    passes = next((metric for metric in evidence.metrics if metric.name == PASSED), None)
    held = len(regressions) - len(improvements)
    if passes is None or held <= 0 or held < evidence.rule.min_effect * passes.n:
        return None
    p = mcnemar(*_held_units(evidence)).p_worse
    if not evidence.is_powerless and p >= evidence.alpha:
        return None
    reason = reasons.confirmed_worse(passes, regressions, improvements, None if p >= evidence.alpha else p)
    return evidence.verdict("worse", reason, passes)


def _held_units(evidence: _Evidence) -> tuple[int, int]:
    """Return the numbers of improvements and regressions that held; of a cluster the larger number counts."""
    comparison, confirmed = evidence.comparison, evidence.confirmed
    if not comparison.is_clustered:
        return len(confirmed.improvements), len(confirmed.regressions)
    held = dict.fromkeys(confirmed.improvements, 1) | dict.fromkeys(confirmed.regressions, -1)
    totals: dict[str, int] = {}
    for pair in (*comparison.improved, *comparison.regressed):
        cluster = pair.head.cluster or pair.base.cluster
        unit = f"case {pair.case_id}" if cluster is None else f"cluster {cluster}"
        totals[unit] = totals.get(unit, 0) + held.get(pair.case_id, 0)
    return sum(total > 0 for total in totals.values()), sum(total < 0 for total in totals.values())


def _better(evidence: _Evidence) -> Verdict | None:
    found = [
        (test.p_better, position)
        for position, (metric, test) in enumerate(zip(evidence.metrics, evidence.tests, strict=True))
        if test.p_better < evidence.alpha and metric.difference >= evidence.rule.min_effect
    ]
    if not found:
        return None
    p, position = min(found)
    metric = evidence.metrics[position]
    return evidence.verdict("better", reasons.tested("Better", metric, p, evidence.questions), metric)


def _not_worse(evidence: _Evidence) -> Verdict | None:
    if not all(test.is_noninferior for test in evidence.tests):
        return None
    largest, position = max(
        (0.0 if metric.test.p_better < evidence.alpha else max(0.0, -metric.tolerance.low), -position)
        for position, metric in enumerate(evidence.metrics)
    )
    metric = evidence.metrics[-position]
    return evidence.verdict("not-worse", reasons.not_worse(metric, largest, evidence.rule.margin), metric)


def _undecided(evidence: _Evidence) -> Verdict:
    """Powerless or inconclusive, about the first metric that a loss of the margin is not ruled out for."""
    position = next(i for i, test in enumerate(evidence.tests) if not test.is_noninferior)
    metric = evidence.metrics[position]
    detectable, cases_needed = _plan_for(metric, evidence)
    outlook = reasons.outlook(metric, detectable, cases_needed, evidence.rule.power)
    if evidence.is_powerless:
        reason = reasons.powerless(metric, outlook)
        return evidence.verdict("powerless", reason, metric, detectable=detectable, cases_needed=cases_needed)
    reason = reasons.inconclusive(metric, evidence.tests[position].p_worse, outlook)
    return evidence.verdict("inconclusive", reason, metric, detectable=detectable, cases_needed=cases_needed)


def _plan_for(metric: MetricComparison, evidence: _Evidence) -> tuple[float | None, int | None]:
    """The smallest loss this metric would have shown, and about how many cases would settle the matter.

    Settled is what lies far enough from no loss, or from a loss of the margin, whichever is farther from what was
    seen. The level is what Holm's correction leaves the first of the metrics.
    """
    alpha, power = evidence.alpha / evidence.questions, evidence.rule.power
    distance = max(-metric.difference, metric.difference + evidence.rule.margin)
    units = None
    if metric.is_binary or metric.moved < _FEWEST_MOVED:
        # Flips as often one way as the other are the noise that a repeat of the same run would show.
        noise = metric.moved / (2 * metric.units)
        detectable = detectable_drop(metric.units, noise, alpha=alpha, power=power)
        if distance > 0:
            units = cases_for_drop(min(1.0, distance), noise, alpha=alpha, power=power)
    else:
        detectable = detectable_difference(metric.standard_error, alpha=alpha, power=power)
        deviation = metric.standard_error * metric.units**0.5
        if distance > 0:
            units = cases_for_difference(deviation, distance, alpha=alpha, power=power)
    if units is None:
        return detectable, None
    return detectable, max(metric.n + 1, round(units * metric.n / metric.units))


def _worse_at_best(evidence: _Evidence) -> Verdict | None:
    """Worse whatever the missing grades turn out to be: every error is taken as head's gain."""
    comparison = evidence.comparison
    passes = next((metric for metric in evidence.metrics if metric.name == PASSED and metric.is_binary), None)
    if passes is None or any(metric.missing for metric in evidence.metrics):
        return None
    gained = sum(pair.base.status != "passed" and pair.head.status != "failed" for pair in comparison.errors)
    gained += comparison.never_run
    improved = len(comparison.improved) + gained
    p = min(1.0, mcnemar(improved, len(comparison.regressed)).p_worse * evidence.questions)
    difference = (improved - len(comparison.regressed)) / comparison.comparable
    if p >= evidence.alpha or difference > -evidence.rule.min_effect:
        return None
    return evidence.verdict("worse", reasons.worse_at_best(comparison, improved, p), passes)


def _worst_case(comparison: Comparison) -> str | None:
    """Say what the result would be if every error counted against head; None without errors or with clusters."""
    if not comparison.ungraded or comparison.is_clustered:
        return None
    lost = sum(pair.base.status != "failed" and pair.head.status != "passed" for pair in comparison.errors)
    lost += comparison.never_run
    improved, regressed = len(comparison.improved), len(comparison.regressed) + lost
    return reasons.worst_case(improved, regressed, comparison.comparable, mcnemar(improved, regressed).p_worse)
