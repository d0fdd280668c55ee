"""Keeps a paid answer's record when the database will not take it, and puts a damaged database aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from promptctl.errors import LogFailure
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.batch import Batch, read_lines
from promptctl.log.sqlite.database import Database, translated
from promptctl.log.sqlite.opening import SIDE_FILES, Identity, folder_lock, identity_of, sync_folder
from promptctl.log.sqlite.unsaved import REJECTED, Unsaved
from promptctl.log.stamps import utc_now
from promptctl.log.store import LogWarning

T = TypeVar("T")


def recover(database: Database, unsaved: Unsaved, batch: Batch, failure: LogFailure) -> LogWarning | None:
    """Keep a batch that was not written in a file that the next open takes in. Never raises.

    A damaged database is moved aside and a new one begun. None if the database took the batch after all.
    """
    if failure.reason == "locked":
        database.grow_impatient()
    if failure.reason == "corrupt":
        try:
            return begin_anew(database, batch.write)[1]
        except LogFailure as second:
            failure = second
        except (sqlite3.Error, OSError):
            pass
    with suppress(sqlite3.Error):
        database.close()
    try:
        path = unsaved.keep(batch.lines())
    except OSError as error:
        lost = f"{failure.message}; nor could the record be kept in a file ({error}): it is lost"
        return LogWarning(lost, failure.reason, hint=failure.hint)
    kept = (
        f"{failure.message}; the record is kept in {path} until the log can be written again{unsaved.condition(path)}"
    )
    return LogWarning(kept, failure.reason, path, hint=failure.hint)


def take_in(database: Database, unsaved: Unsaved, redactor: Redactor) -> None:
    """Append what was kept in files, and remove them. Each file is taken in once, even by many processes at once.

    A file that cannot be read back is renamed, so that it is not tried again and again, and stays for a person.
    """
    for path in unsaved.files():
        try:
            entries, results = read_lines(path.read_bytes().splitlines())
            _take_in_file(database, path, Batch(entries, results, redactor))
        except FileNotFoundError:
            continue  # another process was quicker
        except (ValueError, KeyError, TypeError):
            _reject(path)
        except LogFailure as failure:
            if failure.reason != "refused":
                return  # the files stay for a better moment
            _reject(path)
        except (sqlite3.Error, OSError):
            return


def begin_anew(database: Database, work: Callable[[sqlite3.Connection], T]) -> tuple[T, LogWarning | None]:
    """Do `work` on a new log in the place of a damaged one; without a warning if the log took it after all."""
    damaged = identity_of(database.path)
    database.close()
    try:  # only damage that is still there on a fresh connection is a reason to move the file
        return database.write(work), None
    except LogFailure as failure:
        if failure.reason != "corrupt":
            raise
    database.close()
    aside = _quarantine(database, damaged) if damaged else None
    result = database.write(work)
    if aside is None:
        return result, None
    return result, LogWarning(
        f"the log was damaged; it is now {aside}, and a new log was begun",
        "corrupt",
        hint=f"earlier records may be saved from it with: sqlite3 {aside} .recover",
        has_new_log=True,
    )


def _quarantine(database: Database, damaged: Identity) -> Path | None:
    """Move a damaged database aside, with its side files, and return its new path.

    None if the path no longer leads to that very file: another process was quicker. Processes that still have the
    file open notice after their next write that the path leads elsewhere, and write again there.
    """
    path = database.path
    with translated(path), folder_lock(path.parent, database.busy_timeout_s):
        if identity_of(path) != damaged:
            return None
        stamp = utc_now().replace("-", "").replace(":", "").replace(".", "")
        aside = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
        path.rename(aside)
        for suffix in SIDE_FILES:
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        sync_folder(path.parent)
        return aside


def _reject(path: Path) -> None:
    with suppress(OSError):
        path.rename(path.with_suffix(REJECTED))


def _take_in_file(database: Database, path: Path, batch: Batch) -> None:
    def write(connection: sqlite3.Connection) -> None:
        inserted = connection.execute(
            "INSERT INTO taken_in (name, taken_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (path.name, utc_now())
        )
        if inserted.rowcount == 1:
            batch.write(connection)

    database.write(write)
    path.unlink(missing_ok=True)
