"""Totals over calls: from the tables of sums if those hold the answer, else from the rows.

Costs by time and by user are counted from the rows a thousand at a time. Counting them with each row would change more
pages in each transaction, a tenth of an append. So a mark says up to which row they have counted, one append in a
thousand moves it on, and readers add the rows after it themselves. Like `prompt_stats` they outlive pruned rows.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from promptctl.errors import UsageError, printable
from promptctl.log.call_totals import DIMENSIONS, METADATA, PERIODS, SUMS, CallTotals, Dimension, bucket
from promptctl.log.filter import Filter
from promptctl.log.sqlite.corrections import Rows, rows
from promptctl.log.sqlite.filters import Condition, add_search, of_stats, rollup_where, stats_where, unlisted_where
from promptctl.log.sqlite.persons import plain_names
from promptctl.log.sqlite.schema import SUM_COLUMNS, TOTALS_COLUMNS, TOTALS_FIELDS, adding, has_table
from promptctl.log.sqlite.sums import (
    COST_COLUMNS,
    COST_FIELDS,
    COST_SUMS,
    ENDINGS,
    NUMBER_OF_ROW,
    VERSION_OF_SUMS,
    key_expressions,
    select_costs,
    select_from_rows,
    sums_of_rows,
)

_OF_STATS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "version": VERSION_OF_SUMS,
    "digest": ("digest",),
    "source": ("source",),
}
_STORED = len("2026-05-03T09:30:00.000Z")


def totals(
    connection: sqlite3.Connection,
    wanted: Filter | None = None,
    by: Sequence[Dimension] = ("prompt", "version"),
    *,
    costs_only: bool = False,
) -> list[CallTotals]:
    """Return the totals of each group, those of earlier prompt ids added to the current one's.

    Raises `UsageError` for a dimension that there is not.
    """
    wanted = wanted or Filter()
    for dimension in by:
        _check(dimension)
    if not costs_only:
        connection.create_aggregate("latency_histogram", 1, _LatencyHistogram)  # type: ignore[arg-type]
    add_search(connection)
    names = [name for dimension in by for name in _names(dimension)]
    fields, selects = _selects(connection, wanted, by, costs_only=costs_only)
    counted = [row for select in selects for row in connection.execute(*select)]
    places = [at for at, name in enumerate(names) if name in ("user", "session")]
    people = plain_names(connection, {row[at] for row in counted for at in places})
    groups: dict[tuple[Any, ...], CallTotals] = {}
    for *values, histogram in counted:
        sums = dict(zip(fields, values[len(names) :], strict=True))
        if not sums["attempts"]:  # without groups there is a row even if nothing matches
            continue
        group = {name: people.get(value, value) for name, value in zip(names, values, strict=False)}
        if wanted.renames and "prompt" in group:
            group["prompt"] = wanted.current_id(group["prompt"])
        found = CallTotals(**sums, group=group)
        if histogram is not None:
            found.histogram = {int(number): attempts for number, attempts in json.loads(histogram).items()}
        key = tuple(group.values())
        if key in groups:
            groups[key].add(found)
        else:
            groups[key] = found
    if not costs_only and connection.execute("SELECT 1 FROM feedback LIMIT 1").fetchone():
        _add_feedback(connection, wanted, by, groups, people)
    for found in groups.values():
        if "version" in found.group:
            found.version_display = found.group["version_display"] = (
                found.group["version_display"] or found.version_display
            )
    return sorted(groups.values(), key=lambda found: [_sort_key(value) for value in found.group.values()])


def _add_feedback(
    connection: sqlite3.Connection,
    wanted: Filter,
    by: Sequence[Dimension],
    groups: Mapping[tuple[Any, ...], CallTotals],
    people: Mapping[Any, str],
) -> None:
    from promptctl.log.feedback import Scores
    from promptctl.log.sqlite.feedback import select_scores

    place = [name for dimension in by for name in _names(dimension)].index("prompt") if "prompt" in by else None
    for *group, name, calls, total in connection.execute(*select_scores(wanted, by)):
        if place is not None:
            group[place] = wanted.current_id(group[place])
        if (found := groups.get(tuple(people.get(each, each) for each in group))) is not None:
            scores = Scores(calls, total)
            found.feedback[name] = found.feedback[name].plus(scores) if name in found.feedback else scores


def without_row(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool = False
) -> CallTotals | None:
    """Return the costs of the calls that the totals of the same arguments leave out, as they have no row."""
    if stats_where(wanted) is not None and all(dimension in _OF_STATS for dimension in by):
        return None
    if wanted.feedback is not None or not has_table(connection, "unlisted"):  # whatever has feedback has a row
        return None
    where, parameters = unlisted_where(wanted)
    sums = ", ".join(f"ifnull(sum({name}), 0)" for name in SUM_COLUMNS)
    sql = f"SELECT {sums} FROM unlisted WHERE stats_id IN (SELECT id FROM prompt_stats {where})"  # noqa: S608
    found = CallTotals(**dict(zip(SUMS, connection.execute(sql, parameters).fetchone(), strict=True)))
    everything = of_stats(wanted)
    rollup = answer_of_rollups(connection, wanted, by)[0] if found.calls and costs_only else None
    if rollup is not None:
        # The rows that were pruned are among the unlisted, and the tables of sums count them.
        [found] = totals(connection, everything, (), costs_only=True)
        for each in _stretches(rollup, everything, (), _mark(connection), rows(connection)):
            found.subtract(_costs(connection, each))
    return found if found.calls > 0 else None


def _costs(connection: sqlite3.Connection, select: Condition) -> CallTotals:
    *values, _ = connection.execute(*select).fetchone()
    sums = dict(zip(COST_FIELDS, values, strict=True))
    return CallTotals(**sums) if sums["attempts"] else CallTotals()


def _selects(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool
) -> tuple[Sequence[str], Sequence[Condition]]:
    """Return the fields and the queries whose rows together are the totals: of the smallest tables that can answer."""
    fields = (*ENDINGS, *COST_FIELDS) if costs_only else TOTALS_FIELDS
    condition = stats_where(wanted) if all(dimension in _OF_STATS for dimension in by) else None
    if condition is not None:
        return fields, [_select_from_stats(condition, by, costs_only=costs_only)]
    if costs_only and (found := answer_of_rollups(connection, wanted, by)[1]):
        return COST_FIELDS, found
    columns = (*ENDINGS, *COST_COLUMNS) if costs_only else TOTALS_COLUMNS
    return fields, [select_from_rows(wanted, by, rows(connection), columns)]


def _select_from_stats(condition: Condition, by: Sequence[Dimension], *, costs_only: bool) -> Condition:
    keys = [key for dimension in by for key in _OF_STATS[dimension]]
    if costs_only:
        return select_costs("prompt_stats", condition, keys, (*ENDINGS, *COST_SUMS))
    where, parameters = condition
    columns = ", ".join([*keys, *TOTALS_COLUMNS])
    buckets = "SELECT json_group_object(bucket, attempts) FROM latency_histogram WHERE stats_id = prompt_stats.id"
    return f"SELECT {columns}, ({buckets}) FROM prompt_stats {where}", parameters  # noqa: S608 - our own names


def _check(dimension: Dimension) -> None:
    """Raise `UsageError` for a name that is no dimension."""
    key = dimension.removeprefix(METADATA)
    if dimension in DIMENSIONS or (key and key != dimension and '"' not in key and "\\" not in key):
        return
    raise UsageError(f"`{printable(dimension)}` is nothing that calls can be grouped by")


def _names(dimension: Dimension) -> tuple[str, ...]:
    return ("version", "version_display") if dimension == "version" else (dimension.removeprefix("local_"),)


def _sort_key(value: Any) -> tuple[bool, bool, Any]:
    """Sort numbers before texts, and None last."""
    return value is None, isinstance(value, str), 0 if value is None else value


class _LatencyHistogram:
    """SQLite aggregate: counts latencies in buckets, as a JSON object."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def step(self, latency_ms: float | None) -> None:
        if latency_ms is not None:
            number = bucket(latency_ms)
            self._counts[number] = self._counts.get(number, 0) + 1

    def finalize(self) -> str:
        return json.dumps(self._counts)


