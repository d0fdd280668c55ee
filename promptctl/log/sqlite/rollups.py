"""Running totals: what `prompt_stats` adds up, in the same transaction as the row that it counts.

Every number is a sum, so totals of any groups can be added; latencies are counted in buckets whose limits grow by
8 %, so a percentile read from them is at most 4 % off.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from promptctl.log.records import Execution

_GROWTH = 1.08
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST_MS = 0.01
_FIELD_OF_STATUS = {
    "ok": "ok",
    "error": "errors",
    "invalid_output": "invalid_outputs",
    "blocked": "blocked",
    "cancelled": "cancelled",
}
REUSED_SOURCES = frozenset({"cache", "recorded"})


@dataclass(slots=True)
class Totals:
    """Sums over attempts.

    `calls` counts first attempts, so calls; `reused` the replies taken from a cache or a recording. `priced` counts
    attempts whose cost is known, `unpriced` those that brought a reply (or part of one) whose cost is not.
    `timed` and `latency_sum_ms` cover the attempts that brought a whole reply from the model itself, as does
    `histogram`: bucket to attempts.
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
    cost_nano_usd: int = 0
    priced: int = 0
    unpriced: int = 0
    timed: int = 0
    latency_sum_ms: float = 0.0
    first_at: str = "~"
    last_at: str = ""
    version_display: str | None = None
    histogram: dict[int, int] = field(default_factory=dict)

    def count(self, execution: Execution, started_at: str) -> None:
        """Add one attempt."""
        has_reply = execution.status in ("ok", "invalid_output")
        self.calls += execution.attempt == 1
        self.attempts += 1
        name = _FIELD_OF_STATUS[execution.status]
        setattr(self, name, getattr(self, name) + 1)
        self.input_tokens += execution.input_tokens or 0
        self.output_tokens += execution.output_tokens or 0
        self.cached_tokens += execution.cached_tokens or 0
        self.reasoning_tokens += execution.reasoning_tokens or 0
        if execution.cost_nano_usd is not None:
            self.priced += 1
            self.cost_nano_usd += execution.cost_nano_usd
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

    def add(self, other: Totals) -> None:
        """Add another group's totals."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for number, attempts in other.histogram.items():
            self.histogram[number] = self.histogram.get(number, 0) + attempts
        if other.last_at >= self.last_at:
            self.version_display = other.version_display or self.version_display
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)


SUMS = tuple(
    each.name for each in fields(Totals) if each.name not in ("first_at", "last_at", "version_display", "histogram")
)

# The same sums over rows of `executions`, for filters that the rollup does not know. Tested to agree with `count`.
_HAS_REPLY = "status IN ('ok', 'invalid_output')"
_REUSED = "reply_source IN ('cache', 'recorded')"
_TIMED = f"{_HAS_REPLY} AND NOT {_REUSED} AND latency_ms IS NOT NULL"
SUMS_OF_ROWS = {
    "calls": "sum(attempt = 1)",
    "attempts": "count(*)",
    **{name: f"sum(status = '{status}')" for status, name in _FIELD_OF_STATUS.items()},
    "reused": f"sum({_REUSED})",
    **{
        name: f"ifnull(sum({name}), 0)"
        for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano_usd")
    },
    "priced": "count(cost_nano_usd)",
    "unpriced": f"sum(cost_nano_usd IS NULL AND ({_HAS_REPLY} OR output_tokens IS NOT NULL))",
    "timed": f"sum({_TIMED})",
    "latency_sum_ms": f"total(CASE WHEN {_TIMED} THEN latency_ms END)",
    "first_at": "min(started_at)",
    "last_at": "max(started_at)",
}
TIMED_LATENCY = f"CASE WHEN {_TIMED} THEN latency_ms END"

_KEPT = (*SUMS, "first_at", "last_at", "version_display")
_UPSERT = f"""
INSERT INTO prompt_stats (prompt, digest, version, source, {", ".join(_KEPT)})
VALUES (?, ?, ?, ?, {", ".join("?" * len(_KEPT))})
ON CONFLICT (prompt, digest, ifnull(version, 0), source) DO UPDATE SET
  {", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)},
  version_display = CASE WHEN excluded.last_at >= last_at
    THEN ifnull(excluded.version_display, version_display) ELSE version_display END,
  first_at = min(first_at, excluded.first_at),
  last_at = max(last_at, excluded.last_at)
RETURNING id
"""  # noqa: S608 - made of our own names
_UPSERT_BUCKETS = """
INSERT INTO latency_histogram (stats_id, bucket, attempts) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts
"""

StatsKey = tuple[str, str, int | None, str]


def stats_key(execution: Execution) -> StatsKey:
    """The row of `prompt_stats` that counts it. Uncommitted changes are not the version that they began from."""
    version = None if execution.is_dirty else execution.version
    return execution.prompt, execution.digest, version, execution.source


def add_to_stats(connection: sqlite3.Connection, executions: Iterable[tuple[Execution, str]]) -> None:
    """Count these attempts, each given with its start as it is stored."""
    groups: dict[StatsKey, Totals] = {}
    for execution, started_at in executions:
        key = stats_key(execution)
        if key not in groups:
            groups[key] = Totals()
        groups[key].count(execution, started_at)
    for key, totals in groups.items():
        values = [getattr(totals, name) for name in _KEPT]
        stats_id = connection.execute(_UPSERT, (*key, *values)).fetchone()[0]
        connection.executemany(_UPSERT_BUCKETS, [(stats_id, *item) for item in totals.histogram.items()])


def bucket(latency_ms: float) -> int:
    """The bucket of a latency: its upper limit is 1.08 to the power of that number, in milliseconds."""
    return math.ceil(math.log(max(latency_ms, _SMALLEST_MS)) / _LOG_GROWTH)


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The latency in milliseconds that `share` (0 to 1) of the attempts did not exceed; None where there are none.

    >>> percentile({bucket(latency): 1 for latency in (10, 20, 400)}, 0.5)
    19.3
    """
    wanted = math.ceil(share * sum(histogram.values()))
    seen = 0
    for number in sorted(histogram):
        seen += histogram[number]
        if seen >= wanted:
            return float(f"{2 * _GROWTH**number / (_GROWTH + 1):.3g}")
    return None


class LatencyHistogram:
    """SQLite aggregate: counts latencies in buckets and gives them as text, `bucket:attempts` joined by spaces."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def step(self, latency_ms: float | None) -> None:
        """Count one row."""
        if latency_ms is not None:
            number = bucket(latency_ms)
            self._counts[number] = self._counts.get(number, 0) + 1

    def finalize(self) -> str:
        """The buckets of the group."""
        return " ".join(f"{number}:{attempts}" for number, attempts in self._counts.items())


def parse_histogram(text: str) -> dict[int, int]:
    """The buckets that `LatencyHistogram` gave."""
    return {int(number): int(attempts) for number, _, attempts in (item.partition(":") for item in text.split())}
