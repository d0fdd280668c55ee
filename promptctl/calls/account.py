"""An account of money with a bound: the worst case of each request is reserved before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptctl.errors import ModelError, PromptctlError

if TYPE_CHECKING:
    import asyncio

    from promptctl.log.records import Execution


class Account:
    """Lets no more be spent than its bound, as long as no request costs more than was reserved for it.

    All amounts are in nano-USD. `kept_nano_usd` is the part of what is spent that nobody told: such a request counts
    with all that was reserved. For use on one event loop.
    """

    def __init__(self, max_nano_usd: int) -> None:
        self.max_nano_usd = max_nano_usd
        self.spent_nano_usd = 0
        self.kept_nano_usd = 0
        self._reserved = 0
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def left_nano_usd(self) -> int:
        """The amount that is neither spent nor reserved; below 0 if a request cost more than was foreseen."""
        return self.max_nano_usd - self.spent_nano_usd - self._reserved

    async def reserve(self, nano_usd: int) -> int | None:
        """Return the amount that is reserved for one request; None if too little is left, so that it must not be sent.

        Waits while requests under way may still give back enough. What is reserved must be settled.
        """
        while nano_usd and nano_usd > self.left_nano_usd:  # what is free needs nothing to be left
            import asyncio  # whoever waits here has loaded it

            if self.spent_nano_usd + nano_usd > self.max_nano_usd:  # so without a request under way, too
                return None
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(change)
            await change
        self._reserved += nano_usd
        return nano_usd

    def settle(self, reserved_nano_usd: int, cost_nano_usd: int | None) -> None:
        """Count what a request cost, and give back the rest of what was reserved for it; None if nobody can tell."""
        self._reserved -= reserved_nano_usd
        if cost_nano_usd is None:
            cost_nano_usd = reserved_nano_usd
            self.kept_nano_usd += reserved_nano_usd
        self.spent_nano_usd += cost_nano_usd
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)


def spent(execution: Execution | None, error: PromptctlError | None) -> int | None:
    """Return the cost of a call in nano-USD: 0 if nothing was sent, None if nobody can say."""
    if execution is not None and (execution.status != "blocked" or execution.attempt > 1):
        return execution.cost_nano_usd
    return None if isinstance(error, ModelError) and not error.is_unbilled else 0
