"""Replies kept by the digest of their request, so that an unchanged case is not paid for twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Generic, TypeVar

from promptctl.evaluations.limiter import time_stands_still
from promptctl.log.redaction import Redactor
from promptctl.log.stamps import utc_now
from promptctl.models.gateway import (
    Delta,
    Gateway,
    Reply,
    Request,
    Usage,
    cost_of_kept,
    is_broken_off,
    texts_of,
    usage_of_kept,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (request TEXT NOT NULL PRIMARY KEY, reply TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS homes (model TEXT NOT NULL PRIMARY KEY, server TEXT NOT NULL) STRICT;
"""
_BATCH = 200
_KEPT = (
    *("text", "model", "provider", "tool_calls", "finish_reason", "cost_nano_usd"),
    *("latency_ms", "first_token_ms", "reasoning"),
)
_KEPT_OF_VECTORS = ("vectors", "model", "cost_nano_usd")
_NO_TEXT = {"text": "", "provider": "", "tool_calls": (), "finish_reason": None, "cost_nano_usd": None, "usage": ()}
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_USAGE = tuple(each.name for each in fields(Usage))
_usage_values = attrgetter(*_USAGE)
# For how many others a request waits that then bring nothing, before it goes by itself beside them.
_MOST_WAITS = 3
T = TypeVar("T")


class ReplyCache:
    """A local store of replies, `cache.db` in the state folder. Losing it costs money, never an answer.

    What holds a secret or repeats a sensitive input is not kept; that of a request with a sensitive input is kept by a
    keyed digest. A cache that cannot be read or written is told to
    `on_warning` once and then left alone.
    """

    def __init__(self, path: Path, on_warning: Callable[[str], None], redactor: Redactor) -> None:
        self._path = path
        self._redactor = redactor
        self._on_warning = on_warning
        self._lock = threading.Lock()
        self._unwritten: dict[str, str] = {}
        self._unusable: set[str] = set()
        self._is_broken = False
        self._homes: dict[str, str] = {}
        self._connection: sqlite3.Connection | None = None

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def get(self, request: str) -> str | None:
        """Return the text kept under the digest of a request, or None."""
        with self._lock:
            text = self._unwritten.get(request)
            if text is None:
                row = self._do(
                    lambda db: db.execute("SELECT reply FROM replies WHERE request = ?", (request,)).fetchone()
                )
                text = row[0] if row else None
        return text

    def key(self, request: str, model: str, server: str) -> str:
        """Return the digest under which a reply is kept: the request's, with the server unless it is the model's first.

        So replies that were kept before servers were told apart are found again.
        """
        with self._lock:
            if model not in self._homes:
                found = self._do(lambda db: _home(db, model, server))
                self._homes[model] = _digest(server) if found is None else found
            is_first = self._homes[model] == _digest(server)
        return request if is_first else hashlib.sha256(f"{request} {server}".encode()).hexdigest()

    def put(self, request: str, kept: str) -> None:
        """Keep a text of ASCII, unless there is a secret in it; written in batches and on `flush`."""
        if self._redactor.holds_secret(kept):
            return
        with self._lock:
            self._unusable.discard(request)
            self._unwritten[request] = kept
            is_full = len(self._unwritten) >= _BATCH
        if is_full:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            rows = list(self._unwritten.items())
            self._unwritten.clear()
            if rows:
                self._do(lambda db: _write(db, rows))

    def forget(self, request: str) -> None:
        """Keep the reply to a request no longer than until this closes: repeats that it answered have one verdict."""
        self._unusable.add(request)

    def close(self) -> None:
        """Write and close."""
        self.flush()
        with self._lock:
            if self._unusable:
                rows = [(request,) for request in self._unusable]
                self._do(lambda db: db.executemany("DELETE FROM replies WHERE request = ?", rows))
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._is_broken:
            return None
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            return action(self._connection)
        except (sqlite3.Error, OSError) as error:
            self._is_broken = True
            self._on_warning(f"the reply cache {self._path.name} is not used: {error}")
            return None


