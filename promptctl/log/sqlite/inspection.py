"""A look at the log's file that changes nothing: not its schema, nor a file beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from promptctl.errors import LogFailure
from promptctl.log.sqlite.budgets import KNOWN, unknown_before
from promptctl.log.sqlite.database import translated
from promptctl.log.sqlite.opening import SIDE_FILES, connect
from promptctl.log.sqlite.schema import NEWEST, refuse_foreign, schema_version
from promptctl.log.sqlite.unsaved import Unsaved
from promptctl.log.store import LogState

_WAIT_S = 1.0
_BUDGETS_FROM = 3
_EVENTS_FROM = 6
_LAST_BACKUP = "SELECT at FROM events WHERE kind = 'backup' ORDER BY number DESC LIMIT 1"
_MOST_CHECKED_BYTES = 256 * 1024 * 1024

# The fault of resetting the write-ahead log: a checkpoint and a write at once may damage the file.
_FAULTY_FROM, _FAULTY_BEFORE = (3, 7, 0), (3, 51, 3)
_MENDED_SERIES = ((3, 50, 7), (3, 44, 6))


def inspect_log(path: Path, other_paths: tuple[Path, ...] = ()) -> LogState:
    """Return the state of the log at that path; a log that is not there has size 0. Raises `OSError`."""
    database = f"SQLite {sqlite3.sqlite_version}", has_wal_fault(), has_fts5()
    aside = Unsaved(path, None, other_paths)
    found = LogState(
        *database,
        unsaved=tuple(aside.files()),
        rejected=tuple(aside.rejected()),
        damaged=tuple(sorted(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))),
    )
    if not path.exists():
        return found
    wal = Path(f"{path}{SIDE_FILES[0]}")
    has_wal = wal.exists() and wal.stat().st_size > 0
    size = path.stat().st_size + (wal.stat().st_size if has_wal else 0)
    found = replace(found, size=size, is_checked=size <= _MOST_CHECKED_BYTES)
    # Without a side file nobody is writing, and SQLite need not make one to read.
    query = "mode=ro" if has_wal else "mode=ro&immutable=1"
    try:
        with translated(path), closing(connect(path, _WAIT_S, query)) as log:
            schema = schema_version(log)
            refuse_foreign(log, path, schema)
            executions = log.execute("SELECT count(*) FROM executions").fetchone()[0] if schema else 0
            disabled, unknown, known = [], None, []
            if schema >= _BUDGETS_FROM:
                disabled = log.execute("SELECT budget FROM budget_disabled").fetchall()
                unknown, known = unknown_before(log), log.execute(KNOWN).fetchall()
            copied = log.execute(_LAST_BACKUP).fetchone() if schema >= _EVENTS_FROM else None
            said = log.execute("PRAGMA quick_check(1)").fetchone()[0] if found.is_checked else "ok"
            if said != "ok":
                hint = f"restore a backup; without one the next call puts {path} aside and begins a new log"
                raise LogFailure(f"the log {path} is damaged ({said.splitlines()[-1]})", reason="corrupt", hint=hint)
    except LogFailure as failure:
        return replace(found, failure=failure)
    return replace(
        found,
        schema=schema,
        is_current=schema == NEWEST,
        executions=executions,
        disabled_budgets=frozenset(each for (each,) in disabled),
        unknown=unknown,
        known_budgets=frozenset(budget for budget, key in known if not key),
        last_backup=copied and copied[0],
    )


def has_wal_fault(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Return True if this SQLite has the fault of 3.7.0 to 3.51.2 that can damage a log with several writers.

    >>> [has_wal_fault(version) for version in ((3, 40, 1), (3, 44, 6), (3, 50, 6), (3, 50, 7), (3, 51, 2), (3, 51, 3))]
    [True, False, True, False, True, False]
    """
    is_mended = any(version[:2] == mended[:2] and version >= mended for mended in _MENDED_SERIES)
    return _FAULTY_FROM <= version < _FAULTY_BEFORE and not is_mended


def has_fts5() -> bool:
    """Return True if this SQLite can make the index of `log search`."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None
