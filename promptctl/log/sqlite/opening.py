"""Opening the log's file, and creating it so that nobody ever sees half of one.

A new log is built in a file beside its path, with mode 0600 from its first byte, its tables made and WAL switched on,
and then linked into place in one step. So parallel first starts cannot meet in the middle: SQLite's
own switch to WAL can fail with "locked" then, whatever the busy timeout.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from promptctl.errors import LogFailure
from promptctl.log.sqlite.schema import BRIDGES, NEWEST, OLDEST_SQLITE, READABLE, empty_log, migrate, schema_version
from promptctl.log.stamps import new_id

FILE_MODE = 0o600
FOLDER_MODE = 0o700
SIDE_FILES = ("-wal", "-shm")

_WAL_PAGES = 4_000  # merged at 16 MiB: a fifth faster for batches than SQLite's usual 4
_WAL_KEPT_BYTES = 16 * 1024 * 1024
_DRAFT = ".new"
_POLL_S = 0.01
_MOST_TRIES = 5

Identity = tuple[int, int]


class Opened(NamedTuple):
    """A connection for writing, and the identity of its file: the path may lead to a different one later."""

    connection: sqlite3.Connection
    identity: Identity


def identity_of(path: Path) -> Identity | None:
    """Return device and inode of the file at that path; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked after every write, and half the cost of Path.stat
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def open_for_writing(path: Path, timeout_s: float, *, is_again: bool = False) -> Opened:
    """Open the log, creating or migrating it if necessary.

    If it was open before, no folder is made around the log's own: a repository that is gone does not come back in part.
    Raises `LogFailure` for a newer or a foreign database, and `sqlite3.Error` or `OSError` for everything else.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LogFailure(
            f"the log needs SQLite 3.37 or newer; this Python has {sqlite3.sqlite_version}",
            reason="unusable",
            hint="use a Python built with a newer SQLite",
        )
    for _ in range(_MOST_TRIES):
        before = identity_of(path)
        if before is None:
            _create(path, timeout_s, is_again=is_again)
            continue
        with _replaced_meanwhile(path, before), ExitStack() as stack:
            connection = stack.enter_context(closing(connect(path, timeout_s)))
            if identity_of(path) == before:  # else it was replaced between the two looks: open the new one
                _prepare(connection, path, timeout_s)
                stack.pop_all()
                return Opened(connection, before)
    raise LogFailure(f"the log {path} cannot be created", reason="unusable", hint="if it is a link, see where it leads")


def open_for_reading(path: Path, timeout_s: float) -> sqlite3.Connection:
    """Return a connection that can only read; to an empty log if there is no file yet.

    An older schema is brought up to date first. In a folder that cannot be written, a log can still be read if it has
    the tables of this program.
    """
    for _ in range(_MOST_TRIES):
        before = identity_of(path)
        if before is None:
            break
        with _replaced_meanwhile(path, before):
            return _connect_to_read(path, timeout_s)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_log())
    return connection


@contextmanager
def folder_lock(folder: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock under which the log's file is created or moved away; one process at a time.

    Raises `LogFailure` if it is not free in time. A file system without locks goes without: creation is still atomic
    there.
    """
    from promptctl.files.writing import descriptor_of, try_lock

    deadline = time.monotonic() + timeout_s
    with descriptor_of(folder / "log.lock", os.O_RDWR | os.O_CREAT, FILE_MODE) as descriptor:
        while try_lock(descriptor) is False:
            if time.monotonic() > deadline:
                raise LogFailure(f"another process holds {folder / 'log.lock'}", reason="locked")
            time.sleep(_POLL_S)
        yield


def create_file(path: Path) -> None:
    """Create an empty file for its owner alone. Raises `FileExistsError` if there is one."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Make an empty file beside a database that is to be made; it is gone afterwards, if it was not moved away.

    One that a killed process left is removed when a log is next created or moved there.
    """
    draft = path.with_name(f"{path.name}.{new_id()}{_DRAFT}")
    create_file(draft)
    try:
        yield draft
    finally:
        for suffix in ("", *SIDE_FILES, "-journal"):
            Path(f"{draft}{suffix}").unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    sync_file(folder, os.O_RDONLY | os.O_DIRECTORY)


def show_at(link: Path, path: Path) -> None:
    """Put a link to the log where earlier versions kept it, and where people look for it, unless something is there."""
    with suppress(OSError):
        link.symlink_to(os.path.relpath(path, os.path.realpath(link.parent)))


