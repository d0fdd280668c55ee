"""The event loops of calls: a background one for synchronous code, and what each loop that ends leaves of its calls."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary, WeakSet, finalize

from promptctl.errors import Cancelled, UsageError
from promptctl.log.records import Execution

if TYPE_CHECKING:
    from promptctl.calls.call import Attempts
    from promptctl.context import Context

Cancel = Callable[["Attempts", BaseException], None]
Left = dict["Attempts", tuple[Cancel, asyncio.AbstractEventLoop]]
T = TypeVar("T")
_GRACE_S = 10.0
_LAST_S = 1.0
_IS_PARENTS = "the stream goes on in the process that began it, not in one that was forked from it"
# Libraries that put greenlets in the place of threads, and where each keeps what it has patched.
_PATCHERS = {"gevent": ("gevent.monkey", "saved"), "eventlet": ("eventlet.patcher", "already_patched")}

_LOOPS: WeakSet[LoopThread] = WeakSet()


class LoopThread:
    """Runs coroutines on an event loop of its own thread; started on first use, and anew in a forked child.

    Raises `UsageError` if greenlets have taken the place of threads.
    """

    def __init__(self) -> None:
        _refuse_greenlets()
        _LOOPS.add(self)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process_id = self._closings = 0
        self._inherited: list[asyncio.AbstractEventLoop] = []

    @property
    def is_running(self) -> bool:
        """True while the loop can be waited for: it was started in this process, and this is not its own thread.

        While the interpreter is taken down, its thread stands still: to wait for it would be for ever.
        """
        is_ours = self._loop is not None and self._process_id == os.getpid() and not sys.is_finalizing()
        return is_ours and self._thread is not threading.current_thread()

    def unless_one_runs(self, instead: str) -> LoopThread:
        """Return this, to wait for. Raises `UsageError` if a loop runs in this thread: its tasks would all stop."""
        if asyncio._get_running_loop() is not None:
            name = instead.removeprefix("a")
            hint = f"async for item in workspace.{instead}(…)" if "stream" in name else f"await workspace.{instead}(…)"
            raise UsageError(
                f"`{name}` would stop the event loop that runs here, as in a notebook; use `{instead}`", hint=hint
            )
        return self

    def let_go(self, context: Context) -> None:
        """Close what the loop's thread has opened, and the threads; nothing if it does not run."""
        if self.is_running:
            self.close(context.gateway.close if context.has_made("gateway") else None)
            if context.has_made("recorder"):
                context.recorder.close()

    def run(self, coroutine: Awaitable[T], *, on_interrupt: Callable[[], None] | None = None) -> T:
        """Return the coroutine's result. Ctrl-C cancels it, waits until it has recorded that, and is raised again.

        With `on_interrupt` the first Ctrl-C calls that instead, and the coroutine goes on to its own end. Raises
        `Cancelled` if another thread closes the loop meanwhile; at the end of the program the thread ends silently.
        """
        ended = threading.Event()

        async def guarded() -> T:
            try:
                return await coroutine
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(guarded(), self._started())
        while not ended.is_set():
            try:
                ended.wait()
            except BaseException as interruption:
                if on_interrupt is not None and isinstance(interruption, KeyboardInterrupt):
                    on_interrupt()
                    on_interrupt = None
                    continue
                future.cancel()
                ended.wait(_GRACE_S)
                raise
        try:
            return future.result()
        except CancelledError:
            raise _was_closed() from None

    def iterate(
        self,
        generator: AsyncGenerator[T, None],
        owner: object = None,  # noqa: ARG002 - it is held
    ) -> Iterator[T]:
        """Yield the items of an asynchronous generator; closing the iterator early closes the generator.

        `owner` is kept meanwhile: if the last item let go of it, in the thread of the loop, that could not end with it.
        Raises what `run` does if the loop is closed before the call has ended, also while nobody waits for an item, and
        `Cancelled` in a forked child.
        """
        closings, process, item = self._closings, os.getpid(), None
        try:
            while closings == self._closings:
                try:
                    item = self.run(anext(generator))
                except StopAsyncIteration:
                    break
                yield item
            if closings != self._closings and not isinstance(item, Execution):
                raise _was_closed() if process == os.getpid() else Cancelled(_IS_PARENTS)
        finally:
            if closings == self._closings and self.is_running:
                self.run(generator.aclose())

    def close(self, last: Callable[[], Awaitable[object]] | None = None) -> None:
        """Stop the loop and its thread, cancelling what still runs on it; the next use starts new ones.

        `last` is awaited after that, on the loop. At the end of the program the loop stands, for calls of `atexit`: no
        thread might be started any more.
        """
        is_at_exit = not threading.main_thread().is_alive()
        with self._lock:
            self._forget_parents()
            self._closings += 1
            loop, thread = self._loop, self._thread
            if not is_at_exit:
                self._loop = self._thread = None
        if loop is None or thread is None:
            return
        ending = asyncio.run_coroutine_threadsafe(_end(last, stops=not is_at_exit), loop)
        if is_at_exit:
            with suppress(TimeoutError):
                ending.result(_GRACE_S)
            return
        thread.join(_GRACE_S + 2 * _LAST_S)
        if not thread.is_alive():
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            self._forget_parents()
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name="promptctl", daemon=True)
                thread.start()  # Python 3.12 refuses that once the program ends
                self._process_id, self._loop, self._thread = os.getpid(), loop, thread
            return self._loop

    def _forget_parents(self) -> None:
        """In a forked child, let go of the parent's loop, whose thread is not here.

        It is kept, and counts as closed: what closes connections in it would take them out of the poll that both share,
        and the parent would wait for them in vain. Streams that are open there have been cut off here.
        """
        if self._loop is not None and self._process_id != os.getpid():
            with suppress(AttributeError):  # a loop of uvloop
                self._loop._closed = True  # type: ignore[attr-defined]
                self._loop.call_soon = lambda *_, **__: None  # type: ignore[assignment, method-assign]
            self._inherited.append(self._loop)
            self._loop = self._thread = None
            self._closings += 1


