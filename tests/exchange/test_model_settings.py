"""Settings of a model: one name, one value, one fate, whichever tool the file is of."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptctl.exchange.drafts import ForeignContents
from promptctl.exchange.formats import named
from promptctl.exchange.model_settings import ForeignSettings, parameter_of
from promptctl.formats.formatting import file_of
from promptctl.formats.schemas import load_schema
from tests.exchange.conftest import source

_MESSAGES = [{"role": "user", "content": "Hi"}]


def _read(format_: str, settings: dict[str, Any]) -> ForeignContents:
    texts = {
        "openai-chat": ("x.json", {"model": "gpt-4o", "messages": _MESSAGES, **settings}),
        "promptfoo": ("x.yaml", {"prompts": ["Hi"], "providers": [{"id": "openai:gpt-4o", "config": settings}]}),
        "semantic-kernel": ("x.yaml", {"template": "Hi", "execution_settings": {"default": settings}}),
        "langfuse": ("x.json", {"name": "a", "type": "text", "prompt": "Hi", "config": settings}),
        "mlflow": ("x.json", {"name": "a", "template": "Hi", "tags": {}, "model_config": settings}),
        "llm": ("x.yaml", {"prompt": "Hi", "options": settings}),
    }
    headers = {
        "markdown": ("x.md", {"model": "a/b", **settings}, "Hi"),
        "prompty": ("x.prompty", {"model": {"parameters": settings}}, "user:\nHi"),
        "dotprompt": ("x.prompt", {"config": settings}, "Hi"),
    }
    if format_ in headers:
        path, header, body = headers[format_]
        return named(format_).reader().read(source(path, f"---\n{json.dumps(header)}\n---\n{body}\n"))
    path, data = texts[format_]
    return named(format_).reader().read(source(path, json.dumps(data)))


@pytest.mark.parametrize(
    "format_",
    ["openai-chat", "promptfoo", "semantic-kernel", "langfuse", "mlflow", "markdown", "prompty", "dotprompt", "llm"],
)
def test_one_setting_has_one_fate_in_every_format(format_: str) -> None:
    contents = _read(format_, {"topP": 0.5, "temperature": "high", "maxOutputTokens": 9, "frequencyPenalty": 1})
    [draft] = contents.prompts
    assert draft.data["parameters"] == {"top_p": 0.5, "max_tokens": 9, "frequency_penalty": 1}
    assert any("temperature" in note.part and note.fate != "kept" for note in contents.notes)
    file_of("prompts/x.prompt.yaml", draft.data, "prompt")


@pytest.mark.parametrize("format_", ["openai-chat", "promptfoo", "semantic-kernel", "langfuse", "mlflow", "prompty"])
def test_a_form_of_replies_with_a_name_that_cannot_be_keeps_its_schema(format_: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "my schema!", "schema": {"type": "object"}, "strict": True}}
    [draft] = _read(format_, {"response_format": form}).prompts
    assert draft.data["output"] == {"schema": {"type": "object"}, "strict": True}


def test_every_parameter_of_ours_is_known_by_its_own_name() -> None:
    assert all(parameter_of(name) == name for name in load_schema("prompt")["$defs"]["parameters"]["properties"])


def test_of_two_names_of_one_parameter_the_first_counts() -> None:
    settings = ForeignSettings()
    assert settings.take("max_tokens", 5) == ("parameters.max_tokens", "")
    assert settings.take("maxTokens", 7) == (None, "is said already, as `parameters.max_tokens`")
    assert settings.data == {"parameters": {"max_tokens": 5}}
