"""The tables of the log, as numbered migrations: `migrations/1.sql` and on.

Each migration runs in one transaction together with `PRAGMA user_version`, its bookkeeping, so that a process killed
anywhere leaves the schema at a whole number. A migration is never edited once released; a new one is added.

Why the tables are as they are:

- `executions` refuses UPDATE and DELETE unless the one row of `maintenance` is open, which only the
  maintenance commands do, and only inside their own transaction: no other process ever sees it open.
- A row refers to its contents by SHA-256, so equal contents are stored once and can be deleted without the row. The
  hash stands in a row only as long as the content itself is kept: a row without content has no hash either,
  so there is nothing to guess a short input back from, and a key (HMAC) would protect nothing.
- `version` is NULL if the prompt had no number; numbers begin at 1. In `prompt_stats` it is also NULL for
  uncommitted changes, which are not that version.
- `quarter_stats`, `user_stats` and `day_stats` are counted from the rows in batches, up to `rollup_mark`:
  see `totals.py`.
- `prompt_stats` and `latency_histogram` are kept in the same transaction as the row, and also for calls whose row the
  log rules leave out. Pruning never touches them.
- `budget_accounts` are reserved and settled in one statement each, and a reservation goes with the row of its
  execution. What is disabled has no window: a new one does not enable it. An account has the terms of its rule, and a
  reservation what rules look at of its call, so that an account by changed terms begins with what is known.
- Costs are integers of nano-USD (10^-9 USD), NULL if the price is unknown. A cost that is corrected later stays in its
  row: `cost_corrections` has the new one, and a trigger takes the difference into `prompt_stats`, however it got there.
- `feedback` is no link of the chain. A score comes from outside, any time after its call, and whoever may send scores
  may send any; the chain would prove nothing of them, and each thumb would move the head that calls extend. It follows
  its row: pruned and erased contents take its words with them. One index answers everything that is asked of it.
- The views for other programs are in `views.sql`; nothing here reads them. A test holds their columns, which stay.
- `usage_details` has what a price may depend on and no column names. It is NULL in rows of programs that kept none.
- `arm` is NULL in the row of an `experiment` that the call took no part in after all: see `docs/experiments.md`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

from promptctl.errors import LogFailure
from promptctl.log.call_totals import SUMS

APPLICATION_ID = 0x50435446
OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables

NEWEST = 10
READABLE = 1  # what came later are views, budgets, the chain, what readers can do without, and what has a bridge
# What stands in for a migration while a log that cannot be brought up to date is read.
BRIDGES = {
    4: """
CREATE TEMP VIEW executions AS
SELECT rowid, *, NULL AS usage_details, NULL AS number, NULL AS link, NULL AS seal,
  NULL AS experiment, NULL AS arm, NULL AS arm_key
FROM main.executions;
CREATE TEMP TABLE cost_corrections (execution_id, number, corrected_at, old_nano_usd, new_nano_usd, new_price_source);
""",
    6: """
CREATE TEMP VIEW IF NOT EXISTS executions AS
SELECT rowid, *, NULL AS number, NULL AS link, NULL AS seal, NULL AS experiment, NULL AS arm, NULL AS arm_key
FROM main.executions;
CREATE TEMP VIEW maintenance AS
SELECT is_open, (SELECT count(*) FROM main.executions) AS unchained FROM main.maintenance;
CREATE TEMP TABLE events (number, id, at, kind, by, reason, detail, changes_hash, link, seal);
CREATE TEMP TABLE gone (number, id, link, hash);
CREATE TEMP TABLE changes (number, event, hash, salt);
""",
    8: """
CREATE TEMP VIEW IF NOT EXISTS executions AS
SELECT rowid, *, NULL AS experiment, NULL AS arm, NULL AS arm_key FROM main.executions;
""",
    9: """
CREATE TEMP TABLE feedback (id, execution_id, call_id, name, score, comment, expected, by, created_at);
CREATE TEMP TABLE feedback_scores (call_id, name, score, people);
""",
}
SUM_COLUMNS = tuple("cost_nano_usd" if name == "known_cost_nano_usd" else name for name in SUMS)
TOTALS_FIELDS = (*SUMS, "first_at", "last_at", "version_display")
TOTALS_COLUMNS = (*SUM_COLUMNS, "first_at", "last_at", "version_display")

_MIGRATIONS = Path(__file__).parent / "migrations"
_VIEWS_SINCE = 10
_VIEW = re.compile(r"CREATE VIEW (\w+) AS")


def migration_sql(number: int) -> str:
    """Return the SQL of one migration; the first makes a new log."""
    return (_MIGRATIONS / f"{number}.sql").read_text("utf-8")


def views_sql() -> str:
    """Return the SQL of the views, for clients of other programs; each migration makes them anew."""
    return (_MIGRATIONS.parent / "views.sql").read_text("utf-8")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration this database has had; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Return True if a database has a table: a log of an earlier program that can only be read lacks some."""
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (name,)).fetchone() is not None


def adding(columns: Iterable[str]) -> str:
    """Return the SQL that adds what an upsert brings to these columns of the row that is there."""
    return ", ".join(f"{name} = {name} + excluded.{name}" for name in columns)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database up to this program's schema; does nothing, and takes no lock, if it is up to date.

    Safe when many processes do it at once: whoever gets the write lock second finds nothing left to do. Raises
    `LogFailure` for a database of a newer promptctl, or one that is no log at all.
    """
    version = schema_version(connection)
    if version == NEWEST:
        return
    refuse_foreign(connection, path, version)
    for number in range(version + 1, NEWEST + 1):
        _apply(connection, number)


@cache
def empty_log(version: int = NEWEST) -> bytes:
    """Return the file of a log without a call: each new log is a copy, for a tenth of the time that migrations take."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for number in range(1, version + 1):
            _apply(connection, number)
        return connection.serialize()


def refuse_foreign(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise `LogFailure` for a database of a newer promptctl, or one that is no log at all."""
    if version > NEWEST:
        raise LogFailure(
            f"the log {path} was written by a newer promptctl (its schema is {version}, this program knows {NEWEST})",
            reason="newer",
            hint="upgrade promptctl: pip install --upgrade promptctl-git",
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
    with connection:
        if schema_version(connection) < number:
            # No view stands in the way of a change of the tables that it is over.
            names = _VIEW.findall(views_sql()) if number > _VIEWS_SINCE else ()
            drops = [f"DROP VIEW IF EXISTS {name}" for name in names]
            made = _statements(views_sql()) if number == NEWEST else ()
            for statement in (*drops, *_statements(migration_sql(number)), *made):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one: `executescript` would commit in the middle of the transaction."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
