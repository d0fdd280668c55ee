from __future__ import annotations

import json

import pytest

from promptctl.datasets.selection import Selection
from promptctl.evaluations.estimate import Estimate
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.log.attempts import Attempt
from promptctl.log.filter import Filter
from promptctl.log.sqlite.store import SqliteStore
from promptctl.models.tokens import token_counter
from tests.evaluation_lab import PROMPT, REPLY_COST, Lab
from tests.openai_server import reply


def estimated(lab: Lab, **request: object) -> Estimate:
    with lab.open() as workspace:
        (found,) = workspace.estimate(EvaluationRequest(refs=["triage"], **request))  # type: ignore[arg-type]
        return found


def test_earlier_calls_say_what_calls_take(lab: Lab) -> None:
    lab.many(10)
    lab.one(replies="ask")
    found = estimated(lab, repeats=2)
    assert (found.calls, found.input_tokens, found.output_tokens) == (20, 240, 60)
    assert (found.cost_nano_usd, found.source) == (20 * REPLY_COST, "10 earlier calls")


def test_the_latest_calls_tell_however_many_there_are(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.evaluations.estimate._MOST_CALLS", 4)
    lab.many(10)
    lab.one(replies="ask")
    lab.server.default = reply("c1", tokens={"prompt_tokens": 20, "completion_tokens": 5})
    lab.one(replies="ask", selection=Selection(first=3))
    found = estimated(lab)
    assert (found.input_tokens, found.source) == (180, "the latest 4 calls"), "three of 20 tokens, and one of 12"


def test_one_reading_of_the_log_serves_all_plans(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.many(3)
    lab.evaluate(replies="ask", models=("local/cheap", "local/other"))
    read: list[int] = []
    attempts = SqliteStore.attempts

    def counted(store: SqliteStore, *wanted: Filter) -> list[Attempt]:
        read.append(len(wanted))
        found: list[Attempt] = attempts(store, *wanted)
        return found

    monkeypatch.setattr(SqliteStore, "attempts", counted)
    with lab.open() as workspace:
        found = workspace.estimate(EvaluationRequest(refs=["triage"], models=("local/cheap", "local/other")))
    assert [each.source for each in found] == ["3 earlier calls"] * 2
    assert read == [2]


def test_without_any_the_cases_are_counted_and_max_tokens_bounds_the_replies(lab: Lab) -> None:
    lab.many(10)
    assert estimated(lab).cost_nano_usd is None, "nothing says how long a reply may be"
    lab.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {max_tokens: 50}\n")
    found = estimated(lab)
    assert (found.calls, found.output_tokens, found.is_priced) == (10, 500, True)
    assert 10 <= found.input_tokens <= 100
    assert found.cost_nano_usd == (found.input_tokens + 500) * 1_000
    assert found.source.endswith("and max_tokens")
    assert lab.asked == []


def test_the_worst_case_of_a_call_is_what_a_bound_must_leave(lab: Lab) -> None:
    lab.many(11)
    lab.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {max_tokens: 3}\n")
    worst = estimated(lab).worst_nano_usd
    assert worst == 34_000, "of c10, the longest"
    for limit, asked in ((worst - 1, 0), (worst, 1)):
        lab.one(selection=Selection(ids=frozenset({"c10"})), limits=Limits(max_cost_nano_usd=limit))
        assert len(lab.asked) == asked
    assert estimated(lab).worst_nano_usd == worst
    assert estimated(lab, models=("local/unpriced",)).worst_nano_usd is None


def test_the_worst_case_of_a_plan_is_that_of_all_its_calls(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.many(11)
    lab.write("prompts/triage.prompt.yaml", PROMPT + "parameters: {max_tokens: 3}\n")
    each, longest = 33_000, 34_000
    assert estimated(lab).plan_worst_nano_usd == 10 * each + longest
    assert estimated(lab, repeats=3).plan_worst_nano_usd == 3 * (10 * each + longest)
    assert estimated(lab, models=("echo/echo",)).plan_worst_nano_usd == 0
    assert estimated(lab, models=("local/unpriced",)).plan_worst_nano_usd is None
    monkeypatch.setattr("promptctl.evaluations.estimate._COUNTED_CASES", 2)
    assert estimated(lab).plan_worst_nano_usd == 11 * each, "those that were not read count as the dearest read"
    lab.cases(*({"id": id_, "inputs": {"ticket": "c1"}, "expected": "c1"} for id_ in "ab"), {
        "id": "c", "inputs": {"ticket": "c1"}, "expected": "c1", "output": "c1"
    })  # fmt: skip
    assert estimated(lab, repeats=2).plan_worst_nano_usd == 4 * each, "a recorded reply is not asked for"
    lab.cases({"id": "a", "inputs": {"ticket": "c1"}, "expected": "c1", "output": "c1"})
    assert estimated(lab).plan_worst_nano_usd == 0


def test_an_image_is_no_text(lab: Lab) -> None:
    image = '{type: image_url, image_url: {url: "{{ ticket }}"}}'
    prompt = (
        PROMPT[: PROMPT.index("messages:")] + "messages:\n- role: user\n  content: [{type: text, text: Look}, IMAGE]\n"
    )
    lab.write("prompts/triage.prompt.yaml", prompt.replace("IMAGE", image))
    lab.cases({"id": "a", "inputs": {"ticket": "data:image/png;base64," + "iVBORw0KGgo" * 9_000}, "expected": "x"})
    found = estimated(lab)
    assert found.input_tokens < 100
    assert found.source.startswith("its cases without images, sounds and files, ")


def test_a_model_without_a_price_says_so(lab: Lab) -> None:
    lab.many(2)
    found = estimated(lab, models=("local/unpriced",), parameters={"max_tokens": 5})
    assert (found.cost_nano_usd, found.is_priced) == (None, False)
    assert json.dumps(found.as_dict())


def test_echo_is_free(lab: Lab) -> None:
    lab.many(2)
    assert estimated(lab, models=("echo/echo",)).cost_nano_usd == 0


def test_what_is_recorded_in_the_dataset_is_not_called_and_judges_are_counted_apart(lab: Lab) -> None:
    rubric = {"type": "llm-rubric", "value": "is polite"}
    lab.cases(
        {"id": "a", "inputs": {"ticket": "x"}, "assert": [rubric]},
        {
            "id": "b",
            "inputs": {"ticket": "y"},
            "output": "hello",
            "assert": [{"type": "assert-set", "assert": [rubric]}],
        },
    )
    found = estimated(lab, repeats=3)
    assert (found.calls, found.judge_calls) == (3, 6)
    assert (found.judge_input_tokens, found.judge_output_tokens, found.judge_cost_nano_usd) == (None, None, None)


def test_earlier_calls_of_a_judge_say_what_it_takes(lab: Lab) -> None:
    rubric = {"type": "llm-rubric", "value": "is polite"}
    lab.cases(*({"id": id_, "inputs": {"ticket": id_}, "assert": [rubric]} for id_ in ("a", "b")))
    lab.server.default = reply('{"pass": true, "score": 1, "reason": "ok"}')
    lab.one()
    found = estimated(lab, repeats=3)
    assert (found.judge_calls, found.judge_input_tokens, found.judge_output_tokens) == (6, 72, 18)
    assert found.judge_cost_nano_usd == 6 * REPLY_COST
    lab.one(judge="local/unpriced")
    other = estimated(lab, judge="local/unpriced")
    assert (other.judge_input_tokens, other.judge_cost_nano_usd) == (24, None)
    assert estimated(lab, judge="local/new").judge_input_tokens is None


def test_tokens_are_counted_offline() -> None:
    count, source = token_counter()
    assert source == "o200k_base tokens"
    assert count("Hello world, hello world") == 5
    assert count("<|endoftext|>") > 1, "a special token's name in a text is only text"
