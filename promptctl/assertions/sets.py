"""Assertions on a reply as a group: assert-set."""

from __future__ import annotations

from collections.abc import Sequence

from promptctl.assertions.assertion import Assertion, grade, grade_judged
from promptctl.assertions.judge import Judge
from promptctl.assertions.outcome import Graded, Outcome, decided
from promptctl.assertions.subject import Subject
from promptctl.assertions.weighing import Weighed, weigh


def assert_set(subject: Subject, assertion: Assertion) -> Outcome:
    """The set's own assertions pass: all of them, or with a `threshold` a weighted score of at least that."""
    return _outcome(assertion, [grade(own, subject) for own in assertion.assertions])


async def assert_set_judged(subject: Subject, assertion: Assertion, judge: Judge) -> Outcome:
    """As `assert_set`, where one of the set's own needs a judge."""
    return _outcome(assertion, [await grade_judged(own, subject, judge) for own in assertion.assertions])


def _outcome(assertion: Assertion, parts: Sequence[Graded]) -> Outcome:
    weighed: Weighed = weigh(parts, assertion.options.get("threshold"))
    passed = None if weighed.status == "error" else weighed.status == "passed"
    made = decided(bool(passed), weighed.reason, score=weighed.score)
    return Outcome(
        passed,
        None if passed is None else made.score,
        weighed.reason,
        cost_nano_usd=weighed.cost_nano_usd,
        execution_ids=tuple(id_ for part in parts for id_ in part.outcome.execution_ids),
        parts=tuple(parts),
    )
