"""The verdict on a comparison, with its reason.

    incomplete     cases without a grade could change the decision, a metric that decides is missing, or nothing can be
                   compared
    worse          of the cases, by the three steps of `flips`; or of a metric that the rule names, by its own test
    better         the same the other way
    not-worse      a loss as large as the margin is ruled out
    powerless      even the loss of every case could not have shown
    inconclusive   none of these; what could have been seen, and what it would take, is said

The first that holds, from the top, is the verdict, but `worse` comes before a metric that is missing. Worse and better
are about these very cases; not worse, and every interval, about inputs like these, of which the cases are a sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from promptctl.comparisons import reasons
from promptctl.comparisons.comparison import PASSED, Comparison
from promptctl.comparisons.flips import (
    Bounds,
    CaseSequence,
    Confirmed,
    Findings,
    Flips,
    Steps,
    is_worse_at_best,
    smallest_loss,
    weigh,
)
from promptctl.comparisons.rule import GateRule
from promptctl.evaluations.outcomes import can_gain, can_lose
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import MetricComparison, Procedure
from promptctl.statistics.multiplicity import holm
from promptctl.statistics.paired import mcnemar
from promptctl.statistics.planning import cases_to_rule_out, detectable_difference

VerdictKind = Literal["worse", "not-worse", "better", "inconclusive", "powerless", "incomplete"]


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

    `metric` is the one that decided, with its `difference`, `interval` and one-sided `p` (of head being better for
    `better`, else of its being worse); all None if nothing could be compared. For `inconclusive` and `powerless`,
    `detectable` is the smallest loss this comparison would have seen with the rule's power (None: none at all) and
    `cases_needed` about how many cases would settle it (None: too many to tell).
    `is_noninferior` says that every judged metric rules out a loss of the margin. `worst_case` says what would be so
    if every error that might have been spared were held against head, if there are any. `findings` is what the
    flipped cases say.
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
    findings: Findings | None = None
    worst_case: str | None = None
    metrics: tuple[MetricVerdict, ...] = ()

    @property
    def confirmed(self) -> Confirmed:
        """Flipped cases that showed in every fresh pair."""
        return self.findings.confirmed if self.findings else Confirmed()


def flips_of(comparison: Comparison) -> Flips:
    """Return the flipped cases of a comparison."""
    return Flips(
        comparison.n,
        lost=tuple(pair.case_id for pair in comparison.regressed),
        gained=tuple(pair.case_id for pair in comparison.improved),
    )


def steps_of(procedure: Procedure, rule: GateRule, *, can_differ: bool = True, is_sequential: bool = False) -> Steps:
    """Return the steps that flipped cases are judged by: the comparison's level is shared among the metrics judged."""
    return Steps(
        procedure.level / len(rule.judged),
        rule.reruns,
        can_differ,
        is_sequential,
        seed=procedure.seed,
        min_effect=rule.min_effect,
    )


def judge(comparison: Comparison, rule: GateRule | None = None, findings: Findings | None = None) -> Verdict:
    """The verdict on a comparison; without `findings` of first answers alone."""
    evidence = _gather(comparison, rule or GateRule(), findings)
    in_order = (_foregone, _too_incomplete, partial(_shown, -1), _lacks_metric, partial(_shown, 1), _not_worse)
    answers = (answer(evidence) for answer in in_order)
    verdict = next((found for found in answers if found is not None), None) or _undecided(evidence)
    lost = [name for name in comparison.lost_metrics if name not in evidence.rule.judged]
    return replace(verdict, reason=f"{verdict.reason} {reasons.not_compared(lost)}") if lost else verdict


@dataclass(frozen=True, slots=True)
class _Evidence:
    comparison: Comparison
    rule: GateRule
    findings: Findings
    metrics: tuple[MetricComparison, ...]
    tests: tuple[MetricVerdict, ...]

    @property
    def passes(self) -> MetricComparison | None:
        """The passing cases, if the rule judges them."""
        return next((metric for metric in self.metrics if metric.name == PASSED), None)

    def incomplete(self, reason: str) -> Verdict:
        """Return the verdict `incomplete`, about the first metric judged if there is one."""
        if not self.metrics:
            return Verdict("incomplete", reason, n=self.comparison.n, findings=self.findings)
        return self.verdict("incomplete", reason, self.metrics[0])

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
            findings=self.findings,
            worst_case=_worst_case(self.comparison),
            metrics=self.tests,
        )


