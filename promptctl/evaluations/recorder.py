"""Writes an evaluation's executions and results to the log in batches, without ever running ahead of the disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from promptctl.log.budgets import Settlement
from promptctl.log.records import Content, Entry, Execution
from promptctl.log.results import ResultRow
from promptctl.log.store import LogWarning, Store

# How long a write may hold up the event loop; one that takes longer is followed by writes on a thread.
_QUICK_S = 0.01
_QUICK_RESULT_S = 0.0005


class BatchRecorder:
    """A recorder for one evaluation: whatever gathers while one transaction is written goes into the next.

    `finish` returns only once a case's result is durable, and a worker takes its next case only then. So a killed
    evaluation has at most as many replies to ask for again as requests were under way. What the log does not take is
    told to `on_failure`, on the thread that writes. `settlements` are what executions spent of budgets, by their ids.

    While the disk is quick and nobody else writes, batches are written on the event loop's own thread: handing them to
    another took a tenth longer, since the two threads then wait for each other.
    """

    def __init__(
        self,
        log: Store,
        content: Content,
        on_failure: Callable[[LogWarning], None],
        settlements: dict[str, Settlement] | None = None,
    ) -> None:
        self._settlements = {} if settlements is None else settlements
        self._log = log
        self._content = content
        self._on_failure = on_failure
        self._entries: list[Entry] = []
        self._results: list[ResultRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._is_writing = False
        self._is_quick = True
        self._writer: asyncio.Task[None] | None = None
        self._untold: Exception | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="promptctl-log")

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Hand over one attempt; it is written with the next batch."""
        self.save_now(execution, content)
        self._start()

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """The same, for a call that is being cancelled; `close` writes it at the latest."""
        settlement = self._settlements.pop(execution.id, None)
        self._entries.append(Entry(execution, content or self._content, settlement))

    async def written(self) -> None:
        """Return at once: what was handed over is in the batch."""

    async def finish(self, result: ResultRow) -> None:
        """Record a case's result, and return once it is on disk with every attempt handed over before.

        Raises what went wrong in writing, even in an attempt for which nobody was waiting.
        """
        self._raise_untold()
        # One to wait for each case: whoever is cancelled meanwhile takes nothing from the others.
        written = asyncio.get_running_loop().create_future()
        self._results.append(result)
        self._waiting.append(written)
        self._start()
        await written

    async def close(self) -> None:
        """Write what is left. Raises what went wrong in writing, if nobody was told."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        entries, results, waiting = self._take()
        self._write(entries, results)
        _tell(waiting)
        self._thread.shutdown()
        self._raise_untold()

    async def __aenter__(self) -> BatchRecorder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _start(self) -> None:
        """Write what was handed over, as soon as whoever else is ready has handed over too."""
        if not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().call_soon(self._write_what_gathered)

    def _write_what_gathered(self) -> None:
        if self._is_quick and self._wrote_at_once():
            self._is_writing = False
        else:
            self._writer = asyncio.get_running_loop().create_task(self._write_batches())

    def _wrote_at_once(self) -> bool:
        begun = time.perf_counter()
        try:
            is_written = self._log.append_at_once(self._entries, self._results)
        except Exception:  # it comes again on the thread, from where it reaches whoever waits
            is_written = False
        if not is_written:
            return False
        entries, results, waiting = self._take()
        _tell_written(entries)
        self._time(begun, results)
        _tell(waiting)
        return True

    async def _write_batches(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._entries or self._results:
                entries, results, waiting = self._take()
                begun = time.perf_counter()
                try:
                    await loop.run_in_executor(self._thread, self._write, entries, results)
                except Exception as error:
                    _tell(waiting, error)
                    if not waiting:
                        self._untold = error
                else:
                    _tell(waiting)
                self._time(begun, results)
        finally:
            self._is_writing = False

    def _raise_untold(self) -> None:
        untold, self._untold = self._untold, None
        if untold is not None:
            raise untold

    def _take(self) -> tuple[list[Entry], list[ResultRow], list[asyncio.Future[None]]]:
        """Take over the entries that are not written yet; from here on, the caller writes them."""
        taken = self._entries, self._results, self._waiting
        self._entries, self._results, self._waiting = [], [], []
        return taken

    def _time(self, begun: float, results: list[ResultRow]) -> None:
        self._is_quick = time.perf_counter() - begun < _QUICK_S + _QUICK_RESULT_S * len(results)

    def _write(self, entries: list[Entry], results: list[ResultRow]) -> None:
        if entries or results:
            warning = self._log.append(entries, results)
            if warning is not None:
                self._on_failure(warning)
            _tell_written(entries)


def _tell_written(entries: list[Entry]) -> None:
    for entry in entries:
        if entry.settlement is not None:
            entry.settlement.written()


def _tell(waiting: list[asyncio.Future[None]], error: BaseException | None = None) -> None:
    for written in waiting:
        if not written.done():
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)
