"""Several outcomes as one: the rule by which a case's assertions, or a set's, pass or fail together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptctl.assertions.assertion import Assertion, Subject, grade
from promptctl.assertions.judge import Judge
from promptctl.assertions.outcome import Graded, Outcome, why_undecided

Status = Literal["passed", "failed", "error"]
# Weights such as 0.1 add up to a little less than they should.
_ROUNDING = 1e-9
_MOST_TOLD = 20
_LONGEST_TOLD = 4096


@dataclass(frozen=True, slots=True)
class Weighed:
    """Several outcomes as one. `score` is their weighted mean over those that could be graded, None if none could."""

    status: Status
    score: float | None
    reason: str


def weigh(parts: Sequence[Graded], threshold: float | None = None) -> Weighed:
    """Pass if every deciding assertion passes, or with a threshold if the weighted score reaches it.

    An assertion of weight 0 decides nothing, nor does one that is `undecided`. One that could not be graded makes the
    whole an error, unless it would fail whatever that one had said. Nothing to decide by is an error, never a pass.
    """
    deciding = [part for part in parts if part.decides]
    errors = [part for part in deciding if part.outcome.passed is None]
    failures = [part for part in deciding if part.outcome.passed is False]
    score = mean_score(deciding)
    if not deciding:
        return Weighed("error", None, _why_nothing_decides(parts))
    if _fails(deciding, threshold):
        if threshold is None:
            return Weighed("failed", score, _reasons(failures))
        missed = _reasons([part for part in deciding if not part.outcome.passed])
        return Weighed("failed", score, f"score {score or 0:.3g}, {threshold:g} wanted: {missed}")
    if errors:
        return Weighed("error", score, _reasons(errors))
    return Weighed("passed", score, "" if threshold is None else f"score {score or 0:.3g}, {threshold:g} wanted")


def _why_nothing_decides(parts: Sequence[Graded]) -> str:
    if (why := why_undecided(parts)) is not None:
        return f"no assertion decides: {why}"
    return "no assertion decides: all have weight 0" if parts else "there is no assertion"


def _fails(deciding: Sequence[Graded], threshold: float | None) -> bool:
    """Return True if the whole fails whatever those that could not be graded had said."""
    if threshold is None:
        return any(part.outcome.passed is False for part in deciding)
    # One that could not be graded might have scored 1.
    most = sum(part.weight * (1.0 if (score := part.outcome.score) is None else score) for part in deciding)
    wanted = (threshold - _ROUNDING) * sum(part.weight for part in deciding)
    # Asked this way round, what is no number at all (as endless weights make it) is no pass either.
    return not most >= wanted


def mean_score(parts: Sequence[Graded]) -> float | None:
    """Return the weighted mean of the scores there are, or the plain mean if all weigh nothing; None without any."""
    scores = [(part.weight, part.outcome.score) for part in parts if part.outcome.score is not None]
    weights = sum(weight for weight, _ in scores)
    if weights:
        return sum(weight * score for weight, score in scores) / weights
    return sum(score for _, score in scores) / len(scores) if scores else None


def total_cost(parts: Sequence[Graded]) -> int | None:
    """Return what judging cost in nano-USD; None if the price of any of it is unknown."""
    costs = [part.outcome.cost_nano_usd for part in parts]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _reasons(parts: Sequence[Graded]) -> str:
    told = [f"{part.type}: {part.outcome.reason}" for part in parts[:_MOST_TOLD]]
    more = len(parts) - len(told)
    return "; ".join(told)[:_LONGEST_TOLD] + (f"; and {more:,} more" if more else "")


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
