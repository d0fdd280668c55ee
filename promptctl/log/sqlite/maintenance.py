"""The only way rows and contents leave the log: pruning by age; and giving space back, checking, backing up."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import LogError
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.encoding import CONTENT_FIELDS, to_json
from promptctl.log.sqlite.failures import translated
from promptctl.log.sqlite.filters import is_glob, sqlite_glob
from promptctl.log.sqlite.opening import FILE_MODE, open_for_writing
from promptctl.log.sqlite.store import Log

_HASHES = tuple(f"{name}_hash" for name in CONTENT_FIELDS)
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What to prune: contents of calls that began before one moment, whole rows of those before another.

    Moments are UTC, ISO 8601 as stored; None keeps everything. `prompt`, an id or a glob, limits it to these prompts.
    Totals are never pruned. Outputs of evaluations stay, or comparing them would fail: delete those by evaluation.
    """

    content_before: str | None = None
    rows_before: str | None = None
    prompt: str = "*"


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was pruned, or would be: contents removed from rows and from latest calls, rows, and stored texts."""

    contents: int
    latest_calls: int
    rows: int
    payloads: int
    payload_bytes: int


class _DryRun(Exception):
    """Carries what would be pruned out of a transaction that is then rolled back."""

    def __init__(self, pruned: Pruned) -> None:
        super().__init__()
        self.pruned = pruned


def prune(log: Log, retention: Retention, *, is_dry_run: bool = False) -> Pruned:
    """Prune in one transaction; a dry run does the same work and undoes it, so that its numbers are exact.

    What is deleted is overwritten with zeros in the file (`secure_delete`); call `vacuum` to give the space back.
    Raises `LogFailure`.
    """
    if log.is_new:
        return Pruned(0, 0, 0, 0, 0)

    def work(connection: sqlite3.Connection) -> Pruned:
        pruned = _prune(connection, retention)
        if is_dry_run:
            raise _DryRun(pruned)
        return pruned

    log.append([])  # takes in what was kept beside the log, or its contents would outlive the pruning
    try:
        pruned = log.write(work)
    except _DryRun as dry:
        return dry.pruned
    _checkpoint(log)
    return pruned


def vacuum(log: Log) -> int:
    """Rewrite the file without its empty pages; how many bytes smaller it is. Other writers wait meanwhile."""
    if log.is_new:
        return 0
    before = log.path.stat().st_size
    log.close()
    with translated(log.path):
        connection = open_for_writing(log.path, log.busy_timeout_s).connection
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
    return before - log.path.stat().st_size


def check(log: Log) -> list[str]:
    """What is wrong with the file, in SQLite's words, and contents that rows refer to but that are not there."""
    try:
        with log.reading() as connection:
            found = connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})").fetchall()
            problems = [str(row[0]) for row in found if row[0] != "ok"]
            for column in _HASHES:
                missing = connection.execute(
                    f"SELECT count(*) FROM executions WHERE {column} NOT IN (SELECT hash FROM payloads)"  # noqa: S608
                ).fetchone()[0]
                if missing:
                    problems.append(f"{missing} executions have lost their {column.removesuffix('_hash')}")
    except LogError as error:
        return [error.message]
    return problems


def back_up(log: Log, target: Path) -> None:
    """Copy the log as of this moment to a new file of mode 0600, while others go on writing.

    Raises `LogError` where the target exists or cannot be written.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    except OSError as error:
        raise LogError(f"the backup {target} cannot be created ({error.strerror})") from error
    try:
        with log.reading() as connection:
            connection.execute("PRAGMA query_only = OFF")  # of the copy; VACUUM INTO does not change the log
            connection.execute("VACUUM INTO ?", (str(target),))
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _prune(connection: sqlite3.Connection, retention: Retention) -> Pruned:
    connection.execute("UPDATE maintenance SET is_open = 1")
    contents = latest_calls = rows = 0
    prompts = f"prompt {'GLOB' if is_glob(retention.prompt) else '='} ?"
    name = sqlite_glob(retention.prompt)
    if retention.rows_before is not None:
        sql = f"DELETE FROM executions WHERE started_at < ? AND {prompts}"  # noqa: S608
        rows = connection.execute(sql, (retention.rows_before, name)).rowcount
    if retention.content_before is not None:
        emptied = ", ".join(f"{column} = NULL" for column in _HASHES)
        sql = f"UPDATE executions SET content = 'pruned', {emptied} WHERE content = 'full' AND started_at < ? AND {prompts}"  # noqa: S608, E501
        contents = connection.execute(sql, (retention.content_before, name)).rowcount
        latest_calls = _empty_latest_calls(connection, retention.content_before, prompts, name)
    count, size = payloads.delete_orphans(connection)
    connection.execute("UPDATE maintenance SET is_open = 0")
    return Pruned(contents, latest_calls, rows, count, size)


def _empty_latest_calls(connection: sqlite3.Connection, before: str, prompts: str, name: str) -> int:
    """Take the contents out of old latest calls; who, when and how much stay."""
    sql = f"SELECT prompt, execution FROM latest_calls WHERE started_at < ? AND {prompts}"  # noqa: S608
    emptied = 0
    for prompt, text in connection.execute(sql, (before, name)).fetchall():
        document = json.loads(text)
        kept = {field: value for field, value in document.items() if field not in CONTENT_FIELDS}
        if len(kept) < len(document):
            connection.execute("UPDATE latest_calls SET execution = ? WHERE prompt = ?", (to_json(kept), prompt))
            emptied += 1
    return emptied


def _checkpoint(log: Log) -> None:
    """Merge SQLite's side file now: it still holds the pages as they were before."""
    with translated(log.path):
        connection = open_for_writing(log.path, log.busy_timeout_s).connection
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