def _gather(comparison: Comparison, rule: GateRule, findings: Findings | None) -> _Evidence:
    findings = findings or weigh(flips_of(comparison), {}, replace(steps_of(comparison.procedure, rule), rounds=0))
    known = {metric.name: metric for metric in comparison.metrics}
    metrics = tuple(known[name] for name in rule.judged if name in known)
    worse = holm([_p(metric, findings, -1) for metric in metrics])
    better = holm([_p(metric, findings, 1) for metric in metrics])
    tests = tuple(
        MetricVerdict(
            name=metric.name,
            p_worse=p_worse,
            p_better=p_better,
            is_noninferior=metric.rules_out(rule.margin),
        )
        for metric, p_worse, p_better in zip(metrics, worse, better, strict=True)
    )
    return _Evidence(comparison, rule, findings, metrics, tests)


def _p(metric: MetricComparison, findings: Findings, way: int) -> float:
    """Return the p-value of a metric in one direction: of passes that of the three steps together."""
    if metric.name == PASSED:
        return findings.p_worse if way < 0 else findings.p_better
    return metric.test.p_worse if way < 0 else metric.test.p_better


def bounds_of(comparison: Comparison) -> Bounds:
    """Return how many cases are lost and gained, at least and at most."""
    open_ = [(pair.base.status, pair.head.status) for pair in (*comparison.open, *comparison.not_asked)]
    lost, gained = len(comparison.regressed), len(comparison.improved)
    most_lost = lost + sum(can_lose(*each) for each in open_) + comparison.never_run
    most_gained = gained + sum(can_gain(*each) for each in open_) + comparison.never_run
    return Bounds(comparison.comparable, (lost, most_lost), (gained, most_gained))


def _foregone(evidence: _Evidence) -> Verdict | None:
    """Return the verdict of a comparison that was decided before every case was asked.

    Its numbers are of the cases asked alone, and those that base failed came first: they have no interval. It is better
    only of cases looked at in sequence, of which no more than the rule allows lack a grade.
    """
    comparison, sequence = evidence.comparison, evidence.findings.flips.sequence
    if not comparison.is_decided:
        return None
    found = _worse_at_best(evidence)
    asked = comparison.comparable - comparison.left_out
    if sequence and sequence.direction > 0 and len(comparison.errors) <= evidence.rule.max_errors * asked:
        found = _looked_at(evidence, sequence)
    return replace(found, difference=None, interval=None, worst_case=None) if found else None


def _too_incomplete(evidence: _Evidence) -> Verdict | None:
    """Return the verdict if there is nothing to compare, or if cases without a grade could change the decision."""
    comparison = evidence.comparison
    is_within = comparison.ungraded <= evidence.rule.max_errors * comparison.comparable
    if comparison.n and (is_within or _errors_change_nothing(evidence)):
        return None
    if comparison.expected_failures and not comparison.comparable:
        reason = reasons.all_expected()
        return Verdict("inconclusive", reason, n=0, findings=evidence.findings)
    certain = _worse_at_best(evidence) if comparison.n else None
    if certain is not None:
        return certain
    return evidence.incomplete(reasons.incomplete(comparison))


def _errors_change_nothing(evidence: _Evidence) -> bool:
    """Return True if the gate decides the same whatever the cases without a grade would have come to.

    A lost case may always do, as it alone can be worse. A gained one may where the gate fails without it. The strict
    gate takes no case for decided that has no result.
    """
    comparison, rule = evidence.comparison, evidence.rule
    if rule.gate == "strict" or len(comparison.errors) < comparison.ungraded:
        return False
    if not all(pair.base.replies and pair.head.replies for pair in comparison.errors):
        return False
    if not comparison.open:
        return True
    if rule.judged != (PASSED,) or any(can_lose(pair.base.status, pair.head.status) for pair in comparison.open):
        return False
    fails = evidence.findings.direction < 0 or (rule.gate == "noninferior" and not evidence.tests[0].is_noninferior)
    return not fails


def _lacks_metric(evidence: _Evidence) -> Verdict | None:
    """Return the verdict if a metric that is judged is missing, on one side in too many cases or in all."""
    comparison, rule = evidence.comparison, evidence.rule
    lacking = {name: (comparison.n, comparison.n) for name in comparison.lost_metrics if name in rule.judged}
    for metric in evidence.metrics:
        if metric.missing > rule.max_errors * (metric.n + metric.missing):
            lacking[metric.name] = metric.missing, metric.n + metric.missing
    known = [metric.name for metric in comparison.metrics]
    unknown = [name for name in rule.judged if name not in (*known, *comparison.lost_metrics)]
    if not (lacking or unknown):
        return None
    if unknown:
        return evidence.incomplete(reasons.no_metric(unknown[0], known))
    return evidence.incomplete(reasons.lacks_metric(*next(iter(lacking.items()))))


