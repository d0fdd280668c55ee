"""Assertions on a reply as a group: assert-set."""

from __future__ import annotations

from promptctl.assertions.assertion import Assertion, grade
from promptctl.assertions.judge import Judge
from promptctl.assertions.outcome import Outcome
from promptctl.assertions.subject import Subject
from promptctl.assertions.weighing import total_cost, weigh


async def assert_set(subject: Subject, assertion: Assertion, judge: Judge | None) -> Outcome:
    """The set's own assertions pass: all of them, or with a `threshold` a weighted score of at least that."""
    parts = [await grade(own, subject, judge) for own in assertion.assertions]
    weighed = weigh(parts, assertion.options.get("threshold"))
    passed = None if weighed.status == "error" else weighed.status == "passed"
    return Outcome(
        passed,
        None if passed is None else float(passed) if weighed.score is None else weighed.score,
        weighed.reason,
        cost_nano_usd=total_cost(parts),
        execution_ids=tuple(id_ for part in parts for id_ in part.outcome.execution_ids),
        parts=tuple(parts),
    )
