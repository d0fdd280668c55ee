"""A stand-in for a model, so that the chat runs with no key: the chat-completions protocol, streamed.

It answers with the lines of the material that share the most words with the question. uvicorn demo.model:app
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

PAUSE_S = 0.04  # between two words, as a real model takes its time

app = FastAPI()


@app.post("/v1/chat/completions")
async def complete(request: dict[str, Any]) -> StreamingResponse:
    """Stream the answer, word by word."""
    return StreamingResponse(_stream(request), media_type="text/event-stream")


def answer(messages: list[dict[str, str]]) -> str:
    """Return the answer to the last message out of the material in the first."""
    system, question = messages[0]["content"], messages[-1]["content"]
    material = [line for line in system.partition("<data>")[2].partition("</data>")[0].splitlines() if line.strip()]
    wanted = _words(question)
    best = max(material, key=lambda line: len(_words(line) & wanted), default="")
    opening = "Good question! " if "encouragement" in system else ""
    if not _words(best) & wanted:
        return f"{opening}The lesson does not say. It begins so: {material[0].strip()}"
    return f"{opening}The lesson says: {best.strip()} What would you expect to happen next?"


async def _stream(request: dict[str, Any]) -> AsyncIterator[str]:
    text = answer(request["messages"])
    for piece in re.findall(r"\S+\s*", text):
        yield _chunk(request, [{"index": 0, "delta": {"content": piece}, "finish_reason": None}])
        await asyncio.sleep(PAUSE_S)
    yield _chunk(request, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
    asked = sum(len(message["content"]) for message in request["messages"]) // 4
    said = len(text) // 4
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    yield _chunk(request, [], usage)
    yield "data: [DONE]\n\n"


def _chunk(request: dict[str, Any], choices: list[dict[str, Any]], usage: dict[str, int] | None = None) -> str:
    envelope = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "created": 0, "model": request["model"]}
    return f"data: {json.dumps({**envelope, 'choices': choices, 'usage': usage})}\n\n"


def _words(text: str) -> set[str]:
    words = re.findall(r"[^\W\d_]{3,}", text.casefold())
    return {word.removesuffix("s") for word in words} - {
        "the",
        "what",
        "how",
        "does",
        "and",
        "for",
        "that",
        "are",
        "you",
    }
