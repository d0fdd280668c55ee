"""Forms of a reply: which models are asked by `response_format`, and how the others are asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from promptctl.formats.settings_file import read_settings
from promptctl.models.model_settings import Models
from promptctl.models.reply_format import ReplyFormats

SCHEMA = {"type": "json_schema", "json_schema": {"name": "label", "schema": {"type": "object", "required": ["é"]}}}
OBJECT = {"type": "json_object"}
USER: Mapping[str, Any] = {"role": "user", "content": "hi"}
RULES = """
models:
  "local/*": {api_base: "http://h/v1"}
  "openai/old": {supports_schema: false}
  "deepseek/new": {supports_schema: true}
  "azure/team-4o": {priced_as: openai/gpt-4o}
  "mistral/*": {lane: litellm}
  "openai/plain": {leave_out: [response_format]}
"""


@pytest.mark.parametrize(
    ("model", "has_schema", "has_object"),
    [
        ("echo/echo", True, True),
        ("replay/anything/at-all", True, True),
        ("openai/unheard-of", True, True),
        ("openai/old", False, True),
        ("replay/openai/old", False, True),
        ("openai/plain", False, False),
        ("local/llama", True, True),
        ("anthropic/claude-sonnet-4-5", True, False),
        ("anthropic/unheard-of", False, False),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, False),
        ("bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", True, False),
        ("bedrock/us-east-1/unheard-of", False, False),
        ("vertex_ai/claude-sonnet-4-5", True, False),
        ("gemini/gemini-2.5-flash", True, True),
        ("azure/gpt-4o", True, True),
        ("azure/team", False, True),
        ("azure/team-4o", True, True),
        ("groq/openai/gpt-oss-20b", True, True),
        ("groq/llama", False, True),
        ("deepseek/deepseek-chat", False, True),
        ("deepseek/new", True, True),
        ("openrouter/anthropic/claude-sonnet-4.5", True, True),
        ("ollama/llama3", True, True),
        ("replay/ollama/llama3", True, True),
        ("lm_studio/qwen", True, False),
        ("perplexity/sonar", True, False),
        ("mistral/mistral-small-latest", True, True),
        ("mistral/unheard-of", False, True),
    ],
)
def test_the_forms_that_a_model_takes(model: str, has_schema: bool, has_object: bool) -> None:
    formats = Models(read_settings(RULES.encode()), {}).formats_of(model)
    assert (formats.has_schema, formats.has_json_object) == (has_schema, has_object)


def test_what_a_model_takes_is_sent_as_it_is() -> None:
    for wanted in (SCHEMA, OBJECT, {"type": "text"}, None):
        assert ReplyFormats().asked([USER], wanted) == ([USER], wanted)


def test_a_schema_that_is_not_taken_is_asked_for_in_the_messages() -> None:
    messages, wanted = ReplyFormats(has_schema=False).asked([USER], SCHEMA)
    assert (wanted, messages[1:]) == (None, [USER])
    assert messages[0]["role"] == "system"
    assert messages[0]["content"].startswith("Reply with one JSON value that fits this JSON Schema, and nothing else")
    assert json.loads(messages[0]["content"].splitlines()[-1]) == {"type": "object", "required": ["é"]}


def test_any_object_is_asked_for_beside_a_schema_where_the_provider_takes_that() -> None:
    formats = ReplyFormats(has_schema=False, pairs_json_object=True)
    assert formats.asked([USER], SCHEMA)[1] == OBJECT
    a_list = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}
    assert formats.asked([USER], a_list)[1] is None


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_instruction_joins_the_systems_message(role: str) -> None:
    system = {"role": role, "content": "Be kind.\n"}
    messages, wanted = ReplyFormats(has_json_object=False).asked([system, USER], OBJECT)
    assert wanted is None
    assert messages == [
        {
            "role": role,
            "content": "Be kind.\n\nReply with one JSON object, and nothing else: no words around it, no code fence.",
        },
        USER,
    ]
    assert system["content"] == "Be kind.\n"


def test_the_instruction_is_a_part_of_its_own_among_parts() -> None:
    system = {"role": "system", "content": [{"type": "text", "text": "Be kind."}]}
    messages, _ = ReplyFormats(has_json_object=False).asked([system, USER], OBJECT)
    assert [part["type"] for part in messages[0]["content"]] == ["text", "text"]
    assert len(system["content"]) == 1
