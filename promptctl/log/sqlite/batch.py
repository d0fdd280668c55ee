"""The records of one transaction: rows, contents, running totals and latest calls that belong together."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from promptctl.log.call_totals import REUSED_SOURCES, CallTotals
from promptctl.log.encoding import Fields, document, encode, from_document, redacted, texts_of, well_formed
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Entry, Execution, Source
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.payloads import Payload
from promptctl.log.sqlite.schema import SUM_COLUMNS, TOTALS_COLUMNS, TOTALS_FIELDS

if TYPE_CHECKING:
    from promptctl.log.budgets import Settlement
    from promptctl.log.results import ResultRow

_COLUMN_OF = {"commit": "commit_id", "call_metadata": "metadata"}  # COMMIT is a word of SQL
COLUMNS = (
    *(_COLUMN_OF.get(name, name) for name in (*PLAIN_FIELDS, *JSON_FIELDS)),
    "content",
    *(f"{name}_hash" for name in CONTENT_FIELDS),
)
_FOLD_EVERY = 1_000
_NO_HASHES = (None,) * len(CONTENT_FIELDS)

_INSERT = f"""
INSERT INTO executions ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))}) ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - made of our own names
_REPLACE_LATEST = """
INSERT INTO latest_calls (prompt, execution_id, started_at, execution) VALUES (?, ?, ?, ?)
ON CONFLICT (prompt) DO UPDATE SET
  execution_id = excluded.execution_id, started_at = excluded.started_at, execution = excluded.execution
WHERE (excluded.started_at, excluded.execution_id) > (latest_calls.started_at, latest_calls.execution_id)
"""

_UPSERT = f"""
INSERT INTO prompt_stats (prompt, digest, version, source, {", ".join(TOTALS_COLUMNS)})
VALUES (?, ?, ?, ?, {", ".join("?" * len(TOTALS_COLUMNS))})
ON CONFLICT (prompt, digest, ifnull(version, 0), source) DO UPDATE SET
  {", ".join(f"{name} = {name} + excluded.{name}" for name in SUM_COLUMNS)},
  version_display = CASE WHEN excluded.last_at >= last_at
    THEN ifnull(excluded.version_display, version_display) ELSE version_display END,
  first_at = min(first_at, excluded.first_at),
  last_at = max(last_at, excluded.last_at)
RETURNING id
"""  # noqa: S608 - made of our own names
_UPSERT_BUCKETS = """
INSERT INTO latency_histogram (stats_id, bucket, attempts) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts
"""


class _Row(NamedTuple):
    """An execution ready to be written; `values` is None if its row is not kept.

    `bare` is the error message of a row without content, None if it is that of the execution.
    """

    entry: Entry
    fields: Fields
    payloads: list[Payload]
    values: tuple[object, ...] | None
    bare: str | None = None


class Batch:
    """Entries and results made ready before the write lock is taken; `write` may be called again, on another file."""

    def __init__(self, entries: Iterable[Entry], results: Iterable[ResultRow], redactor: Redactor) -> None:
        entries, results = list(entries), list(results)
        executions = [encode(each.execution, is_whole=_is_kept_whole(each)) for each in entries]
        graded: list[Fields] = []
        if results:
            from promptctl.log.sqlite.evaluations import encode_result

            graded = [encode_result(each) for each in results]
        # One search in all of them: a secret is rare, and each search costs more than the text in it.
        if redactor.is_suspect("\n".join(text for fields in (*executions, *graded) for text in texts_of(fields))):
            executions = [redacted(fields, redactor) for fields in executions]
            graded = [redacted(fields, redactor) for fields in graded]
        self._rows = [_make_row(entry, fields, redactor) for entry, fields in zip(entries, executions, strict=True)]
        self._results = [(fields, payloads.payload(fields["output"])) for fields in graded]

    def write(self, connection: sqlite3.Connection) -> None:
        """Add everything within the caller's transaction; known records are neither changed nor counted."""
        fresh, numbers = [], []
        for row in self._rows:
            number = None if row.values is None else _insert(connection, row.values)
            if number:
                numbers.append(number)
            if number or row.values is None:
                fresh.append(row)
        payloads.store(connection, [payload for row in fresh for payload in row.payloads])
        _add_to_stats(connection, ((row.entry.execution, row.fields["started_at"]) for row in fresh))
        _keep_latest(connection, fresh)
        if self._results:
            from promptctl.log.sqlite.evaluations import add_results

            add_results(connection, self._results)
        if settlements := [row.entry.settlement for row in self._rows if row.entry.settlement is not None]:
            from promptctl.log.sqlite.budgets import settle

            settle(connection, settlements)
        if numbers and numbers[-1] // _FOLD_EVERY > (numbers[0] - 1) // _FOLD_EVERY:
            from promptctl.log.sqlite.rollups import fold

            fold(connection)

    def lines(self) -> list[str]:
        """Return the same as JSON lines, for a file that `read_lines` reads back."""
        kept = [_line(row) for row in self._rows]
        return kept + [f'{{"result":{document(fields)}}}' for fields, _ in self._results]


