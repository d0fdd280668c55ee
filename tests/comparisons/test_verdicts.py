"""What a comparison means: each verdict where it belongs, with a sentence, and never a winner by default."""

from __future__ import annotations

import random
import re
from dataclasses import asdict, replace

import pytest

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.flips import Findings, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import Verdict, flips_of, judge, steps_of
from promptctl.errors import UsageError
from promptctl.evaluations.outcomes import CaseOutcome, CasePair, CaseStatus
from promptctl.log.results import ResultRow
from promptctl.reports.comparison import reasons_without_result
from promptctl.statistics.metric import Procedure


def runs(
    steady: int = 0, *, improved: int = 0, regressed: int = 0, base_errors: int = 0, head_errors: int = 0
) -> tuple[list[CaseOutcome], list[CaseOutcome]]:
    wanted: list[tuple[int, str, CaseStatus, CaseStatus]] = [
        (steady, "steady", "passed", "passed"),
        (improved, "improved", "failed", "passed"),
        (regressed, "regressed", "passed", "failed"),
        (base_errors, "base-error", "error", "passed"),
        (head_errors, "head-error", "passed", "error"),
    ]
    kinds = [(name, before, after) for count, name, before, after in wanted for _ in range(count)]
    base, head = [], []
    for position, (name, before, after) in enumerate(kinds):
        base.append(CaseOutcome(case_id=f"{name}-{position}", content_hash="h", status=before))
        head.append(CaseOutcome(case_id=f"{name}-{position}", content_hash="h", status=after))
    return base, head


def compared(steady: int = 0, **flipped: int) -> Comparison:
    return compare_outcomes(*runs(steady, **flipped))


def scored(base: list[float], head: list[float], name: str = "tone") -> Comparison:
    sides = [
        [
            CaseOutcome(case_id=str(i), content_hash="h", status="passed", scores={name: score})
            for i, score in enumerate(side)
        ]
        for side in (base, head)
    ]
    return compare_outcomes(sides[0], sides[1])


def held(comparison: Comparison, *ids: str, rule: GateRule | None = None) -> Findings:
    """What the flipped cases say if those of `ids` show in every fresh pair, and the others agree in all."""
    flips, steps = flips_of(comparison), steps_of(comparison.procedure, rule or GateRule())
    ways = dict.fromkeys(flips.lost, -1) | dict.fromkeys(flips.gained, 1)
    return weigh(flips, {id_: [way * (id_ in ids)] * 9 for id_, way in ways.items()}, steps)


# By first answers alone


def test_five_regressions_and_no_improvement_are_worse() -> None:
    verdict = judge(compared(15, regressed=5))
    assert (verdict.kind, verdict.p) == ("worse", 0.03125)
    assert verdict.reason == (
        "Worse: 5 cases regressed and 0 improved of 20 (-25.0 points, 95% interval -46.9 to -4.9), p = 0.0312."
    )
    assert not verdict.is_noninferior


def test_four_regressions_alone_tell_nothing_until_they_are_asked_again() -> None:
    comparison = compared(16, regressed=4)
    verdict = judge(comparison)
    assert (verdict.kind, verdict.p, verdict.detectable) == ("inconclusive", 0.0625, 0.45)
    assert "4 cases regressed and 0 improved of 20 (-20.0 points, 95% interval -41.6 to -0.7); " in verdict.reason
    assert "9 cases that fail now every time would probably have been seen in first answers alone" in verdict.reason
    assert "--reruns 5" in verdict.reason
    ids = [pair.case_id for pair in comparison.regressed]
    found = judge(comparison, findings=held(comparison, *ids))
    assert found.kind == "worse"
    assert found.reason == (
        "Worse: 4 cases (regressed-16, regressed-17, regressed-18 and 1 more), asked 5 times more on both sides, "
        "passed before and failed after every time. Overall 4 cases regressed and 0 improved of 20 (-20.0 points, "
        "95% interval -41.6 to -0.7)."
    )


def test_in_four_cases_first_answers_can_show_nothing() -> None:
    assert judge(compared(4)).kind == "powerless"
    assert "no loss, however large, was likely to be seen in 4 cases" in judge(compared(4)).reason


