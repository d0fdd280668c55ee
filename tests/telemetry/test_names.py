"""The table of names against the conventions, and against the page that lists it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.encoding import encode
from promptctl.log.records import Execution
from promptctl.models.gateway import Endpoint, Request
from promptctl.telemetry import facts, names

PAGE = (Path(__file__).parents[2] / "docs/telemetry.md").read_text(encoding="utf-8")
# As semantic-conventions-genai 0.1.0 has them, and semantic-conventions 1.45.0 those without `gen_ai.`.
CONVENTIONS = """
error.type gen_ai.conversation.id gen_ai.input.messages gen_ai.operation.name gen_ai.output.messages gen_ai.output.type
gen_ai.prompt.name gen_ai.prompt.variable. gen_ai.prompt.version gen_ai.provider.name gen_ai.request.choice.count
gen_ai.request.frequency_penalty gen_ai.request.max_tokens gen_ai.request.model gen_ai.request.presence_penalty
gen_ai.request.reasoning.level gen_ai.request.seed gen_ai.request.stop_sequences gen_ai.request.stream
gen_ai.request.temperature gen_ai.request.top_k gen_ai.request.top_p gen_ai.response.finish_reasons gen_ai.response.id
gen_ai.response.model gen_ai.response.time_to_first_chunk gen_ai.token.modality
gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_write.input_tokens gen_ai.usage.input_tokens
gen_ai.usage.output_tokens gen_ai.usage.reasoning.output_tokens server.address server.port
gen_ai.evaluation.result gen_ai.evaluation.name gen_ai.evaluation.score.value gen_ai.evaluation.score.label
gen_ai.evaluation.explanation
gen_ai.client.inference.duration gen_ai.client.inference.time_to_first_chunk
gen_ai.client.inference.operation.input_tokens gen_ai.client.inference.operation.output_tokens
gen_ai.client.inference.usage.input_tokens gen_ai.client.inference.usage.output_tokens
gen_ai.client.inference.usage.cache_read.input_tokens gen_ai.client.inference.usage.cache_write.input_tokens
gen_ai.client.inference.usage.reasoning.output_tokens
gen_ai.client.embeddings.duration gen_ai.client.embeddings.operation.input_tokens
"""
PROVIDERS = """
anthropic aws.bedrock azure.ai.inference azure.ai.openai cohere deepseek gcp.gemini gcp.gen_ai gcp.vertex_ai groq
ibm.watsonx.ai mistral_ai moonshot_ai openai perplexity x_ai
"""


def table() -> set[str]:
    """Every name of the table, but for the values of operations and providers."""
    found: set[str] = set()
    for key, value in vars(names).items():
        if key.isupper() and key not in ("CONVENTIONS", "SCOPE", "CHAT", "EMBEDDINGS", "PROVIDERS"):
            values = value.values() if isinstance(value, dict) else [value]
            found |= {each[0] if isinstance(each, tuple) else each for each in values if not isinstance(each, float)}
    return {each for each in found if isinstance(each, str)}


def test_the_table_has_the_conventions_names_and_our_own() -> None:
    ours = {name for name in table() if name.startswith("promptctl.")}
    assert table() - ours == set(CONVENTIONS.split())
    assert set(names.PROVIDERS.values()) <= set(PROVIDERS.split())


def test_the_page_lists_every_name_and_the_date() -> None:
    listed = set(re.findall(r"`((?:gen_ai|promptctl|server|error)\.[a-z_.]+)", PAGE))
    assert listed - {"promptctl.yaml"} == table()
    assert names.CONVENTIONS in PAGE


def attempt(**fields: Any) -> Execution:
    given = {"status": "ok", "model": "openai/gpt-4o", "digest": "1:ab", "prompt": "greet", "prompt_name": "Greet"}
    stamps = {"id": "e", "call_id": "c", "started_at": "2026-11-29T00:00:00.000Z", "source": "api"}
    return Execution(**{**given, **stamps, **fields})


def told(**fields: Any) -> dict[str, Any]:
    return facts.of_attempt(encode(attempt(**fields), is_whole=True), {names.OPERATION: names.CHAT})


def test_the_prompts_version_is_that_of_a_messages_metadata() -> None:
    execution = attempt(version=7, version_display="v7+dirty", is_dirty=True, label="production", commit="ab" * 20)
    found = facts.of_attempt(encode(execution, is_whole=False), {names.OPERATION: names.CHAT})
    assert found["gen_ai.prompt.name"] == execution.metadata["prompt"]
    assert found["gen_ai.prompt.version"] == str(execution.metadata["prompt_version"])
    assert found["promptctl.prompt.digest"] == execution.metadata["prompt_id"]
    assert found["promptctl.prompt.label"] == execution.metadata["prompt_label"]
    assert found["promptctl.prompt.version"] == "v7+dirty"
    assert found["promptctl.prompt.uncommitted"] is True
    assert "gen_ai.prompt.version" not in told()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"temperature": 1, "top_p": 0.5, "n": 1}, {"temperature": 1.0, "top_p": 0.5}),
        ({"n": 2, "max_completion_tokens": 9, "seed": 4}, {"choice.count": 2, "max_tokens": 9, "seed": 4}),
        ({"stop": ["a", "b"], "reasoning_effort": "low"}, {"stop_sequences": ["a", "b"], "reasoning.level": "low"}),
        ({"temperature": "hot", "stop": [1], "max_tokens": None, "own": {"a": 1}}, {}),
    ],
)
def test_parameters_have_the_types_of_the_conventions(parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    found = {name: value for name, value in told(parameters=parameters).items() if ".request." in name}
    assert found == {f"gen_ai.request.{name}": value for name, value in expected.items()}
    assert [type(found[f"gen_ai.request.{name}"]) for name in expected] == [type(each) for each in expected.values()]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cost_nano_usd": None}, {"priced": False}),
        ({"cost_nano_usd": 0}, {"priced": True, "amount": 0.0, "currency": "USD"}),
        ({"cost_nano_usd": 1_500_000}, {"priced": True, "amount": 0.0015, "currency": "USD"}),
        ({"status": "blocked"}, {}),
        ({"status": "error"}, {}),
        ({"status": "cancelled", "output_tokens": 3}, {"priced": False}),
    ],
)
def test_a_cost_that_is_unknown_is_never_zero(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    found = {name: value for name, value in told(**fields).items() if ".cost." in name}
    assert found == {f"promptctl.cost.{name}": value for name, value in expected.items()}


def test_parts_of_the_tokens_that_are_none_are_left_out_and_embeddings_have_no_text() -> None:
    counts = {"input_tokens": 5, "output_tokens": 0, "cached_tokens": 0, "reasoning_tokens": 0, "finish_reason": "stop"}
    found = told(**counts, usage_details={"cache_write_tokens": 2})
    assert {name: value for name, value in found.items() if ".usage." in name} == {
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 0,
        "gen_ai.usage.cache_write.input_tokens": 2,
    }
    embedded = facts.of_attempt(encode(attempt(**counts), is_whole=True), {names.OPERATION: names.EMBEDDINGS})
    assert {name for name in embedded if ".usage." in name or ".response." in name} == {"gen_ai.usage.input_tokens"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, {}),
        ("https://user:secret@api.example.com/v1?key=1", {"server.address": "api.example.com", "server.port": 443}),
        ("http://[::1]:8000/v1", {"server.address": "::1", "server.port": 8000}),
        ("http://host:99999999", {}),
        ("unix", {}),
    ],
)
def test_a_server_is_named_without_what_may_be_secret(address: str | None, expected: dict[str, Any]) -> None:
    request = Request("azure/gpt-4o", [], endpoint=Endpoint(address))
    found = facts.of_request(names.CHAT, request, is_streamed=False)
    assert {name: value for name, value in found.items() if name.startswith("server.")} == expected
    assert found["gen_ai.provider.name"] == "azure.ai.openai"


@pytest.mark.parametrize("broken", ["{broken", "[" * 100_000])
def test_parts_of_messages_are_written_as_the_conventions_write_them(broken: str) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": broken}}
    pictures = [
        {"type": "image_url", "image_url": {"url": url}} for url in ("https://x/a.png", "data:image/png;base64,QQ==")
    ]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look"}, *pictures, {"type": "file", "file": {"id": 1}}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
    ]
    found = facts.of_content(
        encode(attempt(messages=messages, reply="Hi", reasoning="Hm", inputs={"n": 1}), is_whole=True)
    )
    assert found == {
        "gen_ai.input.messages": facts._json(
            [
                {
                    "role": "user",
                    "parts": [
                        {"type": "text", "content": "Look"},
                        {"type": "uri", "modality": "image", "uri": "https://x/a.png"},
                        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QQ=="},
                        {"type": "file", "file": {"id": 1}},
                    ],
                },
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": broken}],
                },
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]},
            ]
        ),
        "gen_ai.output.messages": facts._json(
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "reasoning", "content": "Hm"}, {"type": "text", "content": "Hi"}],
                }
            ]
        ),
        "gen_ai.prompt.variable.n": "1",
    }
