from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptctl.errors import ProviderFailed
from promptctl.evaluations.cache import CachedGateway, ReplyCache, _kept_reply, _reply
from promptctl.log.redaction import Redactor
from promptctl.models.gateway import Reply, Request, Usage, embedding_request
from tests.evaluation_lab import REPLY_COST, Lab, answering, slowly
from tests.openai_server import Answer, Exchange, failure, reply


class TestAnEvaluation:
    def test_every_repeat_is_asked_once_and_never_again(self, lab: Lab) -> None:
        lab.many(4)
        cold = lab.one(repeats=3)
        assert len(lab.asked) == 12
        warm = lab.one(repeats=3)
        assert len(lab.asked) == 12
        assert [row.output for row in lab.rows(warm)] == [row.output for row in lab.rows(cold)]

    def test_what_cost_nobody_knows_what_is_not_cheap_once_it_is_reused(self, lab: Lab) -> None:
        lab.cases({"id": "a", "inputs": {"ticket": "x"}, "assert": [{"type": "cost", "threshold": 1}]})
        first, again = (lab.one(models=("local/unpriced",)) for _ in range(2))
        assert (first.summary.counts.errors, again.summary.counts.errors) == (1, 1)
        assert (again.summary.reply_sources, again.totals.as_json()["full_cost_nano_usd"]) == ({"cache": 1}, None)

    def test_a_reused_reply_costs_nothing_and_says_so(self, lab: Lab) -> None:
        lab.many(3)
        lab.one()
        data = lab.one().totals.as_json()
        assert (data["cost_nano_usd"], data["full_cost_nano_usd"]) == (0, 3 * REPLY_COST)
        assert data["reply_sources"] == {"cache": 3}

    def test_it_can_be_left_alone(self, lab: Lab) -> None:
        lab.many(3)
        for _ in range(2):
            lab.one(replies="ask")
        assert len(lab.asked) == 6
        lab.one()
        assert len(lab.asked) == 9, "what was asked without the cache is not in it"

    def test_other_parameters_are_another_request(self, lab: Lab) -> None:
        lab.many(2)
        lab.one()
        lab.one(parameters={"temperature": 1})
        assert len(lab.asked) == 4

    def test_an_error_is_not_kept(self, lab: Lab) -> None:
        lab.many(2)
        lab.server.default = answering({"c1": failure(400)})
        lab.one()
        lab.server.default = answering({})
        assert lab.one().verdict == "passed"
        assert lab.asked.count("c0") == 1
        assert lab.asked.count("c1") == 2

    @pytest.mark.parametrize(
        ("check", "nonsense", "verdict"),
        [
            ({"type": "llm-rubric", "value": "Kind"}, "Rather good", '{"reason": "r", "score": 1, "pass": true}'),
            (
                {"type": "classify", "value": "a", "choices": ["a", "b"]},
                '{"reason": "r", "choice": "c"}',
                '{"reason": "r", "choice": "a"}',
            ),
        ],
    )
    def test_a_reply_that_is_no_verdict_is_shown_and_not_kept(
        self, lab: Lab, check: dict[str, object], nonsense: str, verdict: str
    ) -> None:
        lab.cases({"id": "c0", "inputs": {"ticket": "c0"}, "assert": [check]})
        lab.server.default = answering({"c0": "c0"}, otherwise=reply(nonsense))
        found = lab.one(judge="local/judge", repeats=2)
        assert found.summary.counts.errors == 1
        assert f"it said {json.dumps(nonsense)}" in (lab.rows(found)[0].error_message or "")
        asked = len(lab.asked)
        lab.server.default = answering({"c0": "c0"}, otherwise=reply(verdict))
        assert lab.one(judge="local/judge", repeats=2).verdict == "passed"
        assert len(lab.asked) == asked + 1, "the replies are kept, and equal ones have one verdict"
        assert lab.one(judge="local/judge", repeats=2).verdict == "passed"
        assert len(lab.asked) == asked + 1, "a verdict is kept"

    def test_no_verdict_is_kept_of_the_corrections_either(self, lab: Lab) -> None:
        lab.cases({"id": "c0", "inputs": {"ticket": "c0"}, "assert": [{"type": "llm-rubric", "value": "Kind"}]})

        def judging(correction: str) -> Answer:
            async def answer(exchange: Exchange) -> None:
                assert exchange.request.body is not None
                said = [each["role"] for each in exchange.request.body["messages"]]
                await reply(correction if "assistant" in said else "Rather good")(exchange)

            return answer

        lab.server.default = answering({"c0": "c0"}, otherwise=judging("Still rather good"))
        assert lab.one(judge="local/judge").verdict == "incomplete"
        asked = len(lab.asked)
        lab.server.default = answering({"c0": "c0"}, otherwise=judging('{"reason": "r", "score": 1, "pass": true}'))
        assert lab.one(judge="local/judge").verdict == "passed"
        assert len(lab.asked) == asked + 2

    def test_a_reply_with_a_secret_in_it_is_not_kept(self, lab: Lab) -> None:
        secret = "sk-proj-0123456789abcdefghij"
        asserts = [{"type": "contains", "value": "is"}]
        lab.cases(*({"id": n, "inputs": {"ticket": n}, "assert": asserts} for n in ("told", "linked")))
        lab.server.default = answering({"told": f"it is {secret}", "linked": "it is at https://example.com/"})
        for _ in range(2):
            assert lab.one().verdict == "passed"
        assert sorted(lab.asked) == ["linked", "told", "told"]
        assert secret.encode() not in (lab.root / ".promptctl/cache.db").read_bytes()

    @pytest.mark.parametrize("content", [b"this is no database", b""])
    def test_one_that_is_damaged_is_told_of_and_done_without(self, lab: Lab, content: bytes) -> None:
        lab.many(2)
        (lab.root / ".promptctl").mkdir()
        (lab.root / ".promptctl/cache.db").write_bytes(content)
        assert lab.one().verdict == "passed"
        assert len(lab.warnings) == bool(content)

    def test_entries_that_cannot_be_read_are_asked_for_anew(self, lab: Lab) -> None:
        lab.many(2)
        lab.one()
        with closing(sqlite3.connect(lab.root / ".promptctl/cache.db")) as connection, connection:
            connection.execute('UPDATE replies SET reply = \'{"text": 1, "of": "a later version"}\'')
        connection.close()
        assert lab.one().verdict == "passed"
        assert len(lab.asked) == 4