def read_lines(lines: Iterable[str]) -> tuple[list[Entry], list[ResultRow]]:
    """Read what `Batch.lines` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    from promptctl.log.results import ResultDetail, ResultRow

    entries, results = [], []
    for line in lines:
        record = json.loads(line)
        if "result" in record:
            fields = record["result"]
            # Files that earlier versions wrote call it scores.
            detail = fields.pop("detail", None) or fields.pop("scores", None) or {}
            results.append(ResultRow(**fields, detail=ResultDetail.from_json(detail)))
        else:
            execution = replace(from_document(record["execution"]), bare_error=record.get("bare_error"))
            spent = record.get("spent")
            entries.append(Entry(execution, record["content"], _settlement(execution.id, spent) if spent else None))
    return entries, results


def _line(row: _Row) -> str:
    settlement = row.entry.settlement
    spent = f',"spent":{json.dumps(settlement.spent)}' if settlement is not None else ""
    words = f',"bare_error":{json.dumps(row.bare)}' if row.bare is not None else ""
    return f'{{"content":"{row.entry.content}","execution":{document(row.fields)}{spent}{words}}}'


def _settlement(execution: str, spent: dict[str, int | None]) -> Settlement:
    from promptctl.log.budgets import Settlement

    return Settlement(execution, spent)


def _is_latest_call(execution: Execution) -> bool:
    """True if this may become the latest call of its prompt: evaluations and reused replies never do."""
    return execution.source != "eval" and execution.reply_source not in REUSED_SOURCES


def _is_kept_whole(entry: Entry) -> bool:
    return entry.content == "full" or _is_latest_call(entry.execution)


def _make_row(entry: Entry, fields: Fields, redactor: Redactor) -> _Row:
    if entry.content == "off":
        return _Row(entry, fields, [], None)
    bare = entry.execution.bare_error
    if bare is not None and entry.content == "metadata":
        bare = redactor.redact(well_formed(bare))
        values = tuple({**fields, "error_message": bare}.values())[: -len(CONTENT_FIELDS)]
        return _Row(entry, fields, [], (*values, "metadata", *_NO_HASHES), bare)
    values = tuple(fields.values())[: -len(CONTENT_FIELDS)]  # in the order of COLUMNS
    if entry.content == "metadata":
        return _Row(entry, fields, [], (*values, "metadata", *_NO_HASHES))
    stored = [payloads.payload(fields[name]) for name in CONTENT_FIELDS]
    hashes = [each and each[0] for each in stored]
    return _Row(entry, fields, [each for each in stored if each], (*values, "full", *hashes))


def _insert(connection: sqlite3.Connection, values: tuple[object, ...]) -> int | None:
    """Return the number of the new row; None if it was there."""
    cursor = connection.execute(_INSERT, values)
    return cursor.lastrowid if cursor.rowcount == 1 else None


def _add_to_stats(connection: sqlite3.Connection, executions: Iterable[tuple[Execution, str]]) -> None:
    """Count these attempts, each with its start as it is stored.

    Uncommitted changes are not counted as the version that they began from.
    """
    groups: dict[tuple[str, str, int | None, Source], CallTotals] = {}
    for execution, started_at in executions:
        version = None if execution.is_dirty else execution.version
        key = execution.prompt, execution.digest, version, execution.source
        if key not in groups:
            groups[key] = CallTotals()
        groups[key].count(execution, started_at)
    for key, totals in groups.items():
        values = [getattr(totals, name) for name in TOTALS_FIELDS]
        stats_id = connection.execute(_UPSERT, (*key, *values)).fetchone()[0]
        connection.executemany(_UPSERT_BUCKETS, [(stats_id, *item) for item in totals.histogram.items()])


def _keep_latest(connection: sqlite3.Connection, rows: Iterable[_Row]) -> None:
    calls = [row for row in rows if _is_latest_call(row.entry.execution)]
    calls.sort(key=lambda row: (row.fields["started_at"], row.fields["id"]))
    for row in {row.fields["prompt"]: row for row in calls}.values():
        fields = row.fields
        values = (fields["prompt"], fields["id"], fields["started_at"], document(fields))
        connection.execute(_REPLACE_LATEST, values)
