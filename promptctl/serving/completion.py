"""A reply as the protocol has it: one object, or the events of a stream. Equal replies have equal bytes."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from promptctl.models.gateway import REFUSAL, Reply, Usage
from promptctl.serving.chat_request import ChatRequest

# Pieces of a streamed text: some words each, as models send some tokens.
_PIECE = re.compile(r"(?s).{1,24}?(?:\s+|\Z)|.{1,24}")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
DONE = b"data: [DONE]\n\n"


def whole(asked: ChatRequest, reply: Reply, made_at: str | None) -> bytes:
    """Return the completion as one JSON object. `made_at` is the moment of the reply in ISO 8601, if it is known."""
    message: dict[str, Any] = {"role": "assistant", **_said(reply)}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    head = _head(asked, reply, made_at, "chat.completion")
    return _ENCODE({**head, "choices": [choice], "usage": usage_of(reply.usage)}).encode()


def events(asked: ChatRequest, reply: Reply, made_at: str | None) -> Iterator[bytes]:
    """Yield the completion as events of a stream, the end of the protocol last."""
    head = _head(asked, reply, made_at, "chat.completion.chunk")
    usage = {"usage": None} if asked.includes_usage else {}

    def event(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**head, "choices": [choice], **usage})

    said = _said(reply)
    name, text = ("refusal", said["refusal"]) if said["refusal"] is not None else ("content", said["content"])
    yield event({"role": "assistant", "content": None if text is None or name == "refusal" else "", "refusal": None})
    for piece in _PIECE.findall(text or ""):
        yield event({name: piece})
    for index, call in enumerate(_tool_calls(reply)):
        function, arguments = call["function"], call["function"]["arguments"]
        yield event({"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]})
        for piece in _PIECE.findall(arguments):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, _finish_reason(reply))
    if asked.includes_usage:
        yield _event({**head, "choices": [], "usage": usage_of(reply.usage)})
    yield DONE


def usage_of(usage: Usage) -> dict[str, Any] | None:
    """Return the tokens of a reply in the protocol's words; None if they were not counted, which is not zero."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    found: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens is not None:
        found["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return found


def _head(asked: ChatRequest, reply: Reply, made_at: str | None, kind: str) -> dict[str, Any]:
    said = _ENCODE([asked.model, list(asked.messages), reply.text, list(reply.tool_calls)])
    digest = hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
    created = 0
    with suppress(ValueError):
        created = calendar.timegm(time.strptime((made_at or "")[:19], "%Y-%m-%dT%H:%M:%S"))
    return {"id": f"chatcmpl-{digest}", "object": kind, "created": created, "model": asked.model}


def _said(reply: Reply) -> dict[str, str | None]:
    if reply.finish_reason == REFUSAL:
        return {"content": None, "refusal": reply.text}
    return {"content": None if reply.tool_calls and not reply.text else reply.text, "refusal": None}


def _finish_reason(reply: Reply) -> str:
    if reply.finish_reason in (None, REFUSAL):
        return "tool_calls" if reply.tool_calls else "stop"
    return str(reply.finish_reason)


def _tool_calls(reply: Reply) -> list[dict[str, Any]]:
    """Return the calls of tools; one that was written by hand without an id gets one, the same each time."""
    calls = []
    for index, call in enumerate(reply.tool_calls):
        function: Any = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = function.get("arguments")
        arguments = arguments if isinstance(arguments, str) else _ENCODE(arguments or {})
        calls.append({
            "id": call.get("id") or f"call_{index + 1}",
            "type": "function",
            "function": {"name": function.get("name") or "", "arguments": arguments},
        })  # fmt: skip
    return calls


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + _ENCODE(data).encode() + b"\n\n"
