"""`pytest -p tests.shares --processes 3`: each process runs its share of the tests, then half of what others have left.

The tests are imported and collected once, and then the process forks: `pytest -n 3` does both in each process anew.
Neighbours stay together, as they share what is made once.
"""

from __future__ import annotations

import os
import signal
import traceback
from multiprocessing import Array, Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

import pytest

_END, _ENDED = 0, 1  # of the bounds of a share, and of its process


class Shares:
    """Which tests are left, for all processes: each has a share of neighbours, from a first one to before an end."""

    def __init__(self, tests: int, count: int) -> None:
        self.count = count
        self._first = Array("i", [number * tests // count for number in range(count)])
        self._end = Array("i", [(number + 1) * tests // count for number in range(count)])

    def take(self, own: int) -> int | None:
        """Take the next test of the own share; of an empty one, the rear half of the largest first. None at the end."""
        with self._first.get_lock():
            if not self._left(own):
                largest = max(range(self.count), key=self._left)
                if not self._left(largest):
                    return None
                self._first[own], self._end[own] = (
                    self._end[largest] - (self._left(largest) + 1) // 2,
                    self._end[largest],
                )
                self._end[largest] = self._first[own]
            test: int = self._first[own]
            self._first[own] += 1
            return test

    def _left(self, own: int) -> int:
        left: int = self._end[own] - self._first[own]
        return left


class Reporter:
    """Sends reports to the process that prints them."""

    def __init__(self, config: pytest.Config, pipe: Connection) -> None:
        self._config = config
        self._pipe = pipe

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say which test is under way."""
        self._pipe.send(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send one report."""
        self._pipe.send(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--processes", type=int, default=0, help="share the tests out among so many processes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the tests in processes, and report them here as they come."""
    config = session.config
    count = min(config.option.processes, len(session.items))
    if not count or config.option.collectonly or session.testsfailed:
        return None
    config.pluginmanager.getplugin("terminalreporter").showfspath = False  # files come mixed
    shares = Shares(len(session.items), count)
    folders = config._tmp_path_factory  # type: ignore[attr-defined]
    folders.getbasetemp()  # is made now, by one process
    running: dict[Connection, int] = {}
    under_way: dict[Connection, str] = {}
    try:
        for own in range(count):
            ours, theirs = Pipe(duplex=False)
            pid = os.fork()
            if pid == 0:
                _work(session, shares, own, theirs, folders.mktemp(f"process{own}", numbered=False))
            theirs.close()
            running[ours] = pid
        while running:
            for pipe in wait([*running]):
                assert isinstance(pipe, Connection)
                try:
                    said = pipe.recv()
                except EOFError:
                    _, status = os.waitpid(running.pop(pipe), 0)
                    if status:
                        said = f"its process ended with {os.waitstatus_to_exitcode(status)}"
                        raise pytest.exit.Exception(f"{under_way.get(pipe)}: {said}", 1) from None
                    continue
                if isinstance(said, str):
                    under_way[pipe] = said
                else:
                    _report(session, said)
    finally:
        for pid in running.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return True


def _report(session: pytest.Session, data: dict[str, Any]) -> None:
    hook = session.config.hook
    hook.pytest_runtest_logreport(report=hook.pytest_report_from_serializable(config=session.config, data=data))
    if session.shouldfail:
        raise session.Failed(session.shouldfail)


def _work(session: pytest.Session, shares: Shares, own: int, pipe: Connection, folder: Path) -> NoReturn:
    """Run tests until none is left, in a temporary folder and with a capture of its own."""
    config = session.config
    code = 1
    try:
        capture = config.pluginmanager.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        config.pluginmanager.unregister(name="terminalreporter")
        config.pluginmanager.register(Reporter(config, pipe))
        config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
        number = shares.take(own)
        while number is not None:
            following = shares.take(own)
            item, then = session.items[number], None if following is None else session.items[following]
            config.hook.pytest_runtest_protocol(item=item, nextitem=then)
            number = following
        config._ensure_unconfigure()
        code = 0
    except Exception:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
