"""The providers that speak the chat-completions protocol: where each is asked, and how its body differs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from promptctl.errors import ModelConfigurationError
from promptctl.formats.settings_file import read_settings
from promptctl.models.dialects import _DIALECTS, with_path
from promptctl.models.endpoints import known_provider
from promptctl.models.gateway import Delta, Reply, Request
from promptctl.models.model_settings import Models
from promptctl.models.router import Router
from tests.models.conftest import KEY
from tests.openai_server import OpenAIServer

ADDRESSES = {
    "groq": "https://api.groq.com/openai/v1",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "xai": "https://api.x.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "together_ai": "https://api.together.xyz/v1",
    "fireworks_ai": "https://api.fireworks.ai/inference/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "nvidia_nim": "https://integrate.api.nvidia.com/v1",
    "perplexity": "https://api.perplexity.ai",
    "sambanova": "https://api.sambanova.ai/v1",
    "ollama": "http://localhost:11434/v1",
    "ollama_chat": "http://localhost:11434/v1",
    "lm_studio": "http://localhost:1234/v1",
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "label", "schema": {"type": "object"}}}
OBJECT = {"type": "json_object"}
MAX_TOKENS = {"max_completion_tokens": 5}
ROUTE = re.compile(r"/chat/completions$")


def models(provider: str, rules: str = "", **environ: str) -> Models:
    keys = dict.fromkeys(known_provider(provider).keys[:1], KEY)
    return Models(read_settings(rules.encode()), {**keys, **environ})


def ask(server: OpenAIServer, provider: str, model: str = "m", *, is_streamed: bool = False, **fields: Any) -> Any:
    """Ask through the provider's variable for a different address, and return the request that arrived."""
    base = known_provider(provider).bases[0]
    router = Router(models(provider, **{base: server.url}))
    fields = {"messages": ({"role": "user", "content": "hi"},), **fields}
    request = Request(f"{provider}/{model}", timeout_s=10.0, **fields)

    async def whole() -> None:
        try:
            if is_streamed:
                pieces: list[Delta | Reply] = [piece async for piece in router.stream(request)]
                reply = pieces[-1]
            else:
                reply = await router.complete(request)
        finally:
            await router.close()
        assert isinstance(reply, Reply)
        assert (reply.text, reply.provider) == ("hi", provider)

    asyncio.run(whole())
    [received] = server.requests
    assert ROUTE.search(received.path)
    assert received.headers["authorization"] == f"Bearer {KEY}"
    return received.body


@pytest.mark.parametrize("provider", ADDRESSES)
def test_a_provider_is_asked_directly_at_its_own_address(provider: str) -> None:
    settings = models(provider).settings_of(f"{provider}/some-model")
    assert (settings.lane, settings.endpoint.api_base) == ("direct", ADDRESSES[provider])
    assert settings.endpoint.api_key == KEY
    forced = models(provider, f'models:\n  "{provider}/*": {{lane: litellm}}\n').settings_of(f"{provider}/some-model")
    assert (forced.lane, forced.endpoint.api_base) == ("litellm", None)


def test_every_row_of_the_table_names_its_source() -> None:
    assert {name for name, dialect in _DIALECTS.items() if dialect.address} == ADDRESSES.keys()
    assert all(dialect.source.startswith("https://") for dialect in _DIALECTS.values())


@pytest.mark.parametrize("provider", ADDRESSES)
def test_a_key_goes_to_no_address_out_of_a_file(provider: str) -> None:
    rules = f'models:\n  "{provider}/*": {{api_base: "http://elsewhere/v1"}}\n'
    endpoint = models(provider, rules).settings_of(f"{provider}/m").endpoint
    assert (endpoint.api_base, endpoint.api_key) == ("http://elsewhere/v1", None)


@pytest.mark.parametrize(
    ("variable", "base", "asked"),
    [
        ("OLLAMA_API_BASE", "http://gpu:11434", "http://gpu:11434/v1"),
        ("OLLAMA_API_BASE", "http://gpu:11434/v1/", "http://gpu:11434/v1/"),
        ("MISTRAL_API_BASE", "https://eu.mistral.ai/", "https://eu.mistral.ai/v1"),
        ("GROQ_API_BASE", "https://proxy", "https://proxy/openai/v1"),
    ],
)
def test_an_address_of_the_environment_without_a_path_gets_the_providers(variable: str, base: str, asked: str) -> None:
    provider = variable.partition("_")[0].lower()
    assert models(provider, **{variable: base}).settings_of(f"{provider}/m").endpoint.api_base == asked


BODIES: dict[str, tuple[str, dict[str, Any], Mapping[str, Any]]] = {
    "groq": ("m", MAX_TOKENS, {"max_completion_tokens": 5}),
    "mistral": (
        "m",
        {**MAX_TOKENS, "seed": 7, "tool_choice": "required"},
        {"max_tokens": 5, "random_seed": 7, "tool_choice": "any"},
    ),
    "deepseek": ("m", MAX_TOKENS, {"max_tokens": 5}),
    "xai": ("m", MAX_TOKENS, {"max_tokens": 5}),
    "openrouter": ("openai/o3", {"max_tokens": 5}, {"max_tokens": 5, "usage": {"include": True}}),
    "together_ai": ("a/b", {"seed": 7, "extra_body": {"safety_model": "x"}}, {"seed": 7, "safety_model": "x"}),
    "fireworks_ai": ("llama", {"tool_choice": "required"}, {"tool_choice": "any"}),
    "cerebras": ("m", MAX_TOKENS, {"max_tokens": 5}),
    "nvidia_nim": ("meta/m", MAX_TOKENS, {"max_tokens": 5}),
    "perplexity": ("sonar", MAX_TOKENS, {"max_completion_tokens": 5}),
    "sambanova": ("m", MAX_TOKENS, {"max_tokens": 5}),
    "ollama": ("qwen3:8b", {**MAX_TOKENS, "seed": 7}, {"max_tokens": 5, "seed": 7}),
    "lm_studio": ("m", MAX_TOKENS, {"max_tokens": 5}),
}


