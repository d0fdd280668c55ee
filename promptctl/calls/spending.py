"""Stands before a gateway: a request is sent only if an account and all budgets have enough left for its worst case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import TYPE_CHECKING

from promptctl.errors import CostLimitReached, ModelError, printable
from promptctl.formats.budget_rules import amount_words, used_words
from promptctl.models.gateway import Delta, Gateway, Reply, Request
from promptctl.models.worst_case import WorstCase

if TYPE_CHECKING:
    from promptctl.calls.account import Account
    from promptctl.calls.budgets import BudgetGuard, Held
    from promptctl.context import Context


class SpendingGateway:
    """A gateway whose requests are paid from one account, by the budgets of the workspace once it has any, or by both.

    `waiting` is entered while a request waits for others to give back what they did not need. Without it, only those
    for the account wait.
    """

    def __init__(
        self,
        context: Context,
        gateway: Gateway,
        account: Account | None = None,
        waiting: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._account = account
        self._waiting = waiting
        self._guard: BudgetGuard | None = None

    async def complete(self, request: Request) -> Reply:
        """Ask, if it may be paid; raises `CostLimitReached` if not."""
        async with _Paid(self, request) as paid:
            paid.answer = reply = await self._gateway.complete(request)
            return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Ask for a stream, if it may be paid; raises `CostLimitReached` if not."""
        async with _Paid(self, request) as paid, aclosing(self._gateway.stream(request)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Reply):
                    paid.answer = piece
                yield piece

    async def close(self) -> None:
        """Close the gateway behind."""
        await self._gateway.close()

    def _budgets(self) -> BudgetGuard | None:
        if self._guard is None and self._context.settings_now.budgets:
            from promptctl.calls.budgets import BudgetGuard

            self._guard = BudgetGuard(self._context)
        return self._guard

    async def _reserve(self, account: Account, request: Request, worst: WorstCase) -> int:
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
        with (self._waiting or nullcontext)():
            reserved = await account.reserve(worst.nano_usd)
        if reserved is None:
            raise CostLimitReached(_why_not(account, request, worst, worst.nano_usd), hint=worst.hint)
        return reserved


def _why_not(account: Account, request: Request, worst: WorstCase, nano_usd: int) -> str:
    kept = account.kept_nano_usd
    told = f", of which {amount_words('usd', kept)} for replies whose cost nobody told" if kept else ""
    used = used_words("usd", account.spent_nano_usd, account.max_nano_usd)
    return (
        f"too little is left of the limit on the cost: {used} are spent{told}, and the next request to {request.model} "
        f"could cost up to {amount_words('usd', nano_usd)} ({worst.words})"
    )


class _Paid:
    """A request with its reservations; `answer` is what came back, None while nothing did."""

    __slots__ = ("_held", "_of", "_request", "_reserved", "answer")

    def __init__(self, of: SpendingGateway, request: Request) -> None:
        self._of = of
        self._request = request
        self._reserved = 0
        self._held: Held | None = None
        self.answer: Reply | None = None

    async def __aenter__(self) -> _Paid:
        of, request = self._of, self._request
        budgets = of._budgets()
        if budgets is None and of._account is None:
            return self
        models = of._context.models
        worst = WorstCase.of(request, models.settings_of(request.model).model, models.prices)
        if of._account is not None:
            self._reserved = await of._reserve(of._account, request, worst)
        if budgets is not None:
            try:
                self._held = await budgets.reserve(request, worst, of._waiting)
            except BaseException:
                if of._account is not None:
                    of._account.settle(self._reserved, 0)
                raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        failed = error if isinstance(error, ModelError) else None
        answer = self.answer
        if failed is not None:
            answer = failed.partial if isinstance(failed.partial, Reply) else None
        is_free = failed is not None and answer is None and failed.is_unbilled
        cost = 0 if is_free else None if answer is None else answer.cost_nano_usd
        if self._of._account is not None:
            self._of._account.settle(self._reserved, cost)
        if self._held is not None:
            tokens = 0 if is_free else None if answer is None else _tokens(answer)
            has_row = error is None or isinstance(error, ModelError | asyncio.CancelledError | GeneratorExit)
            self._held.settle(cost, tokens, int(failed is None or failed.was_sent), has_row=has_row)


def _tokens(answer: Reply) -> int | None:
    counts = answer.usage.input_tokens, answer.usage.output_tokens
    return None if None in counts else sum(filter(None, counts))
