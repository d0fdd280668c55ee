"""LiteLLM's answers as the protocol's plain data, so that both lanes read replies in the same way.

They are objects or mappings by provider, and what a server left out is missing in them: nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What is read of an answer: the names in each object; a list stands for many of its one item.
_MESSAGE = {
    "content": None,
    "refusal": None,
    "reasoning_content": None,
    "provider_specific_fields": {"refusal": None},
    "tool_calls": [{"index": None, "id": None, "function": {"name": None, "arguments": None}}],
}
_USAGE = {
    "prompt_tokens": None,
    "completion_tokens": None,
    "total_tokens": None,
    "prompt_tokens_details": {
        "cached_tokens": None,
        "cache_creation_tokens": None,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": None},
        "audio_tokens": None,
        "image_tokens": None,
        "web_search_requests": None,
    },
    "server_tool_use": {"web_search_requests": None},
    "service_tier": None,
    "completion_tokens_details": {"reasoning_tokens": None, "audio_tokens": None},
}


def completion_data(answer: Any) -> dict[str, Any]:
    """Return a whole completion."""
    return _chat_data(answer, "message")


def chunk_data(chunk: Any, model: str | None) -> dict[str, Any]:
    """Return one chunk of a stream; `model` is the name that the provider answered with, if LiteLLM kept it."""
    data = _chat_data(chunk, "delta")
    return data | {"model": model or data["model"]}


def embeddings_data(answer: Any) -> dict[str, Any]:
    """Return the vectors of an embeddings answer."""
    return _counted(_read(answer, {"model": None, "data": [{"index": None, "embedding": None}], "usage": _USAGE}))


def _chat_data(answer: Any, part: str) -> dict[str, Any]:
    data = _read(
        answer,
        {
            "id": None,
            "model": None,
            "service_tier": None,
            "choices": [{"finish_reason": None, part: _MESSAGE}],
            "usage": _USAGE,
        },
    )
    for choice in data["choices"]:
        message = choice[part]
        message["refusal"] = message["refusal"] or message["provider_specific_fields"]["refusal"]
    return _counted(data)


def _counted(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data without the zeros that LiteLLM puts for a provider that did not count tokens."""
    usage = data["usage"]
    return data if usage["prompt_tokens"] or usage["completion_tokens"] else data | {"usage": None}


def _read(thing: Any, shape: Any) -> Any:
    if shape is None:
        return thing
    if isinstance(shape, list):
        return [_read(item, shape[0]) for item in thing or ()]
    fields = thing if isinstance(thing, Mapping) else {name: getattr(thing, name, None) for name in shape}
    return {name: _read(fields.get(name), inner) for name, inner in shape.items()}
