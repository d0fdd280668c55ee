"""Totals over calls: from the running totals if those hold the answer, else from the rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.errors import UsageError, printable
from promptctl.log.call_totals import DIMENSIONS, METADATA, SUMS, CallTotals, Dimension, bucket
from promptctl.log.filter import Filter
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import Condition, add_search, of_stats, stats_where, unlisted_where
from promptctl.log.sqlite.rollups import selects_all_from_rollup, selects_from_rollups
from promptctl.log.sqlite.schema import SUM_COLUMNS, TOTALS_COLUMNS, TOTALS_FIELDS, has_table
from promptctl.log.sqlite.sums import COST_FIELDS, VERSION_OF_SUMS, select_costs, select_from_rows

_OF_ROLLUP: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "version": VERSION_OF_SUMS,
    "digest": ("digest",),
    "source": ("source",),
}


def totals(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool = False
) -> list[CallTotals]:
    """Return the totals of each group, those of earlier prompt ids added to the current one's.

    Raises `UsageError` for a dimension that there is not.
    """
    for dimension in by:
        _check(dimension)
    if not costs_only:
        connection.create_aggregate("latency_histogram", 1, _LatencyHistogram)  # type: ignore[arg-type]
    add_search(connection)
    names = [name for dimension in by for name in _names(dimension)]
    fields = COST_FIELDS if costs_only else TOTALS_FIELDS
    groups: dict[tuple[Any, ...], CallTotals] = {}
    for sql, parameters in _selects(connection, wanted, by, costs_only=costs_only):
        for *values, histogram in connection.execute(sql, parameters):
            sums = dict(zip(fields, values[len(names) :], strict=True))
            if not sums["attempts"]:  # without groups there is a row even if nothing matches
                continue
            group = dict(zip(names, values, strict=False))
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
        _add_feedback(connection, wanted, by, groups)
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
) -> None:
    from promptctl.log.feedback import Scores
    from promptctl.log.sqlite.feedback import select_scores

    place = [name for dimension in by for name in _names(dimension)].index("prompt") if "prompt" in by else None
    for *group, name, calls, total in connection.execute(*select_scores(wanted, by)):
        if place is not None:
            group[place] = wanted.current_id(group[place])
        if (found := groups.get(tuple(group))) is not None:
            scores = Scores(calls, total)
            found.feedback[name] = found.feedback[name].plus(scores) if name in found.feedback else scores


def without_row(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool = False
) -> CallTotals | None:
    """Return the costs of the calls that the totals of the same arguments leave out, as they have no row."""
    if stats_where(wanted) is not None and all(dimension in _OF_ROLLUP for dimension in by):
        return None
    if wanted.feedback is not None or not has_table(connection, "unlisted"):  # whatever has feedback has a row
        return None
    where, parameters = unlisted_where(wanted)
    sums = ", ".join(f"ifnull(sum({name}), 0)" for name in SUM_COLUMNS)
    sql = f"SELECT {sums} FROM unlisted WHERE stats_id IN (SELECT id FROM prompt_stats {where})"  # noqa: S608
    found = CallTotals(**dict(zip(SUMS, connection.execute(sql, parameters).fetchone(), strict=True)))
    everything = of_stats(wanted)
    if found.calls and costs_only and (counted := selects_all_from_rollup(connection, wanted, everything, by)):
        # The rows that were pruned are among the unlisted, and the tables of sums count them.
        [found] = totals(connection, everything, (), costs_only=True)
        for each in counted:
            found.subtract(_costs(connection, each))
    return found if found.calls > 0 else None


def _costs(connection: sqlite3.Connection, select: Condition) -> CallTotals:
    *values, _ = connection.execute(*select).fetchone()
    sums = dict(zip(COST_FIELDS, values, strict=True))
    return CallTotals(**sums) if sums["attempts"] else CallTotals()


def _selects(
    connection: sqlite3.Connection, wanted: Filter, by: Sequence[Dimension], *, costs_only: bool
) -> Sequence[Condition]:
    """Return the queries whose rows together are the totals: of the smallest tables that can answer."""
    condition = stats_where(wanted) if all(dimension in _OF_ROLLUP for dimension in by) else None
    if condition is not None:
        return [_select_from_rollup(condition, by, costs_only=costs_only)]
    if costs_only and (found := selects_from_rollups(connection, wanted, by)):
        return found
    return [select_from_rows(wanted, by, rows(connection), costs_only=costs_only)]


def _select_from_rollup(condition: Condition, by: Sequence[Dimension], *, costs_only: bool) -> Condition:
    keys = [key for dimension in by for key in _OF_ROLLUP[dimension]]
    if costs_only:
        return select_costs("prompt_stats", condition, keys)
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