@pytest.mark.parametrize("provider", BODIES)
def test_parameters_have_the_providers_names(server: OpenAIServer, provider: str) -> None:
    model, parameters, expected = BODIES[provider]
    body = ask(server, provider, model, parameters=parameters)
    name = "accounts/fireworks/models/llama" if provider == "fireworks_ai" else model
    assert body == {"model": name, "messages": [{"role": "user", "content": "hi"}], **expected}


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini", "max_tokens"),
        ("gpt-4.1", "max_tokens"),
        ("gpt-5-chat-latest", "max_tokens"),
        ("o3", "max_completion_tokens"),
        ("o4-mini-2025-04-16", "max_completion_tokens"),
        ("gpt-5-mini", "max_completion_tokens"),
        ("gpt-5.2", "max_completion_tokens"),
        ("ft:o4-mini:team::id", "max_completion_tokens"),
    ],
)
def test_a_reasoning_model_gets_max_completion_tokens(server: OpenAIServer, model: str, name: str) -> None:
    body = ask(server, "openai", model, parameters={"max_tokens": 5})
    assert body == {"model": model, "messages": [{"role": "user", "content": "hi"}], name: 5}


def test_the_name_that_was_written_wins_over_a_renamed_one(server: OpenAIServer) -> None:
    body = ask(server, "openai", "o3", parameters={"max_tokens": 5, "max_completion_tokens": 9})
    assert (body.get("max_tokens"), body["max_completion_tokens"]) == (None, 9)


@pytest.mark.parametrize("provider", ADDRESSES)
def test_a_stream_asks_for_its_usage_where_the_provider_takes_that(server: OpenAIServer, provider: str) -> None:
    body = ask(server, provider, is_streamed=True)
    lacking = {"mistral", "cerebras", "perplexity"}
    assert body["stream"] is True
    assert body.get("stream_options") == (None if provider in lacking else {"include_usage": True})


def test_a_form_of_reply_is_not_streamed_from_groq(server: OpenAIServer) -> None:
    body = ask(server, "groq", is_streamed=True, response_format=OBJECT)
    assert ("stream" in body, body["response_format"]) == (False, OBJECT)


@pytest.mark.parametrize("name", ["num_ctx", "keep_alive", "min_p"])
def test_a_parameter_that_would_be_passed_over_in_silence_is_refused(server: OpenAIServer, name: str) -> None:
    with pytest.raises(ModelConfigurationError, match=f"`{name}` is not a parameter that ollama takes") as caught:
        ask(server, "ollama", parameters={name: 1})
    assert "`lane: litellm` for ollama/m" in (caught.value.hint or "")
    assert server.requests == []


MARK = {"cache_control": {"type": "ephemeral"}}
MARKED = ({"role": "user", "content": [{"type": "text", "text": "hi", **MARK}]},)
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize("provider", ["openai", "groq", "openrouter", "mistral"])
def test_marks_of_the_cache_reach_only_who_knows_them(server: OpenAIServer, provider: str) -> None:
    body = ask(server, provider, messages=MARKED, tools=({**TOOL, **MARK},))
    mark = MARK if provider == "openrouter" else {}
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi", **mark}]}]
    assert body["tools"] == [{**TOOL, **mark}]


def test_parts_are_one_text_where_no_parts_are_taken(server: OpenAIServer) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "hi"}]
    with pytest.raises(AssertionError):  # the server repeats the last message: both texts
        ask(server, "sambanova", messages=({"role": "user", "content": parts},))
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "a\nhi"}]


@pytest.mark.parametrize(
    ("model", "lane"),
    [
        ("openai/o1-pro", "litellm"),
        ("openai/gpt-5-codex", "litellm"),
        ("openai/gpt-3.5-turbo-instruct", "litellm"),
        ("openai/gpt-4o", "direct"),
        ("openai/unheard-of", "direct"),
        ("ollama/llama3", "direct"),
    ],
)
def test_a_model_of_a_different_protocol_goes_through_litellm(model: str, lane: str) -> None:
    assert models(model.partition("/")[0]).settings_of(model).lane == lane
    rules = f'models:\n  "{model}": {{api_base: "http://here/v1"}}\n'
    assert models("openai", rules).settings_of(model).lane == "direct"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://h", "http://h/openai/v1"),
        ("http://h/", "http://h/openai/v1"),
        ("http://h?x=1", "http://h/openai/v1?x=1"),
        ("http://h/v1?x=1", "http://h/v1?x=1"),
    ],
)
def test_an_address_without_a_path_gets_the_providers_own(given: str, used: str) -> None:
    assert with_path("groq", given) == used
