"""One SQLite file that any number of threads and processes write to, its errors translated into the log's own."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from promptctl.errors import FailureReason, LogFailure
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite.forks import THREADS, ConnectionUse, refuse_after_fork
from promptctl.log.sqlite.opening import Opened, identity_of, open_for_reading, open_for_writing

T = TypeVar("T")
_MOST_REOPENINGS = 5
_IMPATIENT_S = 1.0
_LAST_S = 5.0  # for the end of the program, which waits ten for all records
_STEP_S = 0.1
_POLL_S = 0.01
_UNKNOWN = (0, 0)

_REASONS: dict[int, FailureReason] = {
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_PROTOCOL: "locked",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_PERM: "read-only",
    sqlite3.SQLITE_CANTOPEN: "read-only",
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_CONSTRAINT: "refused",
    sqlite3.SQLITE_MISMATCH: "refused",
    sqlite3.SQLITE_TOOBIG: "refused",
}
_WORDS: dict[FailureReason, tuple[str, str | None]] = {
    "locked": ("is locked by another process", "see what holds it, for instance with: fuser {path}"),
    "read-only": (
        "cannot be opened for writing",
        "check the permissions of {folder}, or keep the log elsewhere: PROMPTCTL_STATE=FOLDER",
    ),
    "full": ("cannot grow: the disk is full", "free some space, or prune the log"),
    "corrupt": (
        "is damaged",
        "restore a backup; without one the next call puts {path} aside and begins a new log",
    ),
    "refused": ("does not take this record", None),
    "unusable": ("cannot be used", None),
}
_HINTS_BY_CODE = {
    sqlite3.SQLITE_IOERR: "see with df and dmesg if the disk of {folder} is full or fails; promptctl doctor looks too",
    sqlite3.SQLITE_NOMEM: "the machine has no memory left: end other programs",
}

_DATABASES: weakref.WeakValueDictionary[int, Database] = weakref.WeakValueDictionary()
_HELD: list[Database] = []


class Database:
    """The SQLite file at `path`. Nothing is opened or created before the first use.

    Safe to share between threads; a forked child opens its own connection. Every write is one `BEGIN IMMEDIATE`
    transaction and waits up to `busy_timeout_s` for other processes, at the end of the program for five seconds at
    most. `on_opened` is called after the first write on each connection. Whoever writes what people said asks the
    `redactor` to leave secrets out.
    """

    def __init__(self, path: Path, busy_timeout_s: float, redactor: Redactor, *, on_opened: Callable[[], None]) -> None:
        self.path = path
        self.redactor = redactor
        self.busy_timeout_s = busy_timeout_s
        self.patience_s = busy_timeout_s
        self._on_opened = on_opened
        self._lock = threading.RLock()
        self._opened: Opened | None = None
        self._readers: list[Opened] = []  # that nobody uses now
        self._is_fresh = self._was_opened = False
        self._gave_up_at = 0.0
        _DATABASES[id(self)] = self

    def __del__(self) -> None:
        self.close()

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one write transaction and return its result.

        If the file was moved away meanwhile (deleted, or put aside as damaged by a different process), the work is done
        again on the new one. Raises `LogFailure`.
        """
        asked_at = time.monotonic()
        with self._lock, translated(self.path):
            # What our own writes take is nobody's fault; writes that wait beside one that gave up do so with it.
            begun = asked_at if self._gave_up_at > asked_at else time.monotonic()
            for _ in range(_MOST_REOPENINGS):
                try:
                    result = self._write_once_free(work, begun)
                except sqlite3.Error:
                    if self._is_current():
                        raise
                else:
                    if self._is_current():
                        self.patience_s = self.busy_timeout_s
                        self._gave_up_at = 0.0
                        if self._is_fresh:
                            self._is_fresh = False
                            self._on_opened()
                        return result
                self.close()
        raise LogFailure(f"the log {self.path} was moved away again and again", reason="unusable")

    def write_at_once(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        """Do `work` as `write` does, if that takes no waiting: for a thread that has others to serve.

        False if somebody holds the lock or anything is wrong; then nothing was written to the file at the path, and
        `write` deals with it.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            if self._opened is None or self._is_fresh:
                return False
            connection = self._opened.connection
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                self._write_once(work)
            finally:
                with suppress(sqlite3.Error):
                    self._set_step(connection)
            with suppress(OSError):
                return self._is_current()
            return True
        except sqlite3.Error:
            return False
        finally:
            self._lock.release()

    def dry_run(self, work: Callable[[sqlite3.Connection], T], tables: str = "*") -> T:
        """Do `work` on copies of the tables that this glob names, and return its result: its numbers are exact.

        The copies take the place of the tables on a connection that nobody else sees, so that others write meanwhile.
        Of contents only hash and size are copied. Raises `LogFailure`.
        """
        with self.reading() as connection, _copies_of(self.path):
            if connection.execute("SELECT 1 FROM temp.sqlite_schema").fetchone():
                self.write(_nothing)  # raises why the log cannot be brought up to date
            connection.execute("PRAGMA query_only = OFF")
            connection.execute("BEGIN")
            # Ours are strict. SQLite's own (after ANALYZE) and those that other programs made cannot all be copied.
            strict = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict"
            made = f"SELECT name, sql FROM main.sqlite_schema WHERE name GLOB ? AND name IN ({strict})"  # noqa: S608
            for name, sql in connection.execute(made, (tables,)).fetchall():
                connection.execute(sql.replace("TABLE", "TEMP TABLE", 1))
                columns = "hash, bytes, ''" if name == "payloads" else "*"
                connection.execute(f'INSERT INTO temp."{name}" SELECT {columns} FROM main."{name}"')  # noqa: S608
            return work(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open a separate connection that can only read, for one query or one consistent stream of rows.

        It reads an empty log if there is none yet. Raises `LogFailure`.
        """
        with translated(self.path), THREADS.use(self.path) as use:
            use.connection = open_for_reading(self.path, self.busy_timeout_s)
            with closing(use.connection):
                yield use.connection

    @contextmanager
    def reading_again(self) -> Iterator[ConnectionUse]:
        """Do as `reading`, as of one moment, and keep the connection to the next time while the log is open to write.

        A new one reads the schema of all tables and views first, which takes longer than a short query. A process that
        only reads keeps none, and so leaves no side files.
        """
        with translated(self.path), THREADS.use(self.path) as use:
            reader = self._kept_reader()
            use.connection = reader.connection
            try:
                reader.connection.execute("BEGIN")
                yield use
                if reader.connection.in_transaction:
                    reader.connection.execute("ROLLBACK")
            except BaseException:
                reader.connection.close()
                raise
            self._keep_reader(reader)

    def _kept_reader(self) -> Opened:
        """Return the connection that was kept, if it is of the file at the path; else a new one."""
        found = identity_of(self.path)
        with suppress(IndexError):
            reader = self._readers.pop()
            if reader.identity == found:
                return reader
            reader.connection.close()
        connection = open_for_reading(self.path, self.busy_timeout_s)
        return Opened(connection, found if found is not None and found == identity_of(self.path) else _UNKNOWN)

    def _keep_reader(self, reader: Opened) -> None:
        """Keep a connection for the next use, if none is and the log is open for writing; else close it."""
        with THREADS.lock:
            opened = self._opened
            if opened is not None and opened.identity == reader.identity and not self._readers:
                self._readers.append(reader)
                return
        reader.connection.close()

    def close(self) -> None:
        """Close the connection; the next use opens it again.

        The last process to close merges SQLite's side file into log.db, so that one file then holds everything.
        """
        with self._lock:
            opened, self._opened = self._opened, None
            with THREADS.lock:
                while self._readers:
                    self._readers.pop().connection.close()
            if opened is not None:
                opened.connection.close()

    def grow_impatient(self) -> None:
        """Wait no more than a second for the write lock, until a write succeeds again.

        A process with many answers to record would otherwise wait the whole timeout for each of them.
        """
        self.patience_s = min(self.busy_timeout_s, _IMPATIENT_S)
        self.close()

    def reopen(self) -> None:
        """Write nothing, on a new connection, without waiting long: `on_opened` is called if that succeeds."""
        self.grow_impatient()
        try:
            with suppress(LogFailure):
                self.write(_nothing)
        finally:
            self.patience_s = self.busy_timeout_s

    def _write_once_free(self, work: Callable[[sqlite3.Connection], T], begun: float) -> T:
        """Write once, asking step by step for a lock until the patience ends, which it does sooner with the program."""
        while True:
            try:
                return self._write_once(work)
            except sqlite3.Error as error:
                if reason_of(error) != "locked":
                    raise
                if time.monotonic() >= begun + self._wait_s():
                    self._gave_up_at = time.monotonic()
                    raise
                time.sleep(_POLL_S)

    def _wait_s(self) -> float:
        """Return how long to wait now; at the end of the program some seconds, and once that was in vain not at all."""
        if threading.main_thread().is_alive():
            return self.patience_s
        return min(self.patience_s, _LAST_S) if self.patience_s == self.busy_timeout_s else 0.0

    def _set_step(self, connection: sqlite3.Connection) -> None:
        """Have SQLite itself wait for a lock only briefly, and not at all once that was in vain."""
        step_s = min(self._wait_s(), _STEP_S) if self.patience_s == self.busy_timeout_s else 0
        connection.execute(f"PRAGMA busy_timeout = {round(step_s * 1000)}")

    def _write_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._opened is None:
            refuse_after_fork(self.path)
            self._opened = open_for_writing(self.path, self._wait_s(), is_again=self._was_opened)
            self._set_step(self._opened.connection)
            self._is_fresh = self._was_opened = True
        connection = self._opened.connection
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            result = work(connection)
            connection.execute("COMMIT")  # which is compiled once
        return result

    def _is_current(self) -> bool:
        """Return True if the file that is open, if any, is still the one at the path."""
        return self._opened is None or identity_of(self.path) == self._opened.identity


def _nothing(connection: sqlite3.Connection) -> None:
    """Write nothing."""


def _close_before_fork() -> None:
    """Keep connections out of a forked child.

    Those that nobody uses are closed before a fork, and each side opens its own when it next needs one. Those in use
    are closed in the child alone. The locks are held meanwhile, and each side lets go of its own copy.
    """
    for reference in _DATABASES.valuerefs():
        if (database := reference()) is not None:
            database._lock.acquire()
            _HELD.append(database)
            database.close()


def _after_fork() -> None:
    while _HELD:
        _HELD.pop()._lock.release()


os.register_at_fork(before=_close_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def reason_of(error: sqlite3.Error | OSError) -> FailureReason:
    """Return the kind of failure, from SQLite's primary result code or the system's errno."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:  # the sqlite3 module itself raised: over a value that it cannot pass on
            return "refused"
        return _REASONS.get(code & 0xFF, "unusable")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "full"
    is_closed = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
    return "read-only" if is_closed else "unusable"


def _failure(path: Path, error: sqlite3.Error | OSError) -> LogFailure:
    """Return the error as the log's own: what happened, to which file, what to do next."""
    reason = reason_of(error)
    words, hint = _WORDS[reason]
    hint = hint or _HINTS_BY_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return LogFailure(
        f"the log {path} {words} ({said})",
        reason=reason,
        hint=hint.format(path=path, folder=path.parent) if hint else None,
    )


@contextmanager
def _copies_of(path: Path) -> Iterator[None]:
    """Say of a full disk that it is that of the copies: the log itself is only read."""
    try:
        yield
    except sqlite3.Error as error:
        if reason_of(error) != "full":
            raise
        raise LogFailure(
            f"the temporary folder has no room for the copies of {path} that a dry run counts on",
            reason="full",
            hint="free some space there, or name a different folder: SQLITE_TMPDIR=FOLDER",
        ) from error


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the file system as `LogFailure`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _failure(path, error) from error
