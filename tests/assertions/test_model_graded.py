from __future__ import annotations

import json
import math

import pytest

from promptctl.assertions.judge import JudgeReply
from promptctl.errors import Incomplete, ModelTimeout
from tests.assertions.helpers import FakeJudge, faults, judged, verdict

RUBRIC = {"type": "llm-rubric", "value": "Is polite to {{ name }}."}
CLASSIFY = {"type": "classify", "value": "1", "choices": ["1", "10", "other"]}
NAMED = {"inputs": {"name": "Ann"}}


def rubric(**keys: object) -> str:
    return verdict(**{"reason": "it greets", "pass": True, "score": 0.9, **keys})


class TestRubric:
    def test_the_judge_is_asked_with_the_rubric_the_reply_and_what_was_asked(self) -> None:
        judge = FakeJudge(rubric())
        outcome = judged(RUBRIC, "Dear Ann", judge, subject=NAMED)
        assert (outcome.passed, outcome.score, outcome.reason) == (True, 0.9, "it greets")
        assert (outcome.cost_nano_usd, outcome.execution_ids) == (1_000, ("execution-1",))
        prompt_id, inputs, model = judge.asked[0]
        assert (prompt_id, model) == ("judges/llm-rubric", None)
        assert inputs == {
            "rubric": "Is polite to Ann.",
            "output": "Dear Ann",
            "inputs": {"name": "Ann"},
            "asked": "Ann",
        }

    def test_prompt_and_model_can_be_the_assertion_s_own(self) -> None:
        judge = FakeJudge(rubric())
        files = {"prompts/mine.prompt.yaml": '{"messages": [{"role": "user", "content": "hm"}]}'}
        judged({**RUBRIC, "prompt": "mine", "model": "openai/x"}, "Hi", judge, subject=NAMED, files=files)
        assert judge.asked[0][0] == "mine"
        assert judge.asked[0][2] == "openai/x"

    def test_a_score_below_the_threshold_fails_what_the_judge_would_pass(self) -> None:
        assert judged({**RUBRIC, "threshold": 0.95}, "Hi", FakeJudge(rubric()), subject=NAMED).passed is False

    def test_not_turns_the_verdict_round(self) -> None:
        outcome = judged({**RUBRIC, "type": "not-llm-rubric"}, "Hi", FakeJudge(rubric()), subject=NAMED)
        assert outcome.passed is False
        assert outcome.score == pytest.approx(0.1)

    def test_a_verdict_in_one_fence_is_read(self) -> None:
        assert judged(RUBRIC, "Hi", FakeJudge(f"```json\n{rubric()}\n```\n"), subject=NAMED).passed
        assert judged(RUBRIC, "Hi", FakeJudge(f"<think>hm</think>```\n{rubric()}\n```"), subject=NAMED).passed

    def test_a_judge_that_was_cut_has_judged_nothing(self) -> None:
        cut = JudgeReply(rubric(), 1_000, "e1", fault="the reply of openai/judge was cut at max_tokens=5")
        outcome = judged(RUBRIC, "Hi", FakeJudge(cut), subject=NAMED)
        assert (outcome.passed, outcome.cost_nano_usd, outcome.execution_ids) == (None, 1_000, ("e1",))
        assert "was cut at max_tokens=5" in outcome.reason

    @pytest.mark.parametrize(
        "reply",
        [
            "",
            "PASS",
            "true",
            f"Verdict: {rubric()}",
            rubric(**{"pass": "true"}),
            rubric(**{"pass": 1}),
            rubric(score=2),
            rubric(score=True),
            rubric(score="1"),
            json.dumps({"reason": "fine", "score": 1}),
            json.dumps({"pass": True}),
            json.dumps([{"pass": True, "score": 1}]),
        ],
    )
    @pytest.mark.parametrize("type_", ["llm-rubric", "not-llm-rubric"])
    def test_what_is_no_verdict_is_an_error_that_keeps_reply_and_cost(self, reply: str, type_: str) -> None:
        outcome = judged({**RUBRIC, "type": type_}, "Hi", FakeJudge(reply), subject=NAMED)
        assert (outcome.passed, outcome.score) == (None, None)
        assert outcome.reason.startswith("ungraded: ")
        assert (outcome.got, outcome.cost_nano_usd, outcome.execution_ids) == (reply, 1_000, ("execution-1",))

    def test_a_call_that_fails_is_this_assertion_s_error(self) -> None:
        outcome = judged(RUBRIC, "Hi", FakeJudge(ModelTimeout("no reply in 60 s")), subject=NAMED)
        assert outcome.passed is None
        assert "no reply in 60 s" in outcome.reason

    def test_what_must_stop_the_evaluation_is_not_swallowed(self) -> None:
        with pytest.raises(Incomplete):
            judged(RUBRIC, "Hi", FakeJudge(Incomplete("the budget is spent")), subject=NAMED)


