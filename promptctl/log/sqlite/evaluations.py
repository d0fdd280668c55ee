"""Evaluations and their results as rows: begun, finished, read back, deleted. A `Batch` adds the results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from promptctl.errors import LogError, UsageError
from promptctl.log.encoding import to_json
from promptctl.log.redaction import Redactor
from promptctl.log.results import EvaluationRow, ResultRow, ResultStatus
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.batch import RESULT_COLUMNS
from promptctl.log.sqlite.filters import where
from promptctl.log.times import utc_now

SHORTEST_ID = 4
_COLUMNS = (
    "id", "started_at", "finished_at", "status", "prompt", "version", "version_display", "digest", "commit_id",
    "is_dirty", "label", "model", "spec", "totals", "tool_version",
)  # fmt: skip
_FIELDS = tuple("commit" if name == "commit_id" else name for name in _COLUMNS)
_INSERT = f"INSERT INTO evaluations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM evaluations"  # noqa: S608 - made of our own names
_SELECT_RESULTS = f"SELECT {', '.join(RESULT_COLUMNS)}, content FROM results"  # noqa: S608 - made of our own names
_WITH_OUTPUTS = "LEFT JOIN payloads ON payloads.hash = results.output_hash"
_RESULT_FIELDS = (*RESULT_COLUMNS, "output")


def begin(connection: sqlite3.Connection, evaluation: EvaluationRow, redactor: Redactor) -> None:
    """Add the evaluation's row."""
    values = {name: getattr(evaluation, name) for name in _FIELDS}
    values["spec"] = redactor.redact_json(to_json(evaluation.spec))
    values["totals"] = to_json(evaluation.totals)
    connection.execute(_INSERT, tuple(values.values()))


def update(connection: sqlite3.Connection, evaluation_id: str, status: str, totals: Mapping[str, Any]) -> None:
    """Set an evaluation's status and totals; `running` again if it is resumed."""
    finished_at = None if status == "running" else utc_now()
    connection.execute(
        "UPDATE evaluations SET status = ?, finished_at = ?, totals = ? WHERE id = ?",
        (status, finished_at, to_json(totals), evaluation_id),
    )


def delete(connection: sqlite3.Connection, evaluation_id: str) -> int:
    """Delete an evaluation with its results and the outputs that nothing else refers to."""
    connection.execute("DELETE FROM evaluations WHERE id = ?", (evaluation_id,))
    deleted = connection.execute("DELETE FROM results WHERE evaluation_id = ?", (evaluation_id,)).rowcount
    payloads.delete_orphans(connection)
    return deleted


def evaluations(
    connection: sqlite3.Connection, conditions: Mapping[str, Any], limit: int | None
) -> list[EvaluationRow]:
    """Return evaluations, newest first."""
    where_sql, parameters = where(conditions)
    sql = f"{_SELECT} {where_sql} ORDER BY started_at DESC, rowid DESC LIMIT ?"
    return [_evaluation(row) for row in connection.execute(sql, (*parameters, -1 if limit is None else limit))]


def evaluation(connection: sqlite3.Connection, wanted: str) -> EvaluationRow:
    """Return one evaluation."""
    text = wanted.strip()
    if len(text) < SHORTEST_ID:
        raise UsageError(f"{wanted!r} is too short for an id", hint=f"give at least {SHORTEST_ID} characters")
    length = len(text)
    sql = f"{_SELECT} WHERE substr(id, 1, ?) = ? OR substr(id, ?) = ? LIMIT 2"
    found = connection.execute(sql, (length, text, -length, text)).fetchall()
    if len(found) == 1:
        return _evaluation(found[0])
    if found:
        raise LogError(f"several evaluations match {wanted!r}", hint="give more of the id")
    raise LogError(f"no evaluation {wanted!r} in the log", hint="see the ids with: promptctl results list")


def results(
    connection: sqlite3.Connection, evaluation_id: str, statuses: Collection[ResultStatus]
) -> Iterator[ResultRow]:
    """Yield the evaluation's results in the order of its dataset, with their outputs."""
    sql = f"{_SELECT_RESULTS} {_WITH_OUTPUTS} WHERE evaluation_id = ? ORDER BY position, repeat, case_id"
    for row in connection.execute(sql, (evaluation_id,)):
        fields = dict(zip(_RESULT_FIELDS, row, strict=True))
        if not statuses or fields["status"] in statuses:
            yield _result(fields)


def _evaluation(row: tuple[Any, ...]) -> EvaluationRow:
    fields = dict(zip(_FIELDS, row, strict=True))
    fields |= {"spec": json.loads(fields["spec"]), "totals": json.loads(fields["totals"])}
    return EvaluationRow(**{**fields, "is_dirty": bool(fields["is_dirty"])})


def _result(fields: dict[str, Any]) -> ResultRow:
    del fields["output_hash"]
    fields["output"] = payloads.text_of(fields["output"])
    if fields["scores"] is not None:
        fields["scores"] = json.loads(fields["scores"])
    return ResultRow(**fields)
