"""The records of one transaction: rows, contents, running totals and latest calls that belong together."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from promptctl.log.call_totals import CallTotals, may_be_latest
from promptctl.log.encoding import (
    Fields,
    document,
    encode,
    from_document,
    make_encoder,
    redacted,
    texts_of,
    well_formed,
)
from promptctl.log.records import CONTENT_FIELDS, JSON_FIELDS, PLAIN_FIELDS, Entry, Source
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.payloads import Payload
from promptctl.log.sqlite.schema import SUM_COLUMNS, TOTALS_COLUMNS, TOTALS_FIELDS, adding

if TYPE_CHECKING:
    from promptctl.log.results import ResultRow

_COLUMN_OF = {"commit": "commit_id", "call_metadata": "metadata"}  # COMMIT is a word of SQL
COLUMNS = (
    *(_COLUMN_OF.get(name, name) for name in (*PLAIN_FIELDS, *JSON_FIELDS)),
    "content",
    *payloads.HASH_COLUMNS,
)
_FOLD_EVERY = 1_000
_NO_HASHES = (None,) * len(CONTENT_FIELDS)

# The order in which a row is hashed: that of the first schema, for ever. What was added since follows by name, if set.
_FIRST = (
    *("id", "call_id", "attempt", "started_at", "source", "prompt", "prompt_name", "version", "version_display"),
    *("digest", "commit_id", "is_dirty", "label", "content_type", "provider", "model", "model_resolved", "parameters"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_nano_usd", "price_source"),
    *("latency_ms", "first_token_ms", "finish_reason", "reply_source", "status", "error_type", "error_message"),
    *("user", "session", "metadata", "evaluation_id", "case_id", "repeat", "tool_version", "content"),
    *payloads.HASH_COLUMNS,
)
_LATER = tuple(name for name in COLUMNS if name not in _FIRST)
_FIRST_COUNT = len(_FIRST)
_NONE_LATER = (None,) * len(_LATER)
HASHED = (*_FIRST, *_LATER)
SALT_BYTES = 16
NO_LINK = bytes(32)
_totals_values = attrgetter(*TOTALS_FIELDS)
_hashed_values = itemgetter(*(COLUMNS.index(name) for name in HASHED))
_encode_hashed = make_encoder(bytes.hex, allow_nan=True)
# Ordered as a whole, SQLite would sort each half once more, which takes as long as finding both.
_LAST_LINKS = """
SELECT * FROM (SELECT number, link FROM executions WHERE number IS NOT NULL ORDER BY rowid DESC LIMIT 1)
UNION ALL SELECT * FROM (SELECT number, link FROM events ORDER BY number DESC LIMIT 1)
"""

_INSERT = f"""
INSERT INTO executions ({", ".join(COLUMNS)}, number, link, seal) VALUES ({", ".join("?" * (len(COLUMNS) + 3))})
ON CONFLICT (id) DO NOTHING
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
  {adding(SUM_COLUMNS)},
  version_display = CASE WHEN excluded.last_at >= last_at
    THEN ifnull(excluded.version_display, version_display) ELSE version_display END,
  first_at = min(first_at, excluded.first_at),
  last_at = max(last_at, excluded.last_at)
"""  # noqa: S608 - made of our own names
# RETURNING would cost more than looking the row up.
_STATS_ID = "(SELECT id FROM prompt_stats WHERE prompt = ? AND digest = ? AND ifnull(version, 0) = ? AND source = ?)"
_UPSERT_BUCKETS = f"""
INSERT INTO latency_histogram (stats_id, bucket, attempts) VALUES ({_STATS_ID}, ?, ?)
ON CONFLICT DO UPDATE SET attempts = attempts + excluded.attempts
"""  # noqa: S608 - made of our own names


_UPSERT_UNLISTED = f"""
INSERT INTO unlisted (stats_id, {", ".join(SUM_COLUMNS)}) VALUES ({_STATS_ID}, {", ".join("?" * len(SUM_COLUMNS))})
ON CONFLICT (stats_id) DO UPDATE SET {adding(SUM_COLUMNS)}
"""  # noqa: S608 - made of our own names


class _Row(NamedTuple):
    """An execution ready to be written; `values` is None if its row is not kept.

    `bare` is the error message of a row without content, None if it is that of the execution. `record` is the hash of
    the row with its salt.
    """

    entry: Entry
    fields: Fields
    payloads: list[Payload]
    values: tuple[object, ...] | None
    bare: str | None = None
    salt: bytes = b""
    record: bytes = b""


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
        salts = os.urandom(SALT_BYTES * len(entries))
        self._rows = [
            _make_row(entry, fields, redactor, salts[at : at + SALT_BYTES])
            for entry, fields, at in zip(entries, executions, range(0, len(salts), SALT_BYTES), strict=True)
        ]
        self._results = [(fields, payloads.payload(fields["output"])) for fields in graded]

    def write(self, connection: sqlite3.Connection) -> None:
        """Add everything within the caller's transaction; known records are neither changed nor counted."""
        fresh, first, last = _insert(connection, self._rows)
        payloads.store(connection, [payload for row in fresh for payload in row.payloads])
        _add_to_stats(connection, fresh)
        _keep_latest(connection, fresh)
        if self._results:
            from promptctl.log.sqlite.evaluations import add_results

            add_results(connection, self._results)
        if settlements := [row.entry.settlement for row in self._rows if row.entry.settlement is not None]:
            from promptctl.log.sqlite.budgets import settle

            settle(connection, *settlements)
        if last // _FOLD_EVERY > first // _FOLD_EVERY:
            from promptctl.log.sqlite.totals import fold

            fold(connection)

    def keep_latest(self, connection: sqlite3.Connection) -> None:
        """Keep the latest calls alone: nothing is added or counted."""
        _keep_latest(connection, self._rows)

    def lines(self) -> list[str]:
        """Return the same as JSON lines, for a file that `read_lines` reads back."""
        kept = [_line(row) for row in self._rows]
        return kept + [f'{{"result":{document(fields)}}}' for fields, _ in self._results]


