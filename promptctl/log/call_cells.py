"""Calls counted by everything that charts tell apart at once: time, prompt, version, label, model, source, outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

Step = Literal["quarter", "hour", "day"]
"""A step of time, of UTC."""
LETTERS: Mapping[Step, int] = {"day": 10, "hour": 13, "quarter": 16}
"""How much of a moment, as the log writes it, names the step that it is in; of a quarter hour, its first minute."""


class CellKey(NamedTuple):
    """All that the attempts of one cell have in common; `is_later` ones are not the first of their call.

    `version` is as people read it: `v7`, `v7+dirty`. `error` is the type of the error of what is not ok. `user` is
    a user with many calls, empty for any other, and None for calls that named none.
    """

    prompt: str
    version: str | None
    label: str | None
    model: str
    source: str
    status: str
    is_later: bool
    reply_source: str
    error: str | None
    user: str | None


@dataclass(slots=True)
class CellSums:
    """Sums over attempts. `latencies` counts whole replies of the model itself in buckets as `CallTotals` does.

    `costs` counts what such replies cost, in buckets of as many nano-USD. Replies that were reused are in neither.
    """

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_nano_usd: int = 0
    priced: int = 0
    unpriced: int = 0
    latencies: dict[int, int] = field(default_factory=dict)
    costs: dict[int, int] = field(default_factory=dict)

    def add(self, other: CellSums) -> None:
        """Add the sums of another cell."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, others in ((self.latencies, other.latencies), (self.costs, other.costs)):
            for number, attempts in others.items():
                mine[number] = mine.get(number, 0) + attempts


_NUMBERS = [name for name in CellSums.__slots__ if name not in ("latencies", "costs")]


class ScoredCalls(NamedTuple):
    """The scores of one name of feedback on calls that began at one moment: how many calls, and the scores' sum."""

    at: str
    prompt: str
    version: str | None
    label: str | None
    model: str
    source: str
    name: str
    calls: int
    total: float


class CellSteps(NamedTuple):
    """The step for calls of a stretch of time, and from when on their single costs are counted.

    `counted_in` names the step in which another one is counted too, for those that nothing tells apart.
    """

    step: Step
    costs_from: str
    counted_in: Mapping[str, str] = MappingProxyType({})


Cells = Mapping[CellKey, CellSums]
ChooseSteps = Callable[[str, str], CellSteps]
"""Returns the steps for calls from the first moment to the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCells:
    """All calls that a filter means, in cells: by the name of the step of time, then by key.

    `users` counts the names of users that there are.
    """

    step: Step = "day"
    first_at: str | None = None
    last_at: str | None = None
    cells: Mapping[str, Cells] = field(default_factory=dict)
    users: int = 0
    scores: Sequence[ScoredCalls] = ()
