"""Writes an evaluation's executions and results to the log in batches, without ever running ahead of the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import NamedTuple

from promptctl.log.records import Content, Entry, Execution
from promptctl.log.recovery import LogWarning, append_or_keep
from promptctl.log.results import ResultRow
from promptctl.log.store import Log


class _Finished(NamedTuple):
    """A case's result, and what its worker waits for."""

    result: ResultRow
    written: asyncio.Future[None]


class BatchRecorder:
    """A recorder for one evaluation: whatever gathers while one transaction is written goes into the next.

    `finish` returns only once a case's result is durable, and a worker takes its next case only then. So a killed
    evaluation has at most as many replies to ask for again as requests were under way. What the log does not take is
    told to `on_failure`, on the thread that writes.
    """

    def __init__(self, log: Log, content: Content, on_failure: Callable[[LogWarning], None]) -> None:
        self._log = log
        self._content = content
        self._on_failure = on_failure
        self._queue: SimpleQueue[Entry | _Finished | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Hand over one attempt; it is written with the next batch."""
        self._put(Entry(execution, content or self._content))

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """The same, for a call that is being cancelled; `close` returns when it is written."""
        self._put(Entry(execution, content or self._content))

    async def finish(self, result: ResultRow) -> None:
        """Record a case's result, and return once it is on disk with every attempt handed over before."""
        # One to wait for each case: whoever is cancelled meanwhile takes nothing from the others.
        written = asyncio.get_running_loop().create_future()
        self._put(_Finished(result, written))
        await written

    async def close(self) -> None:
        """Write what is left. Raises what went wrong in writing where no result was waiting for it."""
        if self._thread is not None:
            self._queue.put(None)
            thread, self._thread = self._thread, None
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def __aenter__(self) -> BatchRecorder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _put(self, item: Entry | _Finished) -> None:
        self._queue.put(item)
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._write_batches, args=(loop,), name="promptctl-log", daemon=True)
            self._thread.start()

    def _write_batches(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until there is nothing more to come. It waits for nobody: the loop may be busy with a hundred replies."""
        is_open = True
        while is_open:
            items = [self._queue.get()]
            with suppress(Empty):
                while True:
                    items.append(self._queue.get_nowait())
            is_open = None not in items
            entries = [item for item in items if isinstance(item, Entry)]
            finished = [item for item in items if isinstance(item, _Finished)]
            failure: BaseException | None = None
            try:
                self._write(entries, [each.result for each in finished])
            except BaseException as error:
                failure = error
                if not finished:
                    self._failure = error
            with suppress(RuntimeError):  # the loop was closed: nobody waits
                loop.call_soon_threadsafe(_tell, [each.written for each in finished], failure)

    def _write(self, entries: list[Entry], results: list[ResultRow]) -> None:
        if entries or results:
            warning = append_or_keep(self._log, entries, results)
            if warning is not None:
                self._on_failure(warning)


def _tell(waiting: list[asyncio.Future[None]], error: BaseException | None) -> None:
    for written in waiting:
        if not written.done():
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)
