"""A gateway that sends nothing whose worst case is more than what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from promptctl.calls.account import Account
from promptctl.calls.spending import SpendingGateway
from promptctl.errors import (
    ContentFiltered,
    CostLimitReached,
    ModelError,
    ModelTimeout,
    ProviderFailed,
    ProviderUnreachable,
    RequestRejected,
)
from promptctl.formats.settings_file import read_settings
from promptctl.models.gateway import Delta, Reply, Request, embedding_request
from promptctl.models.model_settings import Models

SETTINGS = """\
models:
  "local/*": {api_base: "http://127.0.0.1:9/v1"}
prices:
  local/m: {input: 1, output: 1}
"""
# 16 of the request, 8 and 6 bytes of the message, and 10 of the reply, each of a thousandth of a millionth.
WORST = 40_000
REQUEST = Request("local/m", [{"role": "user", "content": "hi"}], {"max_tokens": 10})


class Fake:
    """A gateway whose replies are made by a function of no arguments."""

    def __init__(self, answer: Callable[[], Reply]) -> None:
        self.answer = answer
        self.asked = 0

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        await asyncio.sleep(0)
        return self.answer()

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        self.asked += 1
        yield Delta("a")
        yield self.answer()

    async def close(self) -> None:
        pass


def costing(nano_usd: int | None) -> Callable[[], Reply]:
    return lambda: Reply("a", "m", "local", cost_nano_usd=nano_usd)


def failing(error: ModelError) -> Callable[[], Reply]:
    def fail() -> Reply:
        raise error

    return fail


def paid(bound: int, answer: Callable[[], Reply]) -> tuple[SpendingGateway, Account, Fake]:
    account, fake = Account(bound), Fake(answer)
    return SpendingGateway(workspace(), fake, account), account, fake


def workspace() -> Any:
    """A workspace without budgets."""
    settings = read_settings(SETTINGS.encode())
    return SimpleNamespace(models=Models(settings, {"OPENROUTER_API_KEY": "x"}), settings_now=settings)


def test_many_at_once_go_one_by_one_and_use_what_is_given_back() -> None:
    gateway, account, fake = paid(3 * WORST, costing(1_000))

    async def ask() -> None:
        found = await asyncio.gather(*(gateway.complete(REQUEST) for _ in range(50)), return_exceptions=True)
        assert all(isinstance(each, Reply) for each in found)

    asyncio.run(ask())
    assert (fake.asked, account.spent_nano_usd) == (50, 50_000)


def test_nothing_is_sent_where_too_little_is_left_and_why_is_said() -> None:
    gateway, account, fake = paid(WORST - 1, costing(1))
    with pytest.raises(CostLimitReached, match=r"could cost up to \$0.00004 \(up to 30 tokens of input and 10 of"):
        asyncio.run(gateway.complete(REQUEST))
    assert (fake.asked, account.spent_nano_usd) == (0, 0)


@pytest.mark.parametrize(
    ("error", "spent"),
    [
        (RequestRejected("x", status=400), 0),
        (RequestRejected("x", status=422), 0),
        (RequestRejected("x", status=307), 0),
        (RequestRejected("refused by nobody knows whom"), WORST),
        (ProviderFailed("x", status=503), WORST),
        (ProviderFailed("x", status=504), WORST),
        (ProviderFailed("x", status=408), WORST),
        (ProviderFailed("answered with nothing"), WORST),
        (ModelTimeout("x"), WORST),
        (ProviderUnreachable("closed"), WORST),
        (ContentFiltered("x", status=400), WORST),
    ],
    ids=str,
)
def test_a_failure_costs_what_is_known_of_it_else_the_worst_case(error: ModelError, spent: int) -> None:
    gateway, account, _ = paid(10 * WORST, failing(error))
    with pytest.raises(type(error)):
        asyncio.run(gateway.complete(REQUEST))
    assert (account.spent_nano_usd, account.left_nano_usd) == (spent, 10 * WORST - spent)


@pytest.mark.parametrize("broken", [ProviderFailed("broke off"), RequestRejected("too much by now", status=429)])
def test_a_stream_that_broke_off_costs_what_its_part_told(broken: ModelError) -> None:
    broken.partial = Reply("a", "m", "local", cost_nano_usd=7)
    gateway, account, _ = paid(10 * WORST, failing(broken))

    async def read() -> None:
        async for _ in gateway.stream(REQUEST):
            pass

    with pytest.raises(type(broken)):
        asyncio.run(read())
    assert account.spent_nano_usd == 7


def test_a_stream_that_nobody_reads_to_its_end_keeps_its_worst_case() -> None:
    gateway, account, _ = paid(10 * WORST, costing(7))

    async def read() -> None:
        pieces = gateway.stream(REQUEST)
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(read())
    assert (account.spent_nano_usd, account.kept_nano_usd) == (WORST, WORST)


def test_a_stream_and_embeddings_are_paid() -> None:
    gateway, account, _ = paid(10 * WORST, costing(7))

    async def read() -> None:
        assert [type(piece).__name__ async for piece in gateway.stream(REQUEST)] == ["Delta", "Reply"]
        await gateway.complete(embedding_request("local/m", ["hi"]))

    asyncio.run(read())
    assert account.spent_nano_usd == 14


def test_a_cancelled_request_keeps_its_worst_case() -> None:
    gateway, account, _ = paid(10 * WORST, costing(7))

    async def ask() -> None:
        task = asyncio.create_task(gateway.complete(REQUEST))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(ask())
    assert account.spent_nano_usd == WORST


def test_a_request_that_a_budget_refuses_gives_back_what_it_took_of_the_account() -> None:
    class Refusing:
        async def reserve(self, *_: object) -> None:
            raise CostLimitReached("the budget is spent")

    account, fake = Account(10 * WORST), Fake(costing(1))
    gateway = SpendingGateway(workspace(), fake, account)
    gateway._guard = Refusing()  # type: ignore[assignment]
    with pytest.raises(CostLimitReached, match="the budget is spent"):
        asyncio.run(gateway.complete(REQUEST))
    assert (account.left_nano_usd, fake.asked) == (10 * WORST, 0)


def test_what_could_cost_anything_is_not_sent() -> None:
    gateway, account, fake = paid(10**12, costing(0))
    extra = {"generationConfig": {"maxOutputTokens": 65536}}
    with pytest.raises(CostLimitReached, match=r"a request to local/m costs with `extra_body.generationConfig`"):
        asyncio.run(gateway.complete(Request("local/m", [], {"max_tokens": 1, "extra_body": extra})))
    assert (fake.asked, account.spent_nano_usd) == (0, 0)


def test_a_model_without_a_price_is_not_asked_and_echo_is_free() -> None:
    gateway, _, fake = paid(10**12, costing(0))
    with pytest.raises(CostLimitReached, match="not known what local/unpriced costs"):
        asyncio.run(gateway.complete(Request("local/unpriced", [])))
    with pytest.raises(CostLimitReached, match="not known what openrouter/openai/o1-pro costs"):
        asyncio.run(gateway.complete(Request("openrouter/openai/o1-pro", [])))
    assert fake.asked == 0
    gateway, account, _ = paid(0, costing(0))
    asyncio.run(gateway.complete(Request("echo/echo", [])))
    assert account.spent_nano_usd == 0
