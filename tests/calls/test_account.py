"""An account of money: no more is spent than its bound, and what comes back is used."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from promptctl.calls.account import Account, spent
from promptctl.errors import (
    CostLimitReached,
    ModelTimeout,
    PromptctlError,
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    RenderError,
)
from tests.log.conftest import make


def test_what_is_not_needed_is_given_back() -> None:
    async def spend() -> None:
        account = Account(10)
        assert await account.reserve(8) == 8
        assert account.left_nano_usd == 2
        account.settle(8, 3)
        assert (account.spent_nano_usd, account.left_nano_usd) == (3, 7)
        assert await account.reserve(8) is None

    asyncio.run(spend())


def test_a_request_waits_for_what_others_give_back() -> None:
    async def spend() -> None:
        account = Account(10)
        await account.reserve(8)
        second, third = asyncio.create_task(account.reserve(7)), asyncio.create_task(account.reserve(7))
        await asyncio.sleep(0)
        assert not second.done()
        account.settle(8, 1)
        assert await second == 7
        account.settle(7, 1)
        assert await third == 7
        account.settle(7, 7)
        assert (account.spent_nano_usd, account.left_nano_usd) == (9, 1)

    asyncio.run(spend())


def test_nothing_waits_for_what_cannot_come_back() -> None:
    async def spend() -> None:
        account = Account(10)
        await account.reserve(4)
        account.settle(4, 4)
        await account.reserve(4)
        assert await account.reserve(7) is None, "6 are left at most"
        waiting = asyncio.create_task(account.reserve(5))
        await asyncio.sleep(0)
        account.settle(4, None)
        assert (await waiting, account.kept_nano_usd, account.spent_nano_usd) == (None, 4, 8)

    asyncio.run(spend())


def test_one_that_is_cancelled_while_it_waits_takes_nothing() -> None:
    async def spend() -> None:
        account = Account(10)
        await account.reserve(10)
        first, second = asyncio.create_task(account.reserve(6)), asyncio.create_task(account.reserve(6))
        await asyncio.sleep(0)
        first.cancel()
        account.settle(10, 0)
        assert (await second, account.left_nano_usd) == (6, 4)

    asyncio.run(spend())


def test_after_a_request_that_cost_more_than_was_foreseen_nothing_is_reserved() -> None:
    async def spend() -> None:
        account = Account(10)
        await account.reserve(8)
        account.settle(8, 22)
        assert (account.left_nano_usd, await account.reserve(1)) == (-12, None)

    asyncio.run(spend())


def test_what_is_free_needs_nothing() -> None:
    async def spend() -> None:
        account = Account(0)
        assert await account.reserve(0) == 0
        account.settle(0, 0)
        assert await account.reserve(1) is None

    asyncio.run(spend())


@pytest.mark.parametrize(
    ("execution", "error", "cost"),
    [
        ({"cost_nano_usd": 7}, None, 7),
        ({"cost_nano_usd": None}, None, None),
        ({"cost_nano_usd": 0, "status": "error"}, RateLimited("slow down", status=429), 0),
        ({"cost_nano_usd": None, "status": "error"}, ProviderFailed("down", status=503), None),
        ({"cost_nano_usd": None, "status": "blocked"}, CostLimitReached("too little is left"), 0),
        ({"cost_nano_usd": None, "status": "blocked", "attempt": 2}, CostLimitReached("too little is left"), None),
        ({"cost_nano_usd": 5, "status": "blocked", "attempt": 2}, CostLimitReached("too little is left"), 5),
        (None, ModelTimeout("the case took too long"), None),
        (None, ProviderUnreachable("closed"), None),
        (None, RateLimited("slow down", status=429), 0),
        (None, RenderError("no such input"), 0),
    ],
    ids=str,
)
def test_a_call_that_nobody_can_bill_was_free_and_of_one_that_broke_off_the_cost_is_unknown(
    execution: dict[str, Any] | None, error: PromptctlError | None, cost: int | None
) -> None:
    assert spent(None if execution is None else make(**execution), error) == cost
