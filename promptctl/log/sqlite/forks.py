"""Forks of a process while connections are in use, which SQLite knows nothing of.

Its locks are not inherited, yet a child's copy of the library believes it holds them, as long as a connection of the
parent is open there: child and parent would overwrite each other's pages, or write to a file that was deleted.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from promptctl.errors import LogFailure

_WAIT_S = 5.0
# Of a parent's threads, in the midst of SQLite: a lock that a child waits for there is held for ever.
_LEFT: list[ConnectionUse] = []


@dataclass(slots=True, eq=False)
class ConnectionUse:
    """One use of a connection by a thread; `rows` are those that it reads one by one, if it does."""

    thread: int
    connection: sqlite3.Connection = field(init=False)
    rows: Generator[object, None, None] | None = None

    def close(self) -> None:
        """End it: its connection is open as long as one of its statements is."""
        if self.rows is not None:
            self.rows.close()
        self.connection.close()


class ConnectionUses:
    """Connections that are in use: a fork waits until those of other threads are done, for five seconds at most."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._all: set[ConnectionUse] = set()
        self._is_forking = False

    @contextmanager
    def one(self) -> Iterator[ConnectionUse]:
        """Note one use, which begins before its connection is opened; after a fork has happened if one is under way."""
        use = ConnectionUse(threading.get_ident())
        with self._changed:
            while self._is_forking:
                self._changed.wait()
            self._all.add(use)
        try:
            yield use
        finally:
            with self._changed:
                self._all.discard(use)
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait for uses by other threads. Those of this thread are streams of rows that are not read to their end."""
        self._changed.acquire()
        self._is_forking = True
        this = threading.get_ident()
        self._changed.wait_for(lambda: all(use.thread == this for use in self._all), _WAIT_S)

    def after_fork(self) -> None:
        """Let uses begin again."""
        self._is_forking = False
        self._changed.notify_all()
        self._changed.release()

    def in_child(self) -> None:
        """Close what the parent's thread had open, so that locks are taken anew; what nobody waited for stays."""
        this = threading.get_ident()
        for use in self._all:
            if use.thread != this:
                _LEFT.append(use)
            else:
                use.close()
        self._all = set()
        self.after_fork()


def refuse_after_fork(path: Path) -> None:
    """Raise `LogFailure` in a child that was forked in the midst of a long query by another thread of its parent."""
    if _LEFT:
        raise LogFailure(
            f"the log {path} cannot be used in this process: it was forked while another thread read the log",
            reason="unusable",
            hint="fork while no query of the log is under way",
        )
