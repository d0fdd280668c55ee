"""A model behind the chat-completions protocol that answers after a fixed time, fast enough to never be the bottleneck.

    python benchmarks/model_server.py [--latency-ms 50] [--refuse-every N]

Prints the port it listens on. A POST is answered after the latency with the last message's text; with
`--refuse-every N` each N-th is refused (429, Retry-After 1). GET /stats gives `{"requests", "most_at_once"}`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json

USAGE = {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}
REFUSAL = b'{"error": {"message": "too many requests", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'


class Model:
    """What all connections share."""

    def __init__(self, latency_ms: float, refuse_every: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.latency_s = latency_ms / 1000
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
        answer = _http(b"429 Too Many Requests", REFUSAL, b"retry-after: 1\r\n") if is_refused else _reply(body)
        model.loop.call_later(model.latency_s, self._answer, answer)

    def _answer(self, answer: bytes) -> None:
        self.model.under_way -= 1
        self.transport.write(answer)


def _reply(body: bytes) -> bytes:
    asked = json.loads(body)
    message = {"role": "assistant", "content": asked["messages"][-1]["content"]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    completion = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"]}
    return _http(b"200 OK", json.dumps({**completion, "choices": [choice], "usage": USAGE}).encode())


def _http(status: bytes, body: bytes, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (status, len(body), headers) + body


async def serve(latency_ms: float, refuse_every: int) -> None:
    model = Model(latency_ms, refuse_every)
    server = await model.loop.create_server(lambda: Connection(model), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--refuse-every", type=int, default=0)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.latency_ms, given.refuse_every))


if __name__ == "__main__":
    main()
