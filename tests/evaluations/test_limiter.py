from __future__ import annotations

import asyncio

import pytest

from promptctl.errors import AuthenticationFailed, Incomplete, ModelError, RequestRejected
from promptctl.evaluations.limiter import DEADLINE, LimitedGateway, Limiter
from promptctl.evaluations.request import Limits
from promptctl.models.echo import Echo
from promptctl.models.gateway import Reply, Request
from tests.evaluation_lab import Lab, answering, slowly
from tests.openai_server import Exchange, failure, reply


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def fill(limiter: Limiter) -> list[float]:
    """Take every place there is; when each was had."""
    return [await limiter.acquire() for _ in range(limiter.limit)]


class TestOneBurst:
    async def refuse_all(self, limiter: Limiter, asked: list[float], retry_after_s: float | None = None) -> None:
        for asked_at in asked:
            limiter.refused(retry_after_s, asked_at)
            limiter.release()

    def test_a_burst_halves_the_limit_once_however_long_it_takes_to_arrive(self) -> None:
        async def scene() -> None:
            clock = Clock()
            limiter = Limiter(8, clock=clock)
            asked = await fill(limiter)
            for asked_at in asked:
                clock.now += 3
                limiter.refused(None, asked_at)
            assert limiter.limit == 4

        asyncio.run(scene())

    def test_a_refusal_of_what_was_asked_later_is_another_burst(self) -> None:
        async def scene() -> None:
            clock = Clock()
            limiter = Limiter(8, clock=clock)
            await self.refuse_all(limiter, await fill(limiter))
            clock.now += 0.01
            await self.refuse_all(limiter, await fill(limiter))
            assert limiter.limit == 2

        asyncio.run(scene())

    def test_there_is_always_one_place(self) -> None:
        async def scene() -> None:
            clock = Clock()
            limiter = Limiter(2, clock=clock)
            for _ in range(5):
                clock.now += 1
                asked_at = await limiter.acquire()
                limiter.refused(None, asked_at)
                limiter.release()
            assert limiter.limit == 1

        asyncio.run(scene())

    def test_it_grows_back_by_one_for_each_round_of_replies_and_no_further(self) -> None:
        async def scene() -> None:
            limiter = Limiter(4, clock=Clock())
            limiter.refused(None, await limiter.acquire())
            assert limiter.limit == 2
            grown = []
            for _ in range(8):
                limiter.succeeded()
                grown.append(limiter.limit)
            assert grown == [2, 3, 3, 3, 4, 4, 4, 4]

        asyncio.run(scene())


class TestRetryAfter:
    """Whether everybody waits for it: told by who can have a place at once."""

    @staticmethod
    async def admits(limiter: Limiter) -> bool:
        asking = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        is_admitted = asking.done()
        asking.cancel()
        return is_admitted

    def scene(self, *events: float | None, later_s: float = 0.0) -> bool:
        """Whether a request is admitted after these: a refusal with its Retry-After, or None for a reply."""

        async def played() -> bool:
            clock = Clock()
            limiter = Limiter(8, clock=clock)
            for event in events:
                asked_at = await limiter.acquire()
                if event is None:
                    limiter.succeeded()
                else:
                    limiter.refused(event, asked_at)
                limiter.release()
            clock.now += later_s
            return await self.admits(limiter)

        return asyncio.run(played())

    def test_one_refusal_among_replies_holds_nobody_else_back(self) -> None:
        assert self.scene(10)
        assert self.scene(10, None, 10, None, None, 10)

    def test_two_with_no_reply_between_them_hold_everybody_back_until_it_has_passed(self) -> None:
        assert not self.scene(None, 10, 0, later_s=9.9)
        assert not self.scene(None, 0, 10, later_s=9.9)
        assert self.scene(None, 10, 5, later_s=10.1)

    def test_nobody_is_held_back_for_longer_than_a_minute(self) -> None:
        assert self.scene(3600, 3600, later_s=60.1)