class CountingGateway:
    """Answers, and counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def complete(self, request: Request) -> Reply:
        self.asked += 1
        calls = ({"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},)
        return Reply("é\ud800", "m", "p", calls, "stop", Usage(1, 2, 3), 7, "bundled", 1.5)

    async def close(self) -> None:
        pass


def opened(folder: Path) -> ReplyCache:
    return ReplyCache(folder / "cache.db", lambda warning: pytest.fail(warning), Redactor())


class HeldGateway(CountingGateway):
    """Answers once it may; the first `failures` requests with an error."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self.held = asyncio.Event()
        self._failures = failures

    async def complete(self, request: Request) -> Reply:
        reply = await super().complete(request)
        is_failure = self.asked <= self._failures
        await self.held.wait()
        if is_failure:
            raise ProviderFailed("it broke")
        return reply


def test_a_reply_comes_back_as_it_was_but_for_its_price(tmp_path: Path) -> None:
    request = Request("local/m", [{"role": "user", "content": "hi"}])
    gateway = CountingGateway()
    for _ in range(2):
        cache = opened(tmp_path)
        cached = CachedGateway(gateway, cache)  # type: ignore[arg-type]
        replies = [asyncio.run(cached.complete(request)) for _ in range(2)]
        asyncio.run(cached.close())
    assert gateway.asked == 1
    fresh, reused = asyncio.run(CountingGateway().complete(request)), replies[-1]
    assert (reused.tool_calls, reused.usage, reused.finish_reason) == (
        fresh.tool_calls,
        fresh.usage,
        fresh.finish_reason,
    )
    assert (reused.source, reused.cost_nano_usd, reused.full_cost_nano_usd) == ("cache", 0, 7)
    assert reused.text.startswith("é")


def test_no_address_of_a_server_is_kept_and_replies_of_earlier_versions_are_found(tmp_path: Path) -> None:
    server = "https://gateway.example.com/v1?api-key=canary "
    cache = opened(tmp_path)
    assert cache.key("digest", "local/m", server) == "digest"
    assert cache.key("digest", "local/m", "") != "digest"
    cache.close()
    with closing(sqlite3.connect(tmp_path / "cache.db", isolation_level=None)) as database:
        assert "canary" not in str(database.execute("SELECT * FROM homes").fetchall())
        database.execute("UPDATE homes SET server = ?", (server,))
    cache = opened(tmp_path)
    assert cache.key("digest", "local/m", server) == "digest"
    cache.close()
    with closing(sqlite3.connect(tmp_path / "cache.db")) as database:
        assert "canary" not in str(database.execute("SELECT * FROM homes").fetchall())


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.get("x")
    cache.close()
    assert (tmp_path / "cache.db").stat().st_mode & 0o077 == 0


