"""The direct lane: the chat-completions protocol over aiohttp, for OpenAI and every endpoint that speaks like it."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, finalize

from promptctl import __version__
from promptctl.errors import ModelConfigurationError, ModelError, RequestRejected
from promptctl.models.chat_protocol import (
    StreamOptions,
    answer_data,
    chat_body,
    choice_of,
    finished,
    provider_name,
    reply_of,
)
from promptctl.models.dialects import dialect_of
from promptctl.models.endpoints import Address, address_of
from promptctl.models.gateway import LARGEST_REPLY, Delta, Reply, Request, broken, too_large
from promptctl.models.prices import Prices

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

    from promptctl.models.chat_stream import ReplyAssembler

DEFAULT_BASE = "https://api.openai.com/v1"
_OK = 200
_LARGEST_EVENT = 16 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_MOST_ADDRESSES = 1000
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_LANES: WeakSet[OpenAILane] = WeakSet()


class OpenAILane:
    """Asks for completions with as little work as can be for each call.

    One connection pool for each event loop, of at most `connections` at once. A key goes to the one address that the
    endpoint names: redirects are not followed, cookies are not kept, and a proxy is used only if `environ` names
    one. `request.timeout_s` bounds the whole reply, streamed or not.
    """

    def __init__(self, prices: Prices, environ: Mapping[str, str] | None = None, *, connections: int = 100) -> None:
        self._prices = prices
        self._environ = environ or {}
        self._connections = connections
        self._sessions: dict[asyncio.AbstractEventLoop, ClientSession] = {}
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]] = {}
        self._addresses: dict[int, Address] = {}
        finalize(self, _forget_ended, self._sessions, self._keepers)
        _LANES.add(self)
        self._stream_options = StreamOptions()

    async def complete(self, request: Request) -> Reply:
        """Return the whole reply."""
        body = _encode(request, chat_body(request, is_streamed=False))
        address = self._address(request)
        session = await self._session()
        started = time.perf_counter()
        answer = await _answer_to(request, session, address, body)
        return finished(request, reply_of(request, _decode(request, answer), self._prices, started))

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the reply's text as it arrives, then the whole reply. A broken one raises, with what had arrived."""
        from promptctl.models.chat_stream import ReplyAssembler, stream_reply

        assembler = ReplyAssembler()
        return stream_reply(request, self._texts(request, assembler), assembler, self._prices)

    async def close(self) -> None:
        """Close the running event loop's connections, unless a call uses one; a loop that ends closes its own."""
        loop = asyncio.get_running_loop()
        connector = self._sessions[loop].connector if loop in self._sessions else None
        # A reader of a stream would not be told, and wait for it in vain; a call that is cut off would be asked again.
        if connector is not None and not connector._acquired:
            del self._sessions[loop]
            await self._keepers.pop(loop).aclose()

    async def _texts(self, request: Request, assembler: ReplyAssembler) -> AsyncGenerator[str, None]:
        """Yield the text of a streamed reply piece by piece, while the assembler takes in all of it."""
        options = self._stream_options.of(request)
        while True:
            try:
                async with aclosing(self._streamed(request, assembler, options)) as texts:
                    async for text in texts:
                        yield text
                return
            except RequestRejected as refused:
                self._stream_options.heed(request, refused, options)
                options = {}

    async def _streamed(
        self, request: Request, assembler: ReplyAssembler, options: Mapping[str, Any]
    ) -> AsyncGenerator[str, None]:
        body = chat_body(request, is_streamed=True)
        if "stream" in body and dialect_of(provider_name(request.model)).has_stream_options:
            body |= options
        sent = _encode(request, body)
        address = self._address(request)
        session = await self._session()
        import aiohttp

        failure: ModelError | None
        assembler.started = time.perf_counter()
        try:
            async with (
                _post(request, session, address, sent) as response,
                aclosing(_texts_of(request, response, assembler)) as texts,
            ):
                async for text in texts:
                    yield text
            failure = _what_is_missing(request, assembler)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = _interrupted(request, error)
        if failure is not None:
            raise failure

    async def _session(self) -> ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            _forget_ended(self._sessions, self._keepers)
            import aiohttp

            session = self._sessions[loop] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": f"promptctl/{__version__}", "Accept": "application/json, text/event-stream"},
            )
            keeper = self._keepers[loop] = _closed_at_the_end(session)
            await anext(keeper)
        return session

    def _address(self, request: Request) -> Address:
        endpoint = request.endpoint
        address = self._addresses.get(id(endpoint))
        # An address holds its endpoint, so that the id is not given to a different one while the address is kept.
        if address is None or address.endpoint is not endpoint:
            if len(self._addresses) >= _MOST_ADDRESSES:
                self._addresses.clear()
            address = address_of(request.model, endpoint, DEFAULT_BASE, self._environ)
            self._addresses[id(endpoint)] = address
        return address


def load() -> None:
    """Import what the lane needs: 0.1 s."""
    importlib.import_module("aiohttp")


def preload() -> None:
    """Begin to import what the lane needs on a thread of its own, so that it overlaps with other work."""
    if "aiohttp" not in sys.modules:
        threading.Thread(target=load, name="import-aiohttp", daemon=True).start()


