"""`replay/<model>`: answers from replies that were recorded, offline and for free; and the recording of them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from promptctl.errors import InvalidFiles, ModelConfigurationError, Place, Problem, ReplyNotRecorded
from promptctl.files.names import RECORDINGS
from promptctl.models.gateway import Delta, Embeddings, Endpoint, Reply, Request
from promptctl.models.recorded_reply import entry_of, reply_of
from promptctl.models.recordings import RecordedReplies, RecordingFile

PREFIX = "replay/"
_MOST_NAMED = 3


def recorded_model(model: str) -> str:
    """The model whose replies a model id stands for.

    >>> recorded_model("replay/openai/gpt-4o-mini")
    'openai/gpt-4o-mini'
    """
    return model.removeprefix(PREFIX)


def digest_for(request: Request) -> str:
    """The digest under which the reply to a request is recorded: of the whole request to the recorded model."""
    return replace(request, model=recorded_model(request.model)).digest()


def embedding_request(model: str, texts: Sequence[str]) -> Request:
    """What stands for a request for embeddings among recordings: one message for each text, of a role no chat has."""
    return Request(recorded_model(model), [{"role": "embed", "content": text} for text in texts])


def embedding_reply(found: Embeddings) -> Reply:
    """What stands for embeddings among recordings: a reply whose text is the list of vectors as JSON."""
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
        hint = "record them again: promptctl eval PROMPT --record"
        raise InvalidFiles([Problem(message, Place(RECORDINGS), hint, "bad-embeddings")]) from None


class Replay:
    """Gives the recorded reply to a request that is equal in everything that is sent, or `ReplyNotRecorded`.

    `folder` is the workspace's `datasets/recordings`. Files that cannot be read raise `InvalidFiles`.
    """

    def __init__(self, folder: Path) -> None:
        self._replies = RecordedReplies(folder)

    async def complete(self, request: Request) -> Reply:
        """The recorded reply."""
        return self._find(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """The recorded reply's text in one piece, then the reply."""
        reply = self._find(request)
        if reply.text:
            yield Delta(reply.text)
        yield reply

    async def embed(
        self,
        model: str,
        texts: Sequence[str],
        *,
        timeout_s: float,  # noqa: ARG002
        endpoint: Endpoint,  # noqa: ARG002
    ) -> Embeddings:
        """The recorded vectors of the same texts."""
        request = embedding_request(model, texts)
        reply = self._find(request)
        return Embeddings(
            _vectors(reply.text, request.model),
            reply.model,
            reply.usage,
            cost_nano_usd=0,
            price_source=reply.price_source,
            source=reply.source,
            full_cost_nano_usd=reply.full_cost_nano_usd,
        )

    async def close(self) -> None:
        """Nothing is open."""

    def problems(self) -> list[Problem]:
        """Everything that is wrong in the files of recordings, each with file and line."""
        return self._replies.problems()

    def _find(self, request: Request) -> Reply:
        started = time.perf_counter()
        model = recorded_model(request.model)
        if not model:
            raise ModelConfigurationError(
                f"{request.model!r} names no model to replay", hint="write replay/<model>: replay/openai/gpt-4o-mini"
            )
        digest = digest_for(request)
        entry = self._replies.find(digest)
        if entry is None:
            raise ReplyNotRecorded(
                f"no reply of {model} was recorded for this request: {self._what_there_is(model)}",
                hint=f"record it with: promptctl run PROMPT --model {model} --record; its digest is {digest}",
            )
        return replace(reply_of(entry), latency_ms=(time.perf_counter() - started) * 1000)

    def _what_there_is(self, model: str) -> str:
        """Which replies are recorded, where none is the one wanted; of another model also how to ask for its."""
        count, models = len(self._replies), self._replies.models
        if not count:
            return f"{RECORDINGS} has none"
        if model in models:
            return f"none of the {count} in {RECORDINGS} is of this request"
        more = f" and {len(models) - _MOST_NAMED} more" if len(models) > _MOST_NAMED else ""
        named = ", ".join(models[:_MOST_NAMED])
        return f"the {count} in {RECORDINGS} are of {named}{more}; for their replies give -m {PREFIX}{models[0]}"


class Recording:
    """Adds the replies of one prompt to a JSONL file, from which `replay/<model>` gives them again."""

    def __init__(self, path: Path, prompt: str | None = None, *, now: Callable[[], datetime] | None = None) -> None:
        self._file = RecordingFile(path)
        self._prompt = prompt
        self._now = now or (lambda: datetime.now(UTC))

    def add(self, request: Request, reply: Reply, note: str | None = None) -> bool:
        """Record the reply; False where it is recorded already, as every replayed one is.

        Raises `WorkspaceError` where the file cannot be written.
        """
        if reply.source == "replay":
            return False
        moment = self._now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        model = recorded_model(request.model)
        return self._file.add(entry_of(digest_for(request), model, reply, moment, self._prompt, note))


def record(path: Path, request: Request, reply: Reply, *, prompt: str | None = None, note: str | None = None) -> bool:
    """Record one reply in a JSONL file; for many, keep a `Recording`."""
    return Recording(path, prompt).add(request, reply, note)
