from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from promptctl.assertions.assertion import Subject
from promptctl.datasets.cases import Case
from promptctl.errors import Place
from promptctl.evaluations.scoring import Score, error_score, failed_score, score_case, subject_of
from promptctl.prompts.prompt import MISSING
from tests.assertions.helpers import FakeJudge, prepared, verdict


def case(*specs: Mapping[str, Any], threshold: float | None = None, expected: Any = MISSING) -> Case:
    assertions = tuple(prepared(spec) for spec in specs)
    return Case("c", {"q": "x"}, expected, (), assertions, "0" * 32, Place("d", 1), threshold=threshold)


def scored(reply: str, specs: Sequence[Mapping[str, Any]], **keys: Any) -> Score:
    made = case(*specs, **keys)
    return asyncio.run(score_case(made, subject_of(made, reply)))


A, B, C = ({"type": "contains", "value": letter} for letter in "abc")
UNPRICED = {"type": "cost", "threshold": 1}


def test_a_case_passes_when_every_assertion_does() -> None:
    assert scored("abc", [A, B, C]).status == "passed"
    score = scored("ab", [A, B, C])
    assert score.status == "failed"
    assert score.score == pytest.approx(2 / 3)
    assert score.reason == 'contains: does not contain "c"'


def test_a_threshold_asks_for_a_weighted_share() -> None:
    assert scored("ab", [A, B, C], threshold=0.6).status == "passed"
    score = scored("a", [A, B, C], threshold=0.6)
    assert score.status == "failed"
    assert score.reason.startswith("score 0.333, 0.6 wanted: contains")
    assert scored("a", [{**A, "weight": 8}, B, C], threshold=0.8).status == "passed"


def test_a_threshold_of_0_still_needs_something_to_be_graded() -> None:
    assert scored("", [A], threshold=0).status == "passed"
    assert scored("", [UNPRICED], threshold=0).status == "error"


def test_an_assertion_of_weight_0_only_records() -> None:
    score = scored("a", [A, {**B, "weight": 0, "metric": "b"}])
    assert (score.status, score.score, dict(score.metrics)) == ("passed", 1.0, {"b": 0.0})


@pytest.mark.parametrize("specs", [[], [{**A, "weight": 0}]])
def test_nothing_to_decide_by_is_an_error_never_a_pass(specs: list[Mapping[str, Any]]) -> None:
    assert scored("a", specs).status == "error"


def test_what_could_not_be_graded_makes_an_error_unless_the_case_fails_anyway() -> None:
    score = scored("a", [A, UNPRICED])
    assert score.status == "error"
    assert score.reason.startswith("cost: the cost is unknown")
    assert scored("a", [B, UNPRICED]).status == "failed"


def test_metrics_are_weighted_means_by_name_those_in_sets_included() -> None:
    tone: list[dict[str, Any]] = [{**A, "metric": "tone", "weight": 3}, {**B, "metric": "tone"}]
    inner = {"type": "assert-set", "threshold": 0.1, "assert": [{**C, "metric": "deep"}]}
    score = scored("ac", [*tone, inner, {**UNPRICED, "metric": "price"}])
    assert dict(score.metrics) == {"tone": 0.75, "deep": 1.0}


def test_a_judge_is_asked_only_for_what_needs_one_and_its_cost_is_summed() -> None:
    made = case(A, {"type": "llm-rubric", "value": "polite"}, {"type": "llm-rubric", "value": "short"})
    assert len(list(made.judges)) == 2
    judge = FakeJudge(verdict(**{"pass": True, "score": 1}), "no verdict")
    score = asyncio.run(score_case(made, subject_of(made, "a"), judge))
    assert (score.status, score.cost_nano_usd) == ("error", 2_000)
    assert [part.as_data().get("execution_ids") for part in score.graded] == [None, ["execution-1"], ["execution-2"]]
    unpriced = FakeJudge(verdict(**{"pass": True, "score": 1}), "no", cost_nano_usd=None)
    assert asyncio.run(score_case(made, subject_of(made, "a"), unpriced)).cost_nano_usd is None


def test_a_case_that_needs_a_judge_is_not_graded_without_one() -> None:
    with pytest.raises(ValueError, match="needs a judge"):
        asyncio.run(score_case(case({"type": "llm-rubric", "value": "polite"}), Subject("a")))


def test_graded_assertions_can_be_kept_as_json() -> None:
    made = case(A, {"type": "equals"}, expected={"k": 1})
    score = asyncio.run(score_case(made, subject_of(made, '{"k": 2}')))
    kept = json.loads(json.dumps([part.as_data() for part in score.graded]))
    assert score.status == "failed"
    assert (kept[1]["expected"], kept[1]["got"]) == ({"k": 1}, {"k": 2})
    assert kept[1]["reason"] == "$.k: expected 1, got 2"


def test_a_case_without_a_gradable_reply_has_a_score_too() -> None:
    inner = {"type": "contains", "value": "b", "metric": "words"}
    made = case({**A, "metric": "label"}, {"type": "assert-set", "assert": [inner]})
    failed = failed_score(made, "invalid output")
    assert (failed.status, failed.score, failed.metrics) == ("failed", 0.0, {"label": 0.0, "words": 0.0})
    assert (error_score("timeout").status, error_score("x").score) == ("error", None)


ABSENT: list[Mapping[str, Any]] = [
    {"type": "not-contains", "value": "secret"},
    {"type": "word-count", "value": {"max": 5}},
    {"type": "not-is-refusal"},
]


@pytest.mark.parametrize("spec", ABSENT)
def test_a_reply_that_is_not_whole_passes_nothing_by_what_it_lacks(spec: Mapping[str, Any]) -> None:
    made = case({**spec, "metric": "m"})
    score = asyncio.run(score_case(made, replace(subject_of(made, ""), finish_reason="length", fault="it was cut")))
    assert (score.status, score.score, score.reason) == ("failed", 0.0, "it was cut")
    assert score.metrics == {"m": 0.0}
    assert asyncio.run(score_case(made, replace(subject_of(made, ""), finish_reason="stop"))).status == "passed"


WANTED: list[tuple[str, Mapping[str, Any]]] = [
    ("length", {"type": "finish-reason", "value": "length"}),
    ("length", {"type": "equals", "value": "yes"}),
    ("content_filter", {"type": "is-refusal"}),
    ("refusal", {"type": "is-refusal"}),
    ("content_filter", {"type": "assert-set", "assert": [{"type": "is-refusal"}]}),
]


@pytest.mark.parametrize(("reason", "spec"), WANTED)
def test_a_case_may_want_just_such_a_reply(reason: str, spec: Mapping[str, Any]) -> None:
    made = case(spec, {"type": "not-contains", "value": "secret"})
    score = asyncio.run(score_case(made, replace(subject_of(made, "yes"), finish_reason=reason, fault="it was cut")))
    assert score.status == "passed"