class TestClassify:
    def test_the_choice_must_be_the_one_that_is_wanted(self) -> None:
        assert judged(CLASSIFY, "x", FakeJudge(verdict(reason="r", choice="1"))).passed
        outcome = judged(CLASSIFY, "x", FakeJudge(verdict(reason="why", choice="10")))
        assert (outcome.passed, outcome.got, outcome.reason) == (False, "10", "classified as 10: why")

    def test_several_may_pass(self) -> None:
        assert judged({**CLASSIFY, "value": ["1", "10"]}, "x", FakeJudge(verdict(choice="10"))).passed

    def test_the_case_s_expected_may_be_the_class(self) -> None:
        spec = {"type": "classify", "choices": ["bug", "billing"]}
        assert judged(spec, "x", FakeJudge(verdict(choice="bug")), subject={"expected": "bug"}).passed
        assert judged(spec, "x", FakeJudge(), subject={"expected": "nosuch"}).passed is None

    @pytest.mark.parametrize("choice", ["", "2", "1 ", "01", 1, None, ["1"]])
    def test_a_choice_off_the_menu_is_ungraded(self, choice: object) -> None:
        assert judged(CLASSIFY, "x", FakeJudge(verdict(choice=choice))).passed is None

    def test_a_class_that_is_no_choice_is_told_before_anything_runs(self) -> None:
        assert faults({**CLASSIFY, "value": "2"})[0].code == "bad-value"
        assert faults({"type": "classify", "value": "1"})[0].code == "missing-key"


def test_factuality_passes_whatever_does_not_disagree_or_what_is_accepted() -> None:
    spec = {"type": "factuality", "value": "Paris"}
    assert judged(spec, "Paris, France", FakeJudge(verdict(relation="superset"))).passed
    assert judged(spec, "Rome", FakeJudge(verdict(relation="disagrees"))).passed is False
    assert judged({**spec, "accept": ["same"]}, "Paris!", FakeJudge(verdict(relation="superset"))).passed is False
    (fault,) = faults({**spec, "accept": ["same", "alike"]})
    assert "must be of same, " in fault.message
    assert judged(spec, "Rome", FakeJudge(verdict(relation="agrees"))).passed is None


def test_answer_relevance_is_a_rating_of_the_reply_to_what_was_asked() -> None:
    judge = FakeJudge(verdict(rating=4), verdict(rating=3), verdict(rating=5), verdict(rating=4.5))
    spec = {"type": "answer-relevance"}
    first = judged(spec, "Paris", judge, subject={"inputs": {"question": "Capital of France?"}})
    assert (first.passed, first.score) == (True, 0.75)
    assert judge.asked[0][1]["question"] == "Capital of France?"
    assert judged(spec, "Paris", judge).passed is False
    assert judged({**spec, "value": "Where?"}, "Paris", judge).score == 1.0
    assert judge.asked[2][1]["question"] == "Where?"
    assert judged(spec, "Paris", judge).passed is None


SIMILAR = {"type": "similar", "value": "a cat"}


class TestSimilar:
    def test_is_the_cosine_of_the_embeddings(self) -> None:
        judge = FakeJudge(vectors=[(1.0, 0.0), (0.8, 0.6)])
        outcome = judged(SIMILAR, "a kitten", judge)
        assert outcome.passed
        assert outcome.score == pytest.approx(0.8)
        assert judge.embedded == ["a kitten", "a cat"]
        assert judged({**SIMILAR, "threshold": 0.9}, "a kitten", judge).passed is False

    def test_an_opposite_scores_nothing(self) -> None:
        assert judged(SIMILAR, "x", FakeJudge(vectors=[(1.0,), (-1.0,)])).score == 0.0

    @pytest.mark.parametrize(
        "vectors",
        [
            [],
            [(1.0,)],
            [(1.0,), (1.0, 2.0)],
            [(0.0,), (0.0,)],
            [(math.nan,), (1.0,)],
            [(math.inf,), (1.0,)],
            [(math.inf, -math.inf), (1.0, 1.0)],
            [(1e200,), (1e200,)],
        ],
    )
    def test_vectors_that_cannot_be_compared_are_an_error(self, vectors: list[tuple[float, ...]]) -> None:
        for type_ in ("similar", "not-similar"):
            assert judged({**SIMILAR, "type": type_}, "x", FakeJudge(vectors=vectors)).passed is None
