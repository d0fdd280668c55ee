"""The tables of the log, as numbered migrations.

Each migration runs in one transaction together with `PRAGMA user_version`, its bookkeeping, so that a process killed
anywhere leaves the schema at a whole number. A migration is never edited once released; a new one is added.

Why the tables are as they are:

- `executions` refuses UPDATE and DELETE unless the one row of `maintenance` says otherwise, which only the
  maintenance commands do, and only inside their own transaction: no other process ever sees it open.
- A row refers to its contents by SHA-256, so equal contents are stored once and can be deleted apart from the row. The
  hash stands in a row only as long as the content itself is kept: a row without content has no hash either,
  so there is nothing to guess a short input back from, and a key (HMAC) would protect nothing.
- `version` is NULL where the prompt had no number; numbers begin at 1. In `prompt_stats` it is also NULL for
  uncommitted changes, which are not that version.
- `prompt_stats` and `latency_histogram` are kept in the same transaction as the row, and also for calls whose row the
  log rules leave out. Pruning never touches them.
- Costs are integers of nano-USD (10^-9 USD), NULL where the price is unknown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from promptctl.log.failures import LogFailure

APPLICATION_ID = 0x50435446
OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables

_EXECUTIONS = """
CREATE TABLE executions (
  id TEXT NOT NULL PRIMARY KEY,
  call_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  source TEXT NOT NULL,
  prompt TEXT NOT NULL,
  prompt_name TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  digest TEXT NOT NULL,
  commit_id TEXT,
  is_dirty INTEGER NOT NULL,
  label TEXT,
  content_type TEXT,
  provider TEXT,
  model TEXT NOT NULL,
  model_resolved TEXT,
  parameters TEXT NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_tokens INTEGER,
  reasoning_tokens INTEGER,
  cost_nano_usd INTEGER,
  price_source TEXT,
  latency_ms REAL,
  first_token_ms REAL,
  finish_reason TEXT,
  reply_source TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ok', 'error', 'invalid_output', 'blocked', 'cancelled')),
  error_type TEXT,
  error_message TEXT,
  user TEXT,
  session TEXT,
  metadata TEXT NOT NULL,
  evaluation_id TEXT,
  case_id TEXT,
  repeat INTEGER,
  tool_version TEXT NOT NULL,
  content TEXT NOT NULL CHECK (content IN ('full', 'metadata', 'pruned')),
  inputs_hash BLOB,
  messages_hash BLOB,
  reply_hash BLOB,
  tool_calls_hash BLOB
) STRICT;

CREATE INDEX executions_by_time ON executions (started_at);
CREATE INDEX executions_by_prompt ON executions (prompt, started_at);
CREATE INDEX executions_by_call ON executions (call_id);
CREATE INDEX executions_by_user ON executions (user, started_at) WHERE user IS NOT NULL;
CREATE INDEX executions_by_session ON executions (session, started_at) WHERE session IS NOT NULL;
CREATE INDEX executions_by_evaluation ON executions (evaluation_id, started_at) WHERE evaluation_id IS NOT NULL;
CREATE INDEX executions_not_ok ON executions (started_at) WHERE status <> 'ok';

CREATE TABLE maintenance (is_open INTEGER NOT NULL CHECK (is_open IN (0, 1))) STRICT;
INSERT INTO maintenance (is_open) VALUES (0);

CREATE TRIGGER executions_refuse_update BEFORE UPDATE ON executions
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'executions are append-only');
END;

