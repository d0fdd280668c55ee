from __future__ import annotations

from typing import Any

import pytest

from promptctl.evaluations.evaluation import MOST_LISTED, Summary, summarise
from promptctl.evaluations.outcomes import case_results
from promptctl.log.results import EvaluationSpec, ResultDetail, ResultRow, ResultStatus


def row(case: str, status: ResultStatus = "passed", repeat: int = 1, position: int = 0, **fields: Any) -> ResultRow:
    scores = {"tags": fields.pop("tags", []), "must_pass": fields.pop("must_pass", False), **fields.pop("scores", {})}
    given: dict[str, Any] = {"cost_nano_usd": 5, "latency_ms": 10.0, "score": float(status == "passed")}
    return ResultRow(
        evaluation_id="e", case_id=case, status=status, repeat=repeat, position=position,
        detail=ResultDetail.from_json(scores),
        **{**given, **fields},
    )  # fmt: skip


def rows(passed: int = 0, failed: int = 0, error: int = 0, **fields: Any) -> list[ResultRow]:
    wanted: list[tuple[ResultStatus, int]] = [("passed", passed), ("failed", failed), ("error", error)]
    each = [status for status, count in wanted for _ in range(count)]
    return [row(f"c{n}", status, position=n, **fields) for n, status in enumerate(each)]


def summary(
    given: list[ResultRow], expected: int | None = None, repeats: int = 1, at_least: int | None = None
) -> Summary:
    cases = case_results(given, at_least)
    count = len({each.case_id for each in given}) if expected is None else expected
    return summarise(EvaluationSpec(cases=count, repeats=repeats, at_least=at_least), cases)


class TestRates:
    def test_errors_stay_in_the_denominator(self) -> None:
        data = summary(rows(90, 0, 10)).totals(1.0).as_json()
        assert (data["cases"], data["passed"], data["failed"], data["errors"]) == (100, 90, 0, 10)
        assert data["pass_rate"] == 0.9
        assert (round(data["low"], 3), round(data["high"], 3)) == (0.826, 0.945)

    @pytest.mark.parametrize(("passed", "failed", "low", "high"), [(10, 0, 0.722, 1.0), (0, 10, 0.0, 0.278)])
    def test_all_or_none_of_few_proves_little(self, passed: int, failed: int, low: float, high: float) -> None:
        data = summary(rows(passed, failed)).totals(1.0).as_json()
        assert (round(data["low"], 3), round(data["high"], 3)) == (low, high)

    def test_cases_of_one_document_are_not_counted_as_if_they_were_independent(self) -> None:
        given = [
            row(f"c{n}", "failed" if n < 5 else "passed", position=n, tags=["t"], scores={"cluster": f"d{n // 10}"})
            for n in range(50)
        ]
        apart = summary(rows(45, 5)).totals(1.0).as_json()
        data = summary(given).totals(1.0).as_json()
        assert data["pass_rate"] == apart["pass_rate"] == 0.9
        assert data["low"] < apart["low"] - 0.15
        assert apart["high"] < data["high"] <= 1
        assert data["by_tag"]["t"]["low"] == data["low"]

    def test_repeats_of_a_case_are_no_more_cases_for_its_assertions(self) -> None:
        graded = {"assertions": [{"type": "contains", "passed": True}]}
        given = [row(f"c{n}", repeat=k, position=n, scores=graded) for n in range(5) for k in (1, 2, 3, 4)]
        found = summary(given, repeats=4).totals(1.0).as_json()["by_assertion"]["contains"]
        assert (found["cases"], found["pass_rate"]) == (20, 1.0)
        assert round(found["low"], 3) == 0.566

    def test_nothing_has_no_rate(self) -> None:
        data = summary([]).totals(1.0).as_json()
        assert (data["pass_rate"], data["low"], data["score"], data["p50_latency_ms"]) == (None, None, None, None)


class TestVerdict:
    @pytest.mark.parametrize(
        ("counts", "min_pass", "verdict", "reason"),
        [
            ((10, 0, 0), 1.0, "passed", "10 of 10 cases (100.0%) passed"),
            ((9, 1, 0), 1.0, "failed", "9 of 10 cases (90.0%) passed, below the 100% asked for"),
            ((9, 1, 0), 0.9, "passed", "9 of 10 cases (90.0%) passed"),
            ((9, 0, 1), 1.0, "incomplete", "of 10 cases 1 could not be graded"),
            ((9, 0, 1), 0.5, "incomplete", "of 10 cases 1 could not be graded"),
            ((5, 4, 1), 0.7, "failed", "5 of 10 cases (50.0%) passed, below the 70% asked for"),
            ((5, 1, 4), 0.7, "incomplete", "of 10 cases 4 could not be graded"),
            ((0, 0, 0), 1.0, "incomplete", "no case was evaluated"),
            ((9999, 1, 0), 0.9995, "passed", "9,999 of 10,000 cases (99.99%) passed"),
        ],
    )
    def test_it_follows_from_the_counts(
        self, counts: tuple[int, int, int], min_pass: float, verdict: str, reason: str
    ) -> None:
        assert summary(rows(*counts)).verdict(min_pass) == (verdict, reason)

    def test_what_was_not_run_could_still_have_passed(self) -> None:
        assert summary(rows(5), expected=8).verdict(1.0) == ("incomplete", "of 8 cases 3 were not run")
        assert summary(rows(5, 1), expected=8).verdict(1.0)[0] == "failed"

    def test_a_failed_must_pass_fails_whatever_the_share(self) -> None:
        given = [*rows(99), row("vital", "failed", position=99, must_pass=True)]
        assert summary(given).verdict(0.5) == ("failed", "1 case that must pass failed: vital")

    def test_a_must_pass_that_could_not_be_graded_did_not_fail(self) -> None:
        given = [*rows(9), row("vital", "error", position=9, must_pass=True)]
        assert summary(given).verdict(0.5)[0] == "incomplete"


