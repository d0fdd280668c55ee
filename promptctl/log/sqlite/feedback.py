"""Feedback in the log: added, read with the calls it is on, added up, and looked after with their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter

from promptctl.errors import LogError
from promptctl.log.call_totals import Dimension
from promptctl.log.encoding import well_formed
from promptctl.log.evidence import ProblemKind
from promptctl.log.feedback import Feedback, fault_of
from promptctl.log.filter import Filter
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.filters import Condition, rows_where
from promptctl.log.sqlite.sums import key_expressions

_COLUMNS = ("id", "execution_id", "call_id", "name", "score", "comment", "expected", "by", "created_at")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM feedback"  # noqa: S608 - made of our own names
# Words are kept as long as the contents of the row are, also if those were pruned a moment ago.
_INSERT = """
INSERT INTO feedback
SELECT ?, id, call_id, ?, ?, iif(content = 'full', ?, NULL), iif(content = 'full', ?, NULL), ?, ?
FROM executions WHERE id = ?
ON CONFLICT (id) DO NOTHING
"""
_STRAYS = """
SELECT f.id, f.execution_id FROM feedback AS f LEFT JOIN executions AS e ON e.id = f.execution_id
WHERE e.call_id IS NOT f.call_id
"""


def redacted(given: Feedback, redactor: Redactor) -> Feedback:
    """Return feedback as it may be written: without secrets, and in valid UTF-8."""

    def safe(text: str | None) -> str | None:
        return None if text is None else redactor.redact(well_formed(text))

    return replace(given, comment=safe(given.comment), expected=safe(given.expected), by=safe(given.by))


def add(connection: sqlite3.Connection, given: Iterable[Feedback]) -> int:
    """Add feedback on executions that are in the log; return how much of it was."""
    names = ("id", "name", "score", "comment", "expected", "by", "created_at", "execution_id")
    return connection.executemany(_INSERT, map(attrgetter(*names), given)).rowcount


def give(database: Database, given: Feedback) -> Feedback:
    """Add feedback on an execution; return it without secrets. Raises `LogError` if there is no such execution."""
    safe = redacted(given, database.redactor)
    if not database.path.exists() or not database.write(lambda connection: add(connection, [safe])):
        hint = "see the ids with: promptctl log list"
        raise LogError(f"no execution `{given.execution_id}` in the log", hint=hint)
    return safe


def on_call(connection: sqlite3.Connection, call_id: str) -> tuple[Feedback, ...]:
    """Return all feedback on a call, oldest first."""
    found = connection.execute(f"{_SELECT} WHERE call_id = ? ORDER BY created_at, id", (call_id,))
    return tuple(_feedback(row) for row in found)


def select_scores(wanted: Filter, by: Sequence[Dimension]) -> Condition:
    """Return the SQL of each group's names of feedback, with number of calls and sum of scores."""
    where, parameters = rows_where(wanted)
    keys = [key for dimension in by for key in key_expressions(dimension)]
    scores = "SELECT call_id AS scored, name AS feedback_name, score AS call_score FROM feedback_scores"
    last = "SELECT max(attempt) FROM executions AS e WHERE e.call_id = scored"
    grouping = ", ".join([*(f"+({key})" for key in keys), "feedback_name"])
    sql = f"SELECT {', '.join([*keys, 'feedback_name'])}, count(*), sum(call_score) FROM ({scores}) "  # noqa: S608
    sql += f"CROSS JOIN executions ON call_id = scored AND attempt = ({last}) {where} GROUP BY {grouping}"
    return sql, parameters


def follow_rows(connection: sqlite3.Connection) -> int:
    """Delete feedback on rows that are gone, and words on rows that have lost their contents; return how many it was.

    The caller has opened the maintenance of the log.
    """
    sql = "DELETE FROM feedback WHERE NOT EXISTS (SELECT 1 FROM executions WHERE id = execution_id)"
    changed = connection.execute(sql).rowcount
    changed += connection.execute(
        "UPDATE feedback SET comment = NULL, expected = NULL "
        "WHERE coalesce(comment, expected) IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM executions WHERE id = execution_id AND content = 'full')"
    ).rowcount
    connection.execute("DELETE FROM feedback WHERE score IS NULL AND coalesce(comment, expected) IS NULL")
    return changed


def new_in(source: sqlite3.Connection, here: sqlite3.Connection, new_rows: set[str]) -> list[Feedback]:
    """Return the feedback of another log that this one lacks and whose execution it has, or will have by `new_rows`.

    What would lose all its words, as its row has lost them here, is left out.
    """
    known = {row[0] for row in here.execute("SELECT id FROM feedback")}
    return [
        each
        for each in map(_feedback, source.execute(f"{_SELECT} ORDER BY id"))
        if each.id not in known and (each.execution_id in new_rows or _is_kept(here, each))
    ]


def wrong(connection: sqlite3.Connection) -> Iterator[tuple[ProblemKind, str | None, str]]:
    """Yield the feedback that no promptctl could have written, or whose execution the log does not have so."""
    for each in map(_feedback, connection.execute(_SELECT)):
        if why := fault_of(each):
            yield "feedback", str(each.id), f"feedback {each.id} is not what promptctl writes: {why}"
    for id_, execution_id in connection.execute(_STRAYS):
        yield "feedback", id_, f"feedback {id_} is on execution {execution_id}, which the log does not have so"


def _is_kept(here: sqlite3.Connection, given: Feedback) -> bool:
    row = here.execute("SELECT content FROM executions WHERE id = ?", (given.execution_id,)).fetchone()
    return row is not None and (given.score is not None or row[0] == "full")


def _feedback(row: tuple[str, ...]) -> Feedback:
    return Feedback(**dict(zip(_COLUMNS, row, strict=True)))  # type: ignore[arg-type]
