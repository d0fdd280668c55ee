"""Stands before a gateway: a request is sent only if an account has enough left for its worst case."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING

from promptctl.errors import ContentFiltered, CostLimitReached, ModelConfigurationError, ModelError, printable
from promptctl.models.gateway import Delta, Embeddings, Gateway, Reply, Request
from promptctl.models.worst_case import WorstCase

if TYPE_CHECKING:
    from promptctl.calls.account import Account
    from promptctl.models.model_settings import Models

_NANO = 1_000_000_000


class SpendingGateway:
    """A gateway whose requests are paid from one account.

    `waiting` is entered while a request waits for others to give back what they did not need.
    """

    def __init__(
        self,
        gateway: Gateway,
        account: Account,
        models: Models,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._gateway = gateway
        self._account = account
        self._models = models
        self._waiting = waiting

    async def complete(self, request: Request) -> Reply:
        """Ask, if the account allows it; raises `CostLimitReached` if not."""
        async with _Paid(self, request) as paid:
            reply = await self._gateway.complete(request)
            paid.cost = reply.cost_nano_usd
            return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Ask for a stream, if the account allows it; raises `CostLimitReached` if not."""
        async with _Paid(self, request) as paid, aclosing(self._gateway.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    paid.cost = piece.cost_nano_usd
                yield piece

    async def embed(self, request: Request) -> Embeddings:
        """Embed, if the account allows it; raises `CostLimitReached` if not."""
        async with _Paid(self, request) as paid:
            found = await self._gateway.embed(request)
            paid.cost = found.cost_nano_usd
            return found

    async def close(self) -> None:
        """Close the gateway behind."""
        await self._gateway.close()

    async def _reserve(self, request: Request) -> int:
        worst = WorstCase.of(request, self._models.settings_of(request.model).model, self._models.prices)
        if worst.unbounded is not None:
            raise CostLimitReached(
                f"the limit on the cost cannot be kept: nobody can tell what a request to {request.model} costs with "
                f"`{printable(worst.unbounded)}`",
                hint="take it out of the prompt (a parameter that promptctl knows may stand for it), or ask without a "
                "limit on the cost",
            )
        if worst.nano_usd is None:
            raise CostLimitReached(
                f"the limit on the cost cannot be kept: it is not known what {request.model} costs",
                hint="give its price under `prices:` in promptctl.yaml, or say with `priced_as` under `models:` which "
                "model it is",
            )
        with self._waiting():
            reserved = await self._account.reserve(worst.nano_usd)
        if reserved is None:
            raise CostLimitReached(self._why_not(request, worst, worst.nano_usd), hint=worst.hint)
        return reserved

    def _why_not(self, request: Request, worst: WorstCase, nano_usd: int) -> str:
        account = self._account
        kept = account.kept_nano_usd
        told = f", of which {_dollars(kept)} for replies whose cost nobody told" if kept else ""
        return (
            f"too little is left of the limit on the cost: {_dollars(account.spent_nano_usd)} of "
            f"{_dollars(account.max_nano_usd)} are spent{told}, and the next request to {request.model} could cost "
            f"up to {_dollars(nano_usd)} ({worst.words})"
        )


class _Paid:
    """A request with its reservation; `cost` is what it turned out to cost, None while nobody can tell."""

    __slots__ = ("_of", "_request", "_reserved", "cost")

    def __init__(self, of: SpendingGateway, request: Request) -> None:
        self._of = of
        self._request = request
        self._reserved = 0
        self.cost: int | None = None

    async def __aenter__(self) -> _Paid:
        self._reserved = await self._of._reserve(self._request)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ModelError):
            self.cost = _cost_of_failure(error)
        self._of._account.settle(self._reserved, self.cost)


def _cost_of_failure(error: ModelError) -> int | None:
    """Return the cost of a request that failed: 0 if the provider refused it or was not reached, else what it told."""
    if isinstance(error.partial, Reply):
        return error.partial.cost_nano_usd
    # Some providers bill what their filter has read.
    is_refused = error.status is not None and error.status >= 400 and not isinstance(error, ContentFiltered)
    return 0 if is_refused or not error.was_sent or isinstance(error, ModelConfigurationError) else None


def _dollars(nano_usd: int) -> str:
    return f"${nano_usd / _NANO:.6f}".rstrip("0").rstrip(".")
