from __future__ import annotations

import json

import pytest

from tests.assertions.helpers import faults, graded

CALLS = [
    {"id": "1", "type": "function", "function": {"name": "lookup", "arguments": json.dumps({"order": "A1", "n": 2})}},
    {"id": "2", "type": "function", "function": {"name": "notify", "arguments": "{broken"}},
]


def called(value: object = None, type_: str = "tool-call", calls: list[dict[str, object]] | None = None) -> bool | None:
    given = CALLS if calls is None else calls
    return graded(type_, "", value, subject={"tool_calls": given}).passed


def test_tool_call_by_name_and_by_some_of_its_arguments() -> None:
    assert called("lookup")
    assert called({"name": "lookup", "arguments": {"order": "A1"}})
    assert not called({"name": "lookup", "arguments": {"order": "B2"}})
    assert not called({"name": "lookup", "arguments": {"colour": "red"}})
    assert not called("refund")


def test_several_tools_must_all_be_called() -> None:
    assert called(["notify", "lookup"])
    outcome = graded("tool-call", "", ["notify", "refund"], subject={"tool_calls": CALLS})
    assert (outcome.passed, outcome.score, outcome.reason) == (False, 0.5, "does not call refund")


def test_any_tool_or_none() -> None:
    assert called()
    assert not called(calls=[])
    assert called(type_="not-tool-call", calls=[])


def test_arguments_that_are_no_json_never_match() -> None:
    assert not called({"name": "notify", "arguments": {"broken": "ann"}})


@pytest.mark.parametrize(("levels", "kind"), [(100, dict), (101, str), (300, str)])
def test_arguments_nested_too_deeply_to_be_kept_stay_text(levels: int, kind: type) -> None:
    nested = '{"a":' * levels + "1" + "}" * levels
    call = {"id": "1", "type": "function", "function": {"name": "notify", "arguments": nested}}
    (got,) = graded("tool-call", "", subject={"tool_calls": [call]}).got
    assert isinstance(got["arguments"], kind)


def test_a_wanted_call_has_a_name_and_arguments_alone() -> None:
    values: list[object] = [{"name": "lookup", "args": {}}, {"arguments": {}}, {"name": "lookup", "arguments": [1]}]
    for value in values:
        assert [each.code for each in faults({"type": "tool-call", "value": value})] == ["bad-value"]


def test_latency_and_cost_have_limits() -> None:
    assert graded("latency", "", threshold=500, subject={"latency_ms": 499.6}).passed
    assert not graded("latency", "", threshold=500, subject={"latency_ms": 500.4}).passed
    assert graded("cost", "", threshold=0.001, subject={"cost_nano_usd": 1_000_000}).passed
    assert not graded("cost", "", threshold=0.001, subject={"cost_nano_usd": 1_000_001}).passed


def test_an_unknown_price_or_time_is_an_error_and_never_a_pass() -> None:
    for type_ in ("cost", "not-cost"):
        outcome = graded(type_, "", threshold=1, subject={"cost_nano_usd": None, "latency_ms": 1.0})
        assert outcome.passed is None
        assert outcome.score is None
        assert outcome.reason.startswith("unpriced")
    for type_ in ("latency", "cost"):
        outcome = graded(type_, "", threshold=1)
        assert (outcome.passed, outcome.reason.endswith("the reply was recorded, not asked for")) == (None, True)


def test_a_limit_must_be_given_and_goes_by_the_name_threshold() -> None:
    assert faults({"type": "latency"})[0].code == "missing-key"
    misplaced = faults({"type": "cost", "value": 1})
    assert {problem.code for problem in misplaced} == {"misplaced-key", "missing-key"}


def test_finish_reason_is_compared_and_must_be_known() -> None:
    assert graded("finish-reason", "", "stop", subject={"finish_reason": "stop"}).passed
    assert not graded("finish-reason", "", "stop", subject={"finish_reason": "length"}).passed
    assert graded("finish-reason", "", "stop").passed is None
