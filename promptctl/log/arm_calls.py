"""Calls of an experiment, as its report counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from promptctl.log.records import Status


@dataclass(slots=True, kw_only=True)  # frozen, it took five times as long to make, and a report makes a million
class ArmCall:
    """One call of an experiment, with all its attempts.

    `arm` is None for a call that fell back to the control arm, `arm_key` None for one without a key. Times are UTC, ISO
    8601 with milliseconds and `Z`. `status` is that of the last attempt, `cost_nano_usd` the sum, None if one is
    unknown. `scores` has the mean over people for each name of feedback that there is; `scored_at` the time of the
    first score under that name, which a later correction leaves in its place.
    """

    arm: str | None
    arm_key: str | None
    digest: str
    version: int | None
    started_at: str
    status: Status
    cost_nano_usd: int | None
    latency_ms: float | None
    scores: Mapping[str, float] = field(default_factory=dict)
    scored_at: Mapping[str, str] = field(default_factory=dict)

    @property
    def version_display(self) -> str:
        """The version as people read it; the beginning of its digest without a number."""
        return self.digest[:9] if self.version is None else f"v{self.version}"


class KeyCalls(NamedTuple):
    """Calls that one key had in an arm of an experiment: their number, and when the first and the last began."""

    arm: str | None
    arm_key: str | None
    calls: int
    first_at: str
    last_at: str


def arm_key(experiment: str, key: str) -> str:
    """Return what stands for a key in the log: the same on every machine, and different in each experiment."""
    return sha256(f"{experiment}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
