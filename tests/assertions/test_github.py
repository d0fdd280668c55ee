from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from promptctl.assertions.assertion import Subject
from promptctl.assertions.outcome import Outcome
from promptctl.datasets.github_rows import github_assertions
from promptctl.files.tree import MemoryTree
from tests.assertions.helpers import FakeJudge, outcome_of, verdict

ROW = {"input": "2+2", "expected": "Four", "note": "{{input}}", "n": 4}


def string(reply: str, row: Mapping[str, Any] = ROW, **tests: str) -> bool | None:
    assertion = github_assertions([{"name": "it", "string": tests}], MemoryTree({}))[0]
    return outcome_of(assertion, Subject(reply, variables=row)).passed


def asked(evaluator: Mapping[str, Any], judge: FakeJudge, reply: str = " four ") -> Outcome:
    assertion = github_assertions([{"name": "it", **evaluator}], MemoryTree({}))[0]
    return outcome_of(assertion, Subject(reply, variables=ROW), judge)


EVALUATOR = {
    "llm": {
        "modelId": "openai/gpt-4o",
        "prompt": "Rate {{completion}} for {{input}}",
        "choices": [{"choice": str(n), "score": (n - 1) / 9} for n in range(1, 11)],
    }
}


class TestString:
    def test_equals_minds_the_case_and_the_others_do_not(self) -> None:
        assert string(" Four\n", equals="{{expected}}")
        assert not string("four", equals="{{expected}}")
        assert string("it is FOUR!", contains="{{expected}}")
        assert string("FOUR it is", startsWith="four")
        assert string("it is FOUR\n", endsWith="four")

    def test_only_the_first_of_several_counts(self) -> None:
        assert string("Four", endsWith="x", equals="Four")
        assert not string("Four x", endsWith="x", equals="Four")

    def test_placeholders_are_filled_once_and_unknown_ones_stay(self) -> None:
        assert string("{{input}}", equals="{{note}}")
        assert string("{{ input }} {{nosuch}} 4", equals="{{ input }} {{nosuch}} {{n}}")

    def test_a_text_that_is_empty_for_a_row_is_an_error(self) -> None:
        assert string("anything", {"expected": ""}, contains="{{expected}}") is None


class TestLLM:
    def test_the_evaluator_s_own_prompt_goes_to_its_own_model(self) -> None:
        judge = FakeJudge("7")
        outcome = asked(EVALUATOR, judge)
        assert outcome.passed
        assert outcome.score == pytest.approx(6 / 9)
        assert judge.asked == [("judges/github-llm", {"prompt": "Rate four for 2+2", "system": ""}, "openai/gpt-4o")]

    def test_a_system_prompt_goes_along_as_it_stands(self) -> None:
        judge = FakeJudge("7")
        asked({"llm": {**EVALUATOR["llm"], "systemPrompt": "Be {{input}}"}}, judge)
        assert judge.asked[0][0] == "judges/github-llm-system"
        assert judge.asked[0][1]["system"] == "Be {{input}}"

    def test_a_choice_of_score_0_fails(self) -> None:
        assert asked(EVALUATOR, FakeJudge("1")).passed is False

    @pytest.mark.parametrize(
        ("reply", "choice"), [("10", "10"), ("Score: 10", "10"), (" 1.\n", "1"), ("I say: 3!", "3")]
    )
    def test_10_is_never_taken_for_1(self, reply: str, choice: str) -> None:
        assert asked(EVALUATOR, FakeJudge(reply)).reason == f"the judge chose {choice}"

    @pytest.mark.parametrize("reply", ["", "eleven", "11", "4.5", "1,000", "either 3 or 4", "4 out of 5"])
    def test_a_reply_that_names_none_or_several_is_ungraded(self, reply: str) -> None:
        outcome = asked(EVALUATOR, FakeJudge(reply))
        assert outcome.passed is None
        assert outcome.got == reply

    def test_the_first_of_several_wins_where_they_score_alike(self) -> None:
        choices = [
            {"choice": "yes", "score": 1},
            {"choice": "sure", "score": 1},
            {"choice": "very good", "score": 1},
            {"choice": "good", "score": 0},
        ]
        evaluator = {"llm": {"modelId": "m", "prompt": "?", "choices": choices}}
        assert asked(evaluator, FakeJudge("Sure, YES.")).reason == "the judge chose yes"
        assert asked(evaluator, FakeJudge("very good indeed")).reason == "the judge chose very good"


class TestBuiltIn:
    def test_a_rating_of_two_passes_as_it_did(self) -> None:
        judge = FakeJudge(verdict(reason="poor", rating=2), verdict(rating=1), verdict(rating=6))
        outcome = asked({"uses": "github/similarity"}, judge)
        assert (outcome.passed, outcome.score) == (True, 0.25)
        assert judge.asked[0][0] == "judges/github-similarity"
        assert judge.asked[0][1] == {"question": "2+2", "expected": "Four", "output": "four"}
        assert asked({"uses": "github/similarity"}, judge).passed is False
        assert asked({"uses": "github/similarity"}, judge).passed is None


@pytest.mark.parametrize(
    ("evaluator", "judge"), [(EVALUATOR, "github-llm"), ({"uses": "github/fluency"}, "github-fluency")]
)
def test_another_prompt_of_the_judge_is_another_assertion(evaluator: Mapping[str, Any], judge: str) -> None:
    def digest(files: Mapping[str, str]) -> str:
        return github_assertions([{"name": "it", **evaluator}], MemoryTree(files))[0].digest

    own = "inputs: {output: {type: string}}\nmessages: [{role: user, content: '%s {{ output }}'}]\n"
    path = f"prompts/judges/{judge}.prompt.yaml"
    assert len({digest({}), digest({path: own % "Kind?"}), digest({path: own % "Rude?"})}) == 3