def _forget_all_parents() -> None:
    for each in list(_LOOPS):
        each._forget_parents()


os.register_at_fork(after_in_child=_forget_all_parents)


def _was_closed() -> BaseException:
    """Return what a thread gets whose loop was closed; with the program it ends silently."""
    if threading.main_thread().is_alive():
        return Cancelled("the workspace was closed before the call had ended")
    return SystemExit()


def _refuse_greenlets() -> None:
    """Raise `UsageError` if gevent or eventlet has patched the process.

    A greenlet's loop counts as running in all others of its thread, and in a real thread what is patched hangs.
    """
    for name, (module, patched) in _PATCHERS.items():
        if getattr(sys.modules.get(module), patched, None):
            raise UsageError(
                f"calls wait for an event loop in a thread, and {name} has patched this process so that none can run",
                hint=f"serve the application with threads instead of {name} (gunicorn -k gthread --threads 32), or by "
                "an ASGI server with the awaited methods, such as `arun`",
            )


async def _end(last: Callable[[], Awaitable[object]] | None, *, stops: bool) -> None:
    """Cancel every other task of the running loop, give them time to record it, await `last`, and stop the loop."""
    loop = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for grace_s in (_GRACE_S, _LAST_S):  # what still waits for its record then leaves that to the thread that writes it
        for task in others:
            task.cancel()
        if others:
            _, others = await asyncio.wait(others, timeout=grace_s)
    await loop.shutdown_asyncgens()
    try:
        if last is not None:
            await last()
    finally:
        if stops:
            loop.stop()


class UnderWay:
    """Attempts that have no record yet, by event loop, each with what records it as cancelled.

    A loop that is closed with a stream open, or that stands still as the program ends, tells its calls nothing. Those
    that a forked child has of its parent are the parent's.
    """

    def __init__(self) -> None:
        # A loop is kept by its attempts alone: nobody may ever close it.
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, Left] = WeakKeyDictionary()

    def end_with(self, owner: object, context: Context) -> None:
        """Record as cancelled what is left once nothing holds `owner` any more, or as the program ends.

        The end of the program then waits for what other threads still record.
        """
        finalize(owner, _cancel_all, self._open, context)

    def until_ended(self, attempts: Attempts) -> ExitStack:
        """Return a context with which the attempts of a call end, also if an error of our own kept them from a record.

        They do not end with a generator that is dropped after its loop was closed: they are what that has left.
        """
        ending = ExitStack()
        ending.callback(self.end, attempts)
        return ending

    def begin(self, attempts: Attempts, cancel: Cancel) -> None:
        """Start the next attempt of a call; before the first one of a loop, record what closed loops have left.

        Raises `UsageError` if no loop of asyncio runs, as under trio.
        """
        loop = asyncio._get_running_loop()
        if loop is None:
            raise UsageError(
                "calls are awaited in an event loop of asyncio, and none runs here",
                hint="under trio: await trio.to_thread.run_sync(lambda: workspace.run(…))",
            )
        attempts.begin()
        if loop not in self._open:
            self.cancel_left()
            self._open[loop] = {}
        attempts.beside = self._open[loop]
        attempts.beside[attempts] = cancel, loop

    def end(self, attempts: Attempts) -> bool:
        """Note that an attempt gets its record now. False if it has one, or gets it in the parent process."""
        return attempts.process == os.getpid() and attempts.beside.pop(attempts, None) is not None

    def cancel_left(self) -> None:
        """Record as cancelled what closed loops have left."""
        for loop in _loops(self._open):
            if loop.is_closed():
                _cancel(self._open.pop(loop, {}))


def under_way_of(context: Context) -> UnderWay:
    """Return the attempts of a workspace that have no record yet."""
    return context.kept(UnderWay)


def _loops(attempts: WeakKeyDictionary[asyncio.AbstractEventLoop, Left]) -> list[asyncio.AbstractEventLoop]:
    return [loop for each in attempts.keyrefs() if (loop := each()) is not None]  # others may add some meanwhile


def _cancel_all(attempts: WeakKeyDictionary[asyncio.AbstractEventLoop, Left], context: Context) -> None:
    for loop in _loops(attempts):
        _cancel(attempts.get(loop, {}))
    if context.has_made("recorder") and not threading.main_thread().is_alive():  # else a running loop might wait here
        context.recorder.close()


def _cancel(left: Left) -> None:
    with suppress(KeyError):  # a loop in a different thread has ended the last one itself
        while left:
            attempts, (cancel, _) = left.popitem()
            if attempts.process == os.getpid():
                cancel(attempts, Cancelled("the event loop or the program ended before the call had"))