class CachedGateway:
    """A gateway that answers from the cache if it can. A reused reply costs 0 and says so in its `source`.

    So does a reply to an equal request that was under way at the same time, which is asked once. `server_of` tells
    servers apart that answer to the same model's id. If it is not `is_read`, the model is asked each time, and the
    cache has the newest reply afterwards.
    """

    def __init__(
        self,
        gateway: Gateway,
        cache: ReplyCache,
        server_of: Callable[[str], str] = lambda _: "",
        *,
        is_read: bool = True,
    ) -> None:
        self._gateway = gateway
        self._cache = cache
        self._server_of = server_of
        self._is_read = is_read
        self._replies: Sharing[Reply] = Sharing()

    async def complete(self, request: Request) -> Reply:
        """The kept reply, or else the model's, which is then kept."""
        digest = self._key(request)
        if not self._is_read:
            return await self._asked(digest, request)
        reply, is_shared = await self._replies.ask(
            digest, lambda: self._kept(digest), lambda: self._asked(digest, request)
        )
        if not is_shared:
            return reply
        return replace(_reused(reply), made_on=utc_now()[:10] if reply.source == "model" else reply.made_on)

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Evaluations never stream; passed through."""
        return self._gateway.stream(request)

    def forget(self, request: Request) -> None:
        """Do not keep the reply to a request for later commands: nobody could use it."""
        self._cache.forget(self._key(request))

    async def close(self) -> None:
        """Write the cache and close the gateway behind."""
        self._cache.close()
        await self._gateway.close()

    def _key(self, request: Request) -> str:
        if request.is_embedding:
            asked_for = _ENCODER.encode(["embed", request.model, texts_of(request)])
            digest = hashlib.sha256(asked_for.encode()).hexdigest()
        else:
            digest = request.digest()
        if request.mask is not None:
            digest = request.mask.keyed(digest)
        return self._cache.key(digest, request.model, self._server_of(request.model))

    def _kept(self, digest: str) -> Reply | None:
        text = self._cache.get(digest)
        return None if text is None else _reply(text)

    async def _asked(self, digest: str, request: Request) -> Reply:
        reply = await self._gateway.complete(request)
        if reply.source == "model" and request.to_keep(reply) is reply:
            self._cache.put(digest, _kept_reply(reply))
        return reply


class Sharing(Generic[T]):
    """The requests under way on one event loop, by their digest.

    A failure is not shared: the next one of those that waited asks, and the others wait for that. So is a request that
    is cancelled; one that is cancelled while it waits takes nothing from anybody.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[T | None]] = {}

    async def ask(self, digest: str, kept: Callable[[], T | None], asked: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """Return the kept value or else the request's; and True if a different request had asked for it."""
        for _ in range(_MOST_WAITS):
            already = kept()
            if already is not None:
                return already, False
            other = self._under_way.get(digest)
            if other is None:
                return await self._lead(digest, asked), False
            with time_stands_still():
                await asyncio.wait([other])
            found = other.result()
            if found is not None:
                return found, True
        return await asked(), False

    async def _lead(self, digest: str, asked: Callable[[], Awaitable[T]]) -> T:
        mine: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._under_way[digest] = mine
        found: T | None = None
        try:
            found = await asked()
            return found
        finally:
            del self._under_way[digest]
            mine.set_result(found)


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
        _hide_addresses(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _digest(server: str) -> str:
    """Return what is kept of a server: its address may hold a key."""
    return hashlib.sha256(server.encode()).hexdigest() if server else ""


def _hide_addresses(connection: sqlite3.Connection) -> None:
    """Put digests for the addresses that earlier versions kept."""
    found = connection.execute(
        "SELECT model, server FROM homes WHERE server LIKE '%/%' OR server LIKE '% %'"
    ).fetchall()
    rows = [(_digest(server), model) for model, server in found]
    connection.executemany("UPDATE homes SET server = ? WHERE model = ?", rows)


def _home(connection: sqlite3.Connection, model: str, server: str) -> str:
    """Return the first server of a model whose replies were kept; from now on it is this one, if there was none."""
    connection.execute("INSERT OR IGNORE INTO homes (model, server) VALUES (?, ?)", (model, _digest(server)))
    found: str = connection.execute("SELECT server FROM homes WHERE model = ?", (model,)).fetchone()[0]
    return found


def _write(connection: sqlite3.Connection, rows: Sequence[tuple[str, str]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.executemany("INSERT OR REPLACE INTO replies (request, reply) VALUES (?, ?)", rows)


def _reused(found: Reply) -> Reply:
    """Return a reply to an equal request as one that cost nothing."""
    if found.source != "model":
        return found
    return replace(found, source="cache", cost_nano_usd=0, full_cost_nano_usd=found.cost_nano_usd, price_source="cache")


def _kept_reply(reply: Reply) -> str:
    """The reply as JSON of ASCII alone, which also holds half a surrogate pair, as some replies do."""
    kept = {name: getattr(reply, name) for name in (_KEPT_OF_VECTORS if reply.vectors else _KEPT)}
    return _ENCODER.encode({**kept, "usage": _usage_values(reply.usage), "made_on": utc_now()[:10]})


def _reply(text: str) -> Reply | None:
    """The reply, at no cost; None for one that another version of the program kept, or that was broken off."""
    try:
        kept = json.loads(text)
        if "vectors" in kept:
            kept = {**_NO_TEXT, **kept, "vectors": tuple(map(tuple, kept["vectors"]))}
        if is_broken_off(kept["finish_reason"]):
            return None
        return Reply(
            **{
                **kept,
                "tool_calls": tuple(kept["tool_calls"]),
                "usage": usage_of_kept(dict(zip(_USAGE, kept["usage"], strict=False))),
                "source": "cache",
                "cost_nano_usd": 0,
                "full_cost_nano_usd": cost_of_kept(kept["cost_nano_usd"]),
                "price_source": "cache",
            }
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
