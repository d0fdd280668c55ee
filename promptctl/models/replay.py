"""`replay/<model>`: answers from replies that were recorded, offline and for free."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from promptctl.errors import InvalidFiles, ModelConfigurationError, Place, Problem, ReplyNotRecorded, printable
from promptctl.files.names import RECORDINGS
from promptctl.files.wording import name_some
from promptctl.models.gateway import REPLAY, Delta, Embeddings, Reply, Request, recorded_model
from promptctl.models.recorded_reply import Redact, as_it_is, asked_of, digest_for, reply_of
from promptctl.models.recordings import RecordedReplies
from promptctl.models.request_difference import difference


def embedding_reply(found: Embeddings) -> Reply:
    """Return embeddings in the shape of recordings: a reply whose text is the list of vectors as JSON."""
    return Reply(
        json.dumps(found.vectors, separators=(",", ":")),
        found.model,
        "",
        usage=found.usage,
        cost_nano_usd=found.cost_nano_usd,
        price_source=found.price_source,
        source=found.source,
        full_cost_nano_usd=found.full_cost_nano_usd,
    )


def _vectors(text: str, model: str) -> tuple[tuple[float, ...], ...]:
    try:
        return tuple(tuple(float(number) for number in vector) for vector in json.loads(text))
    except (ValueError, TypeError, RecursionError):
        message = f"what is recorded as embeddings of {model} is no list of vectors"
        hint = "record them again: promptctl eval PROMPT --replies record"
        raise InvalidFiles([Problem(message, Place(RECORDINGS), hint, "bad-embeddings")]) from None


class Replay:
    """Answers with the recorded reply to a request that is equal in everything that is sent, or `ReplyNotRecorded`.

    `folder` is the workspace's `datasets/recordings`. Files that cannot be read raise `InvalidFiles`.
    `redact` takes secrets out of what a miss quotes.
    """

    def __init__(self, folder: Path, redact: Redact = as_it_is) -> None:
        self._replies, self._redact = RecordedReplies(folder), redact

    async def complete(self, request: Request) -> Reply:
        """Return the recorded reply."""
        return self._find(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the recorded reply's text in one piece, then the reply."""
        reply = self._find(request)
        if reply.text:
            yield Delta(reply.text)
        yield reply

    async def embed(self, request: Request) -> Embeddings:
        """Return the recorded vectors of the same texts."""
        reply = self._find(request)
        return Embeddings(
            _vectors(reply.text, recorded_model(request.model)),
            reply.model,
            reply.usage,
            cost_nano_usd=0,
            price_source=reply.price_source,
            source=reply.source,
            full_cost_nano_usd=reply.full_cost_nano_usd,
        )

    async def close(self) -> None:
        """Nothing is open."""

    def _find(self, request: Request) -> Reply:
        started = time.perf_counter()
        model = recorded_model(request.model)
        if not model:
            raise ModelConfigurationError(
                f"`{printable(request.model)}` names no model to replay",
                hint="write replay/<model>: replay/openai/gpt-4o-mini",
            )
        entry = self._replies.find_for(request)
        if entry is None:
            raise not_recorded(self._replies, request, self._redact)
        return replace(reply_of(entry), latency_ms=(time.perf_counter() - started) * 1000)


def not_recorded(
    replies: RecordedReplies, request: Request, redact: Redact = as_it_is, *, command: str | None = None
) -> ReplyNotRecorded:
    """Return the error of a request whose reply is not among those recorded: with the nearest, and what differs.

    `command` would record it.
    """
    model, asked = recorded_model(request.model), redact(asked_of(request))
    there_is = _what_there_is(replies, model)
    nearest = replies.nearest(asked)
    differs = "" if nearest is None else difference(nearest[1], asked)
    words = f"; the nearest, {nearest[0]}, differs: {differs}" if nearest is not None and differs else ""
    digest = f"; its digest is {digest_for(request)}" if command is None else ""
    error = ReplyNotRecorded(
        f"no reply of `{printable(model)}` was recorded for this request: {there_is}{words}",
        hint=f"record it with: {command or f'promptctl run PROMPT --model {model} --record'}{digest}",
    )
    error.detail = differs or None
    return error


def _what_there_is(replies: RecordedReplies, model: str) -> str:
    """Say which replies there are instead of the one wanted; if of a different model, also how to ask for them."""
    count, models = len(replies), replies.models
    if not count:
        return f"{RECORDINGS} has none"
    if model in models:
        return f"none of the {count} in {RECORDINGS} is of this request"
    return f"the {count} in {RECORDINGS} are of {name_some(models)}; for their replies give -m {REPLAY}{models[0]}"
