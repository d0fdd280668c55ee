"""What one transaction adds to the log: rows, contents, totals and latest calls that belong together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from promptctl.log import payloads, rollups
from promptctl.log.encoding import (
    COLUMN_OF,
    CONTENT_FIELDS,
    JSON_FIELDS,
    PLAIN_FIELDS,
    Encoded,
    encode,
    to_json,
    well_formed,
)
from promptctl.log.payloads import Payload
from promptctl.log.records import Content, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.times import as_stored, utc_now

if TYPE_CHECKING:
    from promptctl.log.results import ResultRow

COLUMNS = (
    *(COLUMN_OF.get(name, name) for name in (*PLAIN_FIELDS, *JSON_FIELDS)),
    "content",
    *(f"{name}_hash" for name in CONTENT_FIELDS),
)
RESULT_COLUMNS = (
    "evaluation_id", "case_id", "repeat", "position", "case_digest", "status", "finished_at", "score", "scores",
    "output_hash", "reply_source", "cost_nano_usd", "latency_ms", "execution_id", "error_type", "error_message",
)  # fmt: skip
_RESULT_FIELDS = tuple("output" if name == "output_hash" else name for name in RESULT_COLUMNS)
_result_values = attrgetter(*_RESULT_FIELDS)

_INSERT = f"""
INSERT INTO executions ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))}) ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - made of our own names
_INSERT_RESULT = f"""
INSERT INTO results ({", ".join(RESULT_COLUMNS)}) VALUES ({", ".join("?" * len(RESULT_COLUMNS))}) ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of our own names
_FORGET_ERRORED = """
DELETE FROM results WHERE evaluation_id = ? AND case_id = ? AND repeat = ? AND status = 'error'
"""
_REPLACE_LATEST = """
INSERT INTO latest_calls (prompt, execution_id, started_at, execution) VALUES (?, ?, ?, ?)
ON CONFLICT (prompt) DO UPDATE SET
  execution_id = excluded.execution_id, started_at = excluded.started_at, execution = excluded.execution
WHERE (excluded.started_at, excluded.execution_id) > (latest_calls.started_at, latest_calls.execution_id)
"""
_STARTED_AT = PLAIN_FIELDS.index("started_at")


class _Row(NamedTuple):
    content: Content
    encoded: Encoded
    payloads: tuple[Payload, ...]
    values: tuple[object, ...] | None

    @property
    def started_at(self) -> str:
        return str(self.encoded.plain[_STARTED_AT])


class _Result(NamedTuple):
    document: dict[str, Any]
    values: tuple[object, ...]
    output: Payload | None


class Batch:
    """Entries and results made ready before the write lock is taken; `write` may be called again, on another file."""

    def __init__(self, entries: Iterable[Entry], results: Iterable[ResultRow], redactor: Redactor) -> None:
        self._rows = [_make_row(entry, redactor) for entry in entries]
        self._results = [_make_result(result, redactor) for result in results]

    def write(self, connection: sqlite3.Connection) -> None:
        """Add everything within the caller's transaction; what is there already is left as it is and counted once."""
        fresh = [row for row in self._rows if row.values is None or _insert(connection, row.values)]
        payloads.store(connection, [payload for row in fresh for payload in row.payloads])
        rollups.add_to_stats(connection, ((row.encoded.execution, row.started_at) for row in fresh))
        _keep_latest(connection, fresh)
        payloads.store(connection, [result.output for result in self._results if result.output])
        for result in self._results:
            _write_result(connection, result)

    def lines(self) -> list[str]:
        """The same as JSON lines, for a file that `read_lines` reads back."""
        kept = [f'{{"content":"{row.content}","execution":{row.encoded.document()}}}' for row in self._rows]
        return kept + [to_json({"result": result.document}) for result in self._results]


def read_lines(lines: Iterable[str]) -> tuple[list[Entry], list[ResultRow]]:
    """What `Batch.lines` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    from promptctl.log.encoding import from_document
    from promptctl.log.results import ResultRow

    entries, results = [], []
    for line in lines:
        record = json.loads(line)
        if "result" in record:
            results.append(ResultRow(**record["result"]))
        else:
            entries.append(Entry(from_document(record["execution"]), record["content"]))
    return entries, results


def is_latest_call(execution: Execution) -> bool:
    """Whether this may become the latest call of its prompt: evaluations and reused replies never do."""
    return execution.source != "eval" and execution.reply_source not in rollups.REUSED_SOURCES


def _make_row(entry: Entry, redactor: Redactor) -> _Row:
    is_full = entry.content == "full"
    encoded = encode(entry.execution, redactor, is_whole=is_full or is_latest_call(entry.execution))
    if entry.content == "off":
        return _Row("off", encoded, (), None)
    stored = [payloads.payload(text) if is_full and text is not None else None for text in encoded.contents]
    hashes = [each[0] if each else None for each in stored]
    return _Row(
        entry.content,
        encoded,
        tuple(each for each in stored if each),
        (*encoded.plain, *encoded.jsons, entry.content, *hashes),
    )


def _insert(connection: sqlite3.Connection, values: Sequence[object]) -> bool:
    return connection.execute(_INSERT, values).rowcount == 1


def _keep_latest(connection: sqlite3.Connection, rows: Iterable[_Row]) -> None:
    latest: dict[str, _Row] = {}
    for row in rows:
        execution = row.encoded.execution
        if is_latest_call(execution):
            known = latest.get(execution.prompt)
            if known is None or (row.started_at, execution.id) > (known.started_at, known.encoded.execution.id):
                latest[execution.prompt] = row
    for prompt, row in latest.items():
        values = (prompt, row.encoded.execution.id, row.started_at, row.encoded.document())
        connection.execute(_REPLACE_LATEST, values)


def _make_result(result: ResultRow, redactor: Redactor) -> _Result:
    document = dict(zip(_RESULT_FIELDS, _result_values(result), strict=True))
    for name in ("output", "error_message"):
        if document[name] is not None:
            document[name] = well_formed(document[name])
    document["finished_at"] = as_stored(result.finished_at) if result.finished_at else utc_now()
    scores = None if result.scores is None else to_json(result.scores)
    if redactor.is_suspect("\n".join([document["output"] or "", document["error_message"] or "", scores or ""])):
        for name in ("output", "error_message"):
            document[name] = redactor.redact(document[name]) if document[name] is not None else None
        scores = redactor.redact_json(scores) if scores is not None else None
        document["scores"] = json.loads(scores) if scores is not None else None
    output = None if document["output"] is None else payloads.payload(document["output"])
    values = {**document, "scores": scores, "output": output[0] if output else None}
    return _Result(document, tuple(values.values()), output)


def _write_result(connection: sqlite3.Connection, result: _Result) -> None:
    """Add a result, once; a result that had ended in an error gives way to the later one."""
    if connection.execute(_INSERT_RESULT, result.values).rowcount != 1:
        connection.execute(_FORGET_ERRORED, result.values[:3])
        connection.execute(_INSERT_RESULT, result.values)
