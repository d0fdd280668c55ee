"""What fails a pull request: the gate on a comparison, and the hard checks of one run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptctl.comparisons.comparison import UsageChange
from promptctl.comparisons.flips import Confirmed, Findings, Flips, Steps
from promptctl.comparisons.gates import Decision, check_passes, decide, strictest
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict, VerdictKind
from promptctl.errors import CHECK_FAILED, INCOMPLETE, MODEL, OK, WORKSPACE
from promptctl.evaluations.outcomes import CaseOutcome, CaseStatus
from promptctl.statistics.intervals import Interval


def outcomes(**counts: int) -> list[CaseOutcome]:
    statuses: list[CaseStatus] = []
    for status in ("passed", "failed", "error"):
        statuses += [status] * counts.get(status, 0)
    return [CaseOutcome(case_id=f"{s}-{i}", content_hash="h", status=s) for i, s in enumerate(statuses)]


@pytest.mark.parametrize(
    ("kind", "worse", "noninferior"),
    [
        ("worse", CHECK_FAILED, CHECK_FAILED),
        ("not-worse", OK, OK),
        ("better", OK, OK),
        ("inconclusive", OK, CHECK_FAILED),
        ("powerless", OK, CHECK_FAILED),
        ("incomplete", INCOMPLETE, INCOMPLETE),
    ],
)
def test_gates_by_verdict(kind: VerdictKind, worse: int, noninferior: int) -> None:
    verdict = Verdict(kind, "Because.", n=10, is_noninferior=kind in ("not-worse", "better"))
    assert decide(verdict).exit_code == worse
    assert decide(verdict, GateRule(gate="noninferior")).exit_code == noninferior
    assert decide(verdict, GateRule(gate="strict")).exit_code == worse


def test_noninferior_asks_every_metric_even_of_a_better_one() -> None:
    verdict = Verdict("better", "Better: something.", n=10, is_noninferior=False)
    decision = decide(verdict, GateRule(gate="noninferior"))
    assert decision.exit_code == CHECK_FAILED
    assert decision.reason == "The noninferior gate asks for proof of no loss. Better: something."


def test_strict_fails_on_any_confirmed_regression() -> None:
    confirmed = Confirmed(("double-charge",), ("refund", "greeting"))
    findings = Findings(Flips(500), Steps(), confirmed=confirmed)
    verdict = Verdict("not-worse", "Fine.", n=500, findings=findings)
    decision = decide(verdict, GateRule(gate="strict"))
    assert not decision.is_passed
    assert decision.reason == "The strict gate allows no confirmed regression, and there is 1: double-charge."
    assert decide(verdict).is_passed


def test_min_pass_counts_every_case() -> None:
    assert check_passes(outcomes(passed=90, failed=10), min_pass=0.9).is_passed
    decision = check_passes(outcomes(passed=89, failed=11), min_pass=0.9)
    assert decision == Decision.of(CHECK_FAILED, "89 of 100 cases passed (89%), fewer than the 90% asked for.")
    assert check_passes(outcomes(passed=1, failed=99)).is_passed
    # 0.07 · 100 is a little more than 7 in binary floating point.
    assert check_passes(outcomes(passed=7, failed=93), min_pass=0.07).is_passed


def test_errors_are_incomplete_unless_too_much_failed_already() -> None:
    decision = check_passes(outcomes(passed=999, error=1), min_pass=1.0)
    assert decision == Decision.of(
        INCOMPLETE, "999 of 1,000 cases passed (99.9%), and 1 error left open what the rest would have been."
    )
    assert check_passes(outcomes(passed=80, failed=15, error=5), min_pass=0.9).exit_code == CHECK_FAILED
    assert check_passes(outcomes(passed=89, failed=6, error=5), min_pass=0.9).exit_code == INCOMPLETE
    assert check_passes(outcomes(passed=95, error=5), min_pass=0.9).is_passed


def test_must_pass_is_not_a_matter_of_statistics() -> None:
    run = outcomes(passed=99, failed=1)
    assert check_passes(run, min_pass=0.5, must_pass=["failed-99"]) == Decision.of(
        CHECK_FAILED, "1 case that must pass failed: failed-99."
    )
    assert check_passes(run, must_pass=["passed-0"]).is_passed
    assert check_passes(run, must_pass=["never-run"]).exit_code == INCOMPLETE
    assert check_passes(outcomes(passed=1, error=1), must_pass=["error-1"]).exit_code == INCOMPLETE


def test_no_cases_are_no_success() -> None:
    assert check_passes([]).exit_code == INCOMPLETE
    assert check_passes([], min_pass=0.0).reason == "There are no cases, so nothing was checked."


def test_failed_outranks_incomplete_outranks_passed() -> None:
    good, open_, bad = Decision.of(OK, "Good."), Decision.of(INCOMPLETE, "Open."), Decision.of(CHECK_FAILED, "Bad.")
    assert strictest([good, bad, open_]) == bad
    assert strictest([good, open_]) == open_
    assert strictest([bad, Decision.of(CHECK_FAILED, "Worse.")]).reason == "Bad. Worse."
    codes = (CHECK_FAILED, WORKSPACE, MODEL, INCOMPLETE, OK)
    decisions = [Decision(code) for code in codes]
    assert tuple(strictest(decisions[at:][::-1]).exit_code for at in range(len(codes))) == codes


@pytest.mark.parametrize(
    ("low", "high", "code"),
    [(0.12, 0.2, CHECK_FAILED), (0.05, 0.2, OK), (-0.2, -0.1, OK), (None, None, INCOMPLETE)],
)
def test_a_rule_may_bound_what_a_reply_costs_more(low: float | None, high: float | None, code: int) -> None:
    interval = None if low is None or high is None else Interval(low, high, 0.95, "test")
    cost = UsageChange("cost_nano_usd", known=20, unknown=0, base_total=100, head_total=115, interval=interval)
    verdict = Verdict("inconclusive", "Because.", n=20)
    assert decide(verdict, GateRule(max_cost_increase=0.1), [replace(cost, head_total=100)]).is_passed
    decision = decide(verdict, GateRule(max_cost_increase=0.1), [cost])
    assert decision.exit_code == code
    assert decide(verdict, GateRule(max_token_increase=0.1), [cost]).is_passed
    if code == CHECK_FAILED:
        assert decision.reason == (
            "The cost of a reply changed by 15% (interval 12% to 20%), more than the 10% allowed."
        )
