"""Reads a stretch of the executions in bounded work, however many rows a filter has to look at."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from promptctl.log.filter import ExecutionPage, Filter, is_glob
from promptctl.log.records import Execution
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import add_search, of_stats, rows_where, stats_where, unlisted_where
from promptctl.log.sqlite.queries import as_execution, feedback_reader, select_executions
from promptctl.log.sqlite.schema import has_table

T = TypeVar("T")
# Steps of SQLite's machine, not seconds: the same log gives the same page on a busy machine. Of a million rows that no
# index leads to, about 60,000 are looked at, in 0.08 s. The steps that add up scores take half as long as others.
STEPS = 500_000
_FACTOR_OF_SCORES = 3
_STEPS_OF_COUNT = 150_000
# The rows that an index of one prompt leads to lie far apart, and each takes four times as long.
_FACTOR_OF_PROMPT = 0.25
_PATIENCE = 40
_HEED_EVERY = 10_000
_ROWS = 50
_MOST_SORTED = 20_000
_BY_TIME = "executions INDEXED BY executions_by_time"


class StepBound:
    """A number of steps that a query may take; `is_reached` is True once it has ended for that."""

    def __init__(self, connection: sqlite3.Connection, steps: float) -> None:
        self._connection = connection
        self._left = steps / _HEED_EVERY
        self.is_reached = False

    def until(self, query: Callable[[], Iterable[T]]) -> Iterator[T]:
        """Yield what a query finds within the bound."""
        self._connection.set_progress_handler(self._heed, _HEED_EVERY)
        try:
            yield from query()
        except sqlite3.OperationalError:
            if not self.is_reached:
                raise
        finally:
            self._connection.set_progress_handler(None, 0)

    def _heed(self) -> bool:
        self._left -= 1
        self.is_reached = self._left < 0
        return self.is_reached


def page(connection: sqlite3.Connection, wanted: Filter, *, is_patient: bool) -> ExecutionPage:
    """Return the first executions that the filter means, and how many there are if that is soon told."""
    add_search(connection)
    limit, factor = wanted.limit or _ROWS, float(_PATIENCE if is_patient else 1)
    factor *= _FACTOR_OF_PROMPT if wanted.prompt and not is_glob(wanted.prompt) else 1
    steps = factor * STEPS * (_FACTOR_OF_SCORES if wanted.feedback else 1)
    source = rows(connection)
    if _are_many(connection, wanted):
        source = source._replace(table=source.table.replace("executions", _BY_TIME, 1))
    sql, parameters = select_executions(replace(_within_life(connection, wanted), limit=limit + 1), source)
    bound, feedback = StepBound(connection, steps), feedback_reader(connection)

    def read() -> Iterator[Execution]:
        for row in connection.execute(sql, parameters):
            yield feedback(as_execution(connection, row, with_content=True))

    found = list(bound.until(read))
    shown = tuple(found[:limit])
    has_more = len(found) > limit or (bound.is_reached and bool(shown))
    older = shown[-1].id if has_more else None
    if bound.is_reached:
        return ExecutionPage(shown, older, is_cut=True)
    counted = replace(wanted, before=None, limit=None)
    most = STEPS if stats_where(counted) is not None else factor * _STEPS_OF_COUNT
    return ExecutionPage(shown, older, _attempts(connection, counted, most))


def _are_many(connection: sqlite3.Connection, wanted: Filter) -> bool:
    """Return True if so many calls are of the prompts that a glob means that SQLite must not sort them first."""
    has_index = any(
        (wanted.user, wanted.session, wanted.call_id, wanted.evaluation_id, wanted.experiment, wanted.error_type)
    ) or wanted.status not in (None, "ok")
    if has_index or not (wanted.prompts or is_glob(wanted.prompt or "")):
        return False
    number = _attempts(connection, of_stats(wanted), STEPS)
    return number is None or number > _MOST_SORTED


def _within_life(connection: sqlite3.Connection, wanted: Filter) -> Filter:
    """Return the filter with the time in which its version was called, which no index of rows knows."""
    if (wanted.version is None and wanted.digest is None) or wanted.until is not None:
        return wanted
    where, parameters = unlisted_where(replace(wanted, since=None))
    sql = f"SELECT min(first_at), max(last_at) || '~' FROM prompt_stats {where}"  # noqa: S608 - `~` is after any digit
    first, last = connection.execute(sql, parameters).fetchone()
    return replace(wanted, since=max(wanted.since or "", first or "") or None, until=last)


def _attempts(connection: sqlite3.Connection, wanted: Filter, steps: float) -> int | None:
    """Return the number of rows that the filter means; None if counting them takes more steps than that."""

    def number(sql: str, parameters: list[Any]) -> int | None:
        counted = StepBound(connection, steps).until(lambda: connection.execute(sql, parameters))
        return next((row[0] for row in counted), None)

    condition = stats_where(wanted)
    if condition is None:
        where, parameters = rows_where(wanted)
        return number(f"SELECT count(*) FROM executions {where}", parameters)  # noqa: S608 - our own names
    where, parameters = condition
    listed = "attempts"
    if has_table(connection, "unlisted"):
        listed += " - ifnull((SELECT attempts FROM unlisted WHERE stats_id = prompt_stats.id), 0)"
    return number(f"SELECT ifnull(sum({listed}), 0) FROM prompt_stats {where}", parameters)  # noqa: S608 - our own names
