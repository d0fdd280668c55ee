"""A model behind the chat-completions protocol that answers after a fixed time, fast enough to never be the bottleneck.

    python benchmarks/model_server.py [--latency-ms 50] [--refuse-every N] [--pause-ms 0]

Prints the port it listens on. A POST is answered after the latency with the last message's text, a stream word by word
with the pause between words; with `--refuse-every N` each N-th is refused (429, Retry-After 1). GET /stats gives
`{"requests", "most_at_once"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

USAGE = {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}
REFUSAL = b'{"error": {"message": "too many requests", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'


class Model:
    """What all connections share."""

    def __init__(self, latency_ms: float, refuse_every: int, pause_ms: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.latency_s = latency_ms / 1000
        self.pause_s = pause_ms / 1000
        self.refuse_every = refuse_every
        self.requests = self.under_way = self.most_at_once = 0

    def stats(self) -> bytes:
        return json.dumps({"requests": self.requests, "most_at_once": self.most_at_once}).encode()


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other, each answered before the next is sent."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return
        self.received = rest[length:]
        if head.startswith(b"GET"):
            self.transport.write(_http(b"200 OK", self.model.stats()))
        else:
            self._ask(rest[:length])

    def _ask(self, body: bytes) -> None:
        model = self.model
        model.requests += 1
        model.under_way += 1
        model.most_at_once = max(model.most_at_once, model.under_way)
        is_refused = model.refuse_every and model.requests % model.refuse_every == 0
        asked = json.loads(body)
        if is_refused:
            parts = [_http(b"429 Too Many Requests", REFUSAL, b"retry-after: 1\r\n")]
        else:
            parts = _stream(asked) if asked.get("stream") else [_reply(asked)]
        model.loop.call_later(model.latency_s, self._answer, deque(parts))

    def _answer(self, parts: deque[bytes]) -> None:
        self.transport.write(parts.popleft())
        if parts:
            self.model.loop.call_later(self.model.pause_s, self._answer, parts)
        else:
            self.model.under_way -= 1


def _stream(asked: dict[str, Any]) -> list[bytes]:
    about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
    words = re.findall(r"\S+\s*", asked["messages"][-1]["content"])
    choices: list[dict[str, Any]] = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in words]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [b"data: %s\n\n" % json.dumps({**about, "choices": [choice]}).encode() for choice in choices]
    usage = json.dumps({**about, "choices": [], "usage": USAGE}).encode()
    events[-1] += b"data: %s\n\ndata: [DONE]\n\n" % usage
    head, *rest = (b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    begun = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [begun + head, *rest[:-1], rest[-1] + b"0\r\n\r\n"]


def _reply(asked: dict[str, Any]) -> bytes:
    message = {"role": "assistant", "content": asked["messages"][-1]["content"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    completion = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"]}
    return _http(b"200 OK", json.dumps({**completion, "choices": [choice], "usage": USAGE}).encode())


def _http(status: bytes, body: bytes, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (status, len(body), headers) + body


@contextlib.contextmanager
def model_server(latency_ms: float, pause_ms: float = 0) -> Iterator[str]:
    """Run the server in a process of its own until the block ends; its API base."""
    command = [sys.executable, __file__, "--latency-ms", str(latency_ms), "--pause-ms", str(pause_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.terminate()


async def serve(latency_ms: float, refuse_every: int, pause_ms: float) -> None:
    model = Model(latency_ms, refuse_every, pause_ms)
    server = await model.loop.create_server(lambda: Connection(model), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--refuse-every", type=int, default=0)
    parser.add_argument("--pause-ms", type=float, default=0)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.latency_ms, given.refuse_every, given.pause_ms))


if __name__ == "__main__":
    main()
