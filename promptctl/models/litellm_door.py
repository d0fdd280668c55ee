"""The one door of LiteLLM's requests: each goes where its model's `Reach` allows, is never redirected, or is not sent.

LiteLLM has no setting for this, so what it sends with is wrapped: httpx with and without asyncio, its own transport on
aiohttp, aiohttp, and urllib3 for boto3 and requests. Looking up a host's name is the net below them. Requests and
look-ups that are not a call of ours are left as they are.
"""

from __future__ import annotations

import functools
import importlib
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from promptctl.models.litellm_wire import Wire

WireOf = Callable[[], Wire | None]


def guard_transports(wire_of: WireOf) -> None:
    """Wrap everything that LiteLLM sends with, once; `wire_of` returns the wire of the call that is being made."""
    own = importlib.import_module("litellm.llms.custom_httpx.aiohttp_transport").LiteLLMAiohttpTransport
    if hasattr(own.handle_async_request, "__wrapped__"):
        return
    httpx = importlib.import_module("httpx")
    _wrap(httpx.AsyncHTTPTransport, "handle_async_request", functools.partial(_httpx_async, wire_of))
    _wrap(httpx.HTTPTransport, "handle_request", functools.partial(_httpx, wire_of))
    _wrap(importlib.import_module("aiohttp").ClientSession, "_request", functools.partial(_aiohttp, wire_of))
    if find_spec("urllib3") is not None:
        pool = importlib.import_module("urllib3.connectionpool").HTTPConnectionPool
        _wrap(pool, "urlopen", functools.partial(_urllib3, wire_of))
    _wrap(socket, "getaddrinfo", functools.partial(_look_up, wire_of))
    _wrap(own, "handle_async_request", functools.partial(_httpx_async, wire_of))  # last: it says that all are wrapped


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    inner = getattr(owner, name)
    setattr(owner, name, functools.wraps(inner)(make(inner)))


def _httpx_async(wire_of: WireOf, handle: Any) -> Any:
    async def handle_ours(self: Any, request: Any) -> Any:
        wire = wire_of()
        if wire is None:
            return await handle(self, request)
        wire.check(request.url.scheme, request.url.host, request.url.port, request.url.path)
        wire.begin()
        response = _kept_here(await handle(self, request))
        response.request = request
        # Read by OpenAI's library, which some providers' routes let try again as often as it likes.
        response.headers["x-should-retry"] = "false"
        return await wire.mend(response)

    return handle_ours


def _httpx(wire_of: WireOf, handle: Any) -> Any:
    def handle_ours(self: Any, request: Any) -> Any:
        wire = wire_of()
        if wire is None:
            return handle(self, request)
        wire.check(request.url.scheme, request.url.host, request.url.port, request.url.path)
        wire.begin()
        return _kept_here(handle(self, request))

    return handle_ours


def _aiohttp(wire_of: WireOf, request: Any) -> Any:
    async def request_ours(self: Any, method: str, url: Any, **options: Any) -> Any:
        wire = wire_of()
        if wire is None:
            return await request(self, method, url, **options)
        parts = urlsplit(str(url))
        wire.check(parts.scheme, parts.hostname or "", parts.port, parts.path)
        return await request(self, method, url, **{**options, "allow_redirects": False})

    return request_ours


def _urllib3(wire_of: WireOf, urlopen: Any) -> Any:
    def urlopen_ours(self: Any, method: str, url: str, *given: Any, **options: Any) -> Any:
        wire = wire_of()
        if wire is None:
            return urlopen(self, method, url, *given, **options)
        parts = urlsplit(url)  # whole if it goes to a proxy
        host, port = (parts.hostname, parts.port) if parts.hostname else (self.host, self.port)
        wire.check(parts.scheme or self.scheme, host.strip("[]"), port, parts.path)
        return _kept_here(urlopen(self, method, url, *given, **{**options, "redirect": False}))

    return urlopen_ours


def _look_up(wire_of: WireOf, getaddrinfo: Any) -> Any:
    def look_up_ours(host: Any, *given: Any, **options: Any) -> Any:
        wire = wire_of()
        if wire is not None and host:
            wire.check_host(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
        return getaddrinfo(host, *given, **options)

    return look_up_ours


def _kept_here(response: Any) -> Any:
    """Return the response; a redirect without the address that it leads to.

    httpx would take off `Authorization` alone, and other headers with keys would go along.
    """
    if 300 <= getattr(response, "status_code", getattr(response, "status", 0)) < 400:
        response.headers.pop("location", None)
    return response
