from __future__ import annotations

import gc
import os
import queue
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from promptctl.errors import LogFailure
from promptctl.log.records import Entry, Execution
from promptctl.log.sqlite import forks
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
ENDS_WITHIN_S = 30


def forked(work: Callable[[], object]) -> int:
    """The id of a child that does this work, and is killed if that takes too long; its exit code is 0 for True."""
    child = os.fork()
    if child == 0:
        signal.alarm(ENDS_WITHIN_S)
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return child


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def append(log: SqliteStore) -> bool:
    return log.append([Entry(make(), "full")]) is None


def rows_in(path: Path) -> int:
    with SqliteStore(path) as log:
        assert log.verify().problems == []
        assert log.unsaved.files() == []
        found = len(list(log.executions()))
        assert sum(row.calls for row in log.totals()) == found
        return found


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    for _ in range(3):
        append(log)
    return log


def test_a_child_that_was_forked_while_its_parent_reads_keeps_its_records(filled: SqliteStore, path: Path) -> None:
    rows = filled.executions()
    next(rows)
    began, begin = os.pipe()
    goes_on, go_on = os.pipe()

    def work() -> bool:
        append(filled)
        os.write(begin, b"x")
        os.read(goes_on, 1)
        return all(append(filled) for _ in range(5)) and len(list(filled.executions())) == 9

    child = forked(work)
    os.read(began, 1)
    assert len(list(rows)) == 2, "the parent reads on"
    os.write(go_on, b"x")
    assert exit_code(child) == 0
    filled.close()
    assert rows_in(path) == 9
    for each in (began, begin, goes_on, go_on):
        os.close(each)


def test_rows_that_a_parent_began_to_read_are_not_for_its_child(filled: SqliteStore) -> None:
    rows = filled.executions()
    next(rows)

    def work() -> bool:
        with pytest.raises(LogFailure, match=r"(?m)log\.db was being read when this process was forked$"):
            list(rows)
        return len(list(filled.executions())) == 3

    assert exit_code(forked(work)) == 0
    assert len(list(rows)) == 2


def test_a_child_of_a_fork_amid_its_threads_own_query_keeps_its_records(filled: SqliteStore, path: Path) -> None:
    children: list[int] = []
    known = [row.id for row in filled.executions()]

    def ids() -> Iterator[str]:
        yield known[0]
        children.append(forked(lambda: append(filled)))
        yield known[1]

    found = []
    for each in filled.messages(ids()):
        found.append(each)
        if not children:
            children.append(forked(lambda: append(filled)))
    assert len(found) == 2
    assert [exit_code(child) for child in children] == [0, 0]
    filled.close()
    assert rows_in(path) == 5


def test_rows_that_a_different_thread_began_and_left_keep_no_fork_waiting(filled: SqliteStore, path: Path) -> None:
    open_rows = []

    def begin() -> None:
        open_rows.append(filled.executions())
        next(open_rows[0])

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    began = time.monotonic()
    child = forked(lambda: append(filled) and len(list(filled.executions())) == 4)
    assert time.monotonic() - began < forks._FORK_S / 2
    assert exit_code(child) == 0
    assert len(list(open_rows[0])) == 2, "the parent reads on"
    filled.close()
    assert rows_in(path) == 4


def test_a_child_keeps_its_records_while_a_thread_reads_on_what_the_forking_one_began(
    filled: SqliteStore, path: Path
) -> None:
    for _ in range(100):
        append(filled)
    has_ended, given = threading.Event(), queue.Queue[Iterator[Execution]]()

    def read_on() -> None:
        while not has_ended.is_set():
            with suppress(queue.Empty):
                assert len(list(given.get(timeout=0.1))) >= 102

    thread = threading.Thread(target=read_on)
    thread.start()
    found = []
    for _ in range(10):
        rows = filled.executions()
        next(rows)
        given.put(rows)
        found.append(exit_code(forked(lambda: append(filled))))
    has_ended.set()
    thread.join()
    assert found == [0] * 10
    filled.close()
    assert rows_in(path) == 113


@pytest.mark.untraced
def test_a_thread_that_reads_for_each_row_it_reads_keeps_no_fork_waiting(filled: SqliteStore) -> None:
    has_ended, is_reading = threading.Event(), threading.Event()

    def read() -> None:
        while not has_ended.is_set():
            for row in filled.executions():
                filled.execution(row.id)
                is_reading.set()

    thread = threading.Thread(target=read)
    thread.start()
    is_reading.wait()
    began = time.monotonic()
    found = [exit_code(forked(lambda: append(filled))) for _ in range(3)]
    took_s = time.monotonic() - began
    has_ended.set()
    thread.join()
    assert found == [0] * 3
    assert took_s < forks._FORK_S / 2


def test_forks_wait_for_the_queries_of_other_threads(filled: SqliteStore, path: Path) -> None:
    has_ended = threading.Event()

    def read() -> None:
        while not has_ended.is_set():
            list(filled.executions())
            filled.totals()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = [forked(lambda: append(filled)) for _ in range(10)]
    found = [exit_code(child) for child in children]
    has_ended.set()
    for thread in threads:
        thread.join()
    filled.close()
    assert found == [0] * 10
    assert rows_in(path) == 13


def test_a_child_of_a_fork_amid_a_long_query_keeps_its_records_in_files(
    filled: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "_FORK_S", 0.05)
    is_reading, has_ended = threading.Event(), threading.Event()

    def read() -> None:
        with filled.database.reading():
            is_reading.set()
            has_ended.wait()

    thread = threading.Thread(target=read)
    thread.start()
    is_reading.wait()

    def work() -> bool:
        warning = filled.append([Entry(make(), "full")])
        with pytest.raises(LogFailure, match="forked while another thread read the log"):
            filled.totals()
        words = "was forked while another thread read the log; the record is kept in "
        return warning is not None and words in str(warning) and len(filled.unsaved.files()) == 1

    found = exit_code(forked(work))
    has_ended.set()
    thread.join()
    assert found == 0
    append(filled)
    filled.close()
    assert rows_in(path) == 5


@pytest.mark.parametrize("how", ["close", "collect"])
def test_a_thread_counts_as_reading_until_the_stream_that_it_ends_is_closed(filled: SqliteStore, how: str) -> None:
    """What SQLite frees then takes its locks, and a child that is forked meanwhile would wait for them for ever."""
    inside: list[bool] = []

    def ids(connection: sqlite3.Connection) -> Generator[object, None, None]:
        try:
            yield from connection.execute("SELECT id FROM executions")
        finally:
            inside.append(threading.get_ident() in forks.THREADS._depths)

    rows = filled._stream(ids)
    next(rows)
    if how == "close":
        rows.close()  # type: ignore[attr-defined]
    else:
        cycle: list[object] = [rows]
        cycle.append(cycle)
        del rows, cycle
        gc.collect()
    assert (inside, forks.THREADS._depths) == ([True], {})
