"""Reads executions one by one, newest first, and the latest call of a prompt."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.log.attempts import Attempt
from promptctl.log.encoding import Fields, from_document, parts_of
from promptctl.log.filter import Filter
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Execution
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.batch import COLUMNS
from promptctl.log.sqlite.corrections import UNCORRECTED, Rows, corrections, rows
from promptctl.log.sqlite.filters import Condition, add_search, rows_where
from promptctl.log.sqlite.lookup import row_by_id

_FIELDS = (*PLAIN_FIELDS, *JSON_FIELDS, "kept_content", *CONTENT_FIELDS)


def executions(
    connection: sqlite3.Connection, wanted: Filter, *, with_content: bool
) -> Generator[Execution, None, None]:
    """Yield the executions that the filter means, newest first."""
    add_search(connection)
    sql, parameters = select_executions(wanted, rows(connection))
    feedback = feedback_reader(connection)
    for row in connection.execute(sql, parameters):
        yield feedback(as_execution(connection, row, with_content=with_content))


def select_executions(wanted: Filter, source: Rows = UNCORRECTED) -> Condition:
    """Return the SQL of `executions` and its parameters."""
    return _newest_first(_select(source), wanted)


def _newest_first(select: str, wanted: Filter) -> Condition:
    """Return the SQL that selects the executions that the filter means, newest first, and its parameters."""
    condition, parameters = rows_where(wanted)
    sql = f"{select} {condition} ORDER BY started_at DESC, executions.rowid DESC LIMIT ?"
    return sql, [*parameters, -1 if wanted.limit is None else wanted.limit]


def execution(connection: sqlite3.Connection, wanted: str, *, with_feedback: bool) -> Execution:
    """Return one execution with its contents, by an id as a person types it."""
    row = row_by_id(connection, _select(rows(connection)), wanted, "execution", "promptctl log list")
    found = as_execution(connection, row, with_content=True)
    if with_feedback:
        found = feedback_reader(connection)(found)
    return replace(found, corrections=corrections(connection, found.id))


def attempts(connection: sqlite3.Connection, wanted: Filter) -> Iterator[Attempt]:
    """Yield the attempts that the filter means, newest first, in numbers alone."""
    add_search(connection)
    source = rows(connection)
    size = "(SELECT bytes FROM payloads WHERE hash = inputs_hash)"
    read = {"cost_nano_usd": source.cost, "commit": "commit_id", "inputs_bytes": size}
    columns = ", ".join(read.get(name, name) for name in Attempt._fields)
    select = f"SELECT {columns} FROM {source.table}"  # noqa: S608 - made of our own names
    yield from map(Attempt._make, connection.execute(*_newest_first(select, wanted)))


def messages(
    connection: sqlite3.Connection, ids: Iterable[str]
) -> Generator[Sequence[Mapping[str, Any]] | None, None, None]:
    """Yield the messages of the execution of each id; None if they are not kept."""
    sql = "SELECT payloads.content FROM executions JOIN payloads ON hash = messages_hash WHERE id = ?"
    for id_ in ids:
        row = connection.execute(sql, (id_,)).fetchone()
        text = payloads.text_of(row[0]) if row else None
        yield None if text is None else json.loads(text)


def latest_call(connection: sqlite3.Connection, ids: Sequence[str]) -> Execution | None:
    """Return the last call of a prompt in full, by all ids that it had."""
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