class TestWaiting:
    def test_places_are_given_on_in_turn(self) -> None:
        async def scene() -> None:
            limiter = Limiter(1)
            order = []

            async def ask(name: str) -> None:
                await limiter.acquire()
                order.append(name)
                await asyncio.sleep(0)
                limiter.release()

            await asyncio.gather(*(ask(name) for name in "abc"))
            assert order == ["a", "b", "c"]
            assert limiter.under_way == 0

        asyncio.run(scene())

    def test_a_place_is_not_lost_with_a_request_that_was_cancelled_while_it_waited(self) -> None:
        async def scene() -> None:
            limiter = Limiter(1)
            await limiter.acquire()
            waiting = [asyncio.create_task(limiter.acquire()) for _ in range(2)]
            await asyncio.sleep(0)
            limiter.release()
            waiting[0].cancel()
            await asyncio.wait_for(waiting[1], 2)
            assert limiter.under_way == 1

        asyncio.run(scene())

    def test_a_cases_deadline_stands_still_meanwhile(self) -> None:
        async def scene() -> None:
            limiter = Limiter(1)
            await limiter.acquire()
            asyncio.get_running_loop().call_later(0.3, limiter.release)
            async with asyncio.timeout(0.1) as deadline:
                DEADLINE.set(deadline)
                await limiter.acquire()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await asyncio.sleep(5)

        asyncio.run(scene())


class TestWithAProvider:
    def test_a_burst_of_refusals_loses_no_case_and_is_logged_attempt_by_attempt(self, lab: Lab) -> None:
        lab.many(30)
        lab.server.script(*(failure(429, retry_after=0.2) for _ in range(8)))
        found = lab.one(limits=Limits(concurrency=8))
        assert found.verdict == "passed"
        assert len(lab.asked) == 38
        with lab.open() as workspace:
            attempts = {row.group["status"]: row.attempts for row in workspace.log.totals(by=("status",))}
        assert attempts == {"error": 8, "ok": 30}

    def test_nothing_is_asked_before_retry_after_has_passed(self, lab: Lab) -> None:
        lab.many(6)
        arrived: list[float] = []

        async def noted(exchange: Exchange) -> None:
            arrived.append(asyncio.get_running_loop().time())
            ticket = exchange.request.body["messages"][-1]["content"]
            await (failure(429, retry_after=1) if len(arrived) == 1 else reply(ticket))(exchange)

        lab.server.default = noted
        assert lab.one(limits=Limits(concurrency=1)).verdict == "passed"
        assert arrived[1] - arrived[0] >= 1.0

    def test_a_provider_that_takes_few_at_once_still_answers_all(self, lab: Lab) -> None:
        """More than three requests at once are refused; every case gets its reply, though many are asked at first."""
        lab.many(40)
        under_way = 0

        async def few(exchange: Exchange) -> None:
            nonlocal under_way
            under_way += 1
            try:
                busy = under_way > 3
                await (failure(429) if busy else slowly(0.01, answering({})))(exchange)
            finally:
                under_way -= 1

        lab.server.default = few
        found = lab.one(limits=Limits(concurrency=16))
        assert (found.verdict, found.summary.counts.passed) == ("passed", 40)


class TestTheFirst:
    """The first request to a model goes alone until it is answered."""

    def scene(self, error: ModelError | None, probe_s: float) -> tuple[list[str], list[object]]:
        """Ask five times at once; return what was sent before the first answer, and how all ended."""

        async def run() -> tuple[list[str], list[object]]:
            answered = asyncio.Event()
            sent: list[str] = []

            class Held(Echo):
                async def complete(self, request: Request) -> Reply:
                    sent.append(request.model)
                    await answered.wait()
                    if error is not None:
                        raise error
                    return Reply("", "m", "local")

            gateway = LimitedGateway(Held(), 5, probe_s=lambda _model: probe_s)
            asked = [asyncio.create_task(gateway.complete(Request("local/m", []))) for _ in range(5)]
            for _ in range(20):  # turns of the loop, until each waits
                await asyncio.sleep(0)
            first = list(sent)
            answered.set()
            return first, list(await asyncio.gather(*asked, return_exceptions=True))

        return asyncio.run(run())

    def test_it_goes_alone_and_then_all_go(self) -> None:
        sent, ended = self.scene(None, 3600)
        assert (sent, [type(each) for each in ended]) == (["local/m"], [Reply] * 5)

    def test_after_a_refused_key_nothing_more_is_sent(self) -> None:
        sent, ended = self.scene(AuthenticationFailed("refused", status=401), 3600)
        assert (sent, [type(each) for each in ended]) == (["local/m"], [AuthenticationFailed, *[Incomplete] * 4])

    def test_an_error_of_one_request_says_nothing_of_the_others(self) -> None:
        _, ended = self.scene(RequestRejected("too long", status=400), 3600)
        assert [type(each) for each in ended] == [RequestRejected] * 5

    def test_nobody_waits_without_need(self) -> None:
        sent, _ = self.scene(None, 0)
        assert len(sent) == 5