def _shown(way: int, evidence: _Evidence) -> Verdict | None:
    """Return the verdict if a metric is worse (way -1) or better (1): of all that are, the surest."""
    level, least = evidence.comparison.procedure.level, evidence.rule.min_effect
    found = []
    for position, (metric, test) in enumerate(zip(evidence.metrics, evidence.tests, strict=True)):
        p = test.p_worse if way < 0 else test.p_better
        if metric.name == PASSED:
            is_shown = evidence.findings.direction == way
        else:
            is_shown = p < level and way * metric.difference >= least
        if is_shown:
            found.append((p, position))
    if not found:
        return None
    p, position = min(found)
    metric = evidence.metrics[position]
    kind: Literal["worse", "better"] = "worse" if way < 0 else "better"
    if metric.name == PASSED:
        return evidence.verdict(kind, reasons.flipped(kind, metric, evidence.findings, p), metric)
    return evidence.verdict(kind, reasons.tested(kind, metric, p, len(evidence.metrics)), metric)


def _not_worse(evidence: _Evidence) -> Verdict | None:
    if not all(test.is_noninferior for test in evidence.tests):
        return None
    _, position = max((max(0.0, -metric.tolerance.low), -position) for position, metric in enumerate(evidence.metrics))
    metric = evidence.metrics[-position]
    return evidence.verdict("not-worse", reasons.not_worse(metric, evidence.rule.margin), metric)


def _undecided(evidence: _Evidence) -> Verdict:
    """Powerless or inconclusive, about the first metric that a loss of the margin is not ruled out for."""
    position = next(i for i, test in enumerate(evidence.tests) if not test.is_noninferior)
    metric = evidence.metrics[position]
    detectable, cases_needed = _detectable(metric, evidence), cases_to_rule_out(metric, evidence.rule.margin)
    kind: Literal["powerless", "inconclusive"] = "powerless" if detectable is None else "inconclusive"
    outlook = reasons.outlook(metric, detectable, cases_needed, evidence.rule, evidence.findings)
    reason = reasons.undecided(kind, metric, evidence.findings, outlook)
    return evidence.verdict(kind, reason, metric, detectable=detectable, cases_needed=cases_needed)


def _detectable(metric: MetricComparison, evidence: _Evidence) -> float | None:
    """Return the smallest loss that the gate's own rule would probably have seen; None if none."""
    if metric.name == PASSED:
        passing = round(metric.base_mean * metric.n)
        cases = smallest_loss(evidence.findings.flips, evidence.findings.steps, passing, evidence.rule.power)
        return None if cases is None else cases / evidence.comparison.n
    level = evidence.comparison.procedure.level / len(evidence.metrics)
    # No score's p-value is below (1 + Δ/spread)⁻ⁿ.
    least = metric.spread * (level ** (-1 / metric.units) - 1)
    found = max(least, detectable_difference(metric.standard_error, alpha=level, power=evidence.rule.power))
    return found if found <= metric.spread else None


def _worse_at_best(evidence: _Evidence) -> Verdict | None:
    """Worse whatever the missing grades turn out to be: every case without one is taken as head's gain."""
    comparison, passes, findings = evidence.comparison, evidence.passes, evidence.findings
    if passes is None:
        return None
    if (sequence := findings.flips.sequence) is not None:
        return _looked_at(evidence, sequence) if sequence.direction < 0 else None
    bounds = bounds_of(comparison)
    if not is_worse_at_best(bounds, findings.steps):
        return None
    improved = bounds.gained[1]
    p = mcnemar(improved, bounds.lost[0]).p_worse if findings.steps.can_differ else 0.0
    is_decided = comparison.is_decided
    reason = reasons.foregone(bounds, p) if is_decided else reasons.worse_at_best(comparison, improved, p)
    return replace(evidence.verdict("worse", reason, passes), p=p)


def _looked_at(evidence: _Evidence, sequence: CaseSequence) -> Verdict | None:
    """Return the verdict of cases looked at one after another, as it stood when it was decided."""
    if evidence.passes is None:
        return None
    kind: Literal["worse", "better"] = "worse" if sequence.direction < 0 else "better"
    words = reasons.in_sequence(kind, sequence)
    return replace(evidence.verdict(kind, words, evidence.passes), p=sequence.decided_p)


def _worst_case(comparison: Comparison) -> str | None:
    """Say what the result would be if every error counted against head; None without errors."""
    if not comparison.open and len(comparison.errors) == comparison.ungraded:
        return None
    bounds = bounds_of(comparison)
    improved, regressed = bounds.gained[0], bounds.lost[1]
    return reasons.worst_case(improved, regressed, comparison.comparable, mcnemar(improved, regressed).p_worse)
