"""A streamed reply: server-sent events out of bytes, and the whole reply out of its pieces."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from operator import itemgetter
from typing import Any

from promptctl.errors import ModelError
from promptctl.models.chat_protocol import (
    choice_of,
    dict_of,
    dicts_of,
    finished,
    paired,
    reasoning_of,
    reply_of,
    said_in,
    word_of,
)
from promptctl.models.gateway import Delta, Reply, Request, text_of
from promptctl.models.prices import Prices

DONE = b"[DONE]"
# A lone CR at the end may be the first half of CRLF: it stays until the next bytes tell.
_LINE_END = re.compile(rb"\r\n|\n|\r(?=[^\n])")
_BOM = b"\xef\xbb\xbf"


def is_kept_open(data: bytes) -> bool:
    """Return True for data that says nothing: empty, or a comment, as some servers send to keep a connection open."""
    return data.strip()[:1] in {b"", b":"}


class EventDecoder:
    """Cuts the bytes of an event stream into the data of its events, however the bytes arrive."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._is_first = True

    @property
    def pending_bytes(self) -> int:
        """The number of bytes held of an event that has not ended."""
        return len(self._rest) + self._data_bytes

    def feed(self, received: bytes) -> list[bytes]:
        """Return the data of each event that these bytes complete."""
        if self._is_first:
            self._is_first = False
            received = received.removeprefix(_BOM)
        # A line may come in a thousand parts: what came before is looked at again only where one ends.
        if b"\n" not in received and b"\r" not in received and not self._rest.endswith(b"\r"):
            self._rest += received
            return []
        *lines, self._rest[:] = _LINE_END.split(self._rest + received if self._rest else received)
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(self._event())
        return events

    def finish(self) -> list[bytes]:
        """Return the data of a last event without its end.

        One that was cut is none: it is not malformed; the stream is, and says so by not being finished.
        """
        line = bytes(self._rest.rstrip(b"\r"))
        self._rest.clear()
        if line:
            self._take(line)
        event = self._event()
        is_cut = event.startswith((b"{", b"[")) and not event.rstrip().endswith((b"}", b"]"))
        return [event] if event and not is_cut else []

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._data_bytes += len(line)

    def _event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data.clear()
        self._data_bytes = 0
        return data


class ReplyAssembler:
    """Puts a reply together from the chunks of a stream, given as plain JSON data.

    `started` is for the lane to set when it sends the request, `is_done` when the protocol's last word has come.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        # What the whole answer has beside its choice.
        self._answer: dict[str, Any] = {}
        self._whole: Mapping[str, Any] | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._tool_calls: list[tuple[int, dict[str, Any]]] = []
        # The call that the pieces of each index are of.
        self._open_calls: dict[Any, dict[str, Any]] = {}
        self._half = ""
        self.finish_reason: str | None = None
        self.has_choice = False
        self.is_done = False

    def add_whole(self, request: Request, data: Any) -> str:
        """Take in a completion that came in one piece, and return its text. Raises as `choice_of` does."""
        text, _ = said_in(choice_of(request, data))
        self._whole = data
        self.has_choice = self.is_done = True
        return text

    def add(self, chunk: Mapping[str, Any]) -> str:
        """Take one chunk in, and return the text that it brought."""
        answer = self._answer
        answer.update({name: value for name in ("model", "service_tier") if (value := word_of(chunk.get(name)))})
        answer["id"] = answer.get("id") or word_of(chunk.get("id"))
        usage = dict_of(chunk.get("usage"))
        if usage and (_counts(usage) or not _counts(answer.get("usage", {}))):
            answer["usage"] = usage
        choice = next((choice for choice in dicts_of(chunk.get("choices")) if not choice.get("index")), None)
        if choice is None:
            return ""
        self.has_choice = True
        self.finish_reason = word_of(choice.get("finish_reason")) or self.finish_reason
        return self._add_delta(dict_of(choice.get("delta")))

    def forget_end(self) -> None:
        """Take back finish reason, usage and an empty choice, which turned out not to be the provider's."""
        self.finish_reason = None
        self._answer.pop("usage", None)
        self.has_choice = bool(self._text or self._refusal or self._tool_calls)

    def completion(self) -> Mapping[str, Any]:
        """Return the whole completion of what has arrived, as if it had come in one piece."""
        if self._whole is not None:
            return self._whole
        message = {
            "content": "".join(self._text),
            "refusal": "".join(self._refusal),
            "tool_calls": [call for _, call in sorted(self._tool_calls, key=itemgetter(0))],
            "reasoning": "".join(self._reasoning),
        }
        return {**self._answer, "choices": [{"message": message, "finish_reason": self.finish_reason}]}

    def _add_delta(self, delta: Mapping[str, Any]) -> str:
        for piece in dicts_of(delta.get("tool_calls")):
            self._add_tool_call(piece)
        if thought := reasoning_of(delta):
            self._reasoning.append(thought)
        if delta.get("refusal"):
            self._refusal.append(str(delta["refusal"]))
        text = text_of(delta.get("content"))
        if not text:
            return ""
        self._text.append(text)
        # The first half of a character waits for its second.
        whole = paired(self._half + text)
        self._half = whole[-1] if "\ud800" <= whole[-1] <= "\udbff" else ""
        return whole[:-1] if self._half else whole

    def _add_tool_call(self, piece: Mapping[str, Any]) -> None:
        index, function = index_of(piece), dict_of(piece.get("function"))
        name = word_of(function.get("name")) or ""
        call = self._open_calls.get(index)
        if call is None or (name and _is_another(call, piece)):
            call = {"id": None, "function": {"name": "", "arguments": ""}}
            place = len(self._tool_calls) if index is None else index
            self._tool_calls.append((place, call))
            self._open_calls[index] = call
        call["id"] = piece.get("id") or call["id"]
        known = call["function"]
        # Some servers repeat the name with each piece.
        known["name"] += name if name != known["name"] else ""
        arguments = function.get("arguments")
        known["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""


def index_of(piece: Mapping[str, Any]) -> int | None:
    """Return the index of a tool call's piece; None for one that is no number."""
    index = piece.get("index")
    return int(index) if isinstance(index, int | str) and re.fullmatch(r"[0-9]{1,9}", str(index)) else None


def _is_another(call: Mapping[str, Any], piece: Mapping[str, Any]) -> bool:
    """Return True if a named piece begins a call of its own, though its index (or the lack of one) is the last one's.

    It has an id of its own, or comes without any when what is there is already whole. A name alone that is the same is
    repeated.
    """
    if piece.get("id") and call["id"]:
        return bool(piece["id"] != call["id"])
    function = dict_of(piece.get("function"))
    if function.get("name") == call["function"]["name"] and not function.get("arguments"):
        return False
    try:
        json.loads(call["function"]["arguments"])
    except (ValueError, RecursionError):
        return False
    return True


def _counts(usage: Mapping[str, Any]) -> bool:
    return bool(usage.get("prompt_tokens") or usage.get("completion_tokens"))


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
    if failure is not None and not assembler.has_choice:
        raise failure
    reply = reply_of(request, assembler.completion(), prices, assembler.started, first_token_ms)
    if failure is not None:
        failure.partial = reply
        raise failure
    yield finished(request, reply)
