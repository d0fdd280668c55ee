"""Reads the log: executions one by one, newest first, and the latest call of a prompt. Totals are in `stats`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from promptctl.errors import LogError, UsageError
from promptctl.log.encoding import from_document
from promptctl.log.filter import Filter
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Execution
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.batch import COLUMNS
from promptctl.log.sqlite.filters import Condition, rows_where

SHORTEST_ID = 4
_AMBIGUOUS_SHOWN = 5
_AFTER_ALL = "\U0010ffff"  # sorts after whatever follows in an id

_PLAIN = len(PLAIN_FIELDS)
_KEPT = _PLAIN + len(JSON_FIELDS)
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM executions"  # noqa: S608 - made of our own names


def executions(connection: sqlite3.Connection, wanted: Filter, *, with_content: bool) -> Iterator[Execution]:
    """Yield the executions that the filter means, newest first."""
    sql, parameters = select_executions(wanted)
    for row in connection.execute(sql, parameters):
        yield _execution(connection, row, with_content=with_content)


def select_executions(wanted: Filter) -> Condition:
    """Return the SQL of `executions` and its parameters."""
    where, parameters = rows_where(wanted)
    sql = f"{_SELECT} {where} ORDER BY started_at DESC, rowid DESC"
    if wanted.limit is not None:
        return f"{sql} LIMIT ?", [*parameters, wanted.limit]
    return sql, parameters


def execution(connection: sqlite3.Connection, wanted: str) -> Execution:
    """Return one execution with its contents. The beginning of a UUIDv7 is the time, so `log list` shows the end."""
    text = wanted.strip()
    if len(text) < SHORTEST_ID:
        raise UsageError(f"{wanted!r} is too short for an id", hint=f"give at least {SHORTEST_ID} characters")
    found = _find(connection, text)
    if len(found) > 1:
        raise LogError(
            f"several executions match {wanted!r}: " + ", ".join(row[0] for row in found[:_AMBIGUOUS_SHOWN]),
            hint="give more of the id",
        )
    if not found:
        raise LogError(f"no execution {wanted!r} in the log", hint="see the ids with: promptctl log list")
    return _execution(connection, found[0], with_content=True)


def latest_call(connection: sqlite3.Connection, ids: Sequence[str]) -> Execution | None:
    """Return the last call of a prompt in full, by all ids that it had."""
    row = connection.execute(
        f"SELECT execution FROM latest_calls WHERE prompt IN ({', '.join('?' * len(ids))}) "  # noqa: S608
        "ORDER BY started_at DESC, execution_id DESC LIMIT 1",
        ids,
    ).fetchone()
    return from_document(json.loads(row[0])) if row else None


def _find(connection: sqlite3.Connection, text: str) -> list[tuple[Any, ...]]:
    few = f"LIMIT {_AMBIGUOUS_SHOWN}"
    beginning = f"{_SELECT} WHERE id >= ? AND id < ? {few}"
    found = connection.execute(beginning, (text, text + _AFTER_ALL)).fetchall()
    if found:
        return found
    ending = f"SELECT id FROM executions WHERE substr(id, ?) = ? {few}"  # noqa: S608 - made of our own words
    ids = connection.execute(ending, (-len(text), text))
    return [connection.execute(f"{_SELECT} WHERE id = ?", row).fetchone() for row in ids.fetchall()]


def _execution(connection: sqlite3.Connection, row: tuple[Any, ...], *, with_content: bool) -> Execution:
    fields: dict[str, Any] = dict(zip(PLAIN_FIELDS, row, strict=False))
    fields["is_dirty"] = bool(fields["is_dirty"])
    for name, text in zip(JSON_FIELDS, row[_PLAIN:_KEPT], strict=True):
        fields[name] = json.loads(text)
    if with_content:
        for name, digest in zip(CONTENT_FIELDS, row[_KEPT + 1 :], strict=True):
            text = payloads.load(connection, digest)
            if text is not None:
                fields[name] = text if name == "reply" else json.loads(text)
    return Execution(**fields, kept_content=row[_KEPT])