CREATE TRIGGER executions_refuse_delete BEFORE DELETE ON executions
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'executions are append-only');
END;
"""

_PAYLOADS = """
CREATE TABLE payloads (
  hash BLOB NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  content ANY NOT NULL
) STRICT;
"""

_STATS = """
CREATE TABLE prompt_stats (
  id INTEGER PRIMARY KEY,
  prompt TEXT NOT NULL,
  digest TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  source TEXT NOT NULL,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  invalid_outputs INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  reused INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  timed INTEGER NOT NULL,
  latency_sum_ms REAL NOT NULL,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX prompt_stats_key ON prompt_stats (prompt, digest, ifnull(version, 0), source);

CREATE TABLE latency_histogram (
  stats_id INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  PRIMARY KEY (stats_id, bucket)
) STRICT, WITHOUT ROWID;
"""

_LATEST_CALLS = """
CREATE TABLE latest_calls (
  prompt TEXT NOT NULL PRIMARY KEY,
  execution_id TEXT NOT NULL,
  started_at TEXT NOT NULL,
  execution TEXT NOT NULL
) STRICT;
"""

_EVALUATIONS = """
CREATE TABLE evaluations (
  id TEXT NOT NULL PRIMARY KEY,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  status TEXT NOT NULL,
  prompt TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  digest TEXT NOT NULL,
  commit_id TEXT,
  is_dirty INTEGER NOT NULL,
  label TEXT,
  model TEXT NOT NULL,
  spec TEXT NOT NULL,
  totals TEXT NOT NULL,
  tool_version TEXT NOT NULL
) STRICT;

CREATE INDEX evaluations_by_prompt ON evaluations (prompt, started_at);
CREATE INDEX evaluations_by_digest ON evaluations (digest, started_at);

CREATE TABLE results (
  evaluation_id TEXT NOT NULL,
  case_id TEXT NOT NULL,
  repeat INTEGER NOT NULL,
  position INTEGER NOT NULL,
  case_digest TEXT,
  status TEXT NOT NULL CHECK (status IN ('passed', 'failed', 'error')),
  finished_at TEXT NOT NULL,
  score REAL,
  scores TEXT,
  output_hash BLOB,
  reply_source TEXT,
  cost_nano_usd INTEGER,
  latency_ms REAL,
  execution_id TEXT,
  error_type TEXT,
  error_message TEXT,
  PRIMARY KEY (evaluation_id, case_id, repeat)
) STRICT;

CREATE INDEX results_in_order ON results (evaluation_id, position, repeat);
"""

_UNSAVED = """
CREATE TABLE taken_in (
  name TEXT NOT NULL PRIMARY KEY,
  taken_at TEXT NOT NULL
) STRICT;
"""

MIGRATIONS: tuple[str, ...] = (_EXECUTIONS + _PAYLOADS + _STATS + _LATEST_CALLS + _EVALUATIONS + _UNSAVED,)
NEWEST = len(MIGRATIONS)


def schema_sql() -> str:
    """Every statement that makes a new log, in order, as SQL for people to read."""
    return "\n\n".join(statement for migration in MIGRATIONS for statement in _statements(migration)) + "\n"


def schema_version(connection: sqlite3.Connection) -> int:
    """The number of the last migration this database has had; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database up to this program's schema; does nothing, and takes no lock, where it is there already.

    Safe when many processes do it at once: whoever gets the write lock second finds nothing left to do. Raises
    `LogFailure` for a database of a newer promptctl, or one that is no log at all.
    """
    version = schema_version(connection)
    if version == NEWEST:
        return
    _refuse_foreign(connection, path, version)
    for number in range(version + 1, NEWEST + 1):
        _apply(connection, number)


def _refuse_foreign(connection: sqlite3.Connection, path: Path, version: int) -> None:
    if version > NEWEST:
        raise LogFailure(
            f"the log {path} was written by a newer promptctl (its schema is {version}, this program knows {NEWEST})",
            reason="newer",
            hint="upgrade promptctl: pip install --upgrade promptctl",
        )
    is_empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not is_empty and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise LogFailure(
            f"{path} is a SQLite database of another program, not a log",
            reason="foreign",
            hint="move it away; the next call begins a new log",
        )


def _apply(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if schema_version(connection) < number:
            for statement in _statements(MIGRATIONS[number - 1]):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit in the middle of the transaction."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
