"""`replay/<model>`: answers from recorded replies, offline and for free; and what differs in the nearest, in words."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from promptctl.errors import InvalidFiles, ModelConfigurationError, Place, Problem, ReplyNotRecorded, printable
from promptctl.files.names import RECORDINGS
from promptctl.files.wording import alike_until, clip, name_some
from promptctl.models.gateway import REPLAY, Delta, Reply, Request, recorded_model
from promptctl.models.recorded_reply import Entry, Redact, as_it_is, asked_of, digest_for, reply_of
from promptctl.models.recordings import RecordedReplies

_MOST = 3
_DEEPEST = 12
_WIDTH = 60
_ABSENT = object()
_ORDER = ("model", "parameters", "messages", "tools", "response_format", "repeat")


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
        reply = replace(reply_of(entry), latency_ms=(time.perf_counter() - started) * 1000)
        return replace(reply, text="", vectors=_vectors(reply.text, model)) if request.is_embedding else reply


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


def difference(recorded: Entry, asked: Entry) -> str:
    """Return what differs from a recorded request to the one that is asked; empty if nothing does.

    >>> difference({"model": "m", "parameters": {"top_p": 1}}, {"model": "m", "parameters": {"top_p": 0.5}})
    '`parameters.top_p` 1 → 0.5'
    """
    found = (
        words
        for name in _ORDER
        for words in _differing(name, recorded.get(name, _ABSENT), asked.get(name, _ABSENT), _DEEPEST)
    )
    shown = list(islice(found, _MOST))
    more = sum(1 for _ in found)
    return "; ".join([*shown, *([f"and in {more} more parts"] if more > 1 else ["and in 1 more part"] if more else [])])


def _differing(path: str, old: Any, new: Any, depth: int) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and depth:
        for name in [*old, *(each for each in new if each not in old)]:
            yield from _differing(f"{path}.{name}", old.get(name, _ABSENT), new.get(name, _ABSENT), depth - 1)
    elif isinstance(old, list) and isinstance(new, list) and depth:
        for index, (one, other) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
            yield from _differing(f"{path}[{index}]", one, other, depth - 1)
    elif old == new and type(old) is type(new):  # 0 and 0.0 are written differently
        return
    elif isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        yield _differing_line(path, old, new)
    else:
        yield f"`{printable(path)}` {_change(old, new)}"


def _differing_line(path: str, old: str, new: str) -> str:
    """Return the first line that differs, and how many lines do."""
    pairs = list(zip_longest(old.split("\n"), new.split("\n"), fillvalue=_ABSENT))
    numbers = [number for number, (one, other) in enumerate(pairs, 1) if one != other]
    more = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
    return f"`{printable(path)}` line {numbers[0]}{more}: {_change(*pairs[numbers[0] - 1])}"


def _change(old: Any, new: Any) -> str:
    start = alike_until(old, new) if isinstance(old, str) and isinstance(new, str) else 0
    return f"{_shown(old, start)} → {_shown(new, start)}"


def _shown(value: Any, start: int) -> str:
    """Return a value in few characters; of a long text those from a little before `start`."""
    if value is _ABSENT:
        return "none"
    if not isinstance(value, str):
        return printable(clip(json.dumps(value, ensure_ascii=False), _WIDTH))
    begin = max(0, start - _WIDTH // 3) if len(value) > _WIDTH else 0
    text = value[begin : begin + _WIDTH]
    return f"“{'…' if begin else ''}{printable(text)}{'…' if begin + _WIDTH < len(value) else ''}”"
