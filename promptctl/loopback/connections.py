"""Connections of this machine's user, so many at once, over aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from logging import CRITICAL, Logger
from typing import Any

from aiohttp import web

from promptctl.loopback.sockets import is_of_other_user

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_FIRST_REQUEST_S = 10.0
_IDLE_S = 60.0
# What anybody on this machine sends is no news on the user's terminal; what fails in an answer is said there.
_SILENT = Logger("promptctl.loopback", CRITICAL)


class LoopbackServer(web.Server):
    """Answers requests of this user, of at most so many connections at once.

    With `stops_for_leavers` an answer ends when nobody waits for it any more.
    """

    def __init__(
        self, answer: Answer, most_connections: int, *, longest_line: int = 8190, stops_for_leavers: bool = False
    ) -> None:
        super().__init__(
            answer,
            handler_cancellation=stops_for_leavers,
            keepalive_timeout=_IDLE_S,
            lingering_time=0,
            access_log=None,
            logger=_SILENT,
            max_line_size=longest_line,
        )
        self._most_connections = most_connections
        self._welcome: set[Any] = set()

    def welcome(self, request: web.BaseRequest) -> None:
        """Note a request that is answered: its connection stays open for the next one."""
        self._welcome.add(request.protocol)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Turn away a different user, and a connection too many; one that asks for nothing is closed soon."""
        peer, own = (transport.get_extra_info(end) for end in ("peername", "sockname"))
        if peer and own and is_of_other_user(peer, own[1]):
            _turn_away(transport, HTTPStatus.FORBIDDEN)
            return
        if len(self.connections) >= self._most_connections:
            _turn_away(transport, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        super().connection_made(handler, transport)

        def close_if_silent() -> None:
            if handler not in self._welcome:
                handler.force_close()

        asyncio.get_running_loop().call_later(_FIRST_REQUEST_S, close_if_silent)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget the connection."""
        super().connection_lost(handler, exc)
        self._welcome.discard(handler)


def _turn_away(transport: asyncio.Transport, status: HTTPStatus) -> None:
    line = f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    transport.write(line.encode())
    # Not at once: the handler's task, which begins after this, expects a connection.
    asyncio.get_running_loop().call_soon(transport.close)
