"""`echo/echo`: a model that needs no key and no network, and answers the same way every time."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import AsyncGenerator
from typing import Any

from promptctl.errors import ModelConfigurationError, RequestRejected, printable
from promptctl.models.gateway import Delta, Reply, Request, Usage, text_of, texts_of

MODEL = "echo/echo"
_CHARS_PER_TOKEN = 4
_STREAM_PIECES = 4
_DIMENSIONS = 64


class Echo:
    """Answers with the text of the last user message (of the last message, if no user speaks).

    If the request asks for JSON of a schema, the answer is a small value that fits it; if it asks for any
    JSON object, an empty one. Tools are never called. Vectors are of the texts' three-letter pieces: equal texts have
    equal ones, texts with common words near ones. A token is four characters, begun or whole; all are free.
    """

    async def complete(self, request: Request) -> Reply:
        """Return the whole answer, at once."""
        return _reply(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the answer in at most four pieces, then whole."""
        reply = _reply(request)
        size = max(1, math.ceil(len(reply.text) / _STREAM_PIECES))
        for start in range(0, len(reply.text), size):
            yield Delta(reply.text[start : start + size])
        yield reply

    async def close(self) -> None:
        """Nothing is open."""


def _reply(request: Request) -> Reply:
    started = time.perf_counter()
    check_model(request.model)
    vectors = tuple(map(_vector, texts_of(request))) if request.is_embedding else ()
    text = "" if vectors else _answer(request)
    asked = sum(_tokens(text_of(message.get("content"))) for message in request.messages)
    return Reply(
        text=text,
        model=MODEL,
        provider="echo",
        finish_reason=None if vectors else "stop",
        usage=Usage(input_tokens=asked, output_tokens=_tokens(text)),
        cost_nano_usd=0,
        price_source="free",
        latency_ms=(time.perf_counter() - started) * 1000,
        source="echo",
        vectors=vectors,
    )


def check_model(model: str) -> None:
    """Raise `ModelConfigurationError` for any `echo/…` but the one there is."""
    if model != MODEL:
        raise ModelConfigurationError(
            f"there is no model `{printable(model)}`", hint=f"the only model of echo is {MODEL}"
        )


def _answer(request: Request) -> str:
    wanted = request.response_format or {}
    if wanted.get("type") == "json_object":
        return "{}"
    named: Any = wanted.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if wanted.get("type") == "json_schema" and schema is not None:
        from promptctl.schemas.minimal import CannotFill, minimal_instance

        try:
            return json.dumps(minimal_instance(schema), ensure_ascii=False)
        except CannotFill as error:
            hint = "let another model reply once with --record, and use that reply with --model replay/MODEL"
            rejected = RequestRejected(f"{MODEL} cannot fill the output schema at {error}", hint=hint)
            rejected.was_sent = False
            raise rejected from None
    spoken = [message for message in request.messages if message.get("role") == "user"] or request.messages
    return text_of(spoken[-1].get("content")) if spoken else ""


def _tokens(text: str) -> int:
    return math.ceil(len(text) / _CHARS_PER_TOKEN)


def _vector(text: str) -> tuple[float, ...]:
    counts = [0.0] * _DIMENSIONS
    padded = f"  {text.casefold()}  "
    for start in range(len(padded) - 2):
        piece = padded[start : start + 3].encode("utf-8", "surrogatepass")
        counts[hashlib.blake2b(piece, digest_size=1).digest()[0] % _DIMENSIONS] += 1.0
    length = math.sqrt(sum(count * count for count in counts))
    return tuple(count / length for count in counts)
