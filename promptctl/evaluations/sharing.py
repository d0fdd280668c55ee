"""Lets equal requests that are under way at the same time be asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from promptctl.evaluations.limiter import time_stands_still

T = TypeVar("T")

# For how many others a request waits that then bring nothing, before it goes by itself beside them.
_MOST_WAITS = 3


class Sharing(Generic[T]):
    """The requests under way on one event loop, by their digest.

    A failure is not shared: the next one of those that waited asks, and the others wait for that. So is a request that
    is cancelled; one that is cancelled while it waits takes nothing from anybody.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[T | None]] = {}

    async def ask(self, digest: str, kept: Callable[[], T | None], asked: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the kept value or else the request's; and True if a different request had asked for it."""
        for _ in range(_MOST_WAITS):
            already = kept()
            if already is not None:
                return already, False
            other = self._under_way.get(digest)
            if other is None:
                return await self._lead(digest, asked), False
            with time_stands_still():
                await asyncio.wait([other])
            found = other.result()
            if found is not None:
                return found, True
        return await asked(), False

    async def _lead(self, digest: str, asked: Callable[[], Awaitable[T]]) -> T:
        mine: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._under_way[digest] = mine
        found: T | None = None
        try:
            found = await asked()
            return found
        finally:
            del self._under_way[digest]
            mine.set_result(found)
