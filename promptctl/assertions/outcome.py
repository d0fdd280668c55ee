"""What one assertion found: passed, failed, or could not be graded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one assertion found in one reply.

    `passed` is None where it could not be graded (no price, a judge off its menu): that is an error, neither a pass
    nor a failure, and `score` is None then. Otherwise `score` is from 0 to 1. `expected` and `got` are what was
    compared, for showing. `cost_nano_usd` is what judging cost, None where a price is unknown; `execution_ids` are
    the log's records of the judge's calls. `parts` are the outcomes of a set's own assertions.
    """

    passed: bool | None
    score: float | None
    reason: str
    expected: Any = None
    got: Any = None
    cost_nano_usd: int | None = 0
    execution_ids: tuple[str, ...] = ()
    parts: tuple[Graded, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether this could not be graded."""
        return self.passed is None


@dataclass(frozen=True, slots=True)
class Graded:
    """One assertion's outcome, with what the assertion was called."""

    type: str
    outcome: Outcome
    weight: float = 1.0
    metric: str | None = None

    def as_data(self) -> dict[str, Any]:
        """JSON-able, as results keep it and reports show it; keys that say nothing are left out."""
        outcome = self.outcome
        optional: Mapping[str, Any] = {
            "metric": self.metric,
            "weight": None if self.weight == 1.0 else self.weight,
            "expected": outcome.expected,
            "got": outcome.got,
            "execution_ids": list(outcome.execution_ids) or None,
            "parts": [part.as_data() for part in outcome.parts] or None,
        }
        kept = {key: value for key, value in optional.items() if value is not None}
        return {
            "type": self.type,
            "passed": outcome.passed,
            "score": outcome.score,
            "reason": outcome.reason,
            "cost_nano_usd": outcome.cost_nano_usd,
            **kept,
        }


class Ungraded(Exception):
    """This assertion cannot be graded on this reply; its message says why. Always becomes an outcome, never escapes.

    `cost_nano_usd` and `execution_ids` are of the judge's calls that were made nonetheless.
    """

    def __init__(
        self, reason: str, *, got: Any = None, cost_nano_usd: int | None = 0, execution_ids: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.got = got
        self.cost_nano_usd = cost_nano_usd
        self.execution_ids = execution_ids

    def outcome(self) -> Outcome:
        """The outcome that this is."""
        return Outcome(
            None,
            None,
            self.reason,
            got=self.got,
            cost_nano_usd=self.cost_nano_usd,
            execution_ids=self.execution_ids,
        )


class Unmet(Exception):
    """What the assertion looks at is not there: it fails, with `not-` too, since nothing was seen to be absent."""

    def __init__(self, reason: str, got: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.got = got

    def outcome(self) -> Outcome:
        """The outcome that this is."""
        return unmet(self.reason, got=self.got)


def decided(is_met: bool, reason: str, *, expected: Any = None, got: Any = None, score: float | None = None) -> Outcome:
    """A pass or a failure; the score is 1 or 0 where none is given."""
    return Outcome(is_met, (1.0 if is_met else 0.0) if score is None else score, reason, expected, got)


def met(reason: str, *, expected: Any = None, got: Any = None) -> Outcome:
    """A pass."""
    return Outcome(passed=True, score=1.0, reason=reason, expected=expected, got=got)


def unmet(reason: str, *, expected: Any = None, got: Any = None) -> Outcome:
    """A failure."""
    return Outcome(passed=False, score=0.0, reason=reason, expected=expected, got=got)


def shown(value: Any) -> str:
    """A value for a sentence: as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
