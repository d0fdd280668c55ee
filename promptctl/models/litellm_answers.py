"""LiteLLM's answers as the protocol's plain data, so that both lanes read replies in the same way.

They are objects or mappings by provider, and what a server left out is missing in them: nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def completion_data(answer: Any) -> dict[str, Any]:
    """A whole completion."""
    return {
        "model": _of(answer, "model"),
        "choices": [
            {"finish_reason": _of(choice, "finish_reason"), "message": _message_data(_of(choice, "message"))}
            for choice in _of(answer, "choices") or ()
        ],
        "usage": usage_data(_of(answer, "usage")),
    }


def chunk_data(chunk: Any, model: str | None) -> dict[str, Any]:
    """One chunk of a stream. `model` is the name that the provider answered with, which LiteLLM keeps elsewhere."""
    return {
        "model": model or _of(chunk, "model"),
        "choices": [
            {"finish_reason": _of(choice, "finish_reason"), "delta": _message_data(_of(choice, "delta"))}
            for choice in _of(chunk, "choices") or ()
        ],
        "usage": usage_data(_of(chunk, "usage")),
    }


def embeddings_data(answer: Any) -> dict[str, Any]:
    """The vectors of an embeddings answer."""
    rows = [{name: _of(row, name) for name in ("index", "embedding")} for row in _of(answer, "data") or ()]
    return {"model": _of(answer, "model"), "data": rows, "usage": usage_data(_of(answer, "usage"))}


def usage_data(usage: Any) -> dict[str, Any] | None:
    """The tokens; None where LiteLLM has put zeros for a provider that did not count."""
    counts = {name: _of(usage, name) for name in ("prompt_tokens", "completion_tokens")}
    if not any(counts.values()):
        return None
    prompt, completion = _of(usage, "prompt_tokens_details"), _of(usage, "completion_tokens_details")
    return counts | {
        "prompt_tokens_details": {
            "cached_tokens": _of(prompt, "cached_tokens"),
            "cache_creation_tokens": _of(prompt, "cache_creation_tokens"),
        },
        "completion_tokens_details": {"reasoning_tokens": _of(completion, "reasoning_tokens")},
    }


def _message_data(message: Any) -> dict[str, Any]:
    fields = _of(message, "provider_specific_fields") or {}
    return {
        "content": _of(message, "content"),
        "refusal": _of(message, "refusal") or fields.get("refusal"),
        "tool_calls": [_tool_call_data(call) for call in _of(message, "tool_calls") or ()],
    }


def _tool_call_data(call: Any) -> dict[str, Any]:
    function = _of(call, "function")
    return {
        "index": _of(call, "index"),
        "id": _of(call, "id"),
        "function": {"name": _of(function, "name"), "arguments": _of(function, "arguments")},
    }


def _of(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
