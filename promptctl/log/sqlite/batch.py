"""What one transaction adds to the log: rows, contents, totals and latest calls that belong together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from promptctl.log.call_totals import REUSED_SOURCES
from promptctl.log.encoding import COLUMN_OF, Encoded, encode, to_json, well_formed
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Content, Entry, Execution
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite import payloads, rollups
from promptctl.log.sqlite.payloads import Payload
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

    def plain(self) -> dict[str, Any]:
        scores = self.document["scores"]
        return {**self.document, "scores": None if scores is None else json.loads(scores)}


class Batch:
    """Entries and results made ready before the write lock is taken; `write` may be called again, on another file."""

    def __init__(self, entries: Iterable[Entry], results: Iterable[ResultRow], redactor: Redactor) -> None:
        pairs = [(entry.content, _encoded(entry)) for entry in entries]
        documents = [_document(result) for result in results]
        # One search in all of them: a secret is rare, and each search costs more than the text in it.
        if redactor.is_suspect("\n".join(_texts(pairs, documents))):
            pairs = [(content, encoded.redacted(redactor)) for content, encoded in pairs]
            documents = [_redacted(document, redactor) for document in documents]
        self._rows = [_make_row(content, encoded) for content, encoded in pairs]
        self._results = [_make_result(document) for document in documents]

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
        return kept + [to_json({"result": result.plain()}) for result in self._results]


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
    return execution.source != "eval" and execution.reply_source not in REUSED_SOURCES


def _encoded(entry: Entry) -> Encoded:
    is_whole = entry.content == "full" or is_latest_call(entry.execution)
    return encode(entry.execution, is_whole=is_whole)


def _make_row(content: Content, encoded: Encoded) -> _Row:
    if content == "off":
        return _Row("off", encoded, (), None)
    is_full = content == "full"
    stored = [payloads.payload(text) if is_full and text is not None else None for text in encoded.contents]
    hashes = [each[0] if each else None for each in stored]
    return _Row(
        content, encoded, tuple(each for each in stored if each), (*encoded.plain, *encoded.jsons, content, *hashes)
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


def _document(result: ResultRow) -> dict[str, Any]:
    """The result's fields by name, its texts valid UTF-8 and its scores as JSON."""
    document = dict(zip(_RESULT_FIELDS, _result_values(result), strict=True))
    for name in ("output", "error_message"):
        if document[name] is not None:
            document[name] = well_formed(document[name])
    document["finished_at"] = as_stored(result.finished_at) if result.finished_at else utc_now()
    document["scores"] = None if result.scores is None else to_json(result.scores)
    return document


def _texts(pairs: Iterable[tuple[Content, Encoded]], documents: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Everything that may hold a secret."""
    for _, encoded in pairs:
        yield from encoded.texts()
    for document in documents:
        for name in ("output", "error_message", "scores"):
            if document[name] is not None:
                yield document[name]


def _redacted(document: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    safe = dict(document)
    for name in ("output", "error_message"):
        safe[name] = redactor.redact(document[name]) if document[name] is not None else None
    safe["scores"] = redactor.redact_json(document["scores"]) if document["scores"] is not None else None
    return safe


def _make_result(document: dict[str, Any]) -> _Result:
    output = None if document["output"] is None else payloads.payload(document["output"])
    values = {**document, "output": output[0] if output else None}
    return _Result(document, tuple(values.values()), output)


def _write_result(connection: sqlite3.Connection, result: _Result) -> None:
    """Add a result, once; a result that had ended in an error gives way to the later one."""
    if connection.execute(_INSERT_RESULT, result.values).rowcount != 1:
        connection.execute(_FORGET_ERRORED, result.values[:3])
        connection.execute(_INSERT_RESULT, result.values)
