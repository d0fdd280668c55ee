"""LiteLLM's answers as the protocol's plain data, so that both lanes read replies in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def completion_data(answer: Any) -> dict[str, Any]:
    """A whole completion."""
    return {
        "model": answer.model,
        "choices": [
            {"finish_reason": choice.finish_reason, "message": _message_data(choice.message)}
            for choice in answer.choices
        ],
        "usage": usage_data(getattr(answer, "usage", None)),
    }


def chunk_data(chunk: Any, model: str | None) -> dict[str, Any]:
    """One chunk of a stream. `model` is the name that the provider answered with, which LiteLLM keeps elsewhere."""
    return {
        "model": model or chunk.model,
        "choices": [
            {"finish_reason": choice.finish_reason, "delta": _message_data(choice.delta)} for choice in chunk.choices
        ],
        "usage": usage_data(getattr(chunk, "usage", None)),
    }


def embeddings_data(answer: Any) -> dict[str, Any]:
    """The vectors of an embeddings answer."""
    rows = [row if isinstance(row, Mapping) else row.model_dump() for row in answer.data]
    return {"model": answer.model, "data": [dict(row) for row in rows], "usage": usage_data(answer.usage)}


def usage_data(usage: Any) -> dict[str, Any] | None:
    """The tokens; None where LiteLLM has put zeros for a provider that did not count."""
    if usage is None or not (usage.prompt_tokens or usage.completion_tokens):
        return None
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": getattr(prompt, "cached_tokens", None),
            "cache_creation_tokens": getattr(prompt, "cache_creation_tokens", None),
        },
        "completion_tokens_details": {"reasoning_tokens": getattr(completion, "reasoning_tokens", None)},
    }


def _message_data(message: Any) -> dict[str, Any]:
    fields = getattr(message, "provider_specific_fields", None) or {}
    return {
        "content": message.content,
        "refusal": getattr(message, "refusal", None) or fields.get("refusal"),
        "tool_calls": [_tool_call_data(call) for call in message.tool_calls or ()],
    }


def _tool_call_data(call: Any) -> dict[str, Any]:
    return {
        "index": getattr(call, "index", None),
        "id": call.id,
        "function": {"name": call.function.name, "arguments": call.function.arguments},
    }
