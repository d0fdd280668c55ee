"""Asks for embeddings through a runner, so that they are retried and logged like any call."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.assertions.judge import JudgeEmbeddings
from promptctl.calls.call import Call, CallOptions, Target
from promptctl.calls.runner import Recorder, Runner
from promptctl.models.gateway import Delta, Embeddings, Gateway, Reply, Request, embedding_request
from promptctl.models.replay import embedding_reply
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.prompt_at_version import Version

if TYPE_CHECKING:
    from promptctl.telemetry.emitting import Emitter

OnReply = Callable[[Request, Reply], object]

# What embeddings are called in the log. They have no prompt's file, and so no digest.
EMBEDDER = Prompt(id="judges/similar", path="", digest="", name="Similarity", messages=())
EMBEDDER_VERSION = Version(EMBEDDER.digest, display="built-in")


@dataclass(frozen=True, slots=True)
class Embedder:
    """Embeds texts; each attempt is recorded, without its vectors.

    `on_reply` sees what `--record` writes, and `watch` is told of each attempt.
    """

    gateway: Gateway
    recorder: Recorder
    on_reply: OnReply | None = None
    watch: Emitter | None = None

    async def embed(self, target: Target, texts: Sequence[str], options: CallOptions) -> JudgeEmbeddings:
        """One vector for each text; the target is of `EMBEDDER`. Raises `ModelError` as `Runner.run` does."""
        lane = _Lane(self.gateway)
        request = embedding_request(target.model, texts, timeout_s=target.timeout_s)
        rendered = Rendered(tuple(dict(message) for message in request.messages), {})
        call = Call(target, rendered, request, options)
        execution = await Runner(lane, self.recorder, watch=self.watch).run(call)
        assert lane.found is not None, "the runner returns once the lane has answered"
        if self.on_reply is not None:
            kept = (
                request
                if options.mask is None
                else replace(request, messages=options.mask.conversation(request.messages))
            )
            self.on_reply(kept, embedding_reply(lane.found))
        return JudgeEmbeddings(lane.found.vectors, execution.cost_nano_usd, execution.id)


class _Lane:
    """Stands before a gateway as one that completes: its reply has no text, what it embedded is in `found`."""

    def __init__(self, gateway: Gateway) -> None:
        self.found: Embeddings | None = None
        self._gateway = gateway

    async def complete(self, request: Request) -> Reply:
        begun = time.perf_counter()
        self.found = found = await self.embed(request)
        return replace(embedding_reply(found), text="", latency_ms=(time.perf_counter() - begun) * 1000)

    def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        return self._gateway.stream(request)

    async def embed(self, request: Request) -> Embeddings:
        return await self._gateway.embed(request)

    async def close(self) -> None:
        await self._gateway.close()
