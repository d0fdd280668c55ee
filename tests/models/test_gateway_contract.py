"""Every case runs on each lane to real models: the same request on the wire, reply, usage, cost, error and stream."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from promptctl.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ModelConfigurationError,
    ModelError,
    ModelTimeout,
    OutOfQuota,
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)
from promptctl.models.gateway import Delta, Endpoint, Gateway, Reply, Request, Usage, embedding_request
from promptctl.models.litellm_lane import LiteLLM
from promptctl.models.openai_lane import OpenAILane
from promptctl.models.prices import Prices
from tests import openai_server as say
from tests.models.conftest import KEY, LITELLM_WARNINGS
from tests.openai_server import OpenAIServer

pytestmark = LITELLM_WARNINGS

Ask = Callable[..., Request]
LANES = {"direct": OpenAILane, "litellm": LiteLLM}
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "label", "schema": {"type": "object"}, "strict": True}}


@pytest.fixture(params=sorted(LANES))
def lane(request: pytest.FixtureRequest) -> Gateway:
    gateway: Gateway = LANES[request.param](Prices())
    return gateway


def run(lane: Gateway, work: Awaitable[Any]) -> Any:
    """The result of the work, with the lane's connections closed in the same event loop."""

    async def whole() -> Any:
        try:
            return await work
        finally:
            await lane.close()

    return asyncio.run(whole())


def complete(lane: Gateway, request: Request) -> Reply:
    reply: Reply = run(lane, lane.complete(request))
    return reply


def stream(lane: Gateway, request: Request) -> list[Delta | Reply]:
    async def collect() -> list[Delta | Reply]:
        return [piece async for piece in lane.stream(request)]

    pieces: list[Delta | Reply] = run(lane, collect())
    return pieces


def ask_either_way(lane: Gateway, request: Request, *, is_streamed: bool) -> Any:
    return stream(lane, request) if is_streamed else complete(lane, request)


BODIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "parameters": (
        {
            "parameters": {
                "temperature": 0,
                "max_tokens": 40,
                "top_p": 0.5,
                "seed": 7,
                "stop": ["END"],
                "presence_penalty": 0.5,
            }
        },
        {"temperature": 0, "max_tokens": 40, "top_p": 0.5, "seed": 7, "stop": ["END"], "presence_penalty": 0.5},
    ),
    "unset parameters": ({"parameters": {"temperature": None}}, {}),
    "tools": (
        {"tools": (TOOL,), "parameters": {"tool_choice": "auto"}},
        {"tools": [TOOL], "tool_choice": "auto"},
    ),
    "json object": ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
    "json schema": ({"response_format": SCHEMA}, {"response_format": SCHEMA}),
}


@pytest.mark.parametrize("case", BODIES)
def test_the_same_request_goes_over_the_wire(lane: Gateway, server: OpenAIServer, ask: Ask, case: str) -> None:
    given, expected = BODIES[case]
    complete(lane, ask("hi", **given))
    [received] = server.requests
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert received.body == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}], **expected}


def test_messages_of_every_kind_arrive_as_they_are(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"q": "ü"}'}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief.\n\n"},
        {"role": "user", "content": [{"type": "text", "text": "What is it? 😀"}, _image()]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "user", "name": "ann", "content": ""},
    ]
    complete(lane, ask(messages=messages))
    sent = [{key: value for key, value in message.items() if value is not None} for message in messages]
    received = server.requests[0].body["messages"]
    assert [{key: value for key, value in message.items() if value is not None} for message in received] == sent


