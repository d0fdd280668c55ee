"""Finds when calls of a version, a model or a label were made: no index of rows knows it, but tables of sums do."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from promptctl.log.filter import Filter
from promptctl.log.sqlite.filters import Condition, rollup_where, rows_where, unlisted_where
from promptctl.log.sqlite.totals import last_counted

_NEVER = ("", "")
# `~` comes after any digit and letter of a moment
_STATS = "SELECT min(first_at), max(last_at) || '~' FROM prompt_stats"
_DAYS = "SELECT min(day), max(day) || '~' FROM day_stats"
_ROWS = "SELECT min(started_at), max(started_at) || '~' FROM executions NOT INDEXED"


def within_lifetime(connection: sqlite3.Connection, wanted: Filter) -> Filter:
    """Return the filter with the time in which calls of its version, model and label were made."""
    at_any_time = replace(wanted, since=None, until=None, before=None)
    if wanted.version is not None or wanted.digest is not None:
        wanted = _within(connection, wanted, (_STATS, unlisted_where(at_any_time)))
    mark = None if wanted.model is None and wanted.label is None else last_counted(connection)
    if mark is None:
        return wanted
    where, parameters = rows_where(at_any_time)
    uncounted = (f"{where} AND executions.rowid > ?", [*parameters, mark])
    selects = [(_DAYS, rollup_where(replace(at_any_time, user=None), None, None, None)), (_ROWS, uncounted)]
    if wanted.source in (None, "eval"):  # days count no evaluations
        selects.append((_STATS, unlisted_where(replace(at_any_time, source="eval"))))
    return _within(connection, wanted, *selects)


def _within(connection: sqlite3.Connection, wanted: Filter, *selects: tuple[str, Condition]) -> Filter:
    found = [connection.execute(f"{select} {where}", parameters).fetchone() for select, (where, parameters) in selects]
    ends = [each for each in found if each[0] is not None]
    first, last = (min(each[0] for each in ends), max(each[1] for each in ends)) if ends else _NEVER
    return replace(wanted, since=max(wanted.since or "", first), until=min(wanted.until or last, last))
