"""Progress of a session."""

from __future__ import annotations

from dataclasses import dataclass, field

from promptctl.calls.account import Account
from promptctl.log.results import ResultRow


@dataclass(slots=True)
class Load:
    """Requests under way: `in_flight` were sent, `held_back` wait since a provider refused for too many."""

    in_flight: int = 0
    held_back: int = 0


@dataclass(slots=True)
class Progress:
    """Counts of (case, repeat) over the `evaluations` of one run. `carried` were done before it took them up again.

    `load` and `account`, the money of the command if that has a bound, are as they are now.
    """

    total: int
    carried: int = 0
    evaluations: int = 1
    passed: int = 0
    failed: int = 0
    errors: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    under_way: int = 0
    load: Load = field(default_factory=Load)
    account: Account | None = None

    @property
    def done(self) -> int:
        """Results so far, in this run."""
        return self.passed + self.failed + self.errors

    def add(self, result: ResultRow) -> None:
        """Count a result."""
        if result.status == "passed":
            self.passed += 1
        elif result.status == "failed":
            self.failed += 1
        else:
            self.errors += 1
        if result.cost_nano_usd is None:
            self.unpriced += 1
        else:
            self.cost_nano_usd += result.cost_nano_usd