def test_a_stream_asks_for_its_usage(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    stream(lane, ask("hi"))
    body = server.requests[0].body
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_headers_of_the_endpoint_are_sent(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    complete(lane, ask(endpoint=Endpoint(server.url, KEY, {"X-Team": "support"})))
    assert server.requests[0].headers["x-team"] == "support"


def test_a_server_without_a_key_gets_none(
    lane: Gateway, server: OpenAIServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    complete(lane, ask(endpoint=Endpoint(server.url)))
    assert KEY not in str(server.requests[0].headers)


def test_a_local_models_name_is_sent_without_its_provider(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    reply = complete(lane, ask(model="local/meta/llama-3.1"))
    assert server.requests[0].body["model"] == "meta/llama-3.1"
    assert reply.provider == "local"
    assert (reply.cost_nano_usd, reply.price_source) == (None, None)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_same_reply_comes_back(lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool) -> None:
    server.script(say.reply("It is 42.", tokens=say.usage(1000, 100, cached=400, reasoning=60), finish_reason="length"))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    assert reply.text == "It is 42."
    assert (reply.model, reply.provider) == ("gpt-4o-mini-2024-07-18", "openai")
    assert reply.finish_reason == "length"
    assert reply.tool_calls == ()
    assert reply.usage == Usage(1000, 100, cached_tokens=400, reasoning_tokens=60)
    # 600 new and 400 cached tokens at 0.15 and 0.075, 100 put out at 0.60 USD for a million.
    assert reply.cost_nano_usd == 600 * 150 + 400 * 75 + 100 * 600
    assert reply.price_source.startswith("litellm ")
    assert reply.source == "model"
    assert 0 < reply.latency_ms < 10_000


@pytest.mark.parametrize("is_streamed", [False, True])
def test_the_tier_that_the_reply_was_made_in_is_priced(
    lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool
) -> None:
    server.script(say.reply("hello", tokens=say.usage(100, 10), service_tier="default"))
    answer = ask_either_way(lane, ask(parameters={"service_tier": "priority"}), is_streamed=is_streamed)
    # Asked for in haste, and answered as usual: 0.15 and 0.60 USD for a million.
    assert (answer[-1] if is_streamed else answer).cost_nano_usd == 100 * 150 + 10 * 600
    server.script(say.reply("hello", tokens=say.usage(100, 10), service_tier="priority"))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    assert (answer[-1] if is_streamed else answer).cost_nano_usd == 100 * 250 + 10 * 1000


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_a_part_of_the_reply_and_not_of_its_text(
    lane: Gateway, server: OpenAIServer, ask: Ask, name: str, is_streamed: bool
) -> None:
    server.script(say.reply("It is 42.", reasoning={name: "Let me think."}))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    assert (reply.text, reply.reasoning) == ("It is 42.", "Let me think.")
    if is_streamed:
        assert "".join(piece.text for piece in answer[:-1]) == "It is 42."


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tool_calls_come_back_whole(lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool) -> None:
    server.script(say.tool_call("lookup", {"q": "weather in Zürich"}, call_id="call_9"))
    answer = ask_either_way(lane, ask(tools=(TOOL,)), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    arguments = json.dumps({"q": "weather in Zürich"})
    expected = {"id": "call_9", "type": "function", "function": {"name": "lookup", "arguments": arguments}}
    assert reply.tool_calls == (expected,)
    assert (reply.text, reply.finish_reason) == ("", "tool_calls")


def test_a_refusal_is_the_replys_text(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    server.script(say.raw(json.dumps(body).encode()))
    reply = complete(lane, ask())
    assert (reply.text, reply.finish_reason) == ("I cannot help with that.", "refusal")


ODD_COUNTS: dict[str, tuple[dict[str, Any], tuple[int | None, int | None]]] = {
    "negative": ({"prompt_tokens": -10, "completion_tokens": 4}, (None, 4)),
    "huge": ({"prompt_tokens": 10, "completion_tokens": 10**30}, (10, None)),
    "a fraction": ({"prompt_tokens": 10.5, "completion_tokens": 4}, (None, 4)),
    "text": ({"prompt_tokens": 10, "completion_tokens": "4"}, (10, None)),
    "a total beyond belief": (
        {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 10**9},
        (100, 50),
    ),
    "a negative total": ({"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": -1}, (100, 50)),
    "negative details": (
        {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": -1}},
        (10, 4),
    ),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("case", ODD_COUNTS)
def test_counts_that_cannot_be_are_unknown_and_said(
    lane: Gateway, server: OpenAIServer, ask: Ask, case: str, is_streamed: bool
) -> None:
    usage, expected = ODD_COUNTS[case]
    server.script(say.reply("hello", tokens=usage))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    assert reply.text == "hello"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == expected
    assert not reply.usage.cached_tokens
    assert (reply.cost_nano_usd is None) == (None in expected)
    assert reply.warning is not None
    assert "which cannot be" in reply.warning


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_count_of_endless_digits_loses_no_reply(
    lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool
) -> None:
    words = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "delta" if is_streamed else "message": words, "finish_reason": "stop"}
    usage = {"prompt_tokens": "DIGITS", "completion_tokens": 3}
    body = json.dumps({"model": "m", "choices": [choice], "usage": usage}).replace('"DIGITS"', "9" * 5000).encode()
    server.script(say.raw_stream(b"data: %s\n\ndata: [DONE]\n\n" % body) if is_streamed else say.raw(body))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    assert (reply.text, reply.usage) == ("hello", Usage(None, 3))
    assert "prompt_tokens: inf" in (reply.warning or "")


def _call(name: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def _piece(arguments: str, **fields: Any) -> dict[str, Any]:
    return {"function": {"arguments": arguments}, **fields}


TWO_CALLS = [("get", {"a": 1}), ("put", {"a": 2})]
STREAMED_CALLS: dict[str, list[dict[str, Any]]] = {
    "whole, all at index 0": [_call("get", '{"a": 1}', index=0, id="c1"), _call("put", '{"a": 2}', index=0, id="c2")],
    "in pieces, all at index 0": [
        _call("get", "", index=0, id="c1"),
        _piece('{"a": 1}', index=0),
        _call("put", '{"a"', index=0, id="c2"),
        _piece(": 2}", index=0),
    ],
    "whole, without an index": [_call("get", '{"a": 1}', id="c1"), _call("put", '{"a": 2}', id="c2")],
    "in pieces, by their index": [
        _call("get", "", index=0, id="c1"),
        _call("put", "", index=1, id="c2"),
        _piece('{"a": 1}', index=0),
        _piece('{"a": 2}', index=1),
    ],
    "the id with each piece": [
        _call("get", '{"a"', index=0, id="c1"),
        _piece(": 1}", index=0, id="c1"),
        _call("put", '{"a": 2}', index=1, id="c2"),
    ],
    "an index that is none": [
        _call("get", '{"a": 1}', index={}, id="c1"),
        _call("put", '{"a"', index=[], id="c2"),
        _piece(": 2}", index="x"),
    ],
    "the name with each piece, and after the last": [
        _call("get", '{"a"', index=0, id="c1"),
        _call("get", ": 1}", index=0),
        _call("get", "", index=0),
        _call("put", '{"a": 2}', index=1, id="c2"),
        _call("put", "", index=1, id=""),
    ],
    "without an id, all at index 0": [
        _call("get", '{"a": 1}', index=0),
        _call("put", "", index=0),
        _piece('{"a": 2}', index=0),
    ],
}


@pytest.mark.parametrize("case", STREAMED_CALLS)
def test_streamed_tool_calls_are_told_apart(lane: Gateway, server: OpenAIServer, ask: Ask, case: str) -> None:
    server.script(say.chunks(*({"tool_calls": [piece]} for piece in STREAMED_CALLS[case]), finish_reason="tool_calls"))
    reply = stream(lane, ask(tools=(TOOL,)))[-1]
    assert isinstance(reply, Reply)
    calls = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in reply.tool_calls]
    assert calls == TWO_CALLS


def test_a_character_in_two_halves_is_one(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.chunks({"content": "a\ud83d"}, {"content": "\ude00b"}, {"content": "\ud83d"}))
    *deltas, reply = stream(lane, ask())
    assert [delta.text for delta in deltas if isinstance(delta, Delta)] == ["a", "😀b"]
    assert isinstance(reply, Reply)
    assert reply.text == "a😀b\ud83d"


def test_a_streamed_refusal_comes_back_whole(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.chunks({"refusal": "I cannot"}, {"refusal": " help."}))
    reply = stream(lane, ask())[-1]
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason) == ("I cannot help.", "refusal")


def test_what_keeps_a_stream_open_is_no_part_of_it(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    kept_open = [b"data:\n\n", b": ping\n\n", b"data: : ping\n\n", b"data: \r\n\r\n", b"event: ping\ndata:\n\n"]
    server.script(say.chunks({"content": "one "}, *kept_open, {"content": "two"}, b"data:\n\n"))
    reply = stream(lane, ask())[-1]
    assert isinstance(reply, Reply)
    assert reply.text == "one two"


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read(
    lane: Gateway, server: OpenAIServer, ask: Ask, coding: str, is_streamed: bool
) -> None:
    words = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "delta" if is_streamed else "message": words, "finish_reason": "stop"}
    body = json.dumps({"model": "m", "choices": [choice], "usage": {"prompt_tokens": -1}}).encode()
    kind = "text/event-stream" if is_streamed else "application/json"
    sent = b"data: %s\n\ndata: [DONE]\n\n" % body if is_streamed else body
    packed = gzip.compress(sent) if coding == "gzip" else zlib.compress(sent)
    server.script(say.raw(packed, content_type=kind, headers={"content-encoding": coding}))
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    reply = answer[-1] if is_streamed else answer
    assert (reply.text, reply.finish_reason) == ("hello", "stop")
    assert reply.warning is not None


@pytest.mark.parametrize("is_streamed", [False, True])
def test_text_in_parts_is_text(lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool) -> None:
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    choice = {"index": 0, "message": {"role": "assistant", "content": parts}, "finish_reason": "stop"}
    whole = say.raw(json.dumps({"model": "m", "choices": [choice]}).encode())
    server.script(say.chunks({"content": parts}) if is_streamed else whole)
    answer = ask_either_way(lane, ask(), is_streamed=is_streamed)
    assert (answer[-1] if is_streamed else answer).text == "one two"


def test_a_filtered_choice_may_lack_its_message(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    body = {"model": "m", "choices": [{"index": 0, "finish_reason": "content_filter"}]}
    server.script(say.raw(json.dumps(body).encode()))
    reply = complete(lane, ask())
    assert (reply.text, reply.finish_reason) == ("", "content_filter")


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("usage", [None, {}, ZEROS], ids=["none", "empty", "zeros"])
def test_usage_that_the_server_does_not_give_is_unknown(
    lane: Gateway, server: OpenAIServer, ask: Ask, usage: Any
) -> None:
    message = {"role": "assistant", "content": "hello"}
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
    server.script(say.raw(json.dumps(body).encode()), say.reply("hello", tokens=ZEROS))
    for reply in (complete(lane, ask()), stream(lane, ask())[-1]):
        assert isinstance(reply, Reply)
        assert (reply.usage.input_tokens, reply.usage.output_tokens) == (None, None)
        assert (reply.cost_nano_usd, reply.price_source) == (None, None)


def test_a_stream_gives_its_pieces_in_order_and_then_the_whole(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.reply("one two three", pieces=["one ", "two ", "three"], pause_s=0.02))
    *deltas, reply = stream(lane, ask())
    assert [delta.text for delta in deltas if isinstance(delta, Delta)] == ["one ", "two ", "three"]
    assert isinstance(reply, Reply)
    assert reply.text == "one two three"
    assert reply.first_token_ms is not None
    assert reply.first_token_ms < reply.latency_ms


def test_a_stream_may_be_read_step_by_step_in_different_tasks(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.reply("one two three"))

    async def steps() -> list[Delta | Reply]:
        pieces: AsyncIterator[Delta | Reply] = lane.stream(ask())
        found = []
        while (piece := await asyncio.create_task(_next_or_none(pieces))) is not None:
            found.append(piece)
        return found

    assert run(lane, steps())[-1].text == "one two three"


def test_a_stream_that_is_left_early_is_closed(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.reply("abcdef", pieces=list("abcdef"), pause_s=0.01))

    async def first_piece() -> Delta | Reply:
        pieces = lane.stream(ask())
        piece = await anext(pieces)
        await pieces.aclose()
        return piece

    assert run(lane, first_piece()) == Delta("a")


ERRORS: dict[str, tuple[say.Answer, type[ModelError], int | None]] = {
    "400": (say.failure(400, "messages: too odd"), RequestRejected, 400),
    "401": (say.failure(401, f"Incorrect API key provided: {KEY}"), AuthenticationFailed, 401),
    "403": (say.failure(403, "not for you"), RequestRejected, 403),
    "403 of the key": (say.failure(403, "The key lacks the permission"), AuthenticationFailed, 403),
    "403 of a firewall": (say.html(403), RequestRejected, 403),
    "403 of a spent account": (say.failure(403, "Your team doesn't have any credits yet"), OutOfQuota, 403),
    "400 of the key": (say.failure(400, "API key not valid.", code="INVALID_ARGUMENT"), AuthenticationFailed, 400),
    "400 of a spent account": (
        say.failure(400, "Your credit balance is too low to access the Anthropic API."),
        OutOfQuota,
        400,
    ),
    "404": (say.failure(404, "The model `x` does not exist", code="model_not_found"), RequestRejected, 404),
    "413": (say.failure(413, "too large"), RequestRejected, 413),
    "422": (say.failure(422, "unprocessable"), RequestRejected, 422),
    "402": (say.failure(402, "Insufficient Balance"), OutOfQuota, 402),
    "429": (say.failure(429, "slow down", retry_after=7), RateLimited, 429),
    "429 quota": (say.failure(429, "You exceeded your current quota", code="insufficient_quota"), OutOfQuota, 429),
    "500": (say.failure(500, "oops"), ProviderFailed, 500),
    "503": (say.failure(503, "overloaded", retry_after=3), ProviderFailed, 503),
    "redirect": (say.raw(b"", status=307, headers={"location": "http://127.0.0.1:1/v1"}), RequestRejected, 307),
    "malformed JSON": (say.malformed(), ProviderFailed, None),
    "HTML": (say.html(), ProviderFailed, None),
    "HTML with status 502": (say.html(502), ProviderFailed, 502),
    "no choices": (say.empty_choices(), ProviderFailed, None),
    "closed early": (say.close_early(), ProviderUnreachable, None),
    "half a body": (say.half_body(), ProviderUnreachable, None),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("case", ERRORS)
def test_every_failure_has_its_error(
    lane: Gateway, server: OpenAIServer, ask: Ask, case: str, is_streamed: bool
) -> None:
    answer, expected, status = ERRORS[case]
    server.script(answer)
    with pytest.raises(ModelError) as caught:
        ask_either_way(lane, ask(), is_streamed=is_streamed)
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.message.startswith("openai/gpt-4o-mini")
    assert len(server.requests) == 1, "a lane never asks again by itself"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_hanging_server_is_left_at_the_deadline(
    lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool
) -> None:
    server.script(say.hang(5))
    with pytest.raises(ModelTimeout, match=r"no whole reply within 0\.2 s"):
        ask_either_way(lane, ask(timeout_s=0.2), is_streamed=is_streamed)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_refused_connection_says_that_nothing_listens(lane: Gateway, ask: Ask, is_streamed: bool) -> None:
    with say.refused_url() as url, pytest.raises(ProviderUnreachable, match="nothing listens"):
        ask_either_way(lane, ask(endpoint=Endpoint(url, KEY)), is_streamed=is_streamed)


def test_a_slow_stream_is_cut_at_the_deadline_and_keeps_what_came(
    lane: Gateway, server: OpenAIServer, ask: Ask
) -> None:
    server.script(say.reply("one two", pieces=["one ", "two"], pause_s=1.0))
    with pytest.raises(ModelTimeout) as caught:
        stream(lane, ask(timeout_s=0.5))
    assert caught.value.partial.text == "one "


@pytest.mark.parametrize("is_clean", [False, True])
def test_a_stream_cut_half_way_keeps_what_came(lane: Gateway, server: OpenAIServer, ask: Ask, is_clean: bool) -> None:
    server.script(say.cut_stream("one ", "two ", is_clean=is_clean))
    with pytest.raises(ProviderUnreachable) as caught:
        stream(lane, ask())
    partial = caught.value.partial
    assert (partial.text, partial.finish_reason) == ("one two ", None)
    assert (partial.usage, partial.cost_nano_usd) == (Usage(), None)


def test_a_stream_cut_within_an_event_is_cut(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    whole = b'data: {"model": "m", "choices": [{"index": 0, "delta": {"content": "one "}}]}\n\n'
    server.script(say.raw_stream(whole, b'data: {"model": "m", "choices": [{"ind'))
    with pytest.raises(ProviderUnreachable, match="the connection closed before the reply was whole") as caught:
        stream(lane, ask())
    assert caught.value.partial.text == "one "


def test_an_error_inside_a_stream_keeps_what_came(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.error_in_stream("one ", message="overloaded"))
    with pytest.raises(ProviderFailed, match="overloaded") as caught:
        stream(lane, ask())
    assert caught.value.partial.text == "one "


ERRORS_WITH_200: dict[str, tuple[dict[str, Any], type[ModelError], int | None, str]] = {
    "vLLM's": (
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        RequestRejected,
        404,
        "The model `x` does not exist.",
    ),
    "FastAPI's": ({"detail": "the model is loading"}, ProviderFailed, None, "the model is loading"),
    "text": ({"error": "out of memory"}, ProviderFailed, None, "out of memory"),
    "a code in text": ({"error": {"message": "slow down", "code": "429"}}, RateLimited, 429, "slow down"),
    "a code by name": (
        {"error": {"message": "No such model", "type": "invalid_request_error"}},
        RequestRejected,
        400,
        "No such model",
    ),
    "beside it": ({"message": "Unauthorized", "statusCode": 401}, AuthenticationFailed, 401, "Unauthorized"),
    "a list": ({"success": False, "errors": [{"code": 7003, "message": "No route"}]}, ProviderFailed, None, "No route"),
    "without choices": ({"base_resp": {"status_msg": "busy"}, "choices": None}, ProviderFailed, None, "busy"),
    "with choices": ({"error": {"message": "bad gateway", "code": 502}, "choices": []}, ProviderFailed, 502, "bad"),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("case", ERRORS_WITH_200)
def test_an_error_with_status_200_is_the_servers(
    lane: Gateway, server: OpenAIServer, ask: Ask, case: str, is_streamed: bool
) -> None:
    body, expected, status, words = ERRORS_WITH_200[case]
    answer = json.dumps(body).encode()
    server.script(say.chunks(b"data: %s\n\n" % answer) if is_streamed else say.raw(answer))
    with pytest.raises(ModelError, match=words) as caught:
        ask_either_way(lane, ask(), is_streamed=is_streamed)
    assert (type(caught.value), caught.value.status) == (expected, status)


def test_a_server_that_refuses_stream_options_is_asked_once_without_and_from_then_on(
    lane: Gateway, server: OpenAIServer, ask: Ask
) -> None:
    async def answer(exchange: say.Exchange) -> None:
        is_refused = "stream_options" in exchange.request.body
        refused = say.failure(400, "Unrecognized request argument supplied: stream_options")
        await (refused if is_refused else say.reply("hello"))(exchange)

    server.script(*[answer] * 3)

    async def twice() -> list[Delta | Reply]:
        return [piece for _ in range(2) async for piece in lane.stream(ask())]

    texts = [piece.text for piece in run(lane, twice()) if isinstance(piece, Reply)]
    assert texts == ["hello", "hello"]
    assert ["stream_options" in received.body for received in server.requests] == [True, False, False]


def test_a_server_that_refuses_what_it_is_no_longer_sent_is_not_asked_for_ever(
    lane: Gateway, server: OpenAIServer, ask: Ask
) -> None:
    server.script(*[say.failure(400, "Extra inputs are not permitted: stream_options")] * 3)
    with pytest.raises(RequestRejected, match="stream_options"):
        ask_either_way(lane, ask(), is_streamed=True)
    assert len(server.requests) == 2


def test_streams_that_are_refused_their_options_at_once_are_each_asked_again(
    lane: Gateway, server: OpenAIServer, ask: Ask
) -> None:
    both_asked = asyncio.Event()

    async def refuse(exchange: say.Exchange) -> None:
        if len(server.requests) == 2:
            both_asked.set()
        await both_asked.wait()
        await say.failure(400, "Extra inputs are not permitted: stream_options")(exchange)

    server.script(refuse, refuse, say.reply("hello"), say.reply("hello"))

    async def last(text: str) -> Delta | Reply:
        return [piece async for piece in lane.stream(ask(text))][-1]

    async def both() -> list[Delta | Reply]:
        return list(await asyncio.gather(last("a"), last("b")))

    assert [reply.text for reply in run(lane, both())] == ["hello", "hello"]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("finish_reason", ["error", "network_error"])
def test_a_reply_that_the_provider_broke_off_is_its_failure(
    lane: Gateway, server: OpenAIServer, ask: Ask, finish_reason: str, is_streamed: bool
) -> None:
    server.script(say.reply("half a rep", finish_reason=finish_reason))
    with pytest.raises(ProviderFailed, match="broke its reply off") as caught:
        ask_either_way(lane, ask(), is_streamed=is_streamed)
    assert caught.value.is_retryable
    assert (caught.value.partial.text, caught.value.partial.usage.input_tokens) == ("half a rep", 12)


def test_keys_that_a_server_refuses_are_left_out(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    keys = frozenset({"stream_options", "response_format", "encoding_format"})
    endpoint = Endpoint(server.url, KEY, leaves_out=keys)
    stream(lane, ask(endpoint=endpoint, response_format={"type": "json_object"}))
    run(lane, lane.complete(replace(embedding_request("openai/text-embedding-3-small", ["one"]), endpoint=endpoint)))
    assert [keys.intersection(received.body) for received in server.requests] == [set(), set()]


HINTS: dict[str, tuple[int, str, str]] = {
    "a schema": (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported", "supports_schema"),
    "encoding": (422, "extra fields not permitted: encoding_format", "leave_out: [encoding_format]"),
}


@pytest.mark.parametrize("case", HINTS)
def test_a_key_that_was_refused_is_named_with_the_way_out(
    lane: Gateway, server: OpenAIServer, ask: Ask, case: str
) -> None:
    status, words, hint = HINTS[case]
    server.script(say.failure(status, words))
    with pytest.raises(RequestRejected) as caught:
        complete(lane, ask())
    assert hint in (caught.value.hint or "")


FILTERED: dict[str, tuple[int, str, str | None]] = {
    "Azure's": (400, "The response was filtered due to the prompt triggering the policy", "content_filter"),
    "OpenAI's": (400, "Invalid prompt: flagged as potentially violating our usage policy", "invalid_prompt"),
    "another's": (403, "Content violates usage guidelines.", None),
    "OpenRouter's": (403, 'm requires moderation on P. Your input was flagged for "violence".', None),
}


@pytest.mark.parametrize("case", FILTERED)
def test_a_prompt_that_a_filter_refused_is_told_apart(lane: Gateway, server: OpenAIServer, ask: Ask, case: str) -> None:
    status, words, code = FILTERED[case]
    server.script(say.failure(status, words, code=code))
    with pytest.raises(ContentFiltered, match="by its content filter"):
        complete(lane, ask())


RETRY_AFTER: dict[str, tuple[float | str | None, float, float]] = {
    "seconds": (7, 7, 7),
    "a fraction": ("1.5", 1.5, 1.5),
    "a date": ("Wed, 21 Oct 2099 07:28:00 GMT", 1e9, 1e10),
    "a date gone by": ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
}


@pytest.mark.parametrize("case", RETRY_AFTER)
def test_retry_after_is_read(lane: Gateway, server: OpenAIServer, ask: Ask, case: str) -> None:
    value, least, most = RETRY_AFTER[case]
    server.script(say.failure(429, "slow down", retry_after=value))
    with pytest.raises(RateLimited) as caught:
        complete(lane, ask())
    assert caught.value.retry_after_s is not None
    assert least <= caught.value.retry_after_s <= most


@pytest.mark.parametrize("value", [None, "soon", "nan", ""])
def test_a_retry_after_that_says_nothing_is_none(
    lane: Gateway, server: OpenAIServer, ask: Ask, value: str | None
) -> None:
    server.script(say.failure(429, "slow down", retry_after=value))
    with pytest.raises(RateLimited) as caught:
        complete(lane, ask())
    assert caught.value.retry_after_s is None


def test_the_providers_words_are_in_the_error_and_marked(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.failure(400, "'max_tokens' is too large: 99999"))
    with pytest.raises(RequestRejected) as caught:
        complete(lane, ask())
    assert caught.value.detail == "'max_tokens' is too large: 99999"
    assert caught.value.detail in caught.value.message


def test_too_long_a_context_says_what_to_do(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    words = "This model's maximum context length is 4097 tokens"
    server.script(say.failure(400, words, code="context_length_exceeded"))
    with pytest.raises(RequestRejected) as caught:
        complete(lane, ask())
    assert caught.value.hint is not None
    assert "longer context" in caught.value.hint


SECRET_ANSWERS: dict[str, say.Answer] = {
    "the key": say.failure(401, f"Incorrect API key provided: {KEY}."),
    "the key masked": say.failure(401, f"Incorrect API key provided: {KEY[:9]}******{KEY[-4:]}."),
    "the key's ends": say.failure(400, f"key {KEY[:12]}...{KEY[-8:]} is not active"),
    "a header": say.failure(403, "team canary-header may not"),
    "everything in HTML": say.html(500),
    "nothing": say.close_early(),
    "no JSON": say.raw(f"{KEY} canary-header".encode()),
    "an error in a stream": say.error_in_stream("x", message=f"bad key {KEY} canary-header"),
}


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("case", SECRET_ANSWERS)
def test_no_error_shows_a_key_a_header_or_an_address(
    lane: Gateway,
    server: OpenAIServer,
    ask: Ask,
    case: str,
    is_streamed: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint(server.url, KEY, {"X-Team": "canary-header"})
    server.script(SECRET_ANSWERS[case])
    with pytest.raises(ModelError) as caught:
        ask_either_way(lane, ask(endpoint=endpoint), is_streamed=is_streamed)
    _assert_nothing_shows(caught.value, server, caplog.text, capfd.readouterr())


@pytest.mark.parametrize("is_streamed", [False, True])
def test_no_secret_shows_where_nothing_answers(
    lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    server.script(say.hang(5))
    with pytest.raises(ModelTimeout) as caught:
        ask_either_way(lane, ask(timeout_s=0.2), is_streamed=is_streamed)
    _assert_nothing_shows(caught.value, server, capfd.readouterr())
    with say.refused_url() as url, pytest.raises(ProviderUnreachable) as refused:
        ask_either_way(lane, ask(endpoint=Endpoint(url, KEY)), is_streamed=is_streamed)
    assert KEY not in str(vars(refused.value))


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_wrong_address_is_said_with_where_it_was_set(
    lane: Gateway, server: OpenAIServer, ask: Ask, is_streamed: bool
) -> None:
    with say.refused_url() as url:
        endpoint = Endpoint(url, KEY, set_by="OPENAI_BASE_URL")
        with pytest.raises(ProviderUnreachable) as caught:
            ask_either_way(lane, ask(endpoint=endpoint), is_streamed=is_streamed)
    assert f"nothing listens at {url} (OPENAI_BASE_URL)" in caught.value.message
    server.script(say.failure(404, "Not Found"), say.raw(b"<html></html>", content_type="text/html"))
    for _ in range(2):
        with pytest.raises(ModelError) as caught_there:
            ask_either_way(lane, ask(), is_streamed=is_streamed)
        assert server.url in (caught_there.value.hint or "")


def test_an_address_that_cannot_be_one_is_refused_before_anything_is_sent(lane: Gateway, ask: Ask) -> None:
    for address in (
        "ftp://127.0.0.1/v1",
        "127.0.0.1:8000/v1",
        "http:///v1",
        "http://user:canary@127.0.0.1/v1",
        "http://h:x/",
    ):
        with pytest.raises(ModelConfigurationError) as caught:
            complete(lane, ask(endpoint=Endpoint(address, KEY)))
        assert address.replace("user:canary@", "") in caught.value.message
        assert "canary" not in str(vars(caught.value))


@pytest.mark.parametrize("name", ["model", "messages", "stream", "response_format"])
def test_a_parameter_cannot_take_the_place_of_the_prompt(
    lane: Gateway, server: OpenAIServer, ask: Ask, name: str
) -> None:
    with pytest.raises(ModelConfigurationError, match=f"`{name}` cannot be set"):
        complete(lane, ask(parameters={name: "x"}))
    assert server.requests == []


@pytest.mark.parametrize("name", ["api_base", "base_url", "api_key", "extra_headers", "mock_response", "num_retries"])
def test_a_parameter_never_moves_the_request_or_its_key(
    lane: Gateway, server: OpenAIServer, ask: Ask, name: str
) -> None:
    with say.refused_url() as elsewhere:
        try:
            complete(lane, ask(parameters={name: elsewhere}))
        except ModelConfigurationError:
            assert server.requests == []
        else:
            # The direct lane sends it as what it is: a key of the body, to the same address.
            assert server.requests[0].body[name] == elsewhere
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_what_only_one_provider_knows_goes_into_the_body(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    complete(lane, ask(parameters={"temperature": 0, "extra_body": {"chat_template": "short"}}))
    assert server.requests[0].body["chat_template"] == "short"
    assert "extra_body" not in server.requests[0].body


def test_extra_keys_cannot_take_the_place_of_the_prompt_either(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    with pytest.raises(ModelConfigurationError, match="`messages` cannot be set"):
        complete(lane, ask(parameters={"extra_body": {"messages": []}}))
    assert server.requests == []


def test_embeddings_come_back_in_the_order_of_the_texts(lane: Gateway, server: OpenAIServer) -> None:
    work = lane.complete(
        replace(embedding_request("openai/text-embedding-3-small", ["one", "two"]), endpoint=Endpoint(server.url, KEY))
    )
    found: Reply = run(lane, work)
    [received] = server.requests
    assert received.path == "/v1/embeddings"
    assert received.body == {"model": "text-embedding-3-small", "input": ["one", "two"], "encoding_format": "float"}
    assert [len(vector) for vector in found.vectors] == [8, 8]
    assert found.vectors[0] != found.vectors[1]
    assert found.usage.input_tokens == 2
    assert found.cost_nano_usd == 40


def test_embeddings_fail_as_replies_do(lane: Gateway, server: OpenAIServer) -> None:
    server.script(say.failure(429, "slow down", retry_after=2))
    work = lane.complete(
        replace(embedding_request("openai/text-embedding-3-small", ["one"]), endpoint=Endpoint(server.url, KEY))
    )
    with pytest.raises(RateLimited) as caught:
        run(lane, work)
    assert caught.value.retry_after_s == 2


@pytest.mark.parametrize("case", ERRORS_WITH_200)
def test_an_error_instead_of_embeddings_is_the_servers(lane: Gateway, server: OpenAIServer, case: str) -> None:
    body, expected, status, words = ERRORS_WITH_200[case]
    server.script(say.raw(json.dumps(body).encode()))
    request = embedding_request("openai/text-embedding-3-small", ["one"])
    with pytest.raises(ModelError, match=words) as caught:
        run(lane, lane.complete(replace(request, endpoint=Endpoint(server.url, KEY))))
    assert (type(caught.value), caught.value.status) == (expected, status)


def test_many_requests_at_once_get_their_own_replies(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    async def all_at_once() -> list[Reply]:
        return list(await asyncio.gather(*(lane.complete(ask(f"number {n}")) for n in range(40))))

    assert [reply.text for reply in run(lane, all_at_once())] == [f"number {n}" for n in range(40)]


def test_a_closed_lane_can_be_used_again(lane: Gateway, ask: Ask) -> None:
    assert complete(lane, ask("one")).text == "one"
    assert complete(lane, ask("two")).text == "two"


def test_a_cancelled_request_is_cancelled(lane: Gateway, server: OpenAIServer, ask: Ask) -> None:
    server.script(say.hang(5))

    async def cancel() -> None:
        task = asyncio.ensure_future(lane.complete(ask()))
        while not server.requests:  # noqa: ASYNC110 - the server is on a thread of its own
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(lane, cancel())


def _assert_nothing_shows(error: ModelError, server: OpenAIServer, *written: Any) -> None:
    shown = " ".join(map(str, [error, repr(error), vars(error), error.__cause__, error.__context__, *written]))
    for secret in (KEY, KEY[:9], KEY[-6:], "canary-header"):
        assert secret not in shown
    # The address that was asked may be said, but what a server says of addresses is not repeated.
    assert "127.0.0.1" not in (error.detail or "")


def _image() -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


async def _next_or_none(pieces: AsyncIterator[Delta | Reply]) -> Delta | Reply | None:
    return await anext(pieces, None)
