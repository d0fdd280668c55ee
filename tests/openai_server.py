"""An OpenAI-compatible server on loopback whose answers a test scripts, one for each request.

    with OpenAIServer() as server:
        server.script(failure(429, retry_after=1), reply("hello"))
        ...                                  # use server.url as the API base
        assert server.requests[0].body["messages"] == ...

Scripted answers are used in the order of arrival; a request beyond the script, or with no script at all, gets the
server's `default` answer, which repeats the last user message. Any answer made by `reply` or `tool_call` is sent as
a stream to a request that asks for one. The server runs on a thread of its own and speaks plain HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
}
_JSON = "application/json"
MODEL = "gpt-4o-mini-2024-07-18"


@dataclass(frozen=True)
class Received:
    """One request as it arrived. Header names are in lower case; `body` is the parsed JSON, or None."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any
    connection: int


@dataclass
class Exchange:
    """One request together with the means to answer it."""

    request: Received
    writer: asyncio.StreamWriter
    is_open: bool = True
    _is_chunked: bool = field(default=False, repr=False)

    async def send(
        self, status: int, body: bytes, *, content_type: str = _JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer with a whole body."""
        lines = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
        self.writer.write(_head(status, lines) + body)
        await self.writer.drain()

    async def send_json(self, value: Any) -> None:
        """Answer 200 with a JSON body."""
        await self.send(200, json.dumps(value).encode())

    async def start_stream(self) -> None:
        """Begin an answer of server-sent events, in chunks."""
        self._is_chunked = True
        lines = {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        self.writer.write(_head(200, lines))
        await self.writer.drain()

    async def write(self, data: bytes) -> None:
        """Send bytes of the stream as they are."""
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self.writer.drain()

    async def event(self, value: Any) -> None:
        """Send one event of JSON data."""
        await self.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    async def end_stream(self) -> None:
        """End the stream as the protocol does."""
        await self.write(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    def cut(self) -> None:
        """Close the connection at once, whatever has been sent."""
        self.is_open = False
        self.writer.transport.abort()


Answer = Callable[[Exchange], Awaitable[None]]


def usage(input_tokens: int, output_tokens: int, *, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """A usage object of the protocol."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def reply(
    text: str,
    *,
    tokens: Mapping[str, Any] | None = None,
    finish_reason: str = "stop",
    model: str = MODEL,
    pieces: Sequence[str] | None = None,
    pause_s: float = 0.0,
    service_tier: str | None = None,
    reasoning: Mapping[str, str] | None = None,
) -> Answer:
    """A reply of text. `pieces` cut it for a stream (three by default), sent `pause_s` apart."""
    message = {"role": "assistant", "content": text, **(reasoning or {})}
    return _completion(message, pieces or _thirds(text), tokens, finish_reason, model, pause_s, service_tier)


def tool_call(name: str, arguments: Mapping[str, Any], *, call_id: str = "call_1") -> Answer:
    """A reply that calls one tool and says nothing. In a stream its arguments arrive in two pieces."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": call_id, "type": "function", "function": function}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return _completion(message, (), None, "tool_calls", MODEL, 0.0)


def chunks(*parts: Mapping[str, Any] | bytes, finish_reason: str = "stop") -> Answer:
    """A stream of these deltas, and of bytes sent as they are between them."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for part in parts:
            if isinstance(part, bytes):
                await exchange.write(part)
            else:
                await exchange.event(_chunk(exchange, MODEL, delta=part))
        await exchange.event(_chunk(exchange, MODEL, finish_reason=finish_reason))
        await exchange.end_stream()

    return answer


def failure(
    status: int, message: str = "it failed", *, code: str | None = None, retry_after: float | str | None = None
) -> Answer:
    """An error of the protocol; `retry_after` is seconds or an HTTP date."""

    async def answer(exchange: Exchange) -> None:
        body = {"error": {"message": message, "type": "test_error", "param": None, "code": code}}
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        await exchange.send(status, json.dumps(body).encode(), headers=headers)

    return answer


def raw(
    body: bytes, *, status: int = 200, content_type: str = _JSON, headers: Mapping[str, str] | None = None
) -> Answer:
    """Any bytes as the answer."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(status, body, content_type=content_type, headers=headers)

    return answer


def malformed() -> Answer:
    """An answer that says it is JSON and is not."""
    return raw(b'{"id": "chatcmpl-1", "choices": [{')


def html(status: int = 200) -> Answer:
    """A page of some proxy in between."""
    return raw(b"<!doctype html><html><body><h1>Welcome</h1></body></html>", status=status, content_type="text/html")


def empty_choices() -> Answer:
    """A whole completion without a single choice."""

    async def answer(exchange: Exchange) -> None:
        if exchange.request.body.get("stream"):
            await exchange.start_stream()
            await exchange.event(_chunk(exchange, MODEL, usage=usage(1, 0)) | {"choices": []})
            await exchange.end_stream()
        else:
            await exchange.send_json(_envelope(exchange, MODEL) | {"choices": [], "usage": usage(1, 0)})

    return answer


def hang(seconds: float = 60.0) -> Answer:
    """No answer for so long, then a cut connection."""

    async def answer(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        exchange.cut()

    return answer


def close_early(sent: bytes = b"") -> Answer:
    """The connection closes before any answer, or after the bytes `sent`."""

    async def answer(exchange: Exchange) -> None:
        if sent:
            exchange.writer.write(sent)
            await exchange.writer.drain()
        exchange.is_open = False
        exchange.writer.close()

    return answer


def half_body() -> Answer:
    """A whole head that promises more bytes than arrive."""
    head = _head(200, {"content-type": _JSON, "content-length": "5000"})
    return close_early(head + b'{"id": "chatcmpl-1", "choices"')


def cut_stream(*pieces: str, is_clean: bool = False) -> Answer:
    """A stream that breaks off after these pieces; `is_clean` ends it as if it were whole, without a last word."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for piece in pieces:
            await exchange.event(_chunk(exchange, MODEL, delta={"content": piece}))
        if is_clean:
            exchange.writer.write(b"0\r\n\r\n")
            await exchange.writer.drain()
        else:
            await asyncio.sleep(0.05)
            exchange.cut()

    return answer


