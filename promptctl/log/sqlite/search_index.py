"""An index of the words in kept contents, in a file of its own beside the log.

It is made and grown by whoever searches, so that appending never waits for it, and emptied by whoever deletes contents:
its words are contents too. What it holds is checked against the log before each search, and made anew if a content is
gone. FTS5 gets words that are already folded, so that a scan of the contents finds the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from promptctl.counting import counting
from promptctl.log.filter import Filter
from promptctl.log.records import CONTENT_FIELDS, Execution
from promptctl.log.search import Searched, TextQuery, texts_of, words_of
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.database import Database, translated
from promptctl.log.sqlite.filters import add_search, rows_where
from promptctl.log.sqlite.opening import connect, create_file, uri_of
from promptctl.log.sqlite.payloads import HASH_COLUMNS, load
from promptctl.log.sqlite.queries import STEPS, StepBound, as_execution, columns_from, select_executions
from promptctl.log.sqlite.schema import has_table

_TABLES = (
    f"CREATE VIRTUAL TABLE texts USING fts5({', '.join(CONTENT_FIELDS)}, content='', columnsize=0, tokenize='ascii')",
    "CREATE TABLE entries (key INTEGER PRIMARY KEY, execution TEXT NOT NULL)",
    "CREATE TABLE state (row INTEGER, id TEXT, payload INTEGER, hash BLOB, payloads INTEGER)",
)
_INSERT = f"INSERT INTO texts (rowid, {', '.join(CONTENT_FIELDS)}) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - our own names
_NEWEST = "SELECT rowid, id FROM executions ORDER BY rowid DESC LIMIT 1"
_TIE_BITS = 20
_LAST_KEY = 2**63 - 1
_ROWS = 500
_PATIENCE_S = 2.0  # reading everything takes no longer than waiting for the index of a small log


def index_path(log_path: Path) -> Path:
    """Return the path of a log's index."""
    return log_path.with_name("search.db")


def search(
    database: Database,
    query: TextQuery,
    wanted: Filter | None = None,
    *,
    is_scan: bool = False,
    is_bounded: bool = False,
) -> Searched:
    """Return the executions whose kept contents have the query's words, newest first."""
    if not database.path.exists():
        return Searched(())
    path, wanted = index_path(database.path), wanted or Filter()
    with database.reading() as log:
        add_search(log)
        if is_bounded:
            return _bounded(log, path, query, wanted)
        why = "as asked" if is_scan else None
        if not is_scan:
            try:
                _grow(log, path, min(database.busy_timeout_s, _PATIENCE_S))
                return Searched(tuple(_indexed(log, path, query, wanted)))
            except (sqlite3.Error, OSError) as error:
                why = str(error)
        return Searched(tuple(_scanned(log, query, wanted)), why)


def _bounded(log: sqlite3.Connection, path: Path, query: TextQuery, wanted: Filter) -> Searched:
    """Search in bounded work: the index grows by some calls at most, and matches are looked at up to a number."""
    with translated(path):
        _grow(log, path, _PATIENCE_S, is_bounded=True)
        bound = StepBound(log, STEPS)
        found = tuple(bound.until(lambda: _indexed(log, path, query, wanted)))
        done, newest = log.execute("SELECT row FROM search.state").fetchone(), log.execute(_NEWEST).fetchone()
    return Searched(found, indexed=done[0] / newest[0] if newest else 1.0, is_cut=bound.is_reached)


def clear(log_path: Path) -> None:
    """Empty a log's index after contents were deleted: its words are overwritten with zeros."""
    path = index_path(log_path)
    if not path.exists():
        return
    try:
        with closing(_open(path, 30.0)) as index:
            with _transaction(index, "BEGIN IMMEDIATE"):
                _drop(index)
            index.execute("VACUUM")
    except sqlite3.DatabaseError:  # damaged or locked for long: the words go all the same
        path.unlink(missing_ok=True)


def _open(path: Path, timeout_s: float) -> sqlite3.Connection:
    with suppress(FileExistsError):
        create_file(path)
    index = connect(path, timeout_s)
    index.execute("PRAGMA secure_delete = ON")
    index.execute("PRAGMA synchronous = OFF")  # what a power failure damages is made anew
    return index


def _drop(index: sqlite3.Connection) -> None:
    for table in ("texts", "entries", "state"):
        index.execute(f"DROP TABLE IF EXISTS {table}")


def _grow(log: sqlite3.Connection, path: Path, timeout_s: float, *, is_bounded: bool = False) -> None:
    """Add what the log has and the index has not, or some of it; a damaged index is made anew."""
    try:
        _grow_once(log, path, timeout_s, is_bounded=is_bounded)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        path.unlink()
        _grow_once(log, path, timeout_s, is_bounded=is_bounded)


def _grow_once(log: sqlite3.Connection, path: Path, timeout_s: float, *, is_bounded: bool) -> None:
    with closing(_open(path, timeout_s)) as index:
        is_behind = True
        with counting("reading the log's texts into the search index") as count:
            while is_behind:
                # The log is read once the index is locked: nobody who deletes contents can empty the index in between.
                with _transaction(index, "BEGIN IMMEDIATE"), _transaction(log, "BEGIN"):
                    is_behind = _add_some(log, index) and not is_bounded
                count.done += _ROWS


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    with connection:
        yield