def read_lines(lines: Iterable[bytes]) -> tuple[list[Entry], list[ResultRow]]:
    """Read what `Batch.lines` wrote. Raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    from promptctl.log.budgets import Settlement
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
            entries.append(Entry(execution, record["content"], Settlement(execution.id, spent) if spent else None))
    return entries, results


def _line(row: _Row) -> str:
    settlement = row.entry.settlement
    spent = f',"spent":{json.dumps(settlement.spent)}' if settlement is not None else ""
    words = f',"bare_error":{json.dumps(row.bare)}' if row.bare is not None else ""
    return f'{{"content":"{row.entry.content}","execution":{document(row.fields)}{spent}{words}}}'


def _is_kept_whole(entry: Entry) -> bool:
    return entry.content == "full" or may_be_latest(entry.execution)


def _make_row(entry: Entry, fields: Fields, redactor: Redactor, salt: bytes) -> _Row:
    if entry.content == "off":
        return _Row(entry, fields, [], None)
    bare = entry.execution.bare_error if entry.content == "metadata" else None
    kept = fields
    if bare is not None:
        bare = redactor.redact(well_formed(bare))
        kept = {**fields, "error_message": bare}
    stored = [payloads.payload(fields[name]) for name in CONTENT_FIELDS] if entry.content == "full" else []
    hashes = [each and each[0] for each in stored] or _NO_HASHES
    values = (*tuple(kept.values())[: -len(CONTENT_FIELDS)], entry.content, *hashes)  # in the order of COLUMNS
    hashed = _hashed_values(values)
    return _Row(entry, fields, [each for each in stored if each], values, bare, salt, record_hash(salt, hashed))


def record_hash(salt: bytes, values: Sequence[object]) -> bytes:
    """Return the SHA-256 of a row of `HASHED` columns. Its salt is deleted with what must not be guessed from it."""
    later = values[_FIRST_COUNT:]
    if later == _NONE_LATER:
        text = _encode_hashed(values[:_FIRST_COUNT])
    else:
        named = [pair for pair in zip(_LATER, later, strict=True) if pair[1] is not None]
        text = _encode_hashed([*values[:_FIRST_COUNT], *named])
    return sha256(salt + text.encode("utf-8", "surrogatepass")).digest()


def last_link(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Return number and hash of the last link of the chain."""
    return max(connection.execute(_LAST_LINKS), key=itemgetter(0), default=(0, NO_LINK))


def next_link(link: bytes, record: bytes) -> bytes:
    """Return the link of a record that follows one."""
    return sha256(link + record).digest()


def _insert(connection: sqlite3.Connection, rows: Sequence[_Row]) -> tuple[list[_Row], int, int]:
    """Add the rows that the log does not have, each linked to the one before.

    Returns them with those that get no row, and the number of the chain's last link before and after.
    """
    # A log from before the chain that gets no rows would be searched for its last link with each batch.
    number, link = last_link(connection) if any(row.values is not None for row in rows) else (0, NO_LINK)
    first, fresh = number, []
    for row in rows:
        if row.values is not None:
            following = next_link(link, row.record)
            if connection.execute(_INSERT, (*row.values, number + 1, following, row.salt)).rowcount != 1:
                continue
            number, link = number + 1, following
        fresh.append(row)
    return fresh, first, number


def _add_to_stats(connection: sqlite3.Connection, rows: Iterable[_Row]) -> None:
    """Count these attempts; those without a row also among the unlisted, or totals could not be checked.

    Uncommitted changes are not counted as the version that they began from.
    """
    groups: dict[tuple[bool, str, str, int | None, Source], CallTotals] = {}
    for row in rows:
        execution = row.entry.execution
        version = None if execution.is_dirty else execution.version
        key = row.values is not None, execution.prompt, execution.digest, version, execution.source
        if key not in groups:
            groups[key] = CallTotals()
        groups[key].count(execution, row.fields["started_at"])
    for (is_listed, prompt, digest, version, source), totals in groups.items():
        values = _totals_values(totals)
        connection.execute(_UPSERT, (prompt, digest, version, source, *values))
        stats = prompt, digest, version or 0, source
        if not is_listed:
            connection.execute(_UPSERT_UNLISTED, (*stats, *values[: len(SUM_COLUMNS)]))
        connection.executemany(_UPSERT_BUCKETS, [(*stats, *item) for item in totals.histogram.items()])


def _keep_latest(connection: sqlite3.Connection, rows: Iterable[_Row]) -> None:
    calls = [row for row in rows if may_be_latest(row.entry.execution)]
    calls.sort(key=lambda row: (row.fields["started_at"], row.fields["id"]))
    for row in {row.fields["prompt"]: row for row in calls}.values():
        fields = row.fields
        values = (fields["prompt"], fields["id"], fields["started_at"], document(fields))
        connection.execute(_REPLACE_LATEST, values)