class TestRepeats:
    def test_a_case_counts_once(self) -> None:
        statuses: list[ResultStatus] = ["passed", "passed", "failed"]
        given = [row("a", status, repeat) for repeat, status in enumerate(statuses, 1)]
        given += [row("b", "passed", repeat, position=1) for repeat in (1, 2, 3)]
        all_of_three = summary(given, repeats=3).totals(1.0).as_json()
        assert (all_of_three["cases"], all_of_three["passed"], all_of_three["failed"]) == (2, 1, 1)
        assert (all_of_three["pass_at_k"], all_of_three["pass_hat_k"], all_of_three["flaky"]) == (1.0, 0.5, ("a",))
        assert all_of_three["cost_nano_usd"] == 30
        two_of_three = summary(given, repeats=3, at_least=2).totals(1.0).as_json()
        assert (two_of_three["passed"], two_of_three["at_least"]) == (2, 2)

    def test_an_error_among_them_is_no_pass_of_all(self) -> None:
        given = [row("a", "passed", 1), row("a", "passed", 2), row("a", "error", 3)]
        data = summary(given, repeats=3).totals(1.0).as_json()
        assert (data["errors"], data["pass_at_k"], data["pass_hat_k"]) == (1, 1.0, 0.0)

    def test_a_case_without_all_its_repeats_was_not_run(self) -> None:
        given = [row("a", "passed", 1), row("a", "passed", 2), row("b", "passed", 1, position=1)]
        found = summary(given, expected=2, repeats=2)
        assert (found.counts.cases, found.never_run, found.is_unfinished) == (1, 1, True)
        assert found.verdict(0.5)[0] == "incomplete"
        assert found.cost_nano_usd == 15


class TestParts:
    def test_by_tag_by_assertion_and_by_metric(self) -> None:
        checks = {"assertions": [{"type": "equals", "passed": True}, {"type": "llm-rubric", "passed": None}]}
        given = [
            row("a", "passed", tags=["smoke"], scores={**checks, "metrics": {"tone": 1.0}}),
            row("b", "failed", position=1, tags=["smoke", "hard"], scores={"metrics": {"tone": 0.5}}),
        ]
        data = summary(given).totals(1.0).as_json()
        assert {name: each["pass_rate"] for name, each in data["by_tag"].items()} == {"smoke": 0.5, "hard": 0.0}
        assert data["by_assertion"]["llm-rubric"]["errors"] == 1
        assert data["metrics"] == {"tone": 0.75}

    def test_money_time_and_tokens(self) -> None:
        given = [
            row("a", latency_ms=10.0, scores={"tokens": [4, 1], "full_cost_nano_usd": 5}),
            row("b", position=1, latency_ms=30.0, cost_nano_usd=None, scores={"tokens": [6, None]}),
            row(
                "c",
                position=2,
                latency_ms=20.0,
                cost_nano_usd=0,
                reply_source="cache",
                scores={"full_cost_nano_usd": 9},
            ),
        ]
        data = summary(given).totals(1.0).as_json()
        assert (data["cost_nano_usd"], data["full_cost_nano_usd"], data["unpriced"]) == (5, 14, 1)
        assert (data["input_tokens"], data["output_tokens"]) == (10, 1)
        assert (data["p50_latency_ms"], data["p95_latency_ms"]) == (20.0, 29.0)
        assert data["reply_sources"] == {"cache": 1, "none": 2}

    def test_lists_are_cut_and_counts_are_not(self) -> None:
        data = summary(rows(failed=MOST_LISTED + 5)).totals(1.0).as_json()
        assert (len(data["failing"]), data["failed"]) == (MOST_LISTED, MOST_LISTED + 5)

    def test_so_are_those_that_must_pass(self) -> None:
        found = summary(rows(failed=MOST_LISTED + 5, must_pass=True))
        assert len(found.totals(1.0).as_json()["must_pass_failed"]) == MOST_LISTED
        assert found.verdict(0.5)[1].startswith("1,005 cases that must pass failed: ")
        assert found.verdict(0.5)[1].endswith(" and 1,000 more")


class TestFullCost:
    def test_reused_replies_are_counted_at_what_they_cost_once(self) -> None:
        given = rows(2, cost_nano_usd=0, scores={"full_cost_nano_usd": 7}, output="x")
        assert summary(given).totals(1.0).as_json()["full_cost_nano_usd"] == 14

    def test_reused_replies_without_a_price_were_not_free(self) -> None:
        given = rows(2, cost_nano_usd=0, scores={"full_cost_nano_usd": None}, output="x")
        data = summary(given).totals(1.0).as_json()
        assert (data["cost_nano_usd"], data["full_cost_nano_usd"]) == (0, None)

    def test_outputs_of_the_dataset_and_errors_cost_nothing(self) -> None:
        given = [row("given", output="x"), row("error", "error", position=1, scores={"full_cost_nano_usd": None})]
        assert summary(given).totals(1.0).as_json()["full_cost_nano_usd"] == 0


def test_what_a_recording_took_is_no_latency() -> None:
    data = summary([row("a", reply_source="replay"), row("b", position=1, latency_ms=20.0)]).totals(1.0).as_json()
    assert (data["p50_latency_ms"], data["p95_latency_ms"]) == (20.0, 20.0)
