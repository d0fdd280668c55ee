"""The server of the pages, over aiohttp: on this machine alone, for one user, until it is interrupted."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus
from queue import SimpleQueue
from typing import Any, TypeVar

from aiohttp import web

from promptctl.browse.gate import LONGEST_ADDRESS, Gate, Moved, Unwelcome
from promptctl.browse.site import PageReply, Site
from promptctl.loopback.connections import LoopbackServer

T = TypeVar("T")
_MOST_CONNECTIONS = 64
_END_S = 0.01
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
        self._tasks: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    async def do(self, work: Callable[[], T]) -> T:
        """Do the work there, and return what it returns or raise what it raises."""
        done: Future[T] = Future()
        self._tasks.put((work, done))
        return await asyncio.wrap_future(done)

    def _work(self) -> None:
        while True:
            work, done = self._tasks.get()
            if not done.set_running_or_notify_cancel():
                continue
            self.is_busy = True
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)
            self.is_busy = False


class _Server(LoopbackServer):
    """Answers requests with pages, or says why not."""

    def __init__(self, gate: Gate, worker: _Worker, site: Site) -> None:
        line = 2 * LONGEST_ADDRESS
        super().__init__(self._answer, _MOST_CONNECTIONS, longest_line=line, stops_for_leavers=True)
        self._gate, self._worker, self._site = gate, worker, site

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            is_entry = self._gate.enters(request.method, request.raw_path, request.headers)
            self.welcome(request)
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


def _refusal(refused: Unwelcome) -> web.Response:
    headers = {**_HEADERS, "Connection": "close"}
    if refused.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = "GET, HEAD"
    response = web.Response(status=refused.status, text=f"{refused.words}\n", headers=headers)
    response.force_close()
    return response
