"""Running totals: `prompt_stats`, added to in the same transaction as the row that is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from promptctl.log.call_totals import SUMS, CallTotals
from promptctl.log.records import Execution, Source

SUM_COLUMNS = tuple("cost_nano_usd" if name == "known_cost_nano_usd" else name for name in SUMS)
TOTALS_FIELDS = (*SUMS, "first_at", "last_at", "version_display")
TOTALS_COLUMNS = (*SUM_COLUMNS, "first_at", "last_at", "version_display")

_UPSERT = f"""
INSERT INTO prompt_stats (prompt, digest, version, source, {", ".join(TOTALS_COLUMNS)})
VALUES (?, ?, ?, ?, {", ".join("?" * len(TOTALS_COLUMNS))})
ON CONFLICT (prompt, digest, ifnull(version, 0), source) DO UPDATE SET
  {", ".join(f"{name} = {name} + excluded.{name}" for name in SUM_COLUMNS)},
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


def add_to_stats(connection: sqlite3.Connection, executions: Iterable[tuple[Execution, str]]) -> None:
    """Count these attempts, each with its start as it is stored.

    Uncommitted changes are not counted as the version that they began from.
    """
    groups: dict[tuple[str, str, int | None, Source], CallTotals] = {}
    for execution, started_at in executions:
        version = None if execution.is_dirty else execution.version
        key = execution.prompt, execution.digest, version, execution.source
        if key not in groups:
            groups[key] = CallTotals()
        groups[key].count(execution, started_at)
    for key, totals in groups.items():
        values = [getattr(totals, name) for name in TOTALS_FIELDS]
        stats_id = connection.execute(_UPSERT, (*key, *values)).fetchone()[0]
        connection.executemany(_UPSERT_BUCKETS, [(stats_id, *item) for item in totals.histogram.items()])
