"""The log: one SQLite file that any number of threads and processes append to."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeVar

from promptctl.log.records import Entry
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.batch import Batch
from promptctl.log.sqlite.failures import LogFailure, reason_of, translated
from promptctl.log.sqlite.opening import Opened, open_for_reading, open_for_writing
from promptctl.log.sqlite.unsaved import Unsaved

if TYPE_CHECKING:
    from promptctl.log.results import ResultRow

__all__ = ["Entry", "Log"]

T = TypeVar("T")
_MOST_REOPENINGS = 5
_IMPATIENT_S = 1.0
_POLL_S = 0.01


class Log:
    """The execution log at `path`. Nothing is opened or created before the first use.

    Safe to share between threads; a forked child opens its own connection. Every writing method is one
    `BEGIN IMMEDIATE` transaction and waits up to `busy_timeout_s` for other writers. `synchronous` is `NORMAL`: a
    record survives the death of every process, but the last ones before a power failure may be lost; `FULL` keeps
    those too and is some ten times slower. What `redactor` knows as secret is never written.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_s: float = 30.0,
        redactor: Redactor | None = None,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        spare_folder: Path | None = None,
    ) -> None:
        self.path = path
        self.busy_timeout_s = busy_timeout_s
        self.redactor = redactor or Redactor()
        self.spare_folder = spare_folder
        self._synchronous = synchronous
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self.patience_s = busy_timeout_s
        self._may_have_unsaved = False
        _close_before_forks(self)

    @property
    def is_new(self) -> bool:
        """Whether there is no log file yet."""
        return not self.path.exists()

    def append(self, entries: Iterable[Entry], results: Iterable[ResultRow] = ()) -> None:
        """Add executions (and the results of cases they belong to) in one transaction, and count them.

        By each entry's content: `full` keeps the row with its contents, `metadata` the row alone, `off` no row; totals
        and latest call are kept in any case. An execution that the log has already is not added or counted again.
        Raises `LogFailure`; see `promptctl.log.sqlite.recovery.append_or_keep` for callers that must not fail.
        """
        batch = Batch(entries, results, self.redactor)
        self.write(batch.write)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one write transaction and give its result.

        Should the file have been moved away meanwhile (a damaged log put aside by another process, or deleted), the
        work is done again on the new one. Raises `LogFailure`.
        """
        with self._lock, translated(self.path):
            deadline = time.monotonic() + self.patience_s
            for _ in range(_MOST_REOPENINGS):
                try:
                    result = self._write_once_free(work, deadline)
                except sqlite3.Error:
                    if not self._is_elsewhere():
                        raise
                else:
                    if not self._is_elsewhere():
                        self.patience_s = self.busy_timeout_s
                        self._take_in_once()
                        return result
                self.close()
        raise LogFailure(f"the log {self.path} was moved away again and again", reason="unusable")

    def write_at_once(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """`write`, where that takes no waiting: for a thread that has others to serve.

        False, with nothing written to the file at the path, where somebody holds the lock or anything is wrong:
        `write` then deals with it.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._opened is None or self._may_have_unsaved:
                return False
            connection = self._opened.connection
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                self._write_once(work)
            finally:
                with suppress(sqlite3.Error):
                    connection.execute(f"PRAGMA busy_timeout = {round(self.patience_s * 1000)}")
            with suppress(OSError):
                return self._opened.is_current()
            return True
        except sqlite3.Error:
            return False
        finally:
            self._lock.release()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own that can only read, for one query or one consistent stream of rows.

        Where there is no log yet it reads an empty one. Raises `LogFailure`.
        """
        self._take_in_before_reading()
        with translated(self.path):
            connection = open_for_reading(self.path, self.busy_timeout_s)
            try:
                yield connection
            finally:
                connection.close()

    def close(self) -> None:
        """Close the connection; the next use opens it again.

        The last process to close merges SQLite's side file into log.db, so that one file then holds everything.
        """
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.connection.close()

    def grow_impatient(self) -> None:
        """Wait no more than a second for the write lock, until it is had again.

        For when it has not come free in all of the timeout: or a process with many answers to record would be held
        up for half a minute by each of them.
        """
        self.patience_s = min(self.busy_timeout_s, _IMPATIENT_S)
        self.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write_once_free(self, work: Callable[[sqlite3.Connection], T], deadline: float) -> T:
        """Write once, asking again for a lock where SQLite gave up on it before its busy timeout."""
        while True:
            try:
                return self._write_once(work)
            except sqlite3.Error as error:
                if reason_of(error) != "locked" or time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    def _is_elsewhere(self) -> bool:
        """Whether the file that was written is no longer the one at the path."""
        return self._opened is not None and not self._opened.is_current()

    def _write_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = open_for_writing(self.path, self.patience_s, self._synchronous)
            self._may_have_unsaved = True
        return self._opened.connection

    def _take_in_once(self) -> None:
        """After the first write on a connection, so that what is new never waits for what is old."""
        if not self._may_have_unsaved:
            return
        self._may_have_unsaved = False
        unsaved = Unsaved(self.path, self.spare_folder)
        if unsaved.is_there():
            from promptctl.log.sqlite.recovery import take_in

            take_in(self, unsaved)

    def _take_in_before_reading(self) -> None:
        unsaved = Unsaved(self.path, self.spare_folder)
        if not (unsaved.is_there() and any(unsaved.files())):
            return
        self.grow_impatient()  # who only reads need not wait long for the right to write
        try:
            with suppress(LogFailure):  # a log that can only be read is read without them
                self.append([])
        finally:
            self.patience_s = self.busy_timeout_s


def _close_before_forks(log: Log) -> None:
    """Keep connections out of forked children.

    SQLite's locks are not inherited, yet a child's copy of the library believes it holds them: parent and child would
    overwrite each other. So the connection is closed before a fork, and each side opens its own when it next writes.
    """
    this = weakref.ref(log)

    def before() -> None:
        if (log := this()) is not None:
            log._lock.acquire()
            log.close()

    def in_parent() -> None:
        if (log := this()) is not None:
            log._lock.release()

    def in_child() -> None:
        if (log := this()) is not None:
            log._lock = threading.RLock()

    os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)
