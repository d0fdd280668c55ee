"""Two runs side by side: which cases are the same, which moved, and what repeats, clusters and gaps do to n."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.errors import UsageError
from promptctl.evaluations.outcomes import CaseOutcome, CaseStatus, reduce_repeats
from promptctl.statistics.metric import Procedure


def outcome(case_id: str, status: CaseStatus = "passed", **known: Any) -> CaseOutcome:
    return replace(CaseOutcome(case_id=case_id, content_hash="same", status=status), **known)


def run(statuses: str, **known: Any) -> list[CaseOutcome]:
    """`PFE`: a passed, a failed and an error, with ids 0, 1, 2."""
    names: dict[str, CaseStatus] = {"P": "passed", "F": "failed", "E": "error"}
    return [outcome(str(position), names[letter], **known) for position, letter in enumerate(statuses)]


def ids(pairs: object) -> list[str]:
    return [pair.case_id for pair in pairs]  # type: ignore[attr-defined]


def test_cases_are_parted_by_what_became_of_them() -> None:
    comparison = compare_outcomes(run("PPFFE"), run("PFPFP"))
    assert ids(comparison.unchanged) == ["0", "3"]
    assert ids(comparison.regressed) == ["1"]
    assert ids(comparison.improved) == ["2"]
    assert ids(comparison.errors) == ["4"]
    assert (comparison.n, comparison.comparable) == (4, 5)


def test_an_error_is_never_a_failure_nor_left_out_silently() -> None:
    comparison = compare_outcomes(run("PPPP"), run("PPEE"))
    assert comparison.regressed == ()
    assert len(comparison.errors) == 2
    passed = comparison.metric("passed")
    assert passed is not None
    assert passed.n == 2


def test_changed_added_and_removed_cases_are_not_compared() -> None:
    base = [outcome("kept"), outcome("edited"), outcome("gone", "failed")]
    head = [outcome("new"), outcome("edited", "failed", content_hash="other"), outcome("kept")]
    comparison = compare_outcomes(base, head)
    assert (ids(comparison.changed), ids(comparison.added), ids(comparison.removed)) == (["edited"], ["new"], ["gone"])
    assert (comparison.n, comparison.regressed) == (1, ())


def test_a_planned_case_that_never_ran_is_an_error_not_a_removed_case() -> None:
    comparison = compare_outcomes(run("PPP"), run("PP"), planned=["0", "1", "2", "3"])
    assert ids(comparison.errors) == ["2", "3"]
    assert comparison.removed == ()
    assert compare_outcomes(run("PP"), run("PPP"), planned=["0", "1", "2"]).added == ()
    assert comparison.errors[0].base.status == "passed"
    assert comparison.errors[0].head.status == "error"


def test_two_results_of_one_case_are_refused() -> None:
    with pytest.raises(UsageError, match="head has two results of the case `0`"):
        compare_outcomes(run("P"), run("P") + run("F"))


def test_repeats_do_not_add_cases() -> None:
    repeats = [run("PPF"), run("PFF"), run("PPF")]
    head = [reduce_repeats([side[position] for side in repeats]) for position in range(3)]
    comparison = compare_outcomes(run("PPF"), head)
    passed = comparison.metric("passed")
    assert passed is not None
    assert (comparison.n, passed.n) == (3, 3)
    assert passed.head_mean == pytest.approx(1 / 3)
    share = comparison.metric("pass share")
    assert share is not None
    assert share.head_mean == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert ids(comparison.flaky) == ["1"]
    assert ids(comparison.regressed) == ["1"]


def test_one_reply_is_compared_with_one_reply_where_one_side_has_more_repeats() -> None:
    reply = {"cost_nano_usd": 10, "tokens": 6}
    head = [reduce_repeats([side[position] for side in [run("PPF", **reply)] * 3]) for position in range(3)]
    cost, tokens, _latency = compare_outcomes(run("PPF", **reply), head).usage
    assert (cost.base_total, cost.head_total, cost.is_per_reply) == (30, 30, True)
    assert (tokens.base_total, tokens.head_total, tokens.is_per_reply) == (18, 18, True)
    cost, _tokens, _latency = compare_outcomes(head, head).usage
    assert (cost.head_total, cost.is_per_reply) == (90, False)


def test_a_reply_without_a_grade_is_a_reply_too_in_what_one_costs() -> None:
    reply = {"cost_nano_usd": 10, "tokens": 6}
    base = [reduce_repeats(run("P", **reply))]
    head = [reduce_repeats([replace(each, case_id="0") for each in run("PPE", **reply)], at_least=2)]
    assert (base[0].replies, head[0].replies, head[0].repeats) == (1, 3, 2)
    for usage in compare_outcomes(base, head).usage[:2]:
        assert (usage.head_total, usage.is_per_reply) == (usage.base_total, True)
    whole = [reduce_repeats([replace(each, case_id="0") for each in run("PPP", **reply)])]
    assert not any(usage.is_per_reply for usage in compare_outcomes(whole, head).usage)
    assert reduce_repeats(run("E", **reply)).replies == 1


def test_reducing_repeats_sums_costs_and_means_scores() -> None:
    repeats = [
        outcome("a", "passed", score=1.0, scores={"tone": 0.5}, cost_nano_usd=5, tokens=7, latency_ms=10, output="yes"),
        outcome("a", "failed", score=0.0, scores={"tone": 0.7}, cost_nano_usd=6, tokens=8, latency_ms=30, output="no"),
    ]
    reduced = reduce_repeats(repeats, at_least=1)
    assert (reduced.status, reduced.passes, reduced.repeats, reduced.is_flaky) == ("passed", 1, 2, True)
    assert reduced.score == 0.5
    assert reduced.scores == pytest.approx({"tone": 0.6})
    assert (reduced.cost_nano_usd, reduced.tokens, reduced.latency_ms, reduced.output) == (11, 15, 20, "yes")
    assert reduce_repeats(repeats).status == "failed"
    assert reduce_repeats([repeats[0], replace(repeats[1], cost_nano_usd=None)]).cost_nano_usd is None


@pytest.mark.parametrize(
    ("statuses", "at_least", "expected"),
    [("PPE", 2, "passed"), ("PFE", 2, "error"), ("FFE", 2, "failed"), ("PPE", 3, "error"), ("EEE", 1, "error")],
)
def test_an_error_among_repeats_counts_only_where_it_could_decide(statuses: str, at_least: int, expected: str) -> None:
    repeats = [replace(repeat, case_id="a") for repeat in run(statuses)]
    assert reduce_repeats(repeats, at_least).status == expected


def test_metrics_are_paired_by_case_and_their_gaps_counted() -> None:
    base = [outcome("a", scores={"tone": 0.5}), outcome("b", scores={"tone": 0.9}), outcome("c", scores={"tone": 0.2})]
    head = [outcome("a", scores={"tone": 0.7}), outcome("b", scores={"tone": math.nan}), outcome("c")]
    tone = compare_outcomes(base, head).metric("tone")
    assert tone is not None
    assert (tone.n, tone.missing, tone.improved) == (1, 2, 1)
    assert tone.difference == pytest.approx(0.2)


def test_a_score_that_only_repeats_the_passes_is_one_question() -> None:
    base = [replace(case, score=float(case.status == "passed")) for case in run("PPFP")]
    head = [replace(case, score=float(case.status == "passed")) for case in run("PFFP")]
    assert [(metric.name, metric.same_as) for metric in compare_outcomes(base, head).metrics] == [
        ("passed", None),
        ("score", "passed"),
    ]


def test_cases_of_one_cluster_are_one_unit_of_evidence() -> None:
    base, head = run("PPPPPP", cluster="manual"), run("FFFFFF", cluster="manual")
    comparison = compare_outcomes(base, head)
    passed = comparison.metric("passed")
    assert passed is not None
    assert (passed.n, passed.units, passed.test.p_worse) == (6, 1, 0.5)


def test_nothing_to_compare_is_an_empty_comparison() -> None:
    comparison = compare_outcomes([], [])
    assert (comparison.n, comparison.comparable, comparison.metrics) == (0, 0, ())
    assert compare_outcomes(run("EE"), run("EE")).n == 0


def test_the_same_runs_and_seed_give_the_same_bytes() -> None:
    def once() -> Comparison:
        base = [outcome(str(i), scores={"tone": (i * 37 % 101) / 101}) for i in range(60)]
        head = [outcome(str(i), scores={"tone": (i * 53 % 97) / 97}) for i in range(60)]
        return compare_outcomes(base, head, procedure=Procedure(resamples=500, seed="run-a:run-b"))

    assert repr(asdict(once())) == repr(asdict(once()))


def test_no_number_is_ever_undefined() -> None:
    for base, head in ((run("P"), run("F")), (run("FF"), run("FF")), (run("PPP"), run("PPP"))):
        comparison = compare_outcomes(
            [replace(case, score=0.3) for case in base], [replace(case, score=0.3) for case in head]
        )
        assert not re.search(r"\b(nan|inf)\b", repr(comparison))


@pytest.mark.untraced
def test_comparing_loads_no_heavy_library() -> None:
    heavy = ("numpy", "scipy", "statsmodels", "litellm", "aiohttp", "git", "jsonschema", "asyncio", "sqlite3", "jinja2")
    program = (
        "import sys, promptctl.comparisons.gates, promptctl.comparisons.verdicts; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_case_that_a_judge_decided_on_one_side_alone_has_no_grade_to_compare() -> None:
    apart = {"0": "judges/x is not calibrated"}
    base = [outcome("a", undecided={}), outcome("b", "failed"), outcome("c", undecided=apart)]
    head = [outcome("a", "failed", undecided=apart), outcome("b", undecided=apart), outcome("c", undecided=apart)]
    comparison = compare_outcomes(base, head)
    assert (ids(comparison.errors), ids(comparison.improved), comparison.n) == (["a"], ["b"], 2)
    assert dict(comparison.judged_apart) == {"a": "after, judges/x is not calibrated"}
    assert dict(compare_outcomes(head, base).judged_apart) == {"a": "before, judges/x is not calibrated"}
    repeats = [outcome("a", undecided=None), outcome("a", "failed", undecided={}), outcome("a", undecided=apart)]
    assert reduce_repeats(repeats).undecided == apart
    assert reduce_repeats(repeats[:2]).undecided == {}
