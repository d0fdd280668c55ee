"""Result of one assertion on one reply: passed, failed, or could not be graded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.files.wording import clip

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one assertion on one reply.

    `passed` is None if it could not be graded (no price, a judge off its menu): that is an error, neither a pass nor a
    failure, and `score` is None then. Otherwise `score` is from 0 to 1. `expected` and `got` are what was compared, for
    showing. `cost_nano_usd` is what judging cost, None if a price is unknown; `execution_ids` are the log's records of
    the judge's calls. `parts` are the outcomes of a set's own assertions.
    """

    passed: bool | None
    score: float | None
    reason: str
    expected: Any = None
    got: Any = None
    cost_nano_usd: int | None = 0
    execution_ids: tuple[str, ...] = ()
    parts: tuple[Graded, ...] = ()


@dataclass(frozen=True, slots=True)
class Graded:
    """Outcome of one assertion, with the assertion's type, weight and metric, and the model that judged, if one did.

    `judge_prompt` is the prompt that the assertion names for its judge. `calibration` is the key of the judge's
    calibration. `undecided` says why the outcome is only shown and decides
    nothing: agreement with people is asked for, and this judge has not shown it.
    """

    type: str
    outcome: Outcome
    weight: float = 1.0
    metric: str | None = None
    judge: str | None = None
    calibration: str | None = None
    undecided: str | None = None
    judge_prompt: str | None = None

    @property
    def decides(self) -> bool:
        """True if it counts for what the whole comes to."""
        return self.weight > 0 and self.undecided is None

    def as_data(self) -> dict[str, Any]:
        """Return a JSON object, as results keep it and reports show it; keys that say nothing are left out."""
        outcome = self.outcome
        optional: Mapping[str, Any] = {
            "metric": self.metric,
            "judge": self.judge,
            "judge_prompt": self.judge_prompt,
            "calibration": self.calibration,
            "undecided": self.undecided,
            "weight": None if self.weight == 1.0 else self.weight,
            "expected": outcome.expected,
            "got": outcome.got,
            "execution_ids": list(outcome.execution_ids) or None,
            "parts": [part.as_data() for part in outcome.parts] or None,
        }
        return {
            "type": self.type,
            "passed": outcome.passed,
            "score": outcome.score,
            "reason": outcome.reason,
            "cost_nano_usd": outcome.cost_nano_usd,
            **{key: value for key, value in optional.items() if value is not None},
        }


def why_undecided(parts: Sequence[Graded]) -> str | None:
    """Return why nothing decides if judges alone would, none of which may; else None."""
    weighing = [part.undecided for part in parts if part.weight > 0]
    return weighing[0] if weighing and None not in weighing else None


class EarlyOutcome(Exception):
    """Ends the grading of one assertion before it is done. Always becomes its `outcome`, and never escapes."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Ungraded(EarlyOutcome):
    """The assertion cannot be graded on this reply; the message says why.

    `cost_nano_usd` and `execution_ids` are of the judge's calls that were made all the same.
    """

    def __init__(
        self, reason: str, *, got: Any = None, cost_nano_usd: int | None = 0, execution_ids: tuple[str, ...] = ()
    ) -> None:
        super().__init__(Outcome(None, None, reason, None, got, cost_nano_usd, execution_ids))


class Unmet(EarlyOutcome):
    """The assertion looks at something that is not there.

    It fails, with `not-` too, since nothing was seen to be absent.
    """

    def __init__(self, reason: str, got: Any = None) -> None:
        super().__init__(unmet(reason, got=got))


def decided(is_met: bool, reason: str, *, expected: Any = None, got: Any = None, score: float | None = None) -> Outcome:
    """Return a pass or a failure; the score is 1 or 0 if none is given."""
    return Outcome(is_met, float(is_met) if score is None else score, reason, expected, got)


def unmet(reason: str, *, expected: Any = None, got: Any = None) -> Outcome:
    """Return a failure."""
    return decided(is_met=False, reason=reason, expected=expected, got=got)


def shown(value: Any) -> str:
    """Return a value for a sentence: as JSON, shortened."""
    return clip(json.dumps(value, ensure_ascii=False, default=str), _SHOWN_CHARACTERS)