def test_better_needs_evidence_too() -> None:
    assert judge(compared(5, improved=4)).kind == "not-worse"
    verdict = judge(compared(15, improved=5))
    assert (verdict.kind, verdict.p) == ("better", 0.03125)
    assert verdict.reason.startswith("Better: 0 cases regressed and 5 improved of 20 (+25.0 points")


def test_a_better_head_names_what_it_lost() -> None:
    comparison = compared(150, improved=200, regressed=50)
    found = judge(comparison, findings=held(comparison, *(pair.case_id for pair in comparison.regressed)))
    assert (found.kind, len(found.confirmed.regressions)) == ("better", 50)
    assert "; but 50 cases that passed fail now every time: regressed-350, " in found.reason


def test_not_worse_rules_out_a_loss_of_the_margin() -> None:
    verdict = judge(compared(230, improved=10, regressed=12))
    assert (verdict.kind, verdict.is_noninferior) == ("not-worse", True)
    assert verdict.reason == (
        "Not worse: 12 cases regressed and 10 improved of 252 (-0.8 points, 95% interval -4.7 to +3.1); with 95% "
        "confidence any loss is below 4.0 points (margin 5.0 points)."
    )
    assert judge(compared(230, improved=10, regressed=12), GateRule(margin=0.03)).kind == "inconclusive"


def test_inconclusive_says_what_could_be_seen_and_what_would_settle_it() -> None:
    comparison = compared(44, improved=2, regressed=4)
    verdict = judge(comparison, findings=held(comparison))
    assert (verdict.kind, verdict.detectable) == ("inconclusive", 0.02)
    assert verdict.cases_needed is not None
    assert verdict.cases_needed > 50
    assert verdict.reason == (
        "Inconclusive: 4 cases regressed and 2 improved of 50 (-4.0 points, 95% interval -15.7 to +7.0); of 6 flipped "
        "cases asked again none held every time; 1 case that fails now every time would probably have been seen; "
        f"about {verdict.cases_needed:,} cases would rule out a loss of 5.0 points."
    )


def test_a_loss_below_the_smallest_effect_of_interest_is_not_worse() -> None:
    comparison = compared(990, improved=1, regressed=9)
    assert judge(comparison).kind == "worse"
    assert judge(comparison, GateRule(min_effect=0.02)).kind == "not-worse"


@pytest.mark.parametrize("wrong", [{"margin": float("nan")}, {"margin": -0.1}, {"min_effect": float("inf")}])
def test_a_rule_asks_for_numbers(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="must be a number from 0 on"):
        GateRule(**wrong)  # type: ignore[arg-type]


def test_a_score_decides_only_where_the_rule_names_it() -> None:
    rng = random.Random(7)
    base = [rng.uniform(0.5, 0.9) for _ in range(40)]
    head = [score - rng.uniform(0.0, 0.2) for score in base]
    comparison = scored(base, head)
    assert judge(comparison).kind == "inconclusive"
    verdict = judge(comparison, GateRule(metrics=("tone",)))
    assert (verdict.kind, verdict.metric) == ("worse", "tone")
    assert "tone went from 0." in verdict.reason
    assert judge(scored(head, base), GateRule(metrics=("tone",))).kind == "better"
    assert judge(comparison, GateRule(metrics=("tone",), min_effect=0.2)).kind == "inconclusive"


# Several metrics


def test_two_metrics_share_the_error_rate() -> None:
    base, head = runs(15, regressed=5)
    base = [replace(case, scores={"tone": score}) for case, score in zip(base, [0.5, 0.9] * 10, strict=True)]
    head = [replace(case, scores={"tone": score}) for case, score in zip(head, [0.6, 0.8] * 10, strict=True)]
    comparison = compare_outcomes(base, head)
    assert judge(comparison).kind == "worse"
    verdict = judge(comparison, GateRule(metrics=("passed", "tone")))
    assert verdict.kind == "inconclusive"
    assert (verdict.metrics[0].name, verdict.metrics[0].p_worse) == ("passed", 0.0625)


