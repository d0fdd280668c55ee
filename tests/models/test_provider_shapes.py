"""One prompt means the same on every provider: the requests that arrive in each one's own protocol, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from promptctl.errors import RequestRejected
from promptctl.formats.settings_file import read_settings
from promptctl.models.gateway import Reply, Request
from promptctl.models.model_settings import Models
from promptctl.models.router import Router
from tests.models import anthropic_answers as anthropic
from tests.models import gemini_answers as gemini
from tests.models.conftest import KEY, LITELLM_WARNINGS
from tests.openai_server import Answer, OpenAIServer, raw, reply

pytestmark = LITELLM_WARNINGS

SCHEMA_OF_REPLY = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "label", "schema": SCHEMA_OF_REPLY, "strict": True}}
OBJECT = {"type": "json_object"}
EXTRA = {"zzz": {"deep": 1}}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}, **MARK}
SETTINGS: dict[str, Any] = {"max_tokens": 5, "temperature": 0.5, "top_p": 0.25, "stop": ["END"]}
WORDS = "Reply with one JSON"


def _converse(text: str) -> Answer:
    usage = {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12}
    message = {"role": "assistant", "content": [{"text": text}]}
    return raw(json.dumps({"output": {"message": message}, "stopReason": "end_turn", "usage": usage}).encode())


@dataclass(frozen=True)
class Shape:
    """A provider's protocol: its variables (`{url}` is the server), its answer, and where a body has what."""

    environ: Mapping[str, str]
    answer: Callable[[str], Answer]
    path: str
    settings: Callable[[Any], Mapping[str, Any]]
    schema: Callable[[Any], Any]
    is_object: Callable[[Any], bool]
    extra: Callable[[Any], Any]
    marks: int
    refused: str | None = None


def _of_openai(body: Any) -> Mapping[str, Any]:
    return {name: body.get(name) for name in SETTINGS}


def _openai_schema(body: Any) -> Any:
    return body["response_format"]["json_schema"]["schema"]


def _openai_object(body: Any) -> bool:
    return bool(body["response_format"] == OBJECT)


def _anthropic_settings(body: Any) -> Mapping[str, Any]:
    return {name: body[{"stop": "stop_sequences"}.get(name, name)] for name in SETTINGS}


def _anthropic_words(body: Any) -> bool:
    return WORDS in json.dumps(body["system"]) and "response_format" not in body


def _gemini_settings(body: Any) -> Mapping[str, Any]:
    names = {"max_tokens": "max_output_tokens", "stop": "stop_sequences"}
    return {name: body["generationConfig"][names.get(name, name)] for name in SETTINGS}


def _converse_settings(body: Any) -> Mapping[str, Any]:
    names = {"max_tokens": "maxTokens", "top_p": "topP", "stop": "stopSequences"}
    return {name: body["inferenceConfig"][names.get(name, name)] for name in SETTINGS}


def _converse_schema(body: Any) -> Any:
    return json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])


