"""Errors of SQLite and of the file system, translated into the log's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptctl.errors import FailureReason, LogFailure

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
    "read-only": ("cannot be opened for writing", "check the permissions of {folder}"),
    "full": ("cannot grow: the disk is full", "free some space, or prune the log"),
    "corrupt": (
        "is damaged",
        "restore a backup, or move {path} aside: the next call begins a new log",
    ),
    "refused": ("does not take this record", None),
    "unusable": ("cannot be used", None),
}


def reason_of(error: sqlite3.Error | OSError) -> FailureReason:
    """Return the kind of failure, from SQLite's primary result code or the system's errno."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:  # the sqlite3 module itself raised: over a value that it cannot pass on
            return "refused"
        return _REASONS.get(code & 0xFF, "unusable")
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "full"
    return "read-only" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else "unusable"


def failure(path: Path, error: sqlite3.Error | OSError) -> LogFailure:
    """Return the error as the log's own: what happened, to which file, what to do next."""
    reason = reason_of(error)
    words, hint = _WORDS[reason]
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return LogFailure(
        f"the log {path} {words} ({said})",
        reason=reason,
        hint=hint.format(path=path, folder=path.parent) if hint else None,
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of SQLite and of the file system as `LogFailure`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise failure(path, error) from error