class _Rollup(NamedTuple):
    """A table of sums: its key columns as expressions over the rows, and which calls it counts.

    `moment` is the key that has the time, in steps of so many minutes; what it cannot answer to the minute is added
    from the rows.
    """

    table: str
    keys: Mapping[str, str]
    moment: str | None = None
    minutes: int = 0
    counts_evaluations: bool = False

    def select(self, compared: str, keys: str, columns: Sequence[str], source: Rows) -> str:
        """Return the SQL that counts the rows whose number compares like that with the mark."""
        condition = f"executions.rowid {compared} ?" + ("" if self.counts_evaluations else " AND source <> 'eval'")
        grouping = ", ".join(map(str, range(1, len(self.keys) + 1)))
        sums = ", ".join(sums_of_rows(columns, source).values())
        return f"SELECT {keys}, {sums} FROM {source.table} WHERE {condition} GROUP BY {grouping}"  # noqa: S608


_ROLLUPS = (
    # A quarter hour is the largest stretch of time that no time zone's day cuts.
    _Rollup(
        "quarter_stats",
        {
            "quarter": "substr(started_at, 1, 14) || CASE WHEN substr(started_at, 15, 2) < '15' THEN '00' "
            "WHEN substr(started_at, 15, 2) < '30' THEN '15' WHEN substr(started_at, 15, 2) < '45' THEN '30' "
            "ELSE '45' END",
            "source": "source",
        },
        "quarter",
        15,
        counts_evaluations=True,
    ),
    _Rollup("user_stats", {"user": "user", "source": "source"}),
    _Rollup(
        "day_stats",
        {
            "day": "substr(started_at, 1, 10)",
            "prompt": "prompt",
            "version": NUMBER_OF_ROW,
            "version_display": "version_display",
            "label": "label",
            "model": "model",
            "source": "source",
        },
        "day",
        24 * 60,
    ),
)


