"""Comparisons as JSON, with what they show together, and evaluations without a base; equal ones to the byte."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from promptctl.comparisons.compared import Against, Compared, decision_of
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import JointVerdict
from promptctl.evaluations.counts import rounded
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.outcomes import CaseOutcome, CasePair
from promptctl.files.plain import bare_keys
from promptctl.reports.comparison import about_alone
from promptctl.reports.flips import certainty_of, flipped_assertions
from promptctl.reports.rows import evaluation_head
from promptctl.reports.verdict import certainty, headline
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import MetricComparison

_VALUES = (
    *("warning", "n", "metric", "difference", "interval", "p", "detectable", "cases_needed", "worst_case"),
    *("step", "fresh_pairs"),
)
_LISTS = (
    "confirmed_regressions",
    "confirmed_improvements",
    "metrics",
    "usage",
    "regressed",
    "improved",
    "flaky",
    "errored",
)


def comparison_as_dict(found: Compared) -> dict[str, Any]:
    """JSON-able, with stable keys."""
    comparison, verdict, findings = found.comparison, found.verdict, found.verdict.findings
    return {
        "base": evaluation_head(found.base),
        "head": evaluation_head(found.head),
        "verdict": verdict.kind,
        "headline": headline(found),
        "summary": certainty(found),
        "reason": verdict.reason,
        "gate": found.rule.gate,
        "margin": found.rule.margin,
        "passed": found.decision.is_passed,
        "exit_code": found.decision.exit_code,
        "decision": found.decision.reason,
        "note": found.note,
        "warning": found.warning,
        "n": verdict.n,
        "metric": verdict.metric,
        "difference": rounded(verdict.difference),
        "interval": _interval(verdict.interval),
        "p": rounded(verdict.p),
        "detectable": rounded(verdict.detectable),
        "cases_needed": verdict.cases_needed,
        "worst_case": verdict.worst_case,
        "step": findings.step if findings else None,
        "fresh_pairs": {
            "cases": findings.asked,
            "base_alone": findings.base_alone,
            "head_alone": findings.head_alone,
            "to_confirm": findings.rounds,
        }
        if findings and findings.asked
        else None,
        "confirmed_regressions": list(verdict.confirmed.regressions),
        "confirmed_improvements": list(verdict.confirmed.improvements),
        "metrics": [_metric(metric, has_interval=not comparison.is_decided) for metric in comparison.metrics],
        "usage": [
            asdict(usage, dict_factory=bare_keys)
            | {"change": rounded(usage.change), "interval": _interval(usage.interval)}
            for usage in comparison.usage
        ],
        "regressed": [_pair(pair, found) for pair in comparison.regressed],
        "improved": [_pair(pair, found) for pair in comparison.improved],
        "flaky": [pair.case_id for pair in comparison.flaky],
        "errored": [pair.case_id for pair in comparison.errors],
        "errors": len(comparison.errors),
        "unchanged": len(comparison.unchanged),
        "changed": [pair.case_id for pair in comparison.changed],
        "expected_failures": [pair.case_id for pair in comparison.expected_failures],
        "added": [outcome.case_id for outcome in comparison.added],
        "never_run": 0 if comparison.is_decided else comparison.never_run,
        "decided_early": comparison.is_decided,
        "not_asked": comparison.left_out,
        "removed": [outcome.case_id for outcome in comparison.removed],
        "reruns": [{"case": run.case_id, "base": list(run.base), "head": list(run.head)} for run in found.reruns],
    }


def alone_as_dict(found: Evaluation, rule: GateRule) -> dict[str, Any]:
    """Return an evaluation without a base as JSON: a comparison's keys, null or empty for what a base would give."""
    decision = decision_of(found)
    return {
        "base": None,
        "head": evaluation_head(found),
        "verdict": found.verdict,
        "headline": None,
        "summary": None,
        "reason": found.reason,
        "gate": rule.gate,
        "margin": rule.margin,
        "passed": decision.is_passed,
        "exit_code": decision.exit_code,
        "decision": decision.reason,
        "note": about_alone(found),
        **dict.fromkeys(_VALUES),
        **{name: [] for name in _LISTS},
        "errors": found.summary.counts.errors,
        "unchanged": None,
        "changed": [],
        "expected_failures": [],
        "added": [],
        "never_run": None,
        "decided_early": found.stopped == "decided",
        "not_asked": found.summary.never_run if found.stopped == "decided" else 0,
        "removed": [],
        "reruns": [],
    }


def _pair(pair: CasePair, found: Compared) -> dict[str, Any]:
    detail = pair.head.row.detail if pair.head.row else None
    return {
        "case": pair.case_id,
        "certainty": certainty_of(found, pair.case_id),
        "inputs": dict(detail.inputs) if detail else {},
        "expected": detail.expected if detail else None,
        "assertions": [asdict(each) for each in flipped_assertions(pair)],
        "base": _outcome(pair.base),
        "head": _outcome(pair.head),
    }


def _outcome(outcome: CaseOutcome) -> dict[str, Any]:
    return {
        "status": outcome.status,
        "score": rounded(outcome.score),
        "output": outcome.output,
        "cost_nano_usd": outcome.cost_nano_usd,
        "latency_ms": outcome.latency_ms,
    }


def _metric(metric: MetricComparison, *, has_interval: bool) -> dict[str, Any]:
    return {
        "name": metric.name,
        "n": metric.n,
        "base": rounded(metric.base_mean),
        "head": rounded(metric.head_mean),
        "difference": rounded(metric.difference) if has_interval else None,
        "interval": _interval(metric.interval) if has_interval else None,
        "same_as": metric.same_as,
    }


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return asdict(interval) | {"low": rounded(interval.low), "high": rounded(interval.high)}


def against_as_list(found: Against) -> list[dict[str, Any]]:
    """Return comparisons, each with what it shows together with others, and evaluations without a base, as JSON."""
    alone = [alone_as_dict(each, found.rule) | {"together": []} for each in found.alone]
    joint = [(joint_as_dict(each), each.evaluations) for each in found.together]
    return [
        comparison_as_dict(each) | {"together": [data for data, ids in joint if each.head.row.id in ids]}
        for each in found.compared
    ] + alone


def joint_as_dict(found: JointVerdict) -> dict[str, Any]:
    """Return the verdict on several comparisons together as JSON, with stable keys."""
    findings = found.findings
    return {
        "causes": list(found.causes),
        "prompts": list(found.prompts),
        "comparisons": len(found.evaluations),
        "verdict": found.kind,
        "reason": found.reason,
        "cases": findings.flips.n,
        "lost": len(findings.flips.lost),
        "gained": len(findings.flips.gained),
        "p": None if found.p is None else round(found.p, 6),
        "fresh_pairs": {
            "cases": findings.asked,
            "base_alone": findings.base_alone,
            "head_alone": findings.head_alone,
        }
        if findings.asked
        else None,
    }