def error_in_stream(*pieces: str, message: str = "overloaded") -> Answer:
    """A stream that sends an error object after these pieces."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for piece in pieces:
            await exchange.event(_chunk(exchange, MODEL, delta={"content": piece}))
        await exchange.event({"error": {"message": message, "type": "server_error", "code": 500}})
        await exchange.end_stream()

    return answer


def raw_stream(*parts: bytes) -> Answer:
    """A stream of these very bytes, each part sent on its own."""

    async def answer(exchange: Exchange) -> None:
        await exchange.start_stream()
        for part in parts:
            await exchange.write(part)
            await asyncio.sleep(0.01)
        exchange.writer.write(b"0\r\n\r\n")
        await exchange.writer.drain()

    return answer


async def echo(exchange: Exchange) -> None:
    """The last user message's text; embeddings are eight numbers made of each text's hash."""
    body = exchange.request.body
    if not isinstance(body, dict):
        await failure(400, "a JSON body was expected")(exchange)
        return
    if exchange.request.path.endswith("/embeddings"):
        await exchange.send_json(_embeddings(body))
        return
    texts = [_text(message) for message in body.get("messages", ()) if message.get("role") == "user"]
    count = sum(len(_text(message)) for message in body.get("messages", ()))
    text = texts[-1] if texts else ""
    await reply(text, tokens=usage(max(1, count // 4), max(1, len(text) // 4)))(exchange)


class OpenAIServer:
    """The server; a context manager. `url` is its API base, `requests` what has arrived so far."""

    def __init__(self) -> None:
        self.default: Answer = echo
        self.requests: list[Received] = []
        self.connections = 0
        self._script: deque[Answer] = deque()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-server", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The API base: where `/chat/completions` and `/embeddings` are found."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *answers: Answer) -> None:
        """Answer the next requests so, in this order, after what is scripted already."""
        self._script.extend(answers)

    def reset(self) -> None:
        """Forget what was scripted and received."""
        self._script.clear()
        self.requests.clear()
        self.default = echo

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(self, *raised: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024, limit=1 << 24)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._serve(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            content = await reader.readexactly(int(headers.get("content-length", "0")))
            method, path, _ = request_line.split(" ")
            received = Received(method, path, headers, content, _parsed(content), connection)
            self.requests.append(received)
            exchange = Exchange(received, writer)
            answer = self._script.popleft() if self._script else self.default
            await answer(exchange)
            if not exchange.is_open:
                return


@contextlib.contextmanager
def refused_url() -> Iterator[str]:
    """An API base where nothing listens: its port is held, so that nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def _completion(
    message: dict[str, Any],
    pieces: Sequence[str],
    tokens: Mapping[str, Any] | None,
    finish_reason: str,
    model: str,
    pause_s: float,
    service_tier: str | None = None,
) -> Answer:
    tier = {} if service_tier is None else {"service_tier": service_tier}
    spent = dict(tokens) if tokens is not None else usage(12, 3)

    async def answer(exchange: Exchange) -> None:
        if not exchange.request.body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
            await exchange.send_json(_envelope(exchange, model) | {"choices": [choice], "usage": spent} | tier)
            return
        await exchange.start_stream()
        await exchange.event(_chunk(exchange, model, delta={"role": "assistant", "content": ""}))
        for delta in _deltas(message, pieces):
            await exchange.event(_chunk(exchange, model, delta=delta))
            await asyncio.sleep(pause_s)
        await exchange.event(_chunk(exchange, model, delta={}, finish_reason=finish_reason) | tier)
        if (exchange.request.body.get("stream_options") or {}).get("include_usage"):
            await exchange.event(_chunk(exchange, model, usage=spent) | {"choices": []})
        await exchange.end_stream()

    return answer


def _deltas(message: Mapping[str, Any], pieces: Sequence[str]) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(message.get("tool_calls", ())):
        function, half = call["function"], len(call["function"]["arguments"]) // 2
        opening = {"name": function["name"], "arguments": function["arguments"][:half]}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": opening}]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": function["arguments"][half:]}}]}
    for name in ("reasoning_content", "reasoning"):
        for piece in _thirds(message.get(name, "")):
            yield {name: piece}
    for piece in pieces:
        yield {"content": piece}


def _envelope(exchange: Exchange, model: str) -> dict[str, Any]:
    seed = hashlib.sha256(exchange.request.raw).hexdigest()[:12]
    return {"id": f"chatcmpl-{seed}", "object": "chat.completion", "created": 1700000000, "model": model}


def _chunk(
    exchange: Exchange,
    model: str,
    *,
    delta: Mapping[str, Any] | None = None,
    finish_reason: str | None = None,
    usage: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason, "logprobs": None}
    return _envelope(exchange, model) | {"object": "chat.completion.chunk", "choices": [choice], "usage": usage}


def _embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]] for text in texts]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    tokens = sum(max(1, len(text) // 4) for text in texts)
    spent = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": spent}


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", *(f"{name}: {headers[name]}" for name in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _thirds(text: str) -> list[str]:
    size = max(1, -(-len(text) // 3))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