def fold(connection: sqlite3.Connection) -> None:
    """Count the rows after the mark and move it on, within the caller's transaction; also before rows are deleted.

    A trigger keeps the mark where it is if its own row is deleted.
    """
    mark = _mark(connection)
    columns = (*COST_SUMS, "last_at")
    source = rows(connection)
    for each in _ROLLUPS:
        counted = each.select(">", ", ".join(each.keys.values()), columns, source)
        connection.execute(
            f"INSERT INTO {each.table} ({', '.join([*each.keys, *columns])}) {counted} "
            f"ON CONFLICT DO UPDATE SET {adding(COST_SUMS)}, last_at = max(last_at, excluded.last_at)",
            (mark,),
        )
    connection.execute("UPDATE rollup_mark SET execution_id = (SELECT id FROM executions ORDER BY rowid DESC LIMIT 1)")


def wrong_sums(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Yield the table and the key of sums that are not those of the rows; only if no rows were ever deleted."""
    pruned = "SELECT 1 FROM events WHERE kind = 'prune' AND json_extract(detail, '$.rows') > 0"
    if connection.execute(pruned).fetchone() is not None:
        return
    mark, source = _mark(connection), rows(connection)
    for each in _ROLLUPS:
        counted = each.select("<=", _as_unique(each.keys), COST_SUMS, source)
        kept = f"SELECT {_as_unique({name: name for name in each.keys})}, {', '.join(COST_SUMS)} FROM {each.table}"  # noqa: S608
        columns = ", ".join(map(str, range(1, len(each.keys) + len(COST_SUMS) + 1)))
        apart = f"SELECT * FROM ({kept} UNION ALL {counted}) GROUP BY {columns} HAVING count(*) = 1"  # noqa: S608
        for key in {row[: len(each.keys)] for row in connection.execute(apart, (mark,))}:
            yield each.table, ", ".join(str(value) for value in key if value)


def _as_unique(keys: Mapping[str, str]) -> str:
    """Return the SQL of key columns in the form in which the table's index tells them apart."""
    absent = {"version": "0", "version_display": "''"}
    return ", ".join(f"ifnull({sql}, {absent[name]})" if name in absent else sql for name, sql in keys.items())


def answer_of_rollups(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension]
) -> tuple[_Rollup | None, list[Condition]]:
    """Return a table that knows the costs, and the queries whose rows together are these; none if only the rows do.

    As long as all is in rows, they tell more.
    """
    mark = last_counted(connection)
    if mark is not None:
        source = rows(connection)
        for each in _ROLLUPS:
            if _can_answer(each, wanted, by) and (found := _stretches(each, wanted, by, mark, source)):
                return each, found
    return None, []