def _add_some(log: sqlite3.Connection, index: sqlite3.Connection) -> bool:
    """Add up to 500 executions; False if there are no more."""
    state = index.execute("SELECT * FROM state").fetchone() if has_table(index, "state") else None
    if state is None or not _is_sound(log, *state):
        _drop(index)
        for statement in _TABLES:
            index.execute(statement)
        state = (0,)
    added = log.execute(
        f"SELECT rowid, id, started_at, {', '.join(HASH_COLUMNS)} FROM executions "  # noqa: S608 - made of our own names
        "WHERE rowid > ? AND content = 'full' ORDER BY rowid LIMIT ?",
        (state[0], _ROWS),
    ).fetchall()
    is_behind = len(added) == _ROWS
    newest = added[-1][:2] if is_behind else log.execute(_NEWEST).fetchone()
    if newest is None or newest[0] == state[0]:
        return False
    keys = [(_key(started_at, row), id_) for row, id_, started_at, *_ in added]
    index.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", keys)
    words = [
        (key, *_words(log, row[3:]))
        for (key, _), row in sorted(zip(keys, added, strict=True), key=lambda each: each[0])
    ]
    index.executemany(_INSERT, words)
    last = log.execute("SELECT rowid, hash FROM payloads ORDER BY rowid DESC LIMIT 1").fetchone() or (0, None)
    payloads = log.execute("SELECT count(*) FROM payloads").fetchone()
    index.execute("DELETE FROM state")
    index.execute("INSERT INTO state VALUES (?, ?, ?, ?, ?)", (*newest, *last, *payloads))
    return is_behind


def _is_sound(log: sqlite3.Connection, row: int, id_: str, payload: int, digest: bytes, payloads: int) -> bool:
    """Return True if every content that the index was made of is still in the log."""
    same_row = log.execute("SELECT 1 FROM executions WHERE rowid = ? AND id = ?", (row, id_)).fetchone()
    same_payload = log.execute("SELECT 1 FROM payloads WHERE rowid = ? AND hash = ?", (payload, digest)).fetchone()
    older = log.execute(
        "SELECT (SELECT count(*) FROM payloads) - (SELECT count(*) FROM payloads WHERE rowid > ?)", (payload,)
    ).fetchone()[0]
    return bool(same_row) and (bool(same_payload) or not payload) and older == payloads


def _key(started_at: str, row: int) -> int:
    """Return the key of a row in the index: in the order of time, and of rows within a millisecond."""
    try:
        moment = round(datetime.fromisoformat(started_at).timestamp() * 1000)
    except ValueError:
        moment = 0
    return moment << _TIE_BITS | row & ((1 << _TIE_BITS) - 1)


def _key_of(log: sqlite3.Connection, execution: str | None) -> int:
    """Return the key of an execution's row, so that what is newer is not looked at; the last key without one."""
    row = log.execute("SELECT started_at, rowid FROM executions WHERE id = ?", (execution,)).fetchone()
    return _key(*row) if row else _LAST_KEY


def _words(log: sqlite3.Connection, hashes: Sequence[bytes | None]) -> list[str]:
    contents = {name: load(log, digest) for name, digest in zip(CONTENT_FIELDS, hashes, strict=True)}
    read = {name: json.loads(text) for name, text in contents.items() if text is not None and name != "reply"}
    texts = texts_of({**read, "reply": contents["reply"]})
    return [words_of(texts.get(name, "")) for name in CONTENT_FIELDS]


def _indexed(log: sqlite3.Connection, path: Path, query: TextQuery, wanted: Filter) -> Iterator[Execution]:
    log.execute("ATTACH ? AS search", (uri_of(path, "mode=ro"),))
    condition, parameters = rows_where(replace(wanted, limit=None))
    source = rows(log)
    sql = f"""
        SELECT {columns_from(source)} FROM search.texts CROSS JOIN search.entries ON entries.key = texts.rowid
        CROSS JOIN {source.table} {condition or "WHERE true"} AND executions.id = entries.execution
        AND texts MATCH ? AND texts.rowid BETWEEN ? AND ? AND content = 'full'
        ORDER BY texts.rowid DESC LIMIT ?
    """  # noqa: S608 - made of our own words
    first, last = (0 if each is None else _key(each, 0) for each in (wanted.since, wanted.until))
    last = min(last or _LAST_KEY, _key_of(log, wanted.before))
    bounds = (first, last, -1 if wanted.limit is None else wanted.limit)
    for row in log.execute(sql, (*parameters, query.expression, *bounds)):
        yield as_execution(log, row, with_content=True)


def _scanned(log: sqlite3.Connection, query: TextQuery, wanted: Filter) -> Iterator[Execution]:
    sql, parameters = select_executions(replace(wanted, limit=None), rows(log))
    left = wanted.limit
    for row in log.execute(sql, parameters):
        if left == 0:
            return
        if query.is_in(_words(log, row[-len(CONTENT_FIELDS) :])):
            left = None if left is None else left - 1
            yield as_execution(log, row, with_content=True)
