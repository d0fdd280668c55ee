from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from promptctl.assertions.outcome import Outcome
from tests.assertions.helpers import FakeJudge, graded, judged, verdict

HAS_A = {"type": "contains", "value": "a"}
HAS_B = {"type": "contains", "value": "b"}
UNPRICED = {"type": "cost", "threshold": 1}


def of_set(reply: str, parts: Sequence[Mapping[str, Any]], **keys: Any) -> Outcome:
    """The outcome of a set of these assertions."""
    own: dict[str, Any] = {"assert": parts, **keys}
    return graded("assert-set", reply, **own)


def test_a_set_passes_when_all_of_it_does() -> None:
    assert of_set("ab", [HAS_A, HAS_B]).passed
    outcome = of_set("a", [HAS_A, HAS_B])
    assert (outcome.passed, outcome.score) == (False, 0.5)
    assert outcome.reason == 'contains: does not contain "b"'
    assert [part.outcome.passed for part in outcome.parts] == [True, False]


def test_a_threshold_asks_for_a_share_by_weight() -> None:
    heavy = {**HAS_A, "weight": 3}
    assert of_set("a", [heavy, HAS_B], threshold=0.75).passed
    assert not of_set("b", [heavy, HAS_B], threshold=0.75).passed


def test_ten_tenths_are_one_whatever_the_rounding() -> None:
    parts = [{**HAS_A, "weight": 0.1} for _ in range(10)]
    assert of_set("a", parts, threshold=1).passed


@pytest.mark.parametrize("weight", [1e-12, 1e308, float("inf")])
def test_a_share_of_nothing_is_not_reached_however_small_or_large_the_weights(weight: float) -> None:
    parts = [{**HAS_B, "weight": weight}, {**HAS_B, "weight": weight}]
    assert of_set("a", parts, threshold=0.5).passed is False


@pytest.mark.parametrize(
    ("parts", "threshold", "passed"),
    [
        ([HAS_A, UNPRICED], None, None),
        ([HAS_B, UNPRICED], None, False),
        ([HAS_A, UNPRICED], 0.5, None),
        ([HAS_B, HAS_B, UNPRICED], 0.5, False),
        ([HAS_A, {**UNPRICED, "weight": 0}], None, True),
    ],
)
def test_an_error_within_makes_an_error_unless_the_set_fails_anyway(
    parts: list[dict[str, object]], threshold: float | None, passed: bool | None
) -> None:
    keys = {} if threshold is None else {"threshold": threshold}
    assert of_set("a", parts, **keys).passed is passed


def test_a_set_may_hold_a_judge_s_assertion() -> None:
    spec = {"type": "assert-set", "assert": [HAS_A, {"type": "llm-rubric", "value": "polite"}]}
    judge = FakeJudge(verdict(**{"reason": "it is", "pass": True, "score": 0.5}))
    outcome = judged(spec, "a", judge)
    assert (outcome.passed, outcome.score, outcome.cost_nano_usd) == (True, 0.75, 1_000)
    assert outcome.execution_ids == ("execution-1",)