def test_the_correction_is_named() -> None:
    rng = random.Random(3)
    base, head = runs(40)
    base = [replace(case, scores={"tone": 0.8, "style": 0.5}) for case in base]
    head = [replace(case, scores={"tone": 0.7 + rng.gauss(0, 0.05), "style": rng.random()}) for case in head]
    verdict = judge(compare_outcomes(base, head), GateRule(metrics=("tone", "style")))
    assert verdict.reason.endswith(" after Holm's correction over 2 metrics.")


def test_comparisons_made_together_share_the_error_rate() -> None:
    base, head = runs(15, regressed=5)
    shared = compare_outcomes(base, head, procedure=Procedure(comparisons=20))
    assert (judge(shared).kind, judge(shared).p) == ("inconclusive", 0.03125)
    ids = [pair.case_id for pair in shared.regressed]
    assert judge(shared, findings=held(shared, *ids)).kind == "worse"


def test_a_metric_nobody_has_is_said_with_those_that_there_are() -> None:
    verdict = judge(scored([0.5] * 4, [0.5] * 4), GateRule(metrics=("tine",)))
    assert verdict.kind == "incomplete"
    assert verdict.reason == "Incomplete: no case has the metric `tine` on both sides (there are: passed, tone)."


# Fresh pairs of flipped cases


def test_one_case_that_broke_is_worse() -> None:
    comparison = compared(19, regressed=1)
    assert judge(comparison).kind == "inconclusive"
    verdict = judge(comparison, findings=held(comparison, "regressed-19"))
    assert verdict.kind == "worse"
    assert verdict.reason.startswith(
        "Worse: regressed-19, asked 5 times more on both sides, passed before and failed after every time. "
    )


def test_confirmed_improvements_outweigh_as_many_regressions() -> None:
    comparison = compared(18, regressed=1, improved=1)
    assert judge(comparison, findings=held(comparison, "regressed-19", "improved-18")).kind == "inconclusive"
    comparison = compared(19, improved=1)
    assert judge(comparison, findings=held(comparison, "improved-19")).kind == "better"


def test_a_loss_is_about_these_cases_whatever_their_clusters() -> None:
    base, head = runs(40)
    # Eight cases of one document fall together: here they did break, of documents like it one is known.
    for position in range(8):
        fallen = CaseOutcome(case_id=f"one-{position}", content_hash="h", status="passed", cluster="one")
        base.append(fallen)
        head.append(replace(fallen, status="failed"))
    verdict = judge(compare_outcomes(base, head))
    assert verdict.kind == "worse"
    assert verdict.interval is not None
    assert verdict.interval.high > 0


# Missing results


def test_errors_make_a_comparison_incomplete() -> None:
    verdict = judge(compared(40, regressed=1, base_errors=1, head_errors=2))
    assert verdict.kind == "incomplete"
    assert verdict.reason == (
        "Incomplete: 3 of 44 cases have no result on one side or both (1 before, 2 after); of the others 1 "
        "regressed and 0 improved."
    )
    assert verdict.worst_case == (
        "Were every error held against the version after, 3 cases would have regressed and 0 improved of 44, p = 0.12."
    )


def test_errors_within_the_limit_are_told_and_the_rest_is_judged() -> None:
    verdict = judge(compared(195, head_errors=5), GateRule(max_errors=0.05))
    assert verdict.kind == "not-worse"
    assert verdict.worst_case is not None
    assert "5 cases would have regressed and 0 improved of 200, p = 0.0312" in verdict.worst_case


def test_worse_stands_where_no_error_could_undo_it() -> None:
    verdict = judge(compared(40, regressed=30, base_errors=1, head_errors=2))
    assert verdict.kind == "worse"
    assert "even if all without a result (3 cases) went the better way" in verdict.reason
    assert judge(compared(40, regressed=6, base_errors=4)).kind == "incomplete"


