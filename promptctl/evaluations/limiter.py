"""Limits the requests under way: shrinks when the provider refuses for too many, and grows back."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from promptctl.errors import Incomplete, ModelError, RateLimited
from promptctl.evaluations.progress import Load
from promptctl.models.gateway import Delta, Gateway, Reply, Request

_SHRINK = 0.5
_PAUSE_CAP_S = 60.0

# The deadline of the case that a request is for; it stands still while the request waits for a place.
DEADLINE: ContextVar[asyncio.Timeout | None] = ContextVar("deadline", default=None)


class Limiter:
    """Admits at most `limit` requests at once, from 1 to `most`.

    A refusal for too many requests halves the limit, but only once for a burst: the refusals of other requests that
    were already under way then say nothing new. The request that was refused waits as long as Retry-After says by
    itself; if another one is refused before any reply comes, all are meant, and everybody is held back until it has
    passed. Each `limit` replies in a row let one more in.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic, load: Load | None = None) -> None:
        self.most = most
        self.limit = most
        self.under_way = 0
        self._clock = clock
        self._load = load or Load()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._paused_until = float("-inf")
        self._shrunk_at = float("-inf")
        self._good = 0
        self._refused_until: float | None = None

    async def acquire(self) -> float:
        """Wait for a place, and give the moment when it was had, by the clock."""
        if not self._is_free():
            self._load.held_back += 1
            try:
                with time_stands_still():
                    while not self._is_free():
                        await self._wait()
            finally:
                self._load.held_back -= 1
        self.under_way += 1
        self._load.in_flight += 1
        return self._clock()

    def release(self) -> None:
        """Give the place back."""
        self.under_way -= 1
        self._load.in_flight -= 1
        self._admit()

    def succeeded(self) -> None:
        """A reply came: grow back, one place for each full round of replies."""
        self._refused_until = None
        if self.limit < self.most:
            self._good += 1
            if self._good >= self.limit:
                self._good = 0
                self.limit += 1
                self._admit()

    def refused(self, retry_after_s: float | None, asked_at: float) -> None:
        """Too many requests: shrink, and hold back as long as the provider asks, unless others are still answered.

        A request that was asked (`asked_at`, from `acquire`) before the limit last shrank belongs to the same burst.
        """
        now = self._clock()
        until = now + min(retry_after_s or 0.0, _PAUSE_CAP_S)
        if self._refused_until is not None:
            until = max(until, self._refused_until)
            self._paused_until = max(self._paused_until, until)
        self._refused_until = until
        if asked_at > self._shrunk_at:
            self._shrunk_at = now
            self._good = 0
            self.limit = max(1, int(self.limit * _SHRINK))

    def _is_free(self) -> bool:
        return self.under_way < self.limit and self._clock() >= self._paused_until

    async def _wait(self) -> None:
        pause_s = self._paused_until - self._clock()
        try:
            if pause_s > 0:
                await asyncio.sleep(pause_s)
                return
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            await place
        except asyncio.CancelledError:
            self._admit()
            raise

    def _admit(self) -> None:
        free = self.limit - self.under_way
        while free > 0 and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1


@dataclass(slots=True)
class _Door:
    """The way to one model. It opens for all once the first request is answered, and closes for good on a refusal."""

    limiter: Limiter
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    is_refused: bool = False


class LimitedGateway:
    """A gateway behind a limiter for each model. A request that waits to be asked again holds no place meanwhile.

    The first request to a model goes alone until it is answered, so that a refused key is refused once; the others wait
    for it so many seconds, as `probe_s` says for a model (None for as long as it takes). `on_lasting` is given a model,
    and each error that the next request to it would meet too; after one nothing more is sent to it.
    """

    def __init__(
        self,
        gateway: Gateway,
        most: int,
        on_lasting: Callable[[str, ModelError], None] = lambda _model, _error: None,
        probe_s: Callable[[str], float | None] = lambda _model: 0.0,
        load: Load | None = None,
    ) -> None:
        self._gateway = gateway
        self._most = most
        self._on_lasting = on_lasting
        self._probe_s = probe_s
        self._load = load or Load()
        self._doors: dict[str, _Door] = {}

    async def complete(self, request: Request) -> Reply:
        """Ask once there is a place. Raises `Incomplete` if the model has refused what it would refuse each time."""
        async with self._place(request.model):
            return await self._gateway.complete(request)

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Evaluations never stream; passed through."""
        return self._gateway.stream(request)

    async def close(self) -> None:
        """Close the gateway behind."""
        await self._gateway.close()

    @asynccontextmanager
    async def _place(self, model: str) -> AsyncGenerator[None, None]:
        """Wait for a place among the requests to the model; how the one in it ends moves the limit."""
        door = self._doors.get(model)
        if door is None:
            door = self._doors[model] = _Door(Limiter(self._most, load=self._load))
        elif not door.answered.is_set() and (probe_s := self._probe_s(model)) != 0:
            with time_stands_still(), suppress(TimeoutError):
                await asyncio.wait_for(door.answered.wait(), probe_s)
        asked_at = await door.limiter.acquire()
        try:
            if door.is_refused:
                raise Incomplete(f"{model} was not asked: it has refused what it would refuse each time")
            yield
            door.limiter.succeeded()
        except ModelError as error:
            if error.is_lasting:
                door.is_refused = True
                self._on_lasting(model, error)
            if isinstance(error, RateLimited):
                door.limiter.refused(error.retry_after_s, asked_at)
            raise
        finally:
            door.answered.set()
            door.limiter.release()


@contextmanager
def time_stands_still() -> Iterator[None]:
    """Within it the case's deadline does not come nearer."""
    deadline = DEADLINE.get()
    due = None if deadline is None or deadline.expired() else deadline.when()
    if deadline is None or due is None:
        yield
        return
    clock = asyncio.get_running_loop().time
    left_s = due - clock()
    deadline.reschedule(None)
    try:
        yield
    finally:
        deadline.reschedule(clock() + left_s)
