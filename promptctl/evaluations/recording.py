"""Writes an evaluation's executions and results to the log in batches, without ever running ahead of the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from promptctl.log.records import Content, Entry, Execution
from promptctl.log.recovery import LogWarning, append_or_keep
from promptctl.log.results import ResultRow
from promptctl.log.store import Log


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
        self._entries: list[Entry] = []
        self._results: list[ResultRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="promptctl-log")

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Hand over one attempt; it is written with the next batch."""
        self._entries.append(Entry(execution, content or self._content))
        self._start()

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """The same, for a call that is being cancelled; `close` writes it at the latest."""
        self._entries.append(Entry(execution, content or self._content))

    async def finish(self, result: ResultRow) -> None:
        """Record a case's result, and return once it is on disk with every attempt handed over before."""
        self._results.append(result)
        # One for each case: whoever is cancelled while it waits takes nothing from the others.
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        self._start()
        await written

    async def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        entries, self._entries = self._entries, []
        results, self._results = self._results, []
        self._write(entries, results)
        self._thread.shutdown()

    async def __aenter__(self) -> BatchRecorder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _start(self) -> None:
        """Begin to write what was handed over, where nothing is being written."""
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_batches())

    async def _write_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._entries or self._results:
            entries, self._entries = self._entries, []
            results, self._results = self._results, []
            waiting, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._thread, self._write, entries, results)
            except BaseException as error:
                _tell(waiting, error)
                raise
            _tell(waiting)

    def _write(self, entries: list[Entry], results: list[ResultRow]) -> None:
        if entries or results:
            warning = append_or_keep(self._log, entries, results)
            if warning is not None:
                self._on_failure(warning)


def _tell(waiting: list[asyncio.Future[None]], error: BaseException | None = None) -> None:
    for written in waiting:
        if not written.done():
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)