class TestEqualRequestsAtTheSameTime:
    """The first one asks; the others wait for its reply."""

    async def together(self, gateway: CountingGateway, tmp_path: Path, count: int = 3) -> list[asyncio.Task[Reply]]:
        cached = CachedGateway(gateway, opened(tmp_path))  # type: ignore[arg-type]
        request = Request("local/m", [{"role": "user", "content": "hi"}])
        tasks = [asyncio.create_task(cached.complete(request)) for _ in range(count)]
        await asyncio.sleep(0)
        return tasks

    def test_one_pays_and_the_others_say_that_they_did_not(self, tmp_path: Path) -> None:
        gateway = HeldGateway()

        async def run() -> list[Reply]:
            tasks = await self.together(gateway, tmp_path)
            gateway.held.set()
            return await asyncio.gather(*tasks)

        first, *others = asyncio.run(run())
        assert (gateway.asked, first.source, first.cost_nano_usd) == (1, "model", 7)
        assert {(each.source, each.cost_nano_usd, each.full_cost_nano_usd) for each in others} == {("cache", 0, 7)}

    def test_a_failure_is_not_shared(self, tmp_path: Path) -> None:
        gateway = HeldGateway(failures=1)

        async def run() -> list[Reply | BaseException]:
            tasks = await self.together(gateway, tmp_path)
            gateway.held.set()
            return await asyncio.gather(*tasks, return_exceptions=True)

        failed, *others = asyncio.run(run())
        assert isinstance(failed, ProviderFailed)
        assert gateway.asked == 2
        assert sorted(each.source for each in others if isinstance(each, Reply)) == ["cache", "model"]

    @pytest.mark.parametrize(("cancelled", "asked"), [(0, 2), (1, 1)])
    def test_one_that_is_cancelled_takes_nothing_from_the_others(
        self, tmp_path: Path, cancelled: int, asked: int
    ) -> None:
        gateway = HeldGateway()

        async def run() -> list[Reply]:
            tasks = await self.together(gateway, tmp_path)
            tasks.pop(cancelled).cancel()
            await asyncio.sleep(0)
            gateway.held.set()
            return await asyncio.gather(*tasks)

        replies = asyncio.run(run())
        assert sorted(reply.source for reply in replies) == ["cache", "model"]
        assert gateway.asked == asked

    def test_an_evaluation_with_the_cache_pays_once_and_one_without_it_each_time(self, lab: Lab) -> None:
        lab.cases(*({"id": f"c{n}", "inputs": {"ticket": "same"}, "expected": "same"} for n in range(4)))
        lab.server.default = slowly(0.05)
        found = lab.one()
        assert (len(lab.asked), found.summary.cost_nano_usd) == (1, REPLY_COST)
        assert found.summary.reply_sources == {"model": 1, "cache": 3}
        lab.one(replies="ask")
        assert len(lab.asked) == 5


def test_a_reply_that_was_broken_off_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    class BreakingGateway(CountingGateway):
        async def complete(self, request: Request) -> Reply:
            return replace(await super().complete(request), finish_reason="error" if self.asked == 1 else "stop")

    gateway = BreakingGateway()
    for _ in range(3):
        cached = CachedGateway(gateway, opened(tmp_path))  # type: ignore[arg-type]
        reply = asyncio.run(cached.complete(Request("local/m", [])))
        asyncio.run(cached.close())
    assert (gateway.asked, reply.source, reply.finish_reason) == (2, "cache", "stop")


def test_counts_of_kept_embeddings_that_cannot_be_are_unknown() -> None:
    usage = Usage(10**30, 0, -1)
    found = _reply(_kept_reply(Reply("", "m", "", usage=usage, cost_nano_usd=10**30, vectors=((1.0,),))))
    assert found is not None
    assert (found.usage, found.full_cost_nano_usd, found.vectors) == (Usage(None, 0), None, ((1.0,),))


def test_embeddings_that_an_early_program_kept_are_found_again(tmp_path: Path) -> None:
    gateway, cache = CountingGateway(), opened(tmp_path)
    cache.put(hashlib.sha256(b'["embed","local/m",["a"]]').hexdigest(), '{"model": "m", "vectors": [[1.0, 2.0]]}')
    cached = CachedGateway(gateway, cache)  # type: ignore[arg-type]
    found = asyncio.run(cached.complete(embedding_request("local/m", ["a"])))
    asyncio.run(cached.close())
    assert (found.vectors, found.source, found.full_cost_nano_usd) == (((1.0, 2.0),), "cache", None)
    assert gateway.asked == 0
