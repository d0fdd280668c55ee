"""The server of the pages, over aiohttp: on this machine alone, for one user, until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from logging import CRITICAL, Logger
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from aiohttp import web

from promptctl.browse.gate import HOST, LONGEST_ADDRESS, Gate, Moved, Unwelcome
from promptctl.browse.site import PageReply, Site

T = TypeVar("T")
_MOST_CONNECTIONS = 64
_FIRST_REQUEST_S = 10.0
_IDLE_S = 60.0
_END_S = 0.01
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_OWN_NUMBER = socket.inet_aton(HOST)[::-1].hex().upper()
# The tables change while they are read, so that a line may be left out once.
_READINGS = 3
# What anybody on this machine sends is no news on the user's terminal; what fails in a page is said there.
_SILENT = Logger("promptctl.browse", CRITICAL)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Server": "promptctl",
}
# A browser does not send a new cookie along a redirect that a different site began; from a page of ours it does.
_ENTRY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>promptctl</title>
<link rel="icon" href="{0}static/icon.svg">
<meta http-equiv="refresh" content="0; url={0}"><p><a href="{0}">The workspace</a></p></html>
"""


def serve(listening: socket.socket, gate: Gate, site: Site) -> None:
    """Answer requests until the program is interrupted, and then end at once, whatever is under way."""
    asyncio.run(serving(listening, gate, site))


async def serving(listening: socket.socket, gate: Gate, site: Site) -> None:
    """Answer requests until this is cancelled."""
    worker = _Worker()
    server = _Server(gate, worker, site)
    accepting = await asyncio.get_running_loop().create_server(server, sock=listening)
    try:
        for step in site.warm_up():  # while the browser starts; a request comes in between
            await worker.do(step)
        await asyncio.Event().wait()
    finally:
        accepting.close()
        await server.shutdown(_END_S)
        if not worker.is_busy:
            site.close()


class _Worker:
    """The one thread that reads the workspace. Nobody waits for it at the end: it only reads."""

    def __init__(self) -> None:
        self.is_busy = False
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    async def do(self, work: Callable[[], T]) -> T:
        """Do the work there, and return what it returns or raise what it raises."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def task() -> None:
            if done.cancelled():
                return
            try:
                result = work()
            except BaseException as error:
                _tell(loop, done, error=error)
            else:
                _tell(loop, done, result)

        self._tasks.put(task)
        return await done

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            self.is_busy = True
            task()
            self.is_busy = False


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], result: Any = None, error: Any = None) -> None:
    def set_it() -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(set_it)


class _Server(web.Server):
    """Answers requests, of so many connections at once."""

    def __init__(self, gate: Gate, worker: _Worker, site: Site) -> None:
        super().__init__(
            self._answer,
            keepalive_timeout=_IDLE_S,
            lingering_time=0,
            access_log=None,
            logger=_SILENT,
            max_line_size=2 * LONGEST_ADDRESS,
        )
        self._gate, self._worker, self._site = gate, worker, site
        self._asked: set[Any] = set()

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Turn away a different user, and a connection too many; one that asks for nothing is closed soon."""
        peer, own = (transport.get_extra_info(end) for end in ("peername", "sockname"))
        if peer and own and is_of_other_user(peer, own[1]):  # takes nobody's place
            _turn_away(transport, HTTPStatus.FORBIDDEN)
            return
        super().connection_made(handler, transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            _turn_away(transport, HTTPStatus.SERVICE_UNAVAILABLE)
            return

        def close_if_silent() -> None:
            if handler not in self._asked:
                handler.force_close()

        asyncio.get_running_loop().call_later(_FIRST_REQUEST_S, close_if_silent)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget the connection."""
        super().connection_lost(handler, exc)
        self._asked.discard(handler)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            is_entry = self._gate.enters(request.method, request.raw_path, request.headers)
            self._asked.add(request.protocol)
        except Unwelcome as refused:
            return _refusal(refused)
        except Moved:
            return web.Response(
                status=HTTPStatus.PERMANENT_REDIRECT, headers={**_HEADERS, "Location": self._gate.folder}
            )
        if is_entry:
            headers = {**_HEADERS, "Set-Cookie": self._gate.cookie}
            return web.Response(text=_ENTRY.format(self._gate.folder), content_type="text/html", headers=headers)
        page, _, query = request.raw_path.partition("?")
        page = page.removeprefix(self._gate.folder)
        return await self._send(request, await self._worker.do(lambda: self._site.reply(page, query)))

    async def _send(self, request: web.BaseRequest, reply: PageReply) -> web.StreamResponse:
        response = web.StreamResponse(status=reply.status, headers=_HEADERS)
        response.content_type, response.charset = reply.content_type, "utf-8"
        with suppress(ConnectionError):  # of a browser that has left meanwhile
            await response.prepare(request)
            while request.method != "HEAD" and (piece := await self._worker.do(lambda: next(reply.pieces, None))):
                await response.write(piece)
            await response.write_eof()
        return response


def _turn_away(transport: asyncio.Transport, status: HTTPStatus) -> None:
    line = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    transport.write(line.encode())
    transport.close()


def _refusal(refused: Unwelcome) -> web.Response:
    headers = {**_HEADERS, "Connection": "close"}
    if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET, HEAD"
    response = web.Response(status=refused.status, text=f"{refused.words}\n", headers=headers)
    response.force_close()
    return response


def is_of_other_user(peer: tuple[str, int], port: int, tables: Sequence[str] = _TABLES) -> bool:
    """Return True if the other end of a connection to our port belongs to a different user, as far as the system says.

    Linux does. The superuser may connect, who could read everything anyway.
    """
    # Both ends are compared: an ended connection of that port to somewhere else is listed too, as the superuser's.
    number = socket.inet_aton(peer[0])[::-1].hex().upper()
    theirs, ours = (
        {f"{prefix}{end}" for prefix in ("", "0000000000000000FFFF0000")}
        for end in (f"{number}:{peer[1]:04X}", f"{_OWN_NUMBER}:{port:04X}")
    )
    for _ in range(_READINGS):
        for table in tables:
            with suppress(OSError):
                for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                    fields = line.split()
                    if fields[1] in theirs and fields[2] in ours:
                        return int(fields[7]) not in (0, os.getuid())
    return False
