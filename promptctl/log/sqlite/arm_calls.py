"""Calls of an experiment out of the rows of their attempts, with their scores."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from promptctl.log.arm_calls import ArmCall
from promptctl.log.call_totals import REUSED_SOURCES
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.sums import NUMBER_OF_ROW, UNPRICED

# Looked up for each call: the view of all scores would be added up anew for each.
_SCORE = """(SELECT avg(score) FROM (
  SELECT score, max(id) FROM feedback
  WHERE call_id = executions.call_id AND name = ? AND score IS NOT NULL GROUP BY by
))"""
_SCORED_AT = (
    "(SELECT min(created_at) FROM feedback WHERE call_id = executions.call_id AND name = ? AND score IS NOT NULL)"
)


_Ending = tuple[Any, Any, Any, Any]
"""Status, source of the reply, cost and latency of an attempt."""


def arm_calls(connection: sqlite3.Connection, experiment: str, names: Sequence[str]) -> Iterator[ArmCall]:
    """Yield the calls of an experiment by the time of their first attempts, with the scores of these names.

    Replies from a cache or a recording are left out: nothing was answered anew.
    """
    source = rows(connection)
    known = f"iif({UNPRICED.format(cost=source.cost)}, NULL, ifnull({source.cost}, 0))"
    columns = f"call_id, arm, arm_key, digest, {NUMBER_OF_ROW}, started_at, status, reply_source, {known}, latency_ms"
    is_scored = bool(names) and connection.execute("SELECT 1 FROM feedback LIMIT 1").fetchone() is not None
    asked = tuple(dict.fromkeys(names)) if is_scored else ()
    scored = "".join(f", {_SCORE}, {_SCORED_AT}" for _ in asked)
    # Most calls have one attempt, and after one that is ok there is none.
    later = f"SELECT {columns} FROM {source.table} WHERE call_id = ? AND attempt > 1 ORDER BY attempt"  # noqa: S608
    first = f"SELECT {columns}{scored} FROM {source.table} WHERE experiment = ? AND attempt = 1 "  # noqa: S608
    found = connection.execute(
        f"{first} ORDER BY started_at, executions.rowid",
        [*(name for each in asked for name in (each, each)), experiment],
    )
    for call_id, arm, key, digest, version, started_at, status, origin, cost, latency, *scores in found:
        last = (status, origin, cost, latency)
        if status != "ok":
            last = _with_later(last, [row[-4:] for row in connection.execute(later, (call_id,))])
        if last[1] in REUSED_SOURCES:
            continue
        kept = {name: at for name, at in zip(asked, range(0, len(scores), 2), strict=True) if scores[at] is not None}
        yield ArmCall(
            arm=arm,
            arm_key=key,
            digest=digest,
            version=version,
            started_at=started_at,
            status=last[0],
            cost_nano_usd=last[2],
            latency_ms=None if last[3] is None else round(last[3], 3),
            scores={name: scores[at] for name, at in kept.items()},
            scored_at={name: scores[at + 1] for name, at in kept.items()},
        )


def _with_later(first: _Ending, later: Iterable[_Ending]) -> _Ending:
    """Return the ending of a call out of those of its attempts: costs and latencies add up."""
    status, origin, cost, latency = first
    for status, origin, more, took in later:  # noqa: B007 - those of the last one are returned
        cost = None if cost is None or more is None else cost + more
        latency = latency if took is None else took + (latency or 0)
    return status, origin, cost, latency