def sync_file(file: Path, flags: int = os.O_RDWR) -> None:
    """Make a file durable."""
    from promptctl.files.writing import descriptor_of

    with descriptor_of(file, flags) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _replaced_meanwhile(path: Path, before: Identity) -> Iterator[None]:
    """Let errors of SQLite pass by if the path no longer leads to that file: it was moved away while it was opened."""
    try:
        yield
    except sqlite3.Error:
        if identity_of(path) == before:
            raise


def _connect_to_read(path: Path, timeout_s: float) -> sqlite3.Connection:
    connection, version = _connect_anyhow(path, timeout_s)
    try:
        if version < NEWEST:
            connection.close()
            try:
                open_for_writing(path, timeout_s).connection.close()
            except (sqlite3.Error, OSError):
                if version < READABLE:
                    raise
            connection, version = _connect_anyhow(path, timeout_s)
            for number, bridge in BRIDGES.items():
                if version < number:
                    connection.executescript(bridge)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_anyhow(path: Path, timeout_s: float) -> tuple[sqlite3.Connection, int]:
    """Return a connection and the number of the schema; one that cannot write if the folder cannot be written."""
    connection = connect(path, timeout_s)
    try:
        return connection, schema_version(connection)
    except BaseException as error:
        connection.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    connection = _connect_unchanging(path)
    return connection, schema_version(connection)


def _create(path: Path, timeout_s: float, *, is_again: bool) -> None:
    path.parent.mkdir(mode=FOLDER_MODE, parents=not is_again, exist_ok=True)
    with folder_lock(path.parent, timeout_s):
        if identity_of(path) is not None:
            return
        for suffix in SIDE_FILES:  # left by a log that was deleted alone; they belong to no file to come
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        for draft in path.parent.glob(f"{path.name}.*{_DRAFT}*"):  # of a process that was killed right here
            draft.unlink(missing_ok=True)
        with draft_of(path) as draft:
            _build(draft, sorted(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))[-1:])
            _put_in_place(draft, path)
        sync_folder(path.parent)


def _build(draft: Path, damaged: Sequence[Path]) -> None:
    draft.write_bytes(empty_log())
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # synced once, whole, before anybody can see it
        for aside in damaged:
            _note_unknown(connection, f"the log was damaged and is now {aside}")
        connection.execute("PRAGMA journal_mode = WAL")
    sync_file(draft)


def _note_unknown(connection: sqlite3.Connection, words: str) -> None:
    from promptctl.log.sqlite.budgets import note_unknown

    note_unknown(connection, words)


def _put_in_place(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # unlike a rename it can never replace a log that is there
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        draft.rename(path)


def connect(path: Path, timeout_s: float, query: str = "mode=rw") -> sqlite3.Connection:
    """Connect to a database that is there."""
    return sqlite3.connect(
        uri_of(path, query), uri=True, timeout=timeout_s, isolation_level=None, check_same_thread=False
    )


def uri_of(path: Path, query: str) -> str:
    """Return the URI by which SQLite opens a file that is there."""
    name = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return f"file:{name}?{query}"


def _connect_unchanging(path: Path) -> sqlite3.Connection:
    """Connect in a folder that cannot be written: SQLite asks for a promise that nobody changes the file."""
    wal = Path(f"{path}-wal")
    if wal.exists() and wal.stat().st_size:
        raise LogFailure(
            f"the log {path} has records that were not yet merged into it, and {path.parent} cannot be written",
            reason="read-only",
            hint=f"make {path.parent} writable once, or copy log.db and log.db-wal to a folder that is",
        )
    return connect(path, 0, "mode=ro&immutable=1")


def _prepare(connection: sqlite3.Connection, path: Path, timeout_s: float) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    connection.execute("PRAGMA secure_delete = ON")  # what latest_calls or pruning replaces must not stay on disk
    is_empty = schema_version(connection) == 0
    migrate(connection, path)
    if is_empty:  # a new log is never seen without its tables: this one lost them
        _note_unknown(connection, f"the log {path} was empty")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _switch_to_wal(connection, timeout_s)


def _switch_to_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Switch a log that was restored from a backup or a dump; SQLite does not wait for others here, so we do."""
    deadline = time.monotonic() + timeout_s
    while True:
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
            return
        if time.monotonic() > deadline:
            return  # it works without WAL too, only slower
        time.sleep(_POLL_S)
