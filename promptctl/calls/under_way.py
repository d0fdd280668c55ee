"""Attempts that have no record yet, so that the end of an event loop or of the program leaves none without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import finalize

from promptctl.errors import Cancelled

if TYPE_CHECKING:
    from promptctl.calls.call import Attempts
    from promptctl.context import Context

Cancel = Callable[["Attempts", BaseException], None]


class UnderWay:
    """Attempts that have no record yet, by event loop, each with what records it as cancelled.

    A loop that is closed with a stream open, or that stands still as the program ends, tells its calls nothing. Those
    that a forked child has of its parent are the parent's.
    """

    def __init__(self) -> None:
        self._open: dict[asyncio.AbstractEventLoop, dict[Attempts, Cancel]] = {}

    def begin(self, attempts: Attempts, cancel: Cancel) -> None:
        """Start the next attempt of a call; before the first one of a loop, record what closed loops have left."""
        attempts.begin()
        loop = asyncio.get_running_loop()
        if loop not in self._open:
            self.cancel_left()
            self._open[loop] = {}
        attempts.beside = self._open[loop]
        attempts.beside[attempts] = cancel

    def end(self, attempts: Attempts) -> bool:
        """Note that an attempt gets its record now. False if it has one, or gets it in the parent process."""
        return attempts.process == os.getpid() and attempts.beside.pop(attempts, None) is not None

    def cancel_left(self) -> None:
        """Record as cancelled what closed loops have left."""
        for ended in [each for each in list(self._open) if each.is_closed()]:
            _cancel(self._open.pop(ended, {}))


def under_way_of(context: Context) -> UnderWay:
    """Return the attempts of a workspace, which the end of the program records as cancelled at the latest."""
    return context.kept(_ended_with_the_program)


def _ended_with_the_program() -> UnderWay:
    made = UnderWay()
    finalize(made, _cancel_all, made._open)
    return made


def _cancel_all(attempts: dict[asyncio.AbstractEventLoop, dict[Attempts, Cancel]]) -> None:
    for left in list(attempts.values()):
        _cancel(left)


def _cancel(left: dict[Attempts, Cancel]) -> None:
    with suppress(KeyError):  # a loop in a different thread has ended the last one itself
        while left:
            attempts, cancel = left.popitem()
            if attempts.process == os.getpid():
                cancel(attempts, Cancelled("the event loop or the program ended before the call had"))
