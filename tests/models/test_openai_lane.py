"""What only the direct lane does: its connections, its addresses, and streams of every odd form."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable

import pytest
from aiohttp import ClientSession

from promptctl.errors import ModelConfigurationError, ModelError, ProviderFailed, ProviderUnreachable, RequestRejected
from promptctl.models import openai_lane
from promptctl.models.gateway import Delta, Endpoint, Reply, Request
from promptctl.models.openai_lane import OpenAILane
from promptctl.models.prices import Prices
from tests import openai_server as say
from tests.models.conftest import KEY
from tests.openai_server import OpenAIServer

Ask = Callable[..., Request]


def complete(request: Request, connections: int = 100) -> Reply:
    async def whole() -> Reply:
        lane = OpenAILane(Prices(), connections=connections)
        try:
            return await lane.complete(request)
        finally:
            await lane.close()

    return asyncio.run(whole())


def stream(request: Request) -> list[Delta | Reply]:
    async def whole() -> list[Delta | Reply]:
        lane = OpenAILane(Prices())
        try:
            return [piece async for piece in lane.stream(request)]
        finally:
            await lane.close()

    return asyncio.run(whole())


def event(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"


def test_a_redirect_is_not_followed(server: OpenAIServer, ask: Ask) -> None:
    with OpenAIServer() as elsewhere:
        for status in (301, 302, 307, 308):
            server.script(say.raw(b"", status=status, headers={"location": f"{elsewhere.url}/chat/completions"}))
            with pytest.raises(RequestRejected, match="redirect"):
                complete(ask())
        assert elsewhere.requests == []


def test_connections_are_kept_and_bounded(server: OpenAIServer, ask: Ask) -> None:
    async def many() -> None:
        lane = OpenAILane(Prices(), connections=3)
        for _ in range(3):
            await asyncio.gather(*(lane.complete(ask()) for _ in range(10)))
        await lane.close()

    before = server.connections
    asyncio.run(many())
    assert server.connections - before == 3


def test_a_connection_is_used_again_after_a_failure_and_after_a_stream(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.failure(500), say.failure(429), say.reply("one two"), say.reply("three"))

    async def four() -> None:
        lane = OpenAILane(Prices())
        for _ in range(2):
            with pytest.raises(ModelError):
                await lane.complete(ask())
        assert [piece async for piece in lane.stream(ask())]
        await lane.complete(ask())
        await lane.close()

    before = server.connections
    asyncio.run(four())
    assert server.connections - before <= 2


def test_each_event_loop_has_its_own_connections(ask: Ask) -> None:
    lane = OpenAILane(Prices())

    async def once() -> str:
        reply = await lane.complete(ask("again"))
        await lane.close()
        return reply.text

    assert [asyncio.run(once()) for _ in range(3)] == ["again"] * 3


def test_cookies_are_not_kept(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.raw(b"{}", status=500, headers={"set-cookie": "a=1"}))

    async def two() -> None:
        lane = OpenAILane(Prices())
        with pytest.raises(ProviderFailed):
            await lane.complete(ask())
        await lane.complete(ask())
        await lane.close()

    asyncio.run(two())
    assert "cookie" not in server.requests[1].headers


@pytest.mark.parametrize("ending", ["", "/", "/chat/completions", "/chat/completions/"])
def test_an_address_may_be_written_in_several_ways(server: OpenAIServer, ask: Ask, ending: str) -> None:
    complete(ask(endpoint=Endpoint(server.url + ending, KEY)))
    assert server.requests[0].path == "/v1/chat/completions"


def test_the_query_of_an_address_is_kept(server: OpenAIServer, ask: Ask) -> None:
    complete(ask(endpoint=Endpoint(f"{server.url}?api-version=2024-10-21", KEY)))
    assert server.requests[0].path == "/v1/chat/completions?api-version=2024-10-21"


def test_a_proxy_is_used_only_where_the_given_environment_names_one(
    server: OpenAIServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    complete(ask())

    async def through_proxy() -> Reply:
        lane = OpenAILane(Prices(), {"http_proxy": server.url.removesuffix("/v1")})
        try:
            return await lane.complete(ask(endpoint=Endpoint("http://model.example/v1", KEY)))
        finally:
            await lane.close()

    asyncio.run(through_proxy())
    assert [request.path for request in server.requests] == [
        "/v1/chat/completions",
        "http://model.example/v1/chat/completions",
    ]


@pytest.mark.parametrize("key", ["two\nlines", "kéy", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(ask: Ask, key: str) -> None:
    with pytest.raises(ModelConfigurationError, match="the key set for openai/gpt-4o-mini") as caught:
        complete(ask(endpoint=Endpoint("http://127.0.0.1:1/v1", key)))
    assert key not in str(vars(caught.value))


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x"])
def test_what_is_no_json_is_refused_before_anything_is_sent(server: OpenAIServer, ask: Ask, value: object) -> None:
    with pytest.raises(ModelConfigurationError, match="cannot be written as JSON"):
        complete(ask(parameters={"temperature": value}))
    assert server.requests == []


def test_a_lone_surrogate_is_sent_as_json_can(server: OpenAIServer, ask: Ask) -> None:
    complete(ask("broken \ud800 text"))
    assert server.requests[0].body["messages"][0]["content"] == "broken \ud800 text"


STREAMS: dict[str, tuple[bytes, ...]] = {
    "events cut anywhere": (event("one ")[:9], event("one ")[9:] + event("tw")[:30], event("tw")[30:], event("o")),
    "carriage returns": (event("one ").replace(b"\n", b"\r\n"), event("two").replace(b"\n", b"\r\n")),
    "comments and names": (b": ping\n\n", b"event: chunk\n" + event("one "), b": ping\n\n" + event("two")),
    "no blank after the colon": (event("one ").replace(b"data: ", b"data:"), event("two")),
}


@pytest.mark.parametrize("case", STREAMS)
def test_event_streams_of_every_form_are_read(server: OpenAIServer, ask: Ask, case: str) -> None:
    server.script(say.raw_stream(*STREAMS[case], event("", "stop"), b"data: [DONE]\n\n"))
    reply = stream(ask())[-1]
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason) == ("one two", "stop")


@pytest.mark.parametrize(
    "ending",
    [(event("", "stop"),), (b"data: [DONE]\n\n",), (b"data: [DONE]",), (event("", "stop").rstrip(b"\n"),)],
)
def test_a_stream_is_whole_with_a_finish_reason_or_the_last_word(
    server: OpenAIServer, ask: Ask, ending: tuple[bytes, ...]
) -> None:
    server.script(say.raw_stream(event("one"), *ending))
    reply = stream(ask())[-1]
    assert isinstance(reply, Reply)
    assert reply.text == "one"


def test_a_stream_cut_inside_an_event_is_cut_and_not_malformed(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.raw_stream(event("one "), event("two")[:25]))
    with pytest.raises(ProviderUnreachable) as caught:
        stream(ask())
    assert caught.value.partial.text == "one "


@pytest.mark.parametrize("data", [b"data: {oops\n\n", b"data: 3\n\n", b"data: <html>\n\n"])
def test_an_event_that_is_not_of_the_protocol_ends_the_stream(server: OpenAIServer, ask: Ask, data: bytes) -> None:
    server.script(say.raw_stream(event("one "), data, event("two", "stop")))
    with pytest.raises(ProviderFailed) as caught:
        stream(ask())
    assert caught.value.partial.text == "one "


def test_a_server_that_does_not_stream_is_understood(server: OpenAIServer, ask: Ask) -> None:
    message = {"role": "assistant", "content": "all at once"}
    body = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": say.usage(5, 2)}
    server.script(say.raw(json.dumps(body).encode()))
    delta, reply = stream(ask())
    assert delta == Delta("all at once")
    assert isinstance(reply, Reply)
    assert (reply.text, reply.usage.input_tokens) == ("all at once", 5)


def test_an_error_object_with_status_200_is_an_error(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.raw(b'{"error": {"message": "try later", "code": 429}}'))
    with pytest.raises(ModelError, match=r"takes no more requests for now \(429\): try later"):
        complete(ask())


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_endless_answer_is_stopped(
    server: OpenAIServer, ask: Ask, monkeypatch: pytest.MonkeyPatch, is_streamed: bool
) -> None:
    monkeypatch.setattr(openai_lane, "LARGEST_REPLY", 100_000)
    server.script(say.raw_stream(*[event("x" * 5000)] * 50) if is_streamed else say.raw(b" " * 1_000_000))
    with pytest.raises(ProviderFailed, match="answered with more than"):
        stream(ask()) if is_streamed else complete(ask())


def test_a_huge_error_is_cut_short(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.raw(b"x" * 5_000_000, status=500))
    with pytest.raises(ProviderFailed) as caught:
        complete(ask())
    assert len(caught.value.message) < 1000


def test_the_time_of_a_reply_is_measured(server: OpenAIServer, ask: Ask) -> None:
    server.script(say.reply("one two", pieces=["one ", "two"], pause_s=0.1))
    started = time.perf_counter()
    reply = stream(ask())[-1]
    whole_ms = (time.perf_counter() - started) * 1000
    assert isinstance(reply, Reply)
    assert reply.first_token_ms is not None
    assert 200 <= reply.latency_ms <= whole_ms
    assert reply.first_token_ms < reply.latency_ms


def test_a_loop_that_ends_closes_its_connections_itself(server: OpenAIServer, ask: Ask) -> None:
    lane = OpenAILane(Prices())
    for _ in range(3):  # as a worker does that calls `asyncio.run` for each job and closes nothing
        assert asyncio.run(lane.complete(ask("hello"))).text == "hello"
    gc.collect()
    assert [each for each in gc.get_objects() if type(each) is ClientSession and not each.closed] == []


def test_an_error_in_a_stream_that_is_no_event_is_the_servers(server: OpenAIServer, ask: Ask) -> None:
    body = b'{"error": {"message": "no such model", "code": 404}}'
    for answer in (say.raw(body, content_type="text/event-stream"), say.raw_stream(body[:20], body[20:])):
        server.script(answer)
        with pytest.raises(RequestRejected, match="no such model"):
            asyncio.run(_all(OpenAILane(Prices()), ask()))


async def _all(lane: OpenAILane, request: Request) -> list[Delta | Reply]:
    try:
        return [piece async for piece in lane.stream(request)]
    finally:
        await lane.close()
