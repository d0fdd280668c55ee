"""What Anthropic's API answers, for the server of the suite: a provider that only LiteLLM reaches."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.openai_server import Answer, Exchange, raw

MODEL = "claude-sonnet-4-5-20250929"
_USAGE = {"input_tokens": 10, "output_tokens": 4, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2}


def message(text: str, *before: dict[str, Any], **usage: Any) -> Answer:
    """A whole reply of text, with blocks before it and more of usage."""
    whole = _message([*before, {"type": "text", "text": text}], "end_turn")
    return raw(json.dumps(whole | {"usage": {**_USAGE, **usage}}).encode())


def failure(status: int, kind: str, words: str, **headers: str) -> Answer:
    """An error of the API."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": words}}).encode()
    return raw(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def streamed(
    *pieces: str,
    is_whole: bool = True,
    error: str | None = None,
    usage: dict[str, Any] | None = None,
    thinking: str = "",
) -> Answer:
    """A streamed reply, which breaks off after its pieces unless it is whole, or ends in an error."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": _message([], None) | {"usage": {**_USAGE, "output_tokens": 1}}},
        *(_thinking(thinking) if thinking else ()),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": p}} for p in pieces),
    ]
    if error is not None:
        events.append({"type": "error", "error": {"type": "overloaded_error", "message": error}})
    elif is_whole:
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 4, **(usage or {})}},
            {"type": "message_stop"},
        ]

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for event in events:
            await exchange.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        if is_whole or error is not None:
            exchange.writer.write(b"0\r\n\r\n")
            await exchange.writer.drain()
        else:
            await asyncio.sleep(0.05)
            exchange.cut()

    return answer


def _thinking(text: str) -> list[dict[str, Any]]:
    block = {"type": "thinking", "thinking": "", "signature": ""}
    half = len(text) // 2
    deltas = [{"type": "thinking_delta", "thinking": text[:half]}, {"type": "thinking_delta", "thinking": text[half:]}]
    deltas.append({"type": "signature_delta", "signature": "x"})
    return [
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
    ]


def _message(content: list[dict[str, Any]], stop_reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": _USAGE,
    }
