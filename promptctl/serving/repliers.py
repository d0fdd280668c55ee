"""The three sources of replies: an echo, recordings, and a model whose replies are recorded."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.calls.call import CallOptions
from promptctl.calls.plain import prepare_sent
from promptctl.calls.runner import Runners
from promptctl.context import Context
from promptctl.errors import ModelConfigurationError, UsageError
from promptctl.files.names import id_problem
from promptctl.log.records import Execution
from promptctl.models.echo import Echo
from promptctl.models.gateway import Reply, Request, Usage
from promptctl.models.reading import without_reasoning
from promptctl.models.recorded_reply import digest_for, reply_of
from promptctl.models.recordings import RecordedReplies
from promptctl.models.replay import not_recorded
from promptctl.serving.chat_request import ChatRequest

# What is changed while the server runs is seen within this time.
_REFRESH_S = 1.0
OPENAI = "openai/"


@dataclass(frozen=True, slots=True)
class Replied:
    """A reply, the moment it was made, if that is known, and what to say of it on the terminal, if anything."""

    reply: Reply
    made_at: str | None = None
    news: str | None = None


class Replier(ABC):
    """A source of replies. Unless it asks a model, none of them is paid for, and none waited for."""

    @property
    def count(self) -> int | None:
        """The number of replies that are there; None for as many as are asked for."""
        return None

    @property
    def under_way(self) -> Collection[asyncio.Task[Replied]]:
        """The replies that are asked for and paid for, and not recorded yet."""
        return ()

    @abstractmethod
    async def reply_to(self, asked: ChatRequest) -> Replied:
        """Return the reply to a request. Raises `PromptctlError`."""

    @abstractmethod
    def models(self) -> Sequence[str]:
        """Return the models that can be asked for, by the names that programs give."""


class EchoReplier(Replier):
    """Answers with the last user message, or a small value of the schema that is asked for."""

    def __init__(self) -> None:
        self._echo = Echo()

    async def reply_to(self, asked: ChatRequest) -> Replied:
        """Return the echo, whatever model is asked for."""
        return Replied(await self._echo.complete(asked.of("echo/echo", {})))

    def models(self) -> Sequence[str]:
        """Return the one model that says what it is."""
        return ["echo"]


class ReplayReplier(Replier):
    """Answers from recordings alone. With `model` those of that model, whatever model is asked for.

    Raises `InvalidFiles` for files that cannot be read.
    """

    def __init__(self, context: Context, model: str | None = None) -> None:
        self._context, self._model = context, model
        self._replies = RecordedReplies(context.recordings_folder)
        self._replies.refresh()
        self._looked_at = time.monotonic()

    async def reply_to(self, asked: ChatRequest) -> Replied:
        """Return the recorded reply. Raises `ReplyNotRecorded`, and `InvalidFiles` for files that cannot be read."""
        model = self.model_of(asked)
        found = self.find(asked, model)
        if found is None:
            request = next(asked.forms(*model))
            raise await asyncio.to_thread(
                not_recorded,
                self._replies,
                request,
                self._context.redactor.redact_data,
                command="promptctl serve --record",
            )
        return found

    @property
    def count(self) -> int:
        """The number of recordings, of every model."""
        return len(self._replies)

    def model_of(self, asked: ChatRequest) -> tuple[str, Any]:
        """Return the whole id of the model that a request is for, and the parameters that its rule has."""
        name = self._model or asked.model
        try:
            name = self._context.models.whole_id(name)
        except ModelConfigurationError:
            name = name if "/" in name else OPENAI + name
        return name, self._context.models.settings_of(f"replay/{name}").parameters

    def find(self, asked: ChatRequest, model: tuple[str, Any]) -> Replied | None:
        """Return the recorded reply, if there is one."""
        if time.monotonic() - self._looked_at >= _REFRESH_S:
            self._replies.refresh()
            self._looked_at = time.monotonic()
        for request in asked.forms(*model):
            if (entry := self._replies.find(digest_for(request))) is not None:
                reply = reply_of(entry)
                if self._context.settings.model_rule(model[0]).reasoning_block == "drop":
                    reply = replace(reply, text=without_reasoning(reply.text))
                return Replied(reply, entry.get("recorded_at"))
        return None

    def look_again(self) -> None:
        """See at the next request what was recorded until now."""
        self._looked_at = -_REFRESH_S

    def models(self) -> Sequence[str]:
        """Return the models of which there are recordings."""
        self._replies.refresh()
        return sorted(model.removeprefix(OPENAI) for model in self._replies.models)


class RecordReplier(Replier):
    """Answers from recordings, and asks the model for what was not recorded yet; equal requests ask once.

    Calls are logged, recorded and ruled as those of the prompt `prompt_type`. With `is_refreshed` each request is asked
    once more, whatever was recorded before. A call goes on to its end, whoever still waits for it.
    """

    def __init__(self, context: Context, prompt_type: str, model: str | None, *, is_refreshed: bool = False) -> None:
        if problem := id_problem(prompt_type):
            raise UsageError(f"calls are recorded as of a prompt's id: {problem}")
        context.work_tree_for("recording replies")
        self._context, self._prompt_type, self._is_refreshed = context, prompt_type, is_refreshed
        self._recorded = ReplayReplier(context, model)
        self._runners = Runners(context)
        self._asking: dict[str, asyncio.Task[Replied]] = {}
        self._asked: set[str] = set()

    async def reply_to(self, asked: ChatRequest) -> Replied:
        """Return the reply, recorded or new. Raises what a call raises."""
        model = self._recorded.model_of(asked)
        request = asked.of(*model)
        digest = digest_for(request)
        task = self._asking.get(digest)
        if task is None:
            found = self._recorded.find(asked, model)
            if found is not None and (digest in self._asked or not self._is_refreshed):
                return found
            task = self._asking[digest] = asyncio.create_task(self._ask(request, asked, digest))
            task.add_done_callback(lambda ended: self._ended(digest, ended))
        return await asyncio.shield(task)

    @property
    def count(self) -> int:
        """The number of recordings, of every model."""
        return self._recorded.count

    def _ended(self, digest: str, task: asyncio.Task[Replied]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # is known also if nobody waits for it any more

    async def _ask(self, request: Request, asked: ChatRequest, digest: str) -> Replied:
        options = CallOptions(user=asked.user, metadata=asked.metadata)
        execution = await self._runners.run(
            {"record": True}, lambda context: [prepare_sent(context, request, self._prompt_type, options)]
        )
        self._asked.add(digest)
        self._recorded.look_again()
        cost = execution.cost_nano_usd
        price = "at an unknown price" if cost is None else f"for ${cost / 1e9:.6f}"
        return Replied(_reply_of(execution), execution.started_at, f"asked {request.model} {price}")

    def models(self) -> Sequence[str]:
        """Return the models of which there are recordings; any other can be asked for too."""
        return self._recorded.models()

    @property
    def under_way(self) -> Collection[asyncio.Task[Replied]]:
        """The calls whose replies are waited for."""
        return list(self._asking.values())


def _reply_of(made: Execution) -> Reply:
    return Reply(
        made.reply or "",
        made.model,
        made.provider or "",
        tuple(made.tool_calls or ()),
        made.finish_reason,
        Usage(made.input_tokens, made.output_tokens, made.cached_tokens, reasoning_tokens=made.reasoning_tokens),
    )
