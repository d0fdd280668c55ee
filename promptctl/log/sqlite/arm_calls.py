"""Calls of an experiment out of the rows of their attempts, with their scores."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from promptctl.log.arm_calls import ArmCall, KeyCalls
from promptctl.log.call_totals import REUSED_SOURCES
from promptctl.log.feedback import means_of
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.persons import plain_arm_keys
from promptctl.log.sqlite.sums import NUMBER_OF_ROW, UNPRICED

_NEVER = "~"  # after every time that the log writes
_Ending = tuple[Any, Any, Any, Any]
"""Status, source of the reply, cost and latency of an attempt."""


def arm_calls(
    connection: sqlite3.Connection, experiment: str, names: Sequence[str] = (), *, until: str | None = None
) -> Generator[ArmCall, None, None]:
    """Yield the calls of an experiment by the time of their first attempts, with the scores of these names.

    With `until` only calls and scores from before that time. Replies from a cache or a recording are left out: nothing
    was answered anew.
    """
    source = rows(connection)
    known = f"iif({UNPRICED.format(cost=source.cost)}, NULL, ifnull({source.cost}, 0))"
    ending = f"status, reply_source, {known}, latency_ms"
    # Most calls have one attempt, and after one that is ok there is none.
    later = f"SELECT {ending} FROM {source.table} WHERE call_id = ? AND attempt > 1 ORDER BY attempt"  # noqa: S608
    table, asked, end = source.table, list(dict.fromkeys(names)), until or _NEVER
    if asked and connection.execute("SELECT 1 FROM feedback LIMIT 1").fetchone():
        # A row for each score: to add them up in SQL takes longer than all the rest.
        of_names = f"name IN ({', '.join('?' * len(asked))}) AND score IS NOT NULL AND feedback.created_at < ?"
        table += f" LEFT JOIN feedback ON feedback.call_id = executions.call_id AND {of_names}"
        scored, asked = "name, by, score, feedback.id, feedback.created_at", [*asked, end]
    else:
        scored, asked = "NULL, NULL, NULL, NULL, NULL", []
    columns = f"executions.call_id, arm, arm_key, digest, {NUMBER_OF_ROW}, started_at, {ending}, {scored}"
    found = connection.execute(
        f"SELECT {columns} FROM {table} WHERE experiment = ? AND started_at < ? AND attempt = 1 "  # noqa: S608 - our own names
        "ORDER BY started_at, executions.rowid",
        [*asked, experiment, end],
    )
    people = plain_arm_keys(connection, experiment)
    for _, of_call in groupby(found, itemgetter(0)):
        row, *others = of_call
        call_id, arm, key, digest, version, started_at, status, origin, cost, latency, name, _, score, _, at = row
        if status != "ok":
            attempts = connection.execute(later, (call_id,))
            status, origin, cost, latency = _with_later((status, origin, cost, latency), attempts)
        if origin in REUSED_SOURCES:
            continue
        scores, scored_at = ({}, {}) if name is None else ({name: score}, {name: at})
        if others:
            scores, scored_at = _scores([row, *others])
        yield ArmCall(
            arm=arm,
            arm_key=people.get(key, key),
            digest=digest,
            version=version,
            started_at=started_at,
            status=status,
            cost_nano_usd=cost,
            latency_ms=None if latency is None else round(latency, 3),
            scores=scores,
            scored_at=scored_at,
        )


def calls_by_key(connection: sqlite3.Connection, experiment: str) -> list[KeyCalls]:
    """Count the calls of an experiment that `arm_calls` yields, by arm and key."""
    later = "SELECT reply_source FROM executions WHERE call_id = first.call_id ORDER BY attempt DESC LIMIT 1"
    found = connection.execute(
        "SELECT arm, arm_key, count(*), min(started_at), max(started_at) FROM executions AS first "  # noqa: S608
        f"WHERE experiment = ? AND attempt = 1 AND iif(status = 'ok', reply_source, ({later})) NOT IN (?, ?) "
        "GROUP BY arm, arm_key",
        (experiment, *REUSED_SOURCES),
    )
    people = plain_arm_keys(connection, experiment)
    return [KeyCalls(arm, people.get(key, key), *counted) for arm, key, *counted in found]


def _scores(given: Sequence[tuple[Any, ...]]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the score under each name and the time of its first, out of a call's rows."""
    oldest_first = sorted((row[-5:] for row in given), key=itemgetter(4, 3))
    first_at: dict[str, str] = {}
    for name, _, _, _, at in oldest_first:
        first_at[name] = min(at, first_at.get(name, at))
    return means_of(each[:3] for each in oldest_first), first_at


def _with_later(first: _Ending, later: Iterable[_Ending]) -> _Ending:
    """Return the ending of a call out of those of its attempts: costs and latencies add up."""
    status, origin, cost, latency = first
    for status, origin, more, took in later:  # noqa: B007 - those of the last one are returned
        cost = None if cost is None or more is None else cost + more
        latency = latency if took is None else took + (latency or 0)
    return status, origin, cost, latency
