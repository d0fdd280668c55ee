"""How many requests may be under way at once: shrinks when the provider says too many, and grows back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from promptctl.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from promptctl.models.gateway import Delta, Embeddings, Endpoint, Gateway, Reply, Request

_SHRINK = 0.5
_BURST_S = 1.0
_PAUSE_CAP_S = 60.0


class Limiter:
    """Admits at most `limit` requests at once, from 1 to `most`.

    A refusal for too many requests halves the limit, but only once for a burst: the other refusals of requests that
    were already under way say nothing new. Retry-After holds everybody back until it has passed. Each `limit` replies
    in a row let one more in.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.limit = most
        self.under_way = 0
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._paused_until = 0.0
        self._shrunk_at = float("-inf")
        self._good = 0

    async def acquire(self) -> None:
        """Wait for a place."""
        while True:
            pause_s = self._paused_until - self._clock()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            elif self.under_way < self.limit:
                self.under_way += 1
                return
            else:
                place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiting.append(place)
                try:
                    await place
                except asyncio.CancelledError:
                    self._admit()
                    raise

    def release(self) -> None:
        """Give the place back."""
        self.under_way -= 1
        self._admit()

    def succeeded(self) -> None:
        """A reply came: grow back, one place for each full round of replies."""
        if self.limit < self.most:
            self._good += 1
            if self._good >= self.limit:
                self._good = 0
                self.limit += 1
                self._admit()

    def refused(self, retry_after_s: float | None) -> None:
        """Too many requests: shrink once for the burst, and hold back as long as the provider asks."""
        now = self._clock()
        self._good = 0
        if retry_after_s:
            self._paused_until = max(self._paused_until, now + min(retry_after_s, _PAUSE_CAP_S))
        if now - self._shrunk_at >= max(_BURST_S, min(retry_after_s or 0.0, _PAUSE_CAP_S)):
            self._shrunk_at = now
            self.limit = max(1, int(self.limit * _SHRINK))

    def _admit(self) -> None:
        free = self.limit - self.under_way
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1


class LimitedGateway:
    """A gateway behind a limiter. A request that waits to be asked again holds no place meanwhile."""

    def __init__(self, gateway: Gateway, limiter: Limiter) -> None:
        self._gateway = gateway
        self._limiter = limiter

    async def complete(self, request: Request) -> Reply:
        """Ask once there is a place."""
        limiter = self._limiter
        await limiter.acquire()
        try:
            reply = await self._gateway.complete(request)
        except RateLimited as error:
            limiter.refused(error.retry_after_s)
            raise
        else:
            limiter.succeeded()
            return reply
        finally:
            limiter.release()

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Evaluations never stream; passed through."""
        async for piece in self._gateway.stream(request):
            yield piece

    async def embed(self, model: str, texts: Sequence[str], *, timeout_s: float, endpoint: Endpoint) -> Embeddings:
        """Embed once there is a place."""
        await self._limiter.acquire()
        try:
            return await self._gateway.embed(model, texts, timeout_s=timeout_s, endpoint=endpoint)
        except RateLimited as error:
            self._limiter.refused(error.retry_after_s)
            raise
        finally:
            self._limiter.release()

    async def close(self) -> None:
        """Close the gateway behind."""
        await self._gateway.close()
