"""Several outcomes as one: the rule by which a case's assertions, or a set's, pass or fail together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from promptctl.assertions.outcome import Graded

Status = Literal["passed", "failed", "error"]
# Weights such as 0.1 add up to a little less than they should.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Weighed:
    """What several outcomes come to. `score` is their weighted mean over those that could be graded, None if none."""

    status: Status
    score: float | None
    reason: str
    cost_nano_usd: int | None


def weigh(parts: Sequence[Graded], threshold: float | None = None) -> Weighed:
    """Pass where every deciding assertion passes, or with a threshold where the weighted score reaches it.

    An assertion of weight 0 decides nothing. One that could not be graded makes the whole an error, unless it would
    fail whatever that one had said. Nothing to decide by is an error, never a pass.
    """
    deciding = [part for part in parts if part.weight > 0]
    graded = [part for part in deciding if part.outcome.passed is not None]
    errors = [part for part in deciding if part.outcome.passed is None]
    status = _status(deciding, graded, errors, threshold)
    score = _mean(graded)
    if not deciding:
        reason = "no assertion decides: there is none, or all have weight 0" if parts else "there is no assertion"
    elif status == "error":
        reason = _reasons(errors)
    elif status == "passed":
        reason = "" if threshold is None else f"score {score:.3g}, {threshold:g} wanted"
    elif threshold is None:
        reason = _reasons([part for part in graded if not part.outcome.passed])
    else:
        failed = _reasons([part for part in deciding if not part.outcome.passed])
        reason = f"score {score or 0:.3g}, {threshold:g} wanted: {failed}"
    return Weighed(status, score, reason, total_cost(parts))


def _status(
    deciding: Sequence[Graded], graded: Sequence[Graded], errors: Sequence[Graded], threshold: float | None
) -> Status:
    if not deciding:
        return "error"
    if threshold is None:
        if not all(part.outcome.passed for part in graded):
            return "failed"
        return "error" if errors else "passed"
    earned = sum(part.weight * (part.outcome.score or 0.0) for part in graded)
    open_ = sum(part.weight for part in errors)
    wanted = (threshold - _ROUNDING) * sum(part.weight for part in deciding)
    # Asked this way round, what is no number at all (as endless weights make it) is no pass either.
    if not earned + open_ >= wanted:
        return "failed"
    return "error" if errors else "passed"


def _mean(graded: Sequence[Graded]) -> float | None:
    weights = sum(part.weight for part in graded)
    if not weights:
        return None
    return sum(part.weight * (part.outcome.score or 0.0) for part in graded) / weights


def mean_score(parts: Sequence[Graded]) -> float | None:
    """The weighted mean of the scores there are, the plain mean where all weigh nothing; None where there is none."""
    graded = [part for part in parts if part.outcome.score is not None]
    if not graded:
        return None
    weighed = _mean(graded)
    return sum(part.outcome.score or 0.0 for part in graded) / len(graded) if weighed is None else weighed


def total_cost(parts: Sequence[Graded]) -> int | None:
    """What judging cost in nano-USD; None where the price of any of it is unknown."""
    costs = [part.outcome.cost_nano_usd for part in parts]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _reasons(parts: Sequence[Graded]) -> str:
    return "; ".join(f"{part.type}: {part.outcome.reason}" for part in parts)