def test_an_error_that_cannot_change_the_decision_leaves_the_verdict() -> None:
    assert judge(compared(40, base_errors=4)).kind == "inconclusive"
    assert judge(compared(40, base_errors=4), GateRule(gate="noninferior")).kind == "incomplete"
    assert judge(compared(100, base_errors=4), GateRule(gate="noninferior")).kind == "not-worse"
    assert judge(compared(40, base_errors=4), GateRule(metrics=("passed", "tone"))).kind == "incomplete"
    assert judge(compared(40, head_errors=1)).kind == "incomplete", "head alone has no result of a case that passed"
    assert judge(compared(5, improved=40, head_errors=1)).kind == "incomplete"
    base, head = runs(40, base_errors=4)
    never_run = [replace(case, replies=0) if case.status == "error" else case for case in base]
    assert judge(compare_outcomes(never_run, head)).kind == "incomplete"


def both_errors(*kinds: str | None) -> CasePair:
    rows = [
        ResultRow(evaluation_id="e", case_id="c", status="error" if kind else "failed", error_type=kind)
        for kind in kinds
    ]
    return CasePair(*(CaseOutcome(case_id="c", content_hash="h", status="error", row=row) for row in rows))


@pytest.mark.parametrize("kind", ["RequestRejected", "ContentFiltered", "RenderLimitExceeded"])
def test_a_lasting_error_of_both_sides_is_no_difference(kind: str) -> None:
    assert both_errors(kind, kind).is_alike
    assert not both_errors(kind, "InputError").is_alike
    assert not both_errors(kind, None).is_alike
    base, head = runs(12, regressed=1)
    pair = both_errors(kind, kind)
    assert judge(compare_outcomes([*base, pair.base], [*head, pair.head])).kind == "inconclusive"
    lost = compare_outcomes([*base, pair.base], [*head, pair.head])
    assert judge(lost, None, held(lost, "regressed-12")).kind == "worse"
    assert judge(compare_outcomes([pair.base], [pair.head])).kind == "incomplete", "there is nothing else"


def refused(number: int) -> list[CasePair]:
    pair = both_errors("RequestRejected", "RequestRejected")
    return [
        CasePair(*(replace(side, case_id=f"refused-{n}") for side in (pair.base, pair.head))) for n in range(number)
    ]


def test_lasting_errors_of_many_cases_are_incomplete_and_all_under_the_strict_gate() -> None:
    base, head = runs(18)
    few, many = refused(2), refused(3)
    found = compare_outcomes([*base, *(pair.base for pair in few)], [*head, *(pair.head for pair in few)])
    assert judge(found).kind == "inconclusive"
    assert judge(found, GateRule(gate="strict")).kind == "incomplete"
    assert judge(replace(found, edited=frozenset({"refused-1"}))).kind == "incomplete", "the edit made it one"
    found = compare_outcomes([*base, *(pair.base for pair in many)], [*head, *(pair.head for pair in many)])
    assert judge(found).kind == "incomplete"


@pytest.mark.parametrize(
    "kind", ["RenderingTimeSpent", "RateLimited", "OutOfQuota", "AuthenticationFailed", "ReplyNotRecorded", "Ungraded"]
)
def test_what_asking_again_may_mend_is_incomplete_also_on_both_sides(kind: str) -> None:
    base, head = runs(12)
    pair = both_errors(kind, kind)
    assert judge(compare_outcomes([*base, pair.base], [*head, pair.head])).kind == "incomplete"


def test_a_metric_graded_on_one_side_only_is_incomplete() -> None:
    base, head = runs(10)
    base = [replace(case, scores={"tone": 0.5}) for case in base]
    head = [replace(case, scores={"tone": 0.5}) for case in head[:9]] + head[9:]
    assert judge(compare_outcomes(base, head)).kind != "incomplete"
    verdict = judge(compare_outcomes(base, head), GateRule(metrics=("tone",)))
    assert verdict.kind == "incomplete"
    assert verdict.reason == "Incomplete: 1 of 10 cases has the metric `tone` on one side only."


def test_a_metric_that_one_side_lacks_in_every_case_is_incomplete_where_it_decides() -> None:
    base, head = runs(10)
    plain = judge(compare_outcomes(base, head))
    base = [replace(case, scores={"tone": 0.5}) for case in base]
    verdict = judge(compare_outcomes(base, head))
    assert verdict.kind == plain.kind != "incomplete"
    assert verdict.reason == f"{plain.reason} Not compared, as no case has it on both sides: `tone`."
    decisive = judge(compare_outcomes(base, head), GateRule(metrics=("tone",)))
    assert decisive.kind == "incomplete"
    assert decisive.reason == "Incomplete: 10 of 10 cases have the metric `tone` on one side only."


