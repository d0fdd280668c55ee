"""What Gemini's API answers, for the server of the suite: a provider that only LiteLLM reaches."""

from __future__ import annotations

import json
from typing import Any

from tests.openai_server import Answer, Exchange, raw

MODEL = "gemini-2.5-flash"
_USAGE = {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 20, "thoughtsTokenCount": 8}


def message(text: str, reason: str = "STOP") -> Answer:
    """A whole reply of text."""
    return raw(json.dumps(_chunk(text, reason)).encode())


def streamed(*pieces: str, reason: str = "STOP") -> Answer:
    """A streamed reply; its last piece says why it ended."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for piece in pieces:
            chunk = _chunk(piece, reason if piece is pieces[-1] else None)
            await exchange.write(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n")
        exchange.writer.write(b"0\r\n\r\n")
        await exchange.writer.drain()

    return answer


def too_many(retry_delay: str, quota: str = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier") -> Answer:
    """A refusal for too many requests, which says when to come back."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay},
    ]
    words = "You exceeded your current quota, please check your plan and billing details."
    error = {"code": 429, "message": words, "status": "RESOURCE_EXHAUSTED", "details": details}
    return raw(json.dumps({"error": error}).encode(), status=429)


def _chunk(text: str, reason: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": MODEL, "responseId": "r", "usageMetadata": _USAGE}
