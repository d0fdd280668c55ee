"""Totals over calls: sums that can be added up in any order, and the averages and percentiles read from them.

Latencies are counted in buckets whose limits grow by 8 %, so a percentile read from them is at most 4 % off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from promptctl.log.records import WITH_REPLY, Execution

if TYPE_CHECKING:
    from promptctl.log.feedback import Scores

PERIODS = ("day", "week", "month")
DIMENSIONS = (
    "prompt", "version", "digest", "source", "label", "model", "provider", "status", "user", "session",
    "content_type", "evaluation_id", "experiment", "arm", *PERIODS, *(f"local_{name}" for name in PERIODS),
)  # fmt: skip
METADATA = "metadata."
Dimension = str
"""One of `DIMENSIONS`, or `metadata.KEY`: a value of the calls' own metadata.

A week is named by its Monday. Periods are of UTC, those with `local_` of this machine's time.
"""

GROWTH = 1.08
LOG_GROWTH = math.log(GROWTH)
SMALLEST = 0.01
FIELD_OF_STATUS = {
    "ok": "ok",
    "error": "errors",
    "invalid_output": "invalid_outputs",
    "blocked": "blocked",
    "cancelled": "cancelled",
}
REUSED_SOURCES = frozenset({"cache", "recorded"})


def may_be_latest(execution: Execution) -> bool:
    """Return True if this may become the latest call of its prompt: evaluations and reused replies never do."""
    return execution.source != "eval" and execution.reply_source not in REUSED_SOURCES


def reply_kept(execution: Execution) -> str:
    """Return where the reply of a call is kept whole, as a clause; empty if nowhere."""
    if execution.keeps == "full":
        return f"the raw reply is kept: promptctl log show {execution.id}"
    if may_be_latest(execution):
        return f"the raw reply is kept until the next call: promptctl log latest {execution.prompt}"
    return ""


@dataclass(slots=True)
class CallTotals:
    """The totals of one group of executions.

    `group` names it: dimension to value; a version has `version_display` beside it. A `local_day` is named `day`.
    `calls` counts requests of users (first attempts), `blocked` those of which nothing was sent; an attempt that is
    blocked after others is in `attempts` alone. `reused` counts replies taken from a cache or a recording. Tokens and
    costs are sums over every attempt, so over everything that was paid. `priced` counts attempts whose cost is known,
    `unpriced` those that brought a reply (or part of one) whose cost is not. `timed`, `latency_sum_ms` and `histogram`
    (bucket to attempts) cover the attempts that brought a whole reply from the model itself.
    `feedback` are the scores of each name of feedback, over calls that have a row.
    `version_display` is the newest one of the group. Times are UTC, ISO 8601.
    """

    calls: int = 0
    attempts: int = 0
    ok: int = 0
    errors: int = 0
    invalid_outputs: int = 0
    blocked: int = 0
    cancelled: int = 0
    reused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    known_cost_nano_usd: int = 0
    priced: int = 0
    unpriced: int = 0
    timed: int = 0
    latency_sum_ms: float = 0.0
    first_at: str = "~"
    last_at: str = ""
    version_display: str | None = None
    histogram: dict[int, int] = field(default_factory=dict)
    group: dict[str, Any] = field(default_factory=dict)
    feedback: dict[str, Scores] = field(default_factory=dict)

    def count(self, execution: Execution, started_at: str) -> None:
        """Add one attempt."""
        has_reply = execution.status in WITH_REPLY
        self.calls += execution.attempt == 1
        self.attempts += 1
        name = FIELD_OF_STATUS[execution.status]
        if name != "blocked" or execution.attempt == 1:
            setattr(self, name, getattr(self, name) + 1)
        self.input_tokens += execution.input_tokens or 0
        self.output_tokens += execution.output_tokens or 0
        self.cached_tokens += execution.cached_tokens or 0
        self.reasoning_tokens += execution.reasoning_tokens or 0
        if execution.cost_nano_usd is not None:
            self.priced += 1
            self.known_cost_nano_usd += execution.cost_nano_usd
        elif has_reply or execution.output_tokens is not None:
            self.unpriced += 1
        if execution.reply_source in REUSED_SOURCES:
            self.reused += 1
        elif has_reply and execution.latency_ms is not None:
            self.timed += 1
            self.latency_sum_ms += execution.latency_ms
            number = bucket(execution.latency_ms)
            self.histogram[number] = self.histogram.get(number, 0) + 1
        self.first_at = min(self.first_at, started_at)
        self.last_at = max(self.last_at, started_at)
        self.version_display = execution.version_display or self.version_display

    def add(self, other: CallTotals) -> None:
        """Add another group's totals."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for number, attempts in other.histogram.items():
            self.histogram[number] = self.histogram.get(number, 0) + attempts
        for name, scores in other.feedback.items():
            self.feedback[name] = self.feedback[name].plus(scores) if name in self.feedback else scores
        if other.last_at >= self.last_at:
            self.version_display = other.version_display or self.version_display
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)

    def subtract(self, other: CallTotals) -> None:
        """Take the sums of a part away; the times stay."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) - getattr(other, name))

    @property
    def prompt(self) -> str | None:
        """The prompt's id if grouped by prompt."""
        return self.group.get("prompt")

    @property
    def failed(self) -> int:
        """Calls of which no attempt came out well."""
        return max(0, self.calls - self.ok)

    @property
    def cost_nano_usd(self) -> int | None:
        """Cost of all attempts together, as far as it is known; None if that of not one is.

        That a refused or a blocked request cost nothing tells nothing of the others; only a reply that was free does.
        """
        is_told = self.known_cost_nano_usd or self.ok + self.invalid_outputs > self.unpriced
        # Sums without endings: only replies have tokens, and those without a price leave it open.
        is_told = is_told or (self.priced and self.output_tokens and not self.unpriced)
        return None if (self.unpriced or self.untold) and not is_told else self.known_cost_nano_usd

    @property
    def untold(self) -> int:
        """Attempts at calls that were sent, which failed or were cancelled and never told their cost."""
        return max(0, self.attempts - self.blocked - self.priced - self.unpriced)

    @property
    def average_cost_nano_usd(self) -> int | None:
        """Cost per call that was asked and whose cost is known; None if there is none.

        Neither a failed call nor a reused reply makes those free whose price is unknown. One that failed or was
        cancelled is not free either: no more calls are counted than there are attempts that told a cost. Those may be
        several of one call, while others told nothing: then only as many are counted as surely had a reply.
        """
        if not self.priced or self.cost_nano_usd is None or (self.unpriced and not self.known_cost_nano_usd):
            return None
        asked = self.calls - self.blocked - self.unpriced
        priced_calls = min(self.priced, asked)
        if self.untold and (self.ok or self.invalid_outputs):
            invalid_at_last = max(0, self.invalid_outputs - (self.attempts - self.calls))
            priced_calls = min(priced_calls, max(1, asked - self.untold, self.ok + invalid_at_last - self.unpriced))
        return round(self.known_cost_nano_usd / priced_calls) if priced_calls > 0 else None

    @property
    def average_latency_ms(self) -> float | None:
        """Mean latency of a reply."""
        return round(self.latency_sum_ms / self.timed, 1) if self.timed else None

    @property
    def p50_latency_ms(self) -> float | None:
        """Half of the replies took no longer."""
        return percentile(self.histogram, 0.5)

    @property
    def p95_latency_ms(self) -> float | None:
        """Nineteen of twenty replies took no longer."""
        return percentile(self.histogram, 0.95)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys: the group's, then the numbers."""
        attempts = ("attempts", "ok", "errors", "invalid_outputs", "blocked", "cancelled", "reused")
        tokens = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
        costs = ("cost_nano_usd", "average_cost_nano_usd", "unpriced", "untold")
        latencies = ("average_latency_ms", "p50_latency_ms", "p95_latency_ms")
        return {
            **self.group,
            **{name: getattr(self, name) for name in ("calls", "failed", *attempts, *tokens, *costs, *latencies)},
            "first_call_at": self.first_at,
            "last_call_at": self.last_at,
            **({"feedback": self._feedback_as_dict()} if self.feedback else {}),
        }

    def _feedback_as_dict(self) -> dict[str, Any]:
        scores = sorted(self.feedback.items())
        return {name: {"score": round(found.mean, 6), "calls": found.calls} for name, found in scores}


SUMS = tuple(each.name for each in fields(CallTotals) if each.type in ("int", "float"))


def bucket(latency_ms: float) -> int:
    """Return the bucket of a latency: its upper limit is 1.08 to the power of that number, in milliseconds."""
    return math.ceil(math.log(max(latency_ms, SMALLEST)) / LOG_GROWTH)


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """Return the latency in milliseconds that `share` (0 to 1) of the attempts did not exceed; None without any.

    >>> percentile({bucket(latency): 1 for latency in (10, 20, 400)}, 0.5)
    19.3
    """
    wanted = math.ceil(share * sum(histogram.values()))
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted:
            return float(f"{2 * GROWTH**number / (GROWTH + 1):.3g}")
    return None
