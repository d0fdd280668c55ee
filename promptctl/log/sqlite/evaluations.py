"""Evaluations and their results as rows: begun, finished, read back, deleted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Generator, Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Unpack

from promptctl.log.encoding import Fields, to_json, well_formed
from promptctl.log.redaction import Redactor
from promptctl.log.results import (
    EvaluationQuery,
    EvaluationRow,
    EvaluationSpec,
    ResultDetail,
    ResultRow,
    ResultStatus,
    Totals,
)
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.filters import matching, where
from promptctl.log.sqlite.lookup import row_by_id
from promptctl.log.sqlite.payloads import Payload
from promptctl.log.stamps import as_stored, utc_now

_FIELDS = tuple(each.name for each in fields(EvaluationRow))
_COLUMNS = tuple("commit_id" if name == "commit" else name for name in _FIELDS)
_INSERT = f"INSERT INTO evaluations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM evaluations"  # noqa: S608 - made of our own names
_UPDATE = "UPDATE evaluations SET status = ?, finished_at = ?, totals = ? WHERE id = ?"

_RESULT_FIELDS = tuple(each.name for each in fields(ResultRow))
_values_of = attrgetter(*_RESULT_FIELDS)
_COLUMN_OF = {"output": "output_hash", "detail": "scores"}
_RESULT_COLUMNS = ", ".join(_COLUMN_OF.get(name, name) for name in _RESULT_FIELDS)
_INSERT_RESULT = f"""
INSERT INTO results ({_RESULT_COLUMNS}) VALUES ({", ".join("?" * len(_RESULT_FIELDS))}) ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of our own names
_FORGET_ERRORED = """
DELETE FROM results WHERE evaluation_id = :evaluation_id AND case_id = :case_id AND repeat = :repeat
AND status = 'error'
"""
_SELECT_RESULTS = f"""
SELECT {_RESULT_COLUMNS.replace("output_hash", "content")} FROM results
LEFT JOIN payloads ON payloads.hash = results.output_hash
WHERE evaluation_id = ? AND position >= ? ORDER BY position, repeat, case_id
"""  # noqa: S608 - made of our own names


def begin(connection: sqlite3.Connection, evaluations: Iterable[EvaluationRow], redactor: Redactor) -> None:
    """Add the evaluations' rows."""
    for evaluation in evaluations:
        values = {name: getattr(evaluation, name) for name in _FIELDS}
        values["spec"] = redactor.redact_json(to_json(evaluation.spec.as_json()))
        values["totals"] = to_json(evaluation.totals.as_json())
        connection.execute(_INSERT, tuple(values.values()))


def update(connection: sqlite3.Connection, evaluation_id: str, *, status: str, totals: Totals) -> None:
    """Set an evaluation's status and totals; `running` again if it is resumed."""
    finished_at = None if status == "running" else utc_now()
    connection.execute(_UPDATE, (status, finished_at, to_json(totals.as_json()), evaluation_id))


def finish(connection: sqlite3.Connection, evaluations: Iterable[EvaluationRow]) -> None:
    """Set status and totals as they are in another log that went on with these evaluations."""
    connection.executemany(
        _UPDATE,
        ((each.status, each.finished_at, to_json(each.totals.as_json()), each.id) for each in evaluations),
    )


def delete(connection: sqlite3.Connection, evaluation_id: str) -> int:
    """Delete an evaluation with its results and the outputs that nothing else refers to; no merge brings it back."""
    connection.execute("INSERT OR IGNORE INTO kept_out VALUES (?)", (evaluation_id,))
    connection.execute("DELETE FROM evaluations WHERE id = ?", (evaluation_id,))
    deleted = connection.execute("DELETE FROM results WHERE evaluation_id = ?", (evaluation_id,)).rowcount
    payloads.delete_orphans(connection)
    return deleted


def evaluations(connection: sqlite3.Connection, **wanted: Unpack[EvaluationQuery]) -> list[EvaluationRow]:
    """Return the evaluations that are meant, newest first."""
    condition, parameters = where(
        {
            **matching("prompt", wanted.get("prompt")),
            "digest = ?": wanted.get("digest"),
            "status = ?": wanted.get("status"),
            "json_extract(totals, '$.verdict') = ?": wanted.get("verdict"),
            "coalesce(json_extract(spec, '$.group'), id) = ?": wanted.get("group"),
            "(status <> 'finished' OR json_extract(totals, '$.errors') > 0)": [] if wanted.get("has_gaps") else None,
            "json_extract(spec, '$.dataset') = ?": wanted.get("dataset"),
            "(started_at, rowid) < (SELECT e.started_at, e.rowid FROM evaluations AS e WHERE e.id = ?)": (
                wanted.get("before")
            ),
        }
    )
    limit = wanted.get("limit")
    sql = f"{_SELECT} {condition} ORDER BY started_at DESC, rowid DESC LIMIT ?"
    return [_evaluation(row) for row in connection.execute(sql, (*parameters, -1 if limit is None else limit))]


def evaluation(connection: sqlite3.Connection, wanted: str) -> EvaluationRow:
    """Return one evaluation, by an id as a person types it."""
    return _evaluation(row_by_id(connection, _SELECT, wanted, "evaluation", "promptctl results list"))


def results(
    connection: sqlite3.Connection, evaluation_id: str, *, statuses: Collection[ResultStatus] = (), first: int = 0
) -> Generator[ResultRow, None, None]:
    """Yield the evaluation's results in the order of its dataset, with their outputs."""
    for row in connection.execute(_SELECT_RESULTS, (evaluation_id, first)):
        values: Fields = dict(zip(_RESULT_FIELDS, row, strict=True))
        if not statuses or values["status"] in statuses:
            values["output"] = payloads.text_of(values["output"])
            values["detail"] = ResultDetail.from_json(json.loads(values["detail"] or "{}"))
            yield ResultRow(**values)


def encode_result(result: ResultRow) -> Fields:
    """Return a result's fields by name."""
    values: Fields = dict(zip(_RESULT_FIELDS, _values_of(result), strict=True))
    for name in ("output", "error_message"):
        values[name] = None if values[name] is None else well_formed(values[name])
    values["finished_at"] = as_stored(result.finished_at) if result.finished_at else utc_now()
    values["detail"] = to_json(result.detail.as_json())
    return values


def add_results(connection: sqlite3.Connection, encoded: Sequence[tuple[Fields, Payload | None]]) -> None:
    """Add each result once, with its output; a result that ended in an error is replaced by the later one."""
    payloads.store(connection, [output for _, output in encoded if output is not None])
    for values, output in encoded:
        row = tuple({**values, "output": output and output[0]}.values())
        if connection.execute(_INSERT_RESULT, row).rowcount != 1:
            connection.execute(_FORGET_ERRORED, values)
            connection.execute(_INSERT_RESULT, row)


def _evaluation(row: tuple[Any, ...]) -> EvaluationRow:
    values = dict(zip(_FIELDS, row, strict=True))
    values["spec"] = EvaluationSpec.from_json(json.loads(values["spec"]))
    values["totals"] = Totals.from_json(json.loads(values["totals"]))
    return EvaluationRow(**{**values, "is_dirty": bool(values["is_dirty"])})
