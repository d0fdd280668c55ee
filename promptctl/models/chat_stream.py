"""A streamed reply: server-sent events out of bytes, and the whole reply out of its pieces."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from promptctl.errors import ModelError
from promptctl.models.chat_protocol import (
    Parsed,
    build_reply,
    dict_of,
    dicts_of,
    tool_call_of,
    usage_of,
    word_of,
)
from promptctl.models.gateway import Delta, Reply, Request, Usage, text_of
from promptctl.models.prices import Prices

DONE = b"[DONE]"
# A lone CR at the end may be the first half of CRLF: it stays until the next bytes tell.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_BOM = b"\xef\xbb\xbf"


class EventDecoder:
    """Cuts the bytes of an event stream into the data of its events, however the bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._is_first = True

    @property
    def pending_bytes(self) -> int:
        """The number of bytes held of an event that has not ended."""
        return len(self._rest) + sum(map(len, self._data))

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of each event that these bytes complete."""
        if self._is_first:
            self._is_first = False
            received = received.removeprefix(_BOM)
        *lines, self._rest = _LINE_END.split(self._rest + received)
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(self._event())
        return events

    def finish(self) -> list[bytes]:
        """Return the data of an event that the stream ended in the middle of."""
        line, self._rest = self._rest.rstrip(b"\r"), b""
        if line:
            self._take(line)
        return [self._event()] if self._data else []

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data.clear()
        return data


class ReplyAssembler:
    """Puts a reply together from the chunks of a stream, given as plain JSON data.

    `started` is for the lane to set when it sends the request, `is_done` when the protocol's last word has come.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._whole: Parsed | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._tool_calls: dict[int, dict[str, Any]] = {}
        self._usage = Usage()
        self._model = ""
        self.finish_reason: str | None = None
        self.has_choice = False
        self.is_done = False

    def add_whole(self, parsed: Parsed) -> str:
        """Take in a reply that came in one piece, and return its text."""
        self._whole = parsed
        self.has_choice = self.is_done = True
        return parsed.text

    def add(self, chunk: Mapping[str, Any]) -> str:
        """Take one chunk in, and return the text that it brought."""
        self._model = word_of(chunk.get("model")) or self._model
        if isinstance(chunk.get("usage"), dict):
            self._usage = usage_of(chunk["usage"])
        choice = next((choice for choice in dicts_of(chunk.get("choices")) if not choice.get("index")), None)
        if choice is None:
            return ""
        self.has_choice = True
        self.finish_reason = word_of(choice.get("finish_reason")) or self.finish_reason
        return self._add_delta(dict_of(choice.get("delta")))

    def forget_end(self) -> None:
        """Take back finish reason, usage and an empty choice, which turned out not to be the provider's."""
        self.finish_reason = None
        self._usage = Usage()
        self.has_choice = bool(self._text or self._refusal or self._tool_calls)

    def parsed(self) -> Parsed:
        """Return the reply as far as it has arrived."""
        if self._whole is not None:
            return self._whole
        calls = [self._tool_calls[index] for index in sorted(self._tool_calls)]
        return Parsed(
            text="".join(self._text) or "".join(self._refusal),
            tool_calls=tuple(tool_call_of(call) for call in calls),
            finish_reason=self.finish_reason,
            usage=self._usage,
            model=self._model,
        )

    def _add_delta(self, delta: Mapping[str, Any]) -> str:
        for piece in dicts_of(delta.get("tool_calls")):
            self._add_tool_call(piece)
        if delta.get("refusal"):
            self._refusal.append(str(delta["refusal"]))
        text = text_of(delta.get("content"))
        if text:
            self._text.append(text)
        return text

    def _add_tool_call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index")
        # Servers that send each call whole may leave out its index.
        place = index if isinstance(index, int) else len(self._tool_calls)
        call = self._tool_calls.setdefault(place, {"id": None, "function": {"name": "", "arguments": ""}})
        call["id"] = piece.get("id") or call["id"]
        function = dict_of(piece.get("function"))
        for key in ("name", "arguments"):
            call["function"][key] += word_of(function.get(key)) or ""


async def stream_reply(
    request: Request, texts: AsyncGenerator[str, None], assembler: ReplyAssembler, prices: Prices
) -> AsyncGenerator[Delta | Reply, None]:
    """Yield the pieces of text, then the whole reply that the assembler holds by then.

    A `ModelError` of `texts` is raised with the part of the reply that had arrived.
    """
    first_token_ms: float | None = None
    failure: ModelError | None = None
    try:
        async with aclosing(texts):
            async for text in texts:
                if first_token_ms is None:
                    first_token_ms = (time.perf_counter() - assembler.started) * 1000
                yield Delta(text)
    except ModelError as error:
        failure = error
    reply = build_reply(request, assembler.parsed(), prices, assembler.started, first_token_ms)
    if failure is None:
        yield reply
        return
    failure.partial = reply if assembler.has_choice else None
    raise failure
