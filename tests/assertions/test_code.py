from __future__ import annotations

from typing import Any

import pytest

from promptctl.assertions.assertion import Subject
from promptctl.assertions.outcome import Outcome
from tests.assertions.helpers import outcome_of, prepared


def graded(body: str, reply: str = "hello", *, path: str | None = None, threshold: float | None = None) -> Outcome:
    files = {"datasets/checks.py": f"import sys\ndef check(output, context):\n    {body}\n"}
    spec: dict[str, Any] = {"type": "python", "value": "./checks.py:check"}
    spec |= {} if path is None else {"path": path}
    spec |= {} if threshold is None else {"threshold": threshold}
    subject = Subject(reply, inputs={"n": 1}, expected="hello", latency_ms=5.0)
    return outcome_of(prepared(spec, files=files, code="run"), subject)


def test_a_function_says_true_or_false_a_score_or_both_with_a_reason() -> None:
    assert graded("return output == context['expected']").passed
    assert graded("return context['inputs']['n'] > 1").passed is False
    assert (graded("return 0.7").passed, graded("return 0.7").score) == (True, 0.7)
    assert graded("return 0.7", threshold=0.8).passed is False
    outcome = graded("return {'pass': False, 'score': 0.9, 'reason': 'too loud'}")
    assert (outcome.passed, outcome.score, outcome.reason) == (False, 0.9, "too loud")


def test_it_is_given_the_value_at_the_path() -> None:
    assert graded("return output == [1, 2]", '{"a": [1, 2]}', path="$.a").passed


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "return 'yes'",
        "return 2",
        "return float('nan')",
        "return {'score': 1}",
        "return {'pass': 'yes'}",
        "return {'pass': True, 'score': 7}",
        "return {(1, 2): 'yes'}",
        "return 10**5000",
        "return [loop := [], loop.append(loop)]",
        "return type('Odd', (), {'__repr__': lambda _: 1 / 0})()",
        "1 / 0",
        "sys.exit(0)",
    ],
)
def test_anything_else_and_what_it_raises_is_an_error_never_a_pass(body: str) -> None:
    assert graded(body).passed is None
