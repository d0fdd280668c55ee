"""Bodies of OpenAI's chat requests: what of them is a prompt's, and what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.formats.schemas import load_schema

_PARAMETERS = frozenset(load_schema("prompt")["$defs"]["parameters"]["properties"]) - {"extra_body"}
_READ = ("model", "messages", "tools", "response_format")
_OF_A_CALL = ("stream", "stream_options", "user", "n", "store", "metadata", "safety_identifier")


def keys_of(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the keys of a prompt that a body stands for without its messages, and each other key with its fate."""
    data: dict[str, Any] = {}
    lost: dict[str, str] = {}
    if isinstance(body.get("model"), str) and body["model"]:
        data["model"] = model_of(body["model"])
    parameters = {key: value for key, value in body.items() if key in _PARAMETERS and value is not None}
    data |= {"parameters": parameters} if parameters else {}
    if body.get("tools"):
        data["tools"] = body["tools"]
    form = body.get("response_format")
    if isinstance(form, Mapping) and form.get("type") == "json_object":
        data["response_format"] = {"type": "json_object"}
    elif isinstance(form, Mapping) and isinstance(form.get("json_schema"), Mapping):
        named = form["json_schema"]
        if isinstance(named.get("schema"), Mapping):
            name = {"name": named["name"]} if isinstance(named.get("name"), str) else {}
            data["output"] = {"schema": named["schema"], **name, **({"strict": True} if named.get("strict") else {})}
    for key in body:
        if key not in (*_READ, *_PARAMETERS) and body[key] is not None:
            lost[key] = (
                "is of one call, no part of a prompt" if key in _OF_A_CALL else "is no parameter of a prompt here"
            )
    return data, lost


def model_of(written: str) -> str:
    """Return LiteLLM's id of a model of OpenAI; one that names a provider stays.

    >>> model_of("gpt-4o"), model_of("anthropic/claude-sonnet-4-5")
    ('openai/gpt-4o', 'anthropic/claude-sonnet-4-5')
    """
    return written if "/" in written else f"openai/{written}"
