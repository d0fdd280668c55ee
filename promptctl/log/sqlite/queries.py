"""Reads executions, newest first: one by one, or a stretch of them in bounded work; and the latest call of a prompt."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from promptctl.log.attempts import Attempt
from promptctl.log.encoding import Fields, from_document, parts_of
from promptctl.log.filter import ExecutionPage, Filter, is_glob
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Execution
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.batch import COLUMNS
from promptctl.log.sqlite.corrections import UNCORRECTED, Rows, corrections, rows
from promptctl.log.sqlite.filters import Condition, add_search, of_stats, rows_where, stats_where
from promptctl.log.sqlite.lifetimes import within_lifetime
from promptctl.log.sqlite.lookup import row_by_id
from promptctl.log.sqlite.schema import has_table

_FIELDS = (*PLAIN_FIELDS, *JSON_FIELDS, "kept_content", *CONTENT_FIELDS)


def executions(
    connection: sqlite3.Connection,
    wanted: Filter | None = None,
    *,
    with_content: bool = False,
    is_oldest_first: bool = False,
) -> Generator[Execution, None, None]:
    """Yield the executions that the filter means, newest first or oldest first."""
    add_search(connection)
    meant = within_lifetime(connection, wanted or Filter())
    sql, parameters = _by_time(_select(rows(connection)), meant, "ASC" if is_oldest_first else "DESC")
    feedback = feedback_reader(connection)
    for row in connection.execute(sql, parameters):
        yield feedback(as_execution(connection, row, with_content=with_content))


def select_executions(wanted: Filter, source: Rows = UNCORRECTED) -> Condition:
    """Return the SQL of `executions` and its parameters."""
    return _by_time(_select(source), wanted)


def _by_time(select: str, wanted: Filter, way: str = "DESC") -> Condition:
    """Return the SQL that selects the executions that the filter means, newest first, and its parameters."""
    condition, parameters = rows_where(wanted)
    sql = f"{select} {condition} ORDER BY started_at {way}, executions.rowid {way} LIMIT ?"
    return sql, [*parameters, -1 if wanted.limit is None else wanted.limit]


def execution(connection: sqlite3.Connection, wanted: str, *, with_feedback: bool) -> Execution:
    """Return one execution with its contents, by an id as a person types it."""
    row = row_by_id(connection, _select(rows(connection)), wanted, "execution", "promptctl log list")
    found = as_execution(connection, row, with_content=True)
    if with_feedback:
        found = feedback_reader(connection)(found)
    return replace(found, corrections=corrections(connection, found.id))


def attempts(connection: sqlite3.Connection, *wanted: Filter) -> list[Attempt]:
    """Return the attempts that each filter means, newest first, in numbers alone."""
    add_search(connection)
    source = rows(connection)
    size = "(SELECT bytes FROM payloads WHERE hash = inputs_hash)"
    read = {"cost_nano_usd": source.cost, "commit": "commit_id", "inputs_bytes": size}
    columns = ", ".join(read.get(name, name) for name in Attempt._fields)
    select = f"SELECT {columns} FROM {source.table}"  # noqa: S608 - made of our own names
    return [Attempt._make(row) for each in wanted for row in connection.execute(*_by_time(select, each))]


def messages(
    connection: sqlite3.Connection, ids: Iterable[str]
) -> Generator[Sequence[Mapping[str, Any]] | None, None, None]:
    """Yield the messages of the execution of each id; None if they are not kept."""
    sql = "SELECT payloads.content FROM executions JOIN payloads ON hash = messages_hash WHERE id = ?"
    for id_ in ids:
        row = connection.execute(sql, (id_,)).fetchone()
        text = payloads.text_of(row[0]) if row else None
        yield None if text is None else json.loads(text)


def latest_call(connection: sqlite3.Connection, prompt: str, formerly: Sequence[str] = ()) -> Execution | None:
    """Return the last call of a prompt in full, by all ids that it had."""
    ids = (prompt, *formerly)
    row = connection.execute(
        f"SELECT execution FROM latest_calls WHERE prompt IN ({', '.join('?' * len(ids))}) "  # noqa: S608
        "ORDER BY started_at DESC, execution_id DESC LIMIT 1",
        ids,
    ).fetchone()
    if row is None:
        return None
    found = feedback_reader(connection)(from_document(json.loads(row[0])))
    if connection.execute("SELECT 1 FROM executions WHERE id = ?", (found.id,)).fetchone() is None:
        found = replace(found, keeps="off")
    corrected = corrections(connection, found.id)
    if not corrected:
        return found
    cost, source = corrected[-1].new_nano_usd, corrected[-1].price_source
    return replace(found, cost_nano_usd=cost, price_source=source, corrections=corrected)


def columns_from(source: Rows) -> str:
    """Return the columns of an execution as SQL, with the cost that holds."""
    columns = [{"cost_nano_usd": source.cost, "price_source": source.price_source}.get(name, name) for name in COLUMNS]
    return ", ".join(columns)


def feedback_reader(connection: sqlite3.Connection) -> Callable[[Execution], Execution]:
    """Return a function that adds the feedback on its call to an execution."""
    if connection.execute("SELECT 1 FROM feedback LIMIT 1").fetchone() is None:
        return lambda execution: execution
    from promptctl.log.sqlite.feedback import on_call

    def add(execution: Execution) -> Execution:
        found = on_call(connection, execution.call_id)
        return replace(execution, feedback=found) if found else execution

    return add


def _select(source: Rows) -> str:
    return f"SELECT {columns_from(source)} FROM {source.table}"  # noqa: S608 - made of our own names


def as_execution(connection: sqlite3.Connection, row: tuple[Any, ...], *, with_content: bool) -> Execution:
    """Return the execution of a row whose columns are `COLUMNS`."""
    fields = dict(zip(_FIELDS, row, strict=True))
    fields["is_dirty"] = bool(fields["is_dirty"])
    for name in JSON_FIELDS:
        fields[name] = json.loads(fields[name]) if fields[name] is not None else None
    for name in CONTENT_FIELDS:
        digest = fields.pop(name)
        text = payloads.load(connection, digest) if with_content else None
        if text is not None:
            fields |= {name: text} if name == "reply" else _read(name, json.loads(text))
    return Execution(**fields)


def _read(name: str, value: Any) -> Fields:
    return parts_of(value) if name == "tool_calls" else {name: value}


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


def page(connection: sqlite3.Connection, wanted: Filter, *, is_patient: bool = False) -> ExecutionPage:
    """Return the first executions that the filter means, and how many there are if that is soon told."""
    add_search(connection)
    limit, factor = wanted.limit or _ROWS, float(_PATIENCE if is_patient else 1)
    factor *= _FACTOR_OF_PROMPT if wanted.prompt and not is_glob(wanted.prompt) else 1
    steps = factor * STEPS * (_FACTOR_OF_SCORES if wanted.feedback else 1)
    source = rows(connection)
    if _are_many(connection, wanted):
        source = source._replace(table=source.table.replace("executions", _BY_TIME, 1))
    sql, parameters = select_executions(replace(within_lifetime(connection, wanted), limit=limit + 1), source)
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
