"""Care of the log: pruning by age, the only way that rows leave it, giving space back, backing up, correcting costs."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

from promptctl.counting import counting
from promptctl.errors import LogError
from promptctl.log.encoding import to_json
from promptctl.log.evidence import Note
from promptctl.log.filter import Filter
from promptctl.log.records import CONTENT_FIELDS, CostCorrection
from promptctl.log.retention import Pruned, Retention
from promptctl.log.sqlite import chain, payloads
from promptctl.log.sqlite.corrections import write
from promptctl.log.sqlite.database import Database, reason_of, translated
from promptctl.log.sqlite.feedback import follow_rows
from promptctl.log.sqlite.filters import Condition, prompts, where
from promptctl.log.sqlite.opening import connect, create_file, open_for_writing, sync_file, sync_folder
from promptctl.log.sqlite.search_index import clear
from promptctl.log.sqlite.totals import fold

_MERGE = "PRAGMA wal_checkpoint(TRUNCATE)"
_BATCH = 1_000
# Whoever waits for the lock looks again up to ten times a second, and must find it free now and then.
_PAUSE_S = 0.02


def prune(database: Database, retention: Retention, *, is_dry_run: bool = False, note: Note | None = None) -> Pruned:
    """Prune in one transaction.

    What is deleted is overwritten with zeros in the file (`secure_delete`); call `vacuum` to give the space back.
    """

    def work(connection: sqlite3.Connection) -> Pruned:
        return _prune(connection, retention, note)

    if is_dry_run or not database.path.exists():
        return database.dry_run(work)
    with counting("deleting what is too old"):
        pruned = database.write(work)
    _run(database, _MERGE)  # SQLite's side file still holds the pages as they were before
    clear(database.path)
    return pruned


def vacuum(database: Database) -> int:
    """Rewrite the file without its empty pages, if it has any; return how many bytes smaller it is."""
    with database.reading() as connection:
        if not connection.execute("PRAGMA freelist_count").fetchone()[0]:
            return 0
    before = database.path.stat().st_size
    database.close()
    with counting("rewriting the log without what was deleted"):
        _run(database, "VACUUM", _MERGE)
    return before - database.path.stat().st_size


def back_up(database: Database, target: Path, note: Note | None = None) -> None:
    """Copy the log as of this moment to a new file of mode 0600, while others go on writing, and check the copy.

    A log that can be written then has an event of it; one that can only be read is copied all the same.
    """
    try:
        create_file(target)
    except OSError as error:
        hint = "name a file that is not there yet" if isinstance(error, FileExistsError) else None
        raise LogError(f"the backup {target} cannot be created ({error.strerror})", hint=hint) from error
    try:
        with database.reading() as connection:
            connection.execute("PRAGMA query_only = OFF")  # of the copy; VACUUM INTO does not change the log
            for (name,) in connection.execute("SELECT name FROM sqlite_temp_schema WHERE type = 'view'").fetchall():
                connection.execute(f"DROP VIEW temp.{name}")  # it stands for a table, and would be copied in its place
            with counting("copying the log"):
                _copy_into(connection, target)
        with counting("reading the copy back"):
            _check_copy(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    detail = {"file": target.name, "bytes": target.stat().st_size}
    database.grow_impatient()
    with suppress(LogError):
        database.write(lambda connection: chain.add_event(connection, "backup", note, detail))


def _copy_into(connection: sqlite3.Connection, target: Path) -> None:
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        if reason_of(error) in ("corrupt", "locked"):  # the log itself
            raise
        raise LogError(
            f"the backup {target} cannot be written ({error})", hint="free some space, or name a file elsewhere"
        ) from error


def _check_copy(target: Path) -> None:
    """Read the copy back whole and make it durable. Raises `LogError` if it is not sound."""
    try:
        with closing(connect(target, 0, "mode=ro&immutable=1")) as copy:
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        sync_file(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        found = str(error)
    if found != "ok":
        raise LogError(f"the backup {target} is not sound ({found})", hint="promptctl log verify checks the log itself")


def _prune(connection: sqlite3.Connection, retention: Retention, note: Note | None) -> Pruned:
    connection.execute("UPDATE maintenance SET is_open = 1")
    contents = latest_calls = rows = 0
    if retention.rows_before is not None:
        fold(connection)
        older = _older(retention.rows_before, retention)
        chain.release(connection, older)
        chain.unlist(connection, older)
        rows = connection.execute(f"DELETE FROM executions {older[0]}", older[1]).rowcount  # noqa: S608
        connection.execute("DELETE FROM cost_corrections WHERE execution_id NOT IN (SELECT id FROM executions)")
    if retention.content_before is not None:
        condition, parameters = _older(retention.content_before, retention)
        chain.release(connection, (f"{condition} AND content = 'full'", parameters))
        emptied = ", ".join(f"{column} = NULL" for column in payloads.HASH_COLUMNS)
        sql = f"UPDATE executions SET content = 'pruned', {emptied} {condition} AND content = 'full'"  # noqa: S608
        contents = connection.execute(sql, parameters).rowcount
        latest_calls = _empty_latest_calls(connection, (condition, parameters))
    pruned = Pruned(contents, latest_calls, rows, *payloads.delete_orphans(connection), follow_rows(connection))
    if any((contents, latest_calls, rows)):
        meant = {"content_before": retention.content_before, "rows_before": retention.rows_before}
        chain.add_event(connection, "prune", note, {**meant, "prompt": retention.prompt, **asdict(pruned)})
    connection.execute("UPDATE maintenance SET is_open = 0")
    return pruned


def _older(before: str, retention: Retention) -> Condition:
    return where({"started_at < ?": before, **prompts(Filter(prompt=retention.prompt, renames=retention.renames))})


def _empty_latest_calls(connection: sqlite3.Connection, older: Condition) -> int:
    """Take the contents out of old latest calls; who, when and how much stay."""
    condition, parameters = older
    sql = f"SELECT prompt, execution FROM latest_calls {condition}"  # noqa: S608 - made of our own words
    emptied = 0
    for prompt, text in connection.execute(sql, parameters).fetchall():
        document = json.loads(text)
        kept = {field: value for field, value in document.items() if field not in CONTENT_FIELDS}
        if len(kept) < len(document):
            connection.execute("UPDATE latest_calls SET execution = ? WHERE prompt = ?", (to_json(kept), prompt))
            emptied += 1
    return emptied


def _run(database: Database, *statements: str) -> None:
    """Run statements outside a transaction, on a connection of their own."""
    with (
        translated(database.path),
        closing(open_for_writing(database.path, database.busy_timeout_s).connection) as connection,
    ):
        for statement in statements:
            connection.execute(statement)


def correct(database: Database, corrections: Mapping[str, CostCorrection], note: Note | None = None) -> int:
    """Append corrections of costs, each batch in a transaction, so that no other process waits long; return how many.

    The event is in the transaction of the first batch that corrects anything, so that no correction is without one.
    """
    detail = {
        "costs": len(corrections),
        "change_nano_usd": sum(each.new_nano_usd - (each.old_nano_usd or 0) for each in corrections.values()),
    }
    items, written = list(corrections.items()), 0

    def work(connection: sqlite3.Connection) -> int:
        added = write(connection, batch)
        if added and not written:
            chain.add_event(connection, "reprice", note, detail)
        return added

    for at in range(0, len(items), _BATCH):
        batch = dict(items[at : at + _BATCH])
        if written:
            time.sleep(_PAUSE_S)
        written += database.write(work)
    return written
