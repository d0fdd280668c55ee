"""What only the LiteLLM lane does: another provider's protocol, and keeping LiteLLM to what it is asked."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from promptctl.errors import (
    AuthenticationFailed,
    ModelConfigurationError,
    ModelError,
    ModelTimeout,
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    RequestRejected,
)
from promptctl.models import litellm_wire
from promptctl.models.endpoints import Provider
from promptctl.models.gateway import Delta, Endpoint, Reply, Request, Usage, embedding_request
from promptctl.models.litellm_lane import LiteLLM
from promptctl.models.litellm_wire import Wire
from promptctl.models.prices import Prices
from tests import openai_server as say
from tests.models import anthropic_answers as anthropic
from tests.models import gemini_answers as gemini
from tests.models.conftest import KEY, LITELLM_WARNINGS
from tests.openai_server import OpenAIServer

pytestmark = LITELLM_WARNINGS

Ask = Callable[..., Request]


@pytest.fixture
def ask_claude(server: OpenAIServer) -> Ask:
    def make(text: str = "hello", **fields: Any) -> Request:
        given: dict[str, Any] = {
            "model": "anthropic/claude-sonnet-4-5",
            "messages": ({"role": "user", "content": text},),
            "parameters": {"max_tokens": 10},
            "timeout_s": 10.0,
            "endpoint": Endpoint(server.url.removesuffix("/v1"), KEY, {"X-Team": "header-canary"}),
        }
        return Request(**{**given, **fields})

    return make


def complete(request: Request, environ: dict[str, str] | None = None) -> Reply:
    async def whole() -> Reply:
        lane = LiteLLM(Prices(), environ)
        try:
            return await lane.complete(request)
        finally:
            await lane.close()

    return asyncio.run(whole())


def stream(request: Request) -> list[Delta | Reply]:
    async def whole() -> list[Delta | Reply]:
        lane = LiteLLM(Prices())
        try:
            return [piece async for piece in lane.stream(request)]
        finally:
            await lane.close()

    return asyncio.run(whole())


def test_another_providers_reply_reads_like_any(server: OpenAIServer, ask_claude: Ask) -> None:
    server.script(anthropic.message("Hello there."))
    reply = complete(ask_claude())
    [received] = server.requests
    assert (received.path, received.headers["x-api-key"]) == ("/v1/messages", KEY)
    assert (reply.text, reply.finish_reason, reply.provider) == ("Hello there.", "stop", "anthropic")
    assert reply.model == anthropic.MODEL
    assert reply.usage == Usage(17, 4, cached_tokens=5, cache_write_tokens=2, reasoning_tokens=0)
    # 10 new, 5 cached and 2 written tokens at 3, 0.30 and 3.75, 4 put out at 15 USD for a million.
    assert reply.cost_nano_usd == 10 * 3000 + 5 * 300 + 2 * 3750 + 4 * 15000


def test_a_stream_and_a_whole_reply_cost_the_same(server: OpenAIServer, ask_claude: Ask) -> None:
    server.script(anthropic.message("Hello there."), anthropic.streamed("Hello ", "there."))
    whole = complete(ask_claude())
    *deltas, streamed = stream(ask_claude())
    assert deltas == [Delta("Hello "), Delta("there.")]
    assert isinstance(streamed, Reply)
    assert (streamed.text, streamed.model) == (whole.text, whole.model)
    assert (streamed.usage, streamed.cost_nano_usd) == (whole.usage, whole.cost_nano_usd)


def test_searches_and_the_tier_of_another_provider_are_priced(server: OpenAIServer, ask_claude: Ask) -> None:
    more = {"server_tool_use": {"web_search_requests": 2}}
    server.script(
        anthropic.message("Hello.", **more),
        anthropic.streamed("Hello.", usage=more),
        anthropic.message("x", service_tier="batch"),
    )
    whole, (*_, streamed) = complete(ask_claude()), stream(ask_claude())
    # As above, and 0.01 USD for each of two searches.
    assert whole.cost_nano_usd == 99_000 + 2 * 10_000_000
    assert isinstance(streamed, Reply)
    assert (streamed.usage, streamed.cost_nano_usd) == (whole.usage, whole.cost_nano_usd)
    # A batch costs half of it all.
    assert complete(ask_claude()).cost_nano_usd == 99_000 / 2


def test_thinking_of_another_provider_is_kept_beside_the_text(server: OpenAIServer, ask_claude: Ask) -> None:
    thinking = {"type": "thinking", "thinking": "Let me think.", "signature": "x"}
    server.script(anthropic.message("Hello.", thinking), anthropic.streamed("Hello.", thinking="Let me think."))
    whole, (delta, streamed) = complete(ask_claude()), stream(ask_claude())
    assert (whole.text, whole.reasoning) == ("Hello.", "Let me think.")
    assert isinstance(streamed, Reply)
    assert (delta, streamed.text, streamed.reasoning) == (Delta("Hello."), "Hello.", "Let me think.")


FAILURES: dict[str, tuple[say.Answer, type[ModelError], int | None]] = {
    "400": (anthropic.failure(400, "invalid_request_error", "max_tokens: too odd"), RequestRejected, 400),
    "401": (anthropic.failure(401, "authentication_error", f"invalid x-api-key {KEY}"), AuthenticationFailed, 401),
    "429": (anthropic.failure(429, "rate_limit_error", "slow", retry_after="7"), RateLimited, 429),
    "529": (anthropic.failure(529, "overloaded_error", "Overloaded"), ProviderFailed, 529),
    "malformed JSON": (say.malformed(), ProviderFailed, None),
    "HTML": (say.html(), ProviderFailed, None),
    "closed early": (say.close_early(), ProviderUnreachable, None),
    "hanging": (say.hang(5), ModelTimeout, None),
}


@pytest.mark.parametrize("case", FAILURES)
def test_another_providers_failures_are_told_apart(server: OpenAIServer, ask_claude: Ask, case: str) -> None:
    answer, expected, status = FAILURES[case]
    server.script(answer)
    with pytest.raises(ModelError) as caught:
        complete(ask_claude(timeout_s=0.5))
    assert (type(caught.value), caught.value.status) == (expected, status)
    assert caught.value.retry_after_s == (7 if status == 429 else None)
    assert len(server.requests) == 1
    for secret in (KEY, "header-canary"):
        assert secret not in str(vars(caught.value))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (anthropic.streamed("one ", is_whole=False), ProviderUnreachable),
        (anthropic.streamed("one ", error="Overloaded"), ProviderFailed),
    ],
)
def test_another_providers_broken_stream_keeps_what_came(
    server: OpenAIServer, ask_claude: Ask, answer: say.Answer, expected: type[ModelError]
) -> None:
    server.script(answer)
    with pytest.raises(expected) as caught:
        stream(ask_claude())
    assert caught.value.partial.text == "one "
    assert (caught.value.partial.finish_reason, caught.value.partial.cost_nano_usd) == (None, None)
    assert "litellm" not in caught.value.message.lower()


def test_usage_is_read_whatever_shape_litellm_gives_it(
    server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Provider, "is_sent_its_key_alone", True)
    server.script(say.reply("Hello there.", tokens=say.usage(3, 4)))
    assert complete(ask_claude(model="azure_text/gpt")).usage == Usage(3, 4, cached_tokens=0, reasoning_tokens=0)


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "hosted_vllm/m"])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_endless_answer_is_stopped(
    server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch, model: str, is_streamed: bool
) -> None:
    monkeypatch.setattr(litellm_wire, "LARGEST_REPLY", 100_000)
    monkeypatch.setattr(Provider, "is_sent_its_key_alone", True)
    bomb = gzip.compress(b" " * 1_000_000)
    server.script(
        say.raw_stream(*[b"data: " + b"x" * 5000] * 50)
        if is_streamed
        else say.raw(bomb, headers={"Content-Encoding": "gzip"})
    )
    with pytest.raises(ProviderFailed, match="answered with more than"):
        stream(ask_claude(model=model)) if is_streamed else complete(ask_claude(model=model))


def test_a_provider_that_does_not_stream_answers_whole(
    server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Provider, "is_sent_its_key_alone", True)
    server.script(say.raw(json.dumps({"choices": [{"message": {"content": "Hello there."}}]}).encode()))
    delta, reply = stream(ask_claude(model="aiohttp_openai/gpt"))
    assert delta == Delta("Hello there.")
    assert isinstance(reply, Reply)


def test_an_answer_without_vectors_is_a_failure_of_the_provider(server: OpenAIServer) -> None:
    async def embed() -> None:
        lane = LiteLLM(Prices())
        try:
            await lane.complete(replace(embedding_request("openai/embed", ["one"]), endpoint=Endpoint(server.url, KEY)))
        finally:
            await lane.close()

    server.script(say.reply("no vectors"))
    with pytest.raises(ProviderFailed, match="0 embeddings for 1 texts"):
        asyncio.run(embed())


def test_a_package_that_is_missing_is_told_without_a_traceback() -> None:
    with pytest.raises(ModelConfigurationError, match="No module named 'vllm'") as caught:
        complete(Request("vllm/gpt", ({"role": "user", "content": "hello"},)))
    assert "Traceback" not in caught.value.message


def test_closing_leaves_no_connection_open(server: OpenAIServer, ask_claude: Ask) -> None:
    for _ in range(2):
        server.script(anthropic.streamed("one ", is_whole=False), anthropic.message("two"))
        with pytest.raises(ProviderUnreachable):
            stream(ask_claude())
        complete(ask_claude())
    assert [session for session in gc.get_objects() if type(session) is ClientSession and not session.closed] == []


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "openai/gpt-4o-mini"])
@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_takes_the_key_elsewhere(server: OpenAIServer, ask_claude: Ask, model: str, status: int) -> None:
    """httpx would send every header but `Authorization` along, `x-api-key` among them."""
    with OpenAIServer() as elsewhere:
        server.script(say.raw(b"", status=status, headers={"location": f"{elsewhere.url}/messages"}))
        with pytest.raises(RequestRejected, match="redirect"):
            complete(ask_claude(model=model))
        assert elsewhere.requests == []


def test_no_other_host_is_looked_up(server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM would fetch lists of headers, and images that a message links to."""
    looked_up: list[Any] = []
    look_up = socket.getaddrinfo

    def spy(host: Any, *rest: Any, **options: Any) -> Any:
        looked_up.append(host)
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", spy)
    image = {"type": "image_url", "image_url": {"url": "http://images.example/cat.png"}}
    server.default = anthropic.message("ok")
    complete(ask_claude())
    with pytest.raises(RequestRejected) as caught:
        complete(ask_claude(messages=({"role": "user", "content": [image]},)))
    assert caught.value.hint is not None
    assert "data: URLs" in caught.value.hint
    assert [host for host in looked_up if host not in {"127.0.0.1", b"127.0.0.1"}] == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "name",
    [
        "api_base",
        "base_url",
        "api_key",
        "extra_headers",
        "headers",
        "mock_response",
        "fallbacks",
        "custom_llm_provider",
        "aws_bedrock_runtime_endpoint",
        "anthropic_identity_token_file",
        "vertex_credentials",
        "unheard_of",
    ],
)
def test_only_parameters_of_models_are_passed_on(server: OpenAIServer, ask_claude: Ask, name: str) -> None:
    with pytest.raises(ModelConfigurationError, match=f"`{name}` is not a parameter"):
        complete(ask_claude(parameters={name: "http://elsewhere.example"}))
    assert server.requests == []