SHAPES = {
    "openai/gpt-4o-mini": Shape(
        {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "{url}/v1"},
        reply,
        "/v1/chat/completions",
        _of_openai,
        _openai_schema,
        _openai_object,
        lambda body: body["zzz"],
        marks=0,
    ),
    "openrouter/anthropic/claude-sonnet-4.5": Shape(
        {"OPENROUTER_API_KEY": KEY, "OPENROUTER_API_BASE": "{url}/api/v1"},
        reply,
        "/api/v1/chat/completions",
        _of_openai,
        _openai_schema,
        _openai_object,
        lambda body: body["zzz"],
        marks=2,
    ),
    "ollama/qwen3": Shape(
        {"OLLAMA_API_BASE": "{url}"},
        reply,
        "/v1/chat/completions",
        _of_openai,
        _openai_schema,
        _openai_object,
        lambda body: body["zzz"],
        marks=0,
    ),
    "deepseek/deepseek-chat": Shape(
        {"DEEPSEEK_API_KEY": KEY, "DEEPSEEK_API_BASE": "{url}/v1"},
        reply,
        "/v1/chat/completions",
        _of_openai,
        lambda body: json.loads(body["messages"][0]["content"].splitlines()[-1]),
        _openai_object,
        lambda body: body["zzz"],
        marks=0,
    ),
    "azure/team-4o": Shape(
        {"AZURE_API_KEY": KEY, "AZURE_API_VERSION": "2024-10-21", "AZURE_API_BASE": "{url}"},
        reply,
        "/openai/deployments/team-4o/chat/completions?api-version=2024-10-21",
        _of_openai,
        _openai_schema,
        _openai_object,
        lambda body: body["zzz"],
        marks=0,
    ),
    "azure/unnamed": Shape(
        {"AZURE_API_KEY": KEY, "AZURE_API_VERSION": "2024-10-21", "AZURE_API_BASE": "{url}"},
        reply,
        "/openai/deployments/unnamed/chat/completions?api-version=2024-10-21",
        _of_openai,
        lambda body: json.loads(body["messages"][0]["content"].splitlines()[-1]),
        _openai_object,
        lambda body: body["zzz"],
        marks=0,
    ),
    "anthropic/claude-sonnet-4-5": Shape(
        {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_API_BASE": "{url}"},
        anthropic.message,
        "/v1/messages",
        _anthropic_settings,
        lambda body: body["output_format"]["schema"],
        _anthropic_words,
        lambda body: body["zzz"],
        marks=2,
        refused="anthropic does not take `seed`",
    ),
    "gemini/gemini-2.5-flash": Shape(
        {"GEMINI_API_KEY": KEY, "GEMINI_API_BASE": "{url}"},
        gemini.message,
        "/models/gemini-2.5-flash:generateContent",
        _gemini_settings,
        lambda body: body["generationConfig"]["response_json_schema"],
        lambda body: bool(body["generationConfig"]["response_mime_type"] == "application/json"),
        lambda body: body["zzz"],
        marks=0,
    ),
    "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0": Shape(
        {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION_NAME": "us-east-1"},
        _converse,
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
        _converse_settings,
        _converse_schema,
        lambda body: WORDS in body["system"][0]["text"],
        lambda body: body["additionalModelRequestFields"]["zzz"],
        marks=2,
        refused="bedrock does not take `seed`",
    ),
}
RULES = 'models:\n  "azure/team-4o": {priced_as: openai/gpt-4o}\n'


@dataclass(frozen=True)
class Asked:
    """A model, and the way to ask it: the body that arrived at the server."""

    model: str
    shape: Shape
    server: OpenAIServer
    models: Models

    def __call__(self, wanted: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        user: Any = {"role": "user", "content": "hi"}
        messages, response_format = self.models.formats_of(self.model).asked(fields.pop("messages", (user,)), wanted)
        request = Request(self.model, messages, response_format=response_format, timeout_s=10.0, **fields)
        router = Router(self.models)

        async def whole() -> Reply:
            try:
                return await router.complete(request)
            finally:
                await router.close()

        answer = asyncio.run(whole())
        assert (answer.text, answer.provider) == ('{"a": "b"}', self.model.partition("/")[0])
        assert answer.usage.input_tokens
        [received] = self.server.requests
        assert received.path == self.shape.path
        return received.body


@pytest.fixture(params=SHAPES)
def asked(request: pytest.FixtureRequest, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Asked:
    model, url = request.param, server.url.removesuffix("/v1")
    shape = SHAPES[model]
    monkeypatch.setenv("AWS_BEDROCK_RUNTIME_ENDPOINT", url)  # no provider's variable names Bedrock's address
    server.default = shape.answer('{"a": "b"}')
    environ = {name: value.format(url=url) for name, value in shape.environ.items()}
    return Asked(model, shape, server, Models(read_settings(RULES.encode()), environ))


def test_parameters_arrive_under_the_providers_names(asked: Asked) -> None:
    assert asked.shape.settings(asked(parameters=SETTINGS)) == SETTINGS


def test_a_schema_arrives(asked: Asked) -> None:
    assert asked.shape.schema(asked(SCHEMA)) == SCHEMA_OF_REPLY


def test_a_wish_for_any_object_arrives(asked: Asked) -> None:
    assert asked.shape.is_object(asked(OBJECT))


def test_what_only_one_provider_knows_is_part_of_the_body(asked: Asked) -> None:
    body = asked(parameters={"extra_body": EXTRA})
    assert asked.shape.extra(body) == EXTRA["zzz"]
    assert "extra_body" not in json.dumps(body)


def test_marks_of_the_cache_arrive_where_they_mean_something(asked: Asked) -> None:
    system = {"role": "system", "content": [{"type": "text", "text": "S", **MARK}]}
    body = json.dumps(asked(messages=(system, {"role": "user", "content": "hi"}), tools=(TOOL,)))
    assert body.count("cache_control") + body.count("cachePoint") == asked.shape.marks


def test_a_parameter_that_a_provider_lacks_is_named_and_nothing_is_sent(asked: Asked) -> None:
    if asked.shape.refused is None:
        assert asked(parameters={"seed": 7})
        return
    with pytest.raises(RequestRejected) as caught:
        asked(parameters={"seed": 7})
    assert caught.value.message == f"{asked.model}: {asked.shape.refused}"
    assert "litellm" not in (caught.value.hint or "")
    assert asked.server.requests == []
