"""The server of the chat-completions protocol: on this machine alone, for one user, until it is ended."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from promptctl.errors import PromptctlError
from promptctl.files.wording import count
from promptctl.loopback.connections import LoopbackServer
from promptctl.loopback.sockets import HOST, Headers
from promptctl.serving.chat_request import ChatRequest, events, read_chat_request, whole
from promptctl.serving.refusal import HEADERS, NotAnswered, refusal_of
from promptctl.serving.repliers import Replied, Replier

_MOST_CONNECTIONS = 512
_LARGEST_BODY = 64 * 1024 * 1024
_END_S = 0.01
_COMPLETIONS, _MODELS = "/chat/completions", "/models"
_PLAIN = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "promptctl"}
_OWN_SITES = frozenset({"none", "same-origin"})
Tell = Callable[[str], None]


def serve(listening: socket.socket, replier: Replier, tell: Tell) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then let replies that are paid for be recorded, and end.

    `tell` is given a line for each request that costs, or gets no reply. Raises `KeyboardInterrupt` after Ctrl-C.
    """
    ended_by = asyncio.run(serving(listening, replier, tell))
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt


@contextmanager
def serving_beside(listening: socket.socket, replier: Replier, tell: Tell) -> Iterator[str]:
    """Answer requests from a thread of their own, and yield the base URL; at the end paid replies are recorded."""
    loop = asyncio.new_event_loop()
    ended: Future[Any] = Future()
    begun: Future[asyncio.Task[Any]] = Future()

    async def run() -> None:
        begun.set_result(task := asyncio.create_task(serving(listening, replier, tell, catches_signals=False)))
        await asyncio.wait([task])

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(run())
        finally:
            ended.set_result(None)

    threading.Thread(target=work, name="promptctl-serve", daemon=True).start()
    try:
        yield Door(listening.getsockname()[1]).base_url
    finally:
        loop.call_soon_threadsafe(begun.result().cancel)
        ended.result()


async def serving(
    listening: socket.socket, replier: Replier, tell: Tell, *, catches_signals: bool = True
) -> signal.Signals:
    """Answer requests until a signal, which is returned, or until this is cancelled."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[signal.Signals] = loop.create_future()
    server = ChatServer(Door(listening.getsockname()[1]), replier, tell)
    accepting = await loop.create_server(server, sock=listening)

    def end(by: signal.Signals) -> None:
        if not ended.done():
            ended.set_result(by)
        for each in (signal.SIGINT, signal.SIGTERM):  # a second one ends at once
            loop.remove_signal_handler(each)

    if catches_signals:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, end, each)
    try:
        return await ended
    finally:
        accepting.close()
        if waiting := replier.under_way:
            tell(f"waiting for {count(len(waiting), 'call')} that must be recorded; a second signal ends at once")
            await asyncio.wait(waiting)
        await server.shutdown(_END_S)


class Door:
    """Lets in requests that were sent to this server by its address, and by no page of a different site."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://{HOST}:{port}/v1"
        self._hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}", *((HOST, "localhost") if port == 80 else ())})

    def check(self, headers: Headers) -> None:
        """Raise `NotAnswered` for a request that a page may have made, or that was sent to a different name."""
        hosts = headers.getall("Host", ())
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise NotAnswered(421, f"ask for {self.base_url}, by this name and port", code="wrong_host")
        if headers.getall("Origin", ()) or set(headers.getall("Sec-Fetch-Site", ())) - _OWN_SITES:
            words = "a page of a browser asked for this; only programs on this machine are answered"
            raise NotAnswered(403, words, code="asked_by_a_page")

    def check_content(self, headers: Headers) -> None:
        """Raise `NotAnswered` for content that is not said to be JSON: a form of any page could send that."""
        kinds = headers.getall("Content-Type", ())
        if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
            raise NotAnswered(415, "send JSON, with `Content-Type: application/json`", code="not_json")


class ChatServer(LoopbackServer):
    """Answers requests in the protocol's shapes."""

    def __init__(self, door: Door, replier: Replier, tell: Tell) -> None:
        super().__init__(self._answer, _MOST_CONNECTIONS)
        self._door, self._replier, self._tell = door, replier, tell
        self._started = int(time.time())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            try:
                self._door.check(request.headers)
                self.welcome(request)
                return await self._routed(request)
            except PromptctlError as error:
                raise refusal_of(error) from error
            except (NotAnswered, ConnectionError):
                raise
            except Exception as error:  # a bug of ours: said, and no client waits for ever
                raise NotAnswered(500, f"{type(error).__name__} in promptctl: {error}", code="bug") from error
        except NotAnswered as refused:
            self._tell(f"{request.method} {request.path}: {refused.status} {refused.message}")
            return _refusal(refused)

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.removeprefix("/v1")
        name = path.removeprefix(f"{_MODELS}/")
        if path == _COMPLETIONS:
            _check_method(request, "POST")
            self._door.check_content(request.headers)
            asked = read_chat_request(await _body(request))
            return _completion(asked, await self._replied(asked))
        if path == _MODELS or name != path:
            _check_method(request, "GET")
            return self._listed(list(self._replier.models()), name if name != path else None)
        words = f"there is no {request.path}: this server has POST /v1{_COMPLETIONS} and GET /v1{_MODELS}"
        raise NotAnswered(404, words, code="unknown_url")

    async def _replied(self, asked: ChatRequest) -> Replied:
        replied = await self._replier.reply_to(asked)
        if replied.news is not None:
            self._tell(replied.news)
        return replied

    def _listed(self, models: list[str], wanted: str | None) -> web.Response:
        rows = [{"id": each, "object": "model", "created": self._started, "owned_by": "promptctl"} for each in models]
        if wanted is None:
            return _json(200, {"object": "list", "data": rows})
        row = next((row for row in rows if row["id"] == wanted), None)
        if row is None:
            words = f"nothing of the model `{wanted}` is recorded"
            raise NotAnswered(404, words, param="model", code="model_not_found")
        return _json(200, row)


def _check_method(request: web.BaseRequest, method: str) -> None:
    if request.method != method:
        words = f"{request.path} is asked for with {method}, not {request.method}"
        raise NotAnswered(405, words, code="wrong_method", allow=method)


async def _body(request: web.BaseRequest) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":  # curl waits a second for it
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    parts, size = [], 0
    try:
        async for part in request.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > _LARGEST_BODY:
                raise NotAnswered(413, f"the body has more than {_LARGEST_BODY >> 20} MiB", code="too_large")
    except web.RequestPayloadError:
        raise NotAnswered(400, "the body is not encoded as its header says", code="not_json") from None
    return b"".join(parts)


def _completion(asked: ChatRequest, replied: Replied) -> web.Response:
    if asked.is_streamed:
        body, kind = b"".join(events(asked, replied.reply, replied.made_at)), "text/event-stream"
    else:
        body, kind = whole(asked, replied.reply, replied.made_at), "application/json"
    return web.Response(body=body, content_type=kind, headers=_PLAIN)


def _json(status: int, data: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(data).encode(), content_type="application/json", headers=_PLAIN | (headers or {})
    )


def _refusal(refused: NotAnswered) -> web.Response:
    response = _json(refused.status, refused.body, HEADERS | ({"Allow": refused.allow} if refused.allow else {}))
    if refused.status in (403, 413, 415, 421):
        response.force_close()
    return response
