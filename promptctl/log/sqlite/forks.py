"""Connections that are open to read, when the process is forked.

They are closed in a forked child. SQLite's locks are not inherited, yet a child's copy of the library believes it holds
them as long as a connection of the parent is open there: both would overwrite each other's pages.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from promptctl.errors import LogFailure

_FORK_S = 5.0
# Connections of a parent that was in the midst of SQLite: a lock that a child waits for there is held for ever.
_LEFT: list[ConnectionUse] = []

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class ConnectionUse:
    """One use of a connection; `rows` are those that it reads one by one, if it does."""

    connection: sqlite3.Connection = field(init=False)
    rows: Generator[object, None, None] | None = None
    is_of_parent: bool = False
    is_inside: bool = True

    def stream(self, rows: Generator[T, None, None]) -> Iterator[T]:
        """Yield what the connection reads; while the caller has a row, the thread does not count as one that reads."""
        self.rows = rows
        try:
            for row in rows:
                THREADS.step_out(self)
                try:
                    yield row
                finally:
                    THREADS.step_in(self)
        finally:
            rows.close()  # else what SQLite frees with it is freed while nobody counts as inside

    def close(self) -> None:
        """Close the connection, which is open as long as one of its statements is."""
        if self.rows is not None:
            with suppress(ValueError):  # it is running: the fork came from within
                self.rows.close()
        self.connection.close()


class SqliteThreads:
    """Threads that are inside SQLite to read: a fork waits until no other one is, for five seconds at most.

    A thread is inside for a whole query; of a stream for each row, and not while its caller looks at that row. A query
    within a query does not wait for a fork that waits for its thread. No lock is taken for a row: a thread changes its
    own depth alone, and does so before it looks for a fork, which begins before it looks at the depths.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._depths: dict[int, int] = {}
        self._uses: set[ConnectionUse] = set()
        self._is_forking = self._is_amid_query = False

    def enter(self) -> None:
        """Note that this thread reads; after a fork has happened if one is under way."""
        this = threading.get_ident()
        self._depths[this] = depth = self._depths.get(this, 0) + 1
        if self._is_forking and depth == 1:
            with self.lock:
                if self._is_forking:
                    del self._depths[this]
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: not self._is_forking)
                    self._depths[this] = 1

    def leave(self) -> None:
        """Note that this thread reads no more, unless it began to within a different query."""
        this = threading.get_ident()
        if depth := self._depths[this] - 1:
            self._depths[this] = depth
            return
        del self._depths[this]
        if self._is_forking:
            with self.lock:
                self._changed.notify_all()

    def step_out(self, use: ConnectionUse) -> None:
        """Note that the thread of a use is not inside for a while."""
        if use.is_inside:
            use.is_inside = False
            self.leave()

    def step_in(self, use: ConnectionUse) -> None:
        """Note that it is inside again; the garbage collector may have ended the use before its stream."""
        if use in self._uses:
            self.enter()
            use.is_inside = True

    @contextmanager
    def use(self, path: Path) -> Iterator[ConnectionUse]:
        """Note one use, which begins before its connection is opened."""
        refuse_after_fork(path)
        use = ConnectionUse()
        self.enter()
        try:
            self._uses.add(use)
            yield use
        except sqlite3.Error as error:
            if not use.is_of_parent:
                raise
            raise LogFailure(
                f"the log {path} was being read when this process was forked", reason="unusable", hint="read it again"
            ) from error
        finally:
            self._uses.discard(use)
            self.step_out(use)

    def before_fork(self) -> None:
        """Wait until no other thread reads, and let none begin."""
        self.enter()  # else what the garbage collector ends in this thread waits for itself
        self.lock.acquire()
        self._is_forking = True
        self._is_amid_query = not self._changed.wait_for(lambda: len(self._depths) == 1, _FORK_S)

    def after_fork(self) -> None:
        """Let threads read again."""
        self._is_forking = False
        self._changed.notify_all()
        self.leave()
        self.lock.release()

    def in_child(self) -> None:
        """Close what is open here, too, so that locks are taken anew; if nobody waited for a query, all is left."""
        this = threading.get_ident()
        uses, self._uses = self._uses, set()
        self._depths = {this: self._depths[this]}
        try:
            for use in uses:
                use.is_of_parent = True
                if self._is_amid_query:
                    _LEFT.append(use)
                else:
                    use.close()
        finally:
            self.after_fork()


# One for all files, as SQLite's own locks are; registered first, it waits after all writers are done.
THREADS = SqliteThreads()
os.register_at_fork(before=THREADS.before_fork, after_in_parent=THREADS.after_fork, after_in_child=THREADS.in_child)


def refuse_after_fork(path: Path) -> None:
    """Raise `LogFailure` in a child that was forked in the midst of a long query by another thread of its parent."""
    if _LEFT:
        raise LogFailure(
            f"the log {path} cannot be used in this process: it was forked while another thread read the log",
            reason="unusable",
            hint="fork while no query of the log is under way",
        )