def _forget_ended(
    sessions: dict[asyncio.AbstractEventLoop, ClientSession],
    keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None, None]],
) -> None:
    """Let go of the sessions of loops that were closed without their generators: aiohttp would complain of them."""
    for ended in [loop for loop in list(sessions) if loop.is_closed()]:
        keepers.pop(ended, None)
        session = sessions.pop(ended)
        connector = session.connector
        session.detach()
        if connector is not None:
            # In a loop that is closed there is nothing to wait for: its first step closes it.
            with suppress(Exception):
                next(iter(connector.close().__await__()), None)


def _leave_to_parent() -> None:
    """In a forked child, forget the parent's connections, so that nothing closes them.

    Both share the poll that they are in: what the child closes, the parent would wait for in vain.
    """
    for lane in list(_LANES):
        for session in lane._sessions.values():
            if session.connector is not None:
                session.connector._conns.clear()  # which aiohttp would close, even at the end of the program
            session.detach()
        lane._sessions.clear()
        lane._keepers.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


async def _closed_at_the_end(session: ClientSession) -> AsyncGenerator[None, None]:
    """Begun once, it closes the session when the loop shuts its generators down, as `asyncio.run` does at its end."""
    try:
        yield
    finally:
        await session.close()


async def _answer_to(request: Request, session: ClientSession, address: Address, body: bytes) -> bytes:
    """Return the body of the answer to one POST. Raises what its status, or the lack of an answer, means."""
    import aiohttp

    failure: ModelError
    try:
        async with _post(request, session, address, body) as response:
            return await _checked_answer(request, response)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        failure = _interrupted(request, error)
    # Raised here and not above, so that no traceback leads to the library's error, which holds address and key.
    raise failure


async def _texts_of(request: Request, response: ClientResponse, assembler: ReplyAssembler) -> AsyncGenerator[str, None]:
    from promptctl.models.chat_stream import EventDecoder

    if not response.ok or response.content_type in {"application/json", "text/html"}:
        # A server that does not stream answers whole.
        answer = await _checked_answer(request, response)
        if text := assembler.add_whole(request, _decode(request, answer)):
            yield text
        return
    decoder = EventDecoder()
    received, head = 0, b""
    async for part in response.content.iter_any():
        if not assembler.has_choice and len(head) < _LARGEST_ERROR:
            head += part
        for event in decoder.feed(part):
            if text := _take(request, event, assembler):
                yield text
        received += len(part)
        if received > LARGEST_REPLY or decoder.pending_bytes > _LARGEST_EVENT:
            raise too_large(request)
        if assembler.is_done:
            return
    for event in decoder.finish():
        if text := _take(request, event, assembler):
            yield text
    if not assembler.has_choice and head.lstrip().startswith(b"{"):
        # An error that came as it is, and not as an event.
        choice_of(request, _decode(request, head))


def _post(
    request: Request, session: ClientSession, address: Address, body: bytes
) -> AbstractAsyncContextManager[ClientResponse]:
    import aiohttp

    return session.post(
        address.embeddings if request.is_embedding else address.chat,
        data=body,
        headers=address.headers,
        timeout=aiohttp.ClientTimeout(total=request.timeout_s),
        allow_redirects=False,
        proxy=address.proxy,
    )


def _take(request: Request, event: bytes, assembler: ReplyAssembler) -> str:
    """Give one event to the assembler, and return the text that it brings."""
    from promptctl.models.chat_stream import is_kept_open

    if event == b"[DONE]":
        assembler.is_done = True
        return ""
    if is_kept_open(event):
        return ""
    chunk = _decode(request, event)
    if not isinstance(chunk, dict):
        raise broken(request, "streamed an event that is not of the protocol")
    if chunk.get("error") or not isinstance(chunk.get("choices"), list):
        from promptctl.models.provider_errors import error_in_answer

        failure = error_in_answer(request, chunk)
        if failure is not None:
            raise failure
    return assembler.add(chunk)


def _what_is_missing(request: Request, assembler: ReplyAssembler) -> ModelError | None:
    """Return the error of a stream that ended too early by itself; None if it is whole."""
    if not assembler.has_choice:
        return broken(request, "answered without any choice")
    return None if assembler.is_done or assembler.finish_reason else _interrupted(request)


def _interrupted(request: Request, cause: BaseException | None = None) -> ModelError:
    from promptctl.models.provider_errors import interrupted

    return interrupted(request, cause)


async def _checked_answer(request: Request, response: ClientResponse) -> bytes:
    """Return the whole body of a good answer."""
    is_plain = response.status == _OK and "Content-Encoding" not in response.headers
    if is_plain and response.content_length is not None and response.content_length < LARGEST_REPLY:
        return await response.read()
    limit = LARGEST_REPLY if response.ok else _LARGEST_ERROR
    parts = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > limit:
            break
    answer = b"".join(parts)
    if response.status >= 300:
        from promptctl.models.provider_errors import refusal

        raise refusal(request, response.status, answer.decode(errors="replace"), response.headers)
    if size > limit:
        raise too_large(request)
    return answer


def _encode(request: Request, body: Mapping[str, Any]) -> bytes:
    try:
        return _ENCODE(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = str(error)
    raise ModelConfigurationError(
        f"the request to {request.model} cannot be written as JSON: {problem}",
        hint="parameters, tools and messages are made of text, numbers, true, false, null, lists and mappings",
    )


def _decode(request: Request, answer: bytes) -> Any:
    try:
        return answer_data(answer)
    except (ValueError, RecursionError):
        pass
    what = "HTML" if answer.lstrip()[:1] == b"<" else "something that is not JSON" if answer else "nothing"
    raise broken(request, f"answered with {what}")