def _can_answer(rollup: _Rollup, wanted: Filter, by: Sequence[Dimension]) -> bool:
    given = wanted.given - {"renames", "hashes", "limit"}
    asked = {"prompt" if name == "prompts" else name for name in given} | set(by)
    periods = {name for name in asked if name.removeprefix("local_") in PERIODS}
    if rollup.moment == "day" and (time.timezone or time.daylight):
        periods = {name for name in periods if not name.startswith("local_")}  # days there begin in the middle of ours
    known = {*rollup.keys, *({"since", "until", *periods} if rollup.moment else ())}
    return asked <= known and (rollup.counts_evaluations or wanted.source not in (None, "eval"))


def _stretches(rollup: _Rollup, wanted: Filter, by: Sequence[Dimension], mark: int, source: Rows) -> list[Condition]:
    """Return the queries of whole steps of time, of the rows at both ends, and of those not yet counted."""
    moments = (wanted.since, wanted.until)
    if any(each is not None and len(each) != _STORED for each in moments):
        return []
    first, last = (each and _step_at(each, rollup.minutes) for each in moments)
    if wanted.since and first and wanted.since.removeprefix(first).strip("T0:.Z"):  # it began before
        first = _step_at(wanted.since, rollup.minutes, steps=1)
    if first and last and first >= last:
        return []
    found = [_from_rollup(rollup, wanted, by, first, last)]
    for since, until in ((wanted.since, first), (last, wanted.until)):
        if since and until:
            edge = replace(wanted, since=since, until=until)
            sql, parameters = select_from_rows(edge, by, source, COST_COLUMNS, also="executions.rowid <= ?")
            found.append((sql, [*parameters, mark]))
    by_number = source._replace(table=source.table.replace("executions", "executions NOT INDEXED", 1))
    sql, parameters = select_from_rows(wanted, by, by_number, COST_COLUMNS, also="executions.rowid > ?")
    return [*found, (sql, [*parameters, mark])]


def _from_rollup(
    rollup: _Rollup, wanted: Filter, by: Sequence[Dimension], first: str | None, last: str | None
) -> Condition:
    keys: list[str] = []
    for name in by:
        if name == "version":
            keys += VERSION_OF_SUMS
        else:
            keys += [name] if name in rollup.keys else key_expressions(name, rollup.moment or "")
    display = "version_display" if "version_display" in rollup.keys else "NULL"
    return select_costs(
        rollup.table, rollup_where(wanted, rollup.moment, first, last), keys, COST_SUMS, display=display
    )


def last_counted(connection: sqlite3.Connection) -> int | None:
    """Return the number of the last row that costs by time and user count; None if they count none."""
    has_any = has_table(connection, "rollup_mark") and connection.execute("SELECT 1 FROM quarter_stats").fetchone()
    return _mark(connection) if has_any else None


def _mark(connection: sqlite3.Connection) -> int:
    """Return the number of the last row that was counted; rows have numbers that grow."""
    row = connection.execute(
        "SELECT rowid FROM executions WHERE id = (SELECT execution_id FROM rollup_mark)"
    ).fetchone()
    return row[0] if row else 0


def _step_at(moment: str, minutes: int, *, steps: int = 0) -> str:
    """Return the step of time that a moment is in, or one further on: a quarter hour or a day, as the tables name it.

    >>> _step_at("2026-05-03T09:31:00.000Z", 15), _step_at("2026-05-03T09:31:00.000Z", 24 * 60, steps=1)
    ('2026-05-03T09:30', '2026-05-04')
    """
    minute = datetime.fromisoformat(moment[:16])
    begun = minute - timedelta(minutes=(minute.hour * 60 + minute.minute) % minutes)
    text = (begun + timedelta(minutes=steps * minutes)).isoformat(timespec="minutes")
    return text if minutes < 24 * 60 else text[:10]
