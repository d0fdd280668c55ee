"""Evaluations and their results in the log: begun, added to batch by batch, finished, read back, deleted.

Results are added by `Log.append(entries, results)`, in one transaction with the executions they grade.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from promptctl.errors import LogError, UsageError
from promptctl.log.results import EvaluationRow, ResultRow, ResultStatus
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.batch import RESULT_COLUMNS
from promptctl.log.sqlite.encoding import to_json
from promptctl.log.sqlite.filters import is_glob, sqlite_glob
from promptctl.log.sqlite.store import Log
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


def begin_evaluation(log: Log, evaluation: EvaluationRow) -> None:
    """Add the evaluation's row before its first result. Raises `LogFailure`: nothing should be spent then."""
    values = {name: getattr(evaluation, name) for name in _FIELDS}
    values["spec"] = log.redactor.redact_json(to_json(evaluation.spec))
    values["totals"] = to_json(evaluation.totals)
    log.write(lambda connection: connection.execute(_INSERT, tuple(values.values())))


def update_evaluation(log: Log, evaluation_id: str, *, status: str, totals: Mapping[str, Any]) -> None:
    """Say how the evaluation stands; `running` again where it is resumed. Any other status also says when it ended."""
    finished_at = None if status == "running" else utc_now()
    values = (status, finished_at, to_json(totals), evaluation_id)
    log.write(
        lambda connection: connection.execute(
            "UPDATE evaluations SET status = ?, finished_at = ?, totals = ? WHERE id = ?", values
        )
    )


def evaluations(
    log: Log,
    *,
    prompt: str | None = None,
    digest: str | None = None,
    status: str | None = None,
    limit: int | None = None,
) -> list[EvaluationRow]:
    """Evaluations, newest first, of one prompt (or a glob of prompts), of one digest, of one status."""
    conditions, parameters = [], []
    if prompt is not None:
        conditions.append(f"prompt {'GLOB' if is_glob(prompt) else '='} ?")
        parameters.append(sqlite_glob(prompt))
    for column, value in (("digest", digest), ("status", status)):
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    count = -1 if limit is None else limit
    with log.reading() as connection:
        sql = f"{_SELECT} {where} ORDER BY started_at DESC, rowid DESC LIMIT ?"
        return [_evaluation(row) for row in connection.execute(sql, (*parameters, count))]


def evaluation(log: Log, wanted: str) -> EvaluationRow:
    """One evaluation, by its id or any unique beginning or end of it of at least 4 characters.

    Raises `UsageError` for fewer characters and `LogError` where none or several match.
    """
    text = wanted.strip()
    if len(text) < SHORTEST_ID:
        raise UsageError(f"{wanted!r} is too short for an id", hint=f"give at least {SHORTEST_ID} characters")
    length = len(text)
    with log.reading() as connection:
        sql = f"{_SELECT} WHERE substr(id, 1, ?) = ? OR substr(id, ?) = ? LIMIT 2"
        found = connection.execute(sql, (length, text, -length, text)).fetchall()
    if len(found) == 1:
        return _evaluation(found[0])
    if found:
        raise LogError(f"several evaluations match {wanted!r}", hint="give more of the id")
    raise LogError(f"no evaluation {wanted!r} in the log", hint="see the ids with: promptctl results list")


def results(log: Log, evaluation_id: str, *, statuses: Collection[ResultStatus] = ()) -> Iterator[ResultRow]:
    """The evaluation's results in the order of its dataset, with their outputs, read as they are asked for."""
    with log.reading() as connection:
        sql = f"{_SELECT_RESULTS} {_WITH_OUTPUTS} WHERE evaluation_id = ? ORDER BY position, repeat, case_id"
        for row in connection.execute(sql, (evaluation_id,)):
            fields = dict(zip(_RESULT_FIELDS, row, strict=True))
            if not statuses or fields["status"] in statuses:
                yield _result(fields)


def scored_cases(log: Log, evaluation_id: str) -> set[tuple[str, int]]:
    """Which (case, repeat) need not run again when the evaluation is resumed: all but those that ended in an error."""
    with log.reading() as connection:
        rows = connection.execute(
            "SELECT case_id, repeat FROM results WHERE evaluation_id = ? AND status <> 'error'", (evaluation_id,)
        )
        return set(rows)


def delete_evaluation(log: Log, evaluation_id: str) -> int:
    """Delete an evaluation with its results and the outputs that nothing else refers to; how many results there were.

    The executions it made stay in the log, and in the totals.
    """

    def delete(connection: sqlite3.Connection) -> int:
        connection.execute("DELETE FROM evaluations WHERE id = ?", (evaluation_id,))
        deleted = connection.execute("DELETE FROM results WHERE evaluation_id = ?", (evaluation_id,)).rowcount
        payloads.delete_orphans(connection)
        return deleted

    return log.write(delete)


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