def test_what_broke_counts_whatever_else_is_missing() -> None:
    base, head = runs(10, regressed=10)
    base = [replace(case, scores={"tone": 0.5}) for case in base]
    assert judge(compare_outcomes(base, head)).kind == "worse"


# Degenerate inputs


def test_nothing_to_compare_is_incomplete_with_the_reason() -> None:
    assert judge(compare_outcomes([], [])).reason == "Incomplete: there are no cases to compare."
    base, _ = runs(2)
    edited = [replace(case, content_hash="other") for case in base]
    assert judge(compare_outcomes(base, edited)).reason == (
        "Incomplete: no case is the same in both runs (2 changed, 0 added, 0 removed)."
    )
    assert judge(compared(base_errors=10)).reason == (
        "Incomplete: 10 of 10 cases have no result on one side or both (10 before)."
    )


@pytest.mark.parametrize(
    "comparison",
    [
        compared(1),
        compared(regressed=1),
        compared(improved=1),
        compared(30),
        scored([0.5], [0.9]),
        scored([0.5] * 5, [0.5] * 5),
        scored([0.2] * 4, [0.9] * 4),
        compared(0, improved=2, regressed=2),
        compared(improved=3),
    ],
)
def test_little_data_never_wins_and_never_loses(comparison: Comparison) -> None:
    verdict = judge(comparison)
    assert verdict.kind in ("powerless", "inconclusive")
    assert not verdict.is_noninferior
    assert_plain(verdict)


def test_every_small_comparison_has_a_plain_verdict() -> None:
    for steady in (0, 1, 7):
        for improved in range(7):
            for regressed in range(7):
                for errors in (0, 1):
                    assert_plain(
                        judge(compared(steady, improved=improved, regressed=regressed, head_errors=errors)),
                    )


def assert_plain(verdict: Verdict) -> None:
    text = repr(asdict(verdict))
    assert not re.search(r"\b(nan|inf)\b", text)
    assert verdict.reason.endswith(".")
    assert "\n" not in verdict.reason
    assert not re.search(r"-0\.0+\b", verdict.reason)


def test_the_same_comparison_gives_the_same_bytes() -> None:
    rng = random.Random(8)
    base = [rng.random() for _ in range(35)]
    head = [rng.random() for _ in range(35)]
    once, again = (repr(judge(scored(base, head))) for _ in range(2))
    assert once == again


def test_a_stricter_level_asks_for_more() -> None:
    base, head = runs(15, regressed=5)
    assert judge(compare_outcomes(base, head, procedure=Procedure(alpha=0.01))).kind == "inconclusive"


def test_scores_that_do_not_vary_could_have_shown_a_loss() -> None:
    verdict = judge(scored([1.0] * 12, [1.0] * 12), GateRule(metrics=("tone",)))
    assert verdict.kind == "inconclusive"
    assert verdict.detectable == pytest.approx(0.05 ** (-1 / 12) - 1)
    assert judge(scored([1.0] * 3, [1.0] * 3), GateRule(metrics=("tone",))).kind == "powerless"


def test_nothing_can_be_lost_where_nothing_passes() -> None:
    base, head = ([replace(case, status="failed") for case in side] for side in runs(20))
    assert "no loss, however large" in judge(compare_outcomes(base, head)).reason


def test_the_reasons_of_cases_without_a_result_are_few_and_short() -> None:
    def failed(number: int) -> CaseOutcome:
        row = ResultRow(evaluation_id="e", case_id="c", status="error", error_message=f"{number % 10}" + "x" * 999)
        return CaseOutcome(case_id=f"c{number}", content_hash="h", status="error", row=row)

    found = compare_outcomes(*([failed(number) for number in range(40)] for _ in range(2)))
    reasons = list(reasons_without_result(found))
    assert len(reasons) == 5
    assert reasons[0] == "c0, c10, c20 and 1 more: 0" + "x" * 398 + "…"