def test_parameters_of_the_provider_are_passed_on(server: OpenAIServer, ask_claude: Ask) -> None:
    server.script(anthropic.message("ok"))
    complete(ask_claude(parameters={"max_tokens": 5, "temperature": 0.5, "top_k": 3}))
    body = server.requests[0].body
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (5, 0.5, 3)


def test_tools_reach_another_provider(server: OpenAIServer, ask_claude: Ask) -> None:
    server.script(anthropic.message("ok"))
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "lookup", "description": "Look up.", "parameters": schema}}
    complete(ask_claude(tools=(tool,)))
    [sent] = server.requests[0].body["tools"]
    assert (sent["name"], sent["input_schema"]["properties"]) == ("lookup", {"q": {"type": "string"}})


def test_the_callbacks_of_the_application_are_not_run(
    server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptctl.models.litellm_library import load_litellm

    calls: list[Any] = []
    monkeypatch.setattr(load_litellm(), "success_callback", [lambda *given: calls.append(given)])
    server.script(anthropic.message("ok"))
    complete(ask_claude())
    assert calls == []


def test_settings_of_a_provider_come_from_the_given_environment(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_API_VERSION", "1999-01-01")
    endpoint = Endpoint(server.url.removesuffix("/v1"), KEY)
    request = Request("azure/my-deployment", ({"role": "user", "content": "hello"},), endpoint=endpoint)
    complete(request, {"AZURE_API_VERSION": "2024-10-21"})
    [received] = server.requests
    assert received.path == "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"
    assert received.headers["api-key"] == KEY


def test_a_provider_that_lacks_what_it_needs_says_so(server: OpenAIServer) -> None:
    request = Request("azure/my-deployment", ({"role": "user", "content": "hello"},), endpoint=Endpoint(None, KEY))
    with pytest.raises(ModelError) as caught:
        complete(request)
    assert KEY not in str(vars(caught.value))
    assert server.requests == []


@pytest.mark.parametrize(
    "body", [{}, [], {"content": None}, {"type": "message", "content": [{"type": "new"}], "usage": {}}]
)
def test_an_odd_answer_breaks_nothing(server: OpenAIServer, ask_claude: Ask, body: Any) -> None:
    server.script(say.raw(json.dumps(body).encode()))
    with suppress(ModelError):
        assert complete(ask_claude()).text == ""


@pytest.mark.parametrize(
    ("reason", "expected"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter")]
)
def test_a_stream_of_gemini_ends_as_it_says(server: OpenAIServer, ask: Ask, reason: str, expected: str) -> None:
    server.script(gemini.streamed("Hello ", "there", reason=reason))
    endpoint = Endpoint(server.url.removesuffix("/v1"), KEY)
    *deltas, reply = stream(ask(model=f"gemini/{gemini.MODEL}", endpoint=endpoint))
    assert [delta.text for delta in deltas if isinstance(delta, Delta)] == ["Hello ", "there"]
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason) == ("Hello there", expected)
    assert reply.usage.input_tokens == 5


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("delay_s", [7, 7.5])
def test_a_quota_of_gemini_that_is_free_again_soon_is_waited_for(
    server: OpenAIServer, ask: Ask, delay_s: float, is_streamed: bool
) -> None:
    server.script(gemini.too_many(f"{delay_s}s"))
    endpoint = Endpoint(server.url.removesuffix("/v1"), KEY)
    request = ask(model=f"gemini/{gemini.MODEL}", endpoint=endpoint)
    with pytest.raises(RateLimited) as caught:
        stream(request) if is_streamed else complete(request)
    assert (type(caught.value), caught.value.retry_after_s) == (RateLimited, delay_s)


def test_what_comes_before_a_request_is_sent_is_no_latency(
    server: OpenAIServer, ask_claude: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports on a first call, for example: here the lane's clock stands an hour back until the request goes out."""
    monkeypatch.setattr(Wire, "__init__", _an_hour_ago(Wire.__init__))
    server.script(anthropic.message("Hello."), anthropic.failure(500, "api_error", "oops"))
    assert complete(ask_claude()).latency_ms < 600_000
    with pytest.raises(ProviderFailed) as caught:
        complete(ask_claude())
    assert caught.value.asked_at is not None
    assert time.perf_counter() - caught.value.asked_at < 600


def _an_hour_ago(begin: Callable[..., None]) -> Callable[..., None]:
    def begin_early(wire: Wire, *given: Any) -> None:
        begin(wire, *given)
        wire.started -= 3600

    return begin_early


def test_a_model_of_the_responses_protocol_is_asked_without_the_package_mcp(server: OpenAIServer) -> None:
    message = {
        "type": "message",
        "id": "m1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "Hello there", "annotations": []}],
    }
    body = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "o1-pro",
        "output": [message],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    server.script(say.raw(json.dumps(body).encode()))
    asked = ({"role": "user", "content": "Hi"},)
    reply = complete(Request("openai/o1-pro", asked, timeout_s=10.0, endpoint=Endpoint(server.url, KEY)))
    assert [request.path for request in server.requests] == ["/v1/responses"]
    assert (reply.text, reply.usage.input_tokens, reply.usage.output_tokens) == ("Hello there", 3, 2)
    assert reply.cost_nano_usd == 3 * 150_000 + 2 * 600_000


@pytest.mark.parametrize(("model", "is_taken"), [("fireworks_ai/nomic-embed", False), ("mistral/mistral-embed", True)])
def test_the_format_of_embeddings_is_asked_of_those_that_take_it(
    server: OpenAIServer, model: str, is_taken: bool
) -> None:
    async def work() -> None:
        lane = LiteLLM(Prices())
        try:
            request = replace(embedding_request(model, ["one"]), endpoint=Endpoint(server.url, KEY))
            assert len((await lane.complete(request)).vectors) == 1
        finally:
            await lane.close()

    asyncio.run(work())
    assert ("encoding_format" in server.requests[0].body) is is_taken
