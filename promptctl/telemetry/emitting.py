"""Tells OpenTelemetry of calls, in spans, metrics and events; without being asked to, nothing of this is imported.

Nothing here raises, and nothing waits for a collector but `close`, which does so for less than a second: a reply that
was paid for reaches who asked, whatever becomes of its telemetry.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from promptctl.log.encoding import Fields, encode, redacted, well_formed
from promptctl.models.gateway import Delta, Gateway, Reply, Request
from promptctl.telemetry import facts, names
from promptctl.telemetry.switch import Telemetry, wanted_telemetry

if TYPE_CHECKING:
    from promptctl.log.feedback import Feedback
    from promptctl.log.records import Content, Execution, LogRecorder
    from promptctl.log.redaction import Redactor
    from promptctl.log.results import ResultRow
    from promptctl.telemetry.instruments import Asked, Instruments

T = TypeVar("T")
# Spans of this process that events can still be linked to, and requests under way.
_MOST_KEPT = 10_000
_NEVER_SENT = "blocked"


class _Attempt(NamedTuple):
    """The attempt that a request is made for, and how much of it the log keeps."""

    execution_id: str
    kept: Content


_ATTEMPT: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)


def _never_raises(work: Callable[..., T]) -> Callable[..., T | None]:
    @wraps(work)
    def safely(*arguments: Any, **named: Any) -> T | None:
        try:
            return work(*arguments, **named)
        except Exception:
            logging.getLogger("promptctl").debug("telemetry failed", exc_info=True)
            return None

    return safely


class Told(Protocol):
    """The parts of a workspace that its calls' telemetry is made of."""

    environ: Mapping[str, str]

    @property
    def redactor(self) -> Redactor:
        """Hides secrets, as in the log."""

    @property
    def recorder(self) -> LogRecorder:
        """Knows how much of a prompt's calls the log keeps."""

    def warn(self, words: str) -> None:
        """Tell what a user should know."""


def emitter_of(told: Told, given: object) -> Emitter | None:
    """Return what tells OpenTelemetry of a workspace's calls; None if neither argument nor environment asks for it.

    Raises what `wanted_telemetry` raises.
    """
    wanted = wanted_telemetry(given, told.environ, told.warn)
    if wanted is None:
        return None
    emitter = Emitter(wanted, told)
    if given is not None:  # a service had rather wait now than at its first call
        emitter.load()
    return emitter


class Emitter:
    """Tells of the calls of one workspace. Threads, event loops and forked children may share it."""

    def __init__(self, wanted: Telemetry, told: Told) -> None:
        self._wanted = wanted
        self._told = told
        self._lock = threading.Lock()
        self._made: Instruments | None = None
        self._open: OrderedDict[str, Asked] = OrderedDict()
        self._done: OrderedDict[str, tuple[Any, str]] = OrderedDict()

    @_never_raises
    def begin(self, execution_id: str, prompt: str, content: Content | None) -> None:
        """Say which attempt the next request in this context is made for; `content` is what the call asks to keep."""
        _ATTEMPT.set(_Attempt(execution_id, content or self._told.recorder.content_for(prompt)))

    def lane(self, lane: Gateway) -> Gateway:
        """Return a gateway that asks the same models and tells of each request."""
        return _WatchedLane(lane, self)

    @_never_raises
    def asked(self, operation: str, request: Request, *, is_streamed: bool = False) -> Asked | None:
        """Begin the span of a request; None for one that is nobody's attempt."""
        attempt = _ATTEMPT.get()
        if attempt is None:
            return None
        made = self._instruments()
        attributes = facts.of_request(operation, request, is_streamed=is_streamed)
        asked = made.begin(operation, attributes, is_kept=attempt.kept != "off")
        _keep(self._open, attempt.execution_id, asked)
        return asked

    @_never_raises
    def end(self, execution: Execution, content: Content | None) -> None:
        """End the span of an attempt with its record. One that was answered from a cache or a recording has none."""
        asked = self._open.pop(execution.id, None)
        if asked is None and execution.status != _NEVER_SENT:
            return
        kept = content or self._told.recorder.content_for(execution.prompt)
        fields = encode(execution, is_whole=self._wanted.content and kept == "full")
        fields = redacted(fields, self._told.redactor)
        made = self._instruments()
        if asked is None:
            attributes = facts.of_model(names.CHAT, execution.model, execution.provider)
            asked = made.begin(names.CHAT, attributes, is_kept=kept != "off")
        attributes = facts.of_attempt(fields, asked.attributes)
        if asked.response_id:
            attributes[names.RESPONSE_ID] = asked.response_id
        if asked.span is not None:
            _keep(self._done, execution.id, (asked.span.get_span_context(), asked.response_id))
            shown = attributes | facts.of_content(fields) if self._wanted.content else attributes
            made.end(asked, shown, execution.status, self._words(execution, fields, kept))
        if execution.status != _NEVER_SENT:
            made.measure(asked, attributes, is_text=facts.has_text_alone(execution.messages))
        if (problem := made.news()) is not None:
            self._told.warn(problem)

    def _words(self, execution: Execution, fields: Fields, kept: Content) -> str | None:
        """Return an error's message, without what it quotes of the call unless that is wanted and kept."""
        if (self._wanted.content and kept == "full") or execution.bare_error is None:
            found: str | None = fields["error_message"]
            return found
        return self._told.redactor.redact(well_formed(execution.bare_error))

    @_never_raises
    def graded(self, result: ResultRow) -> None:
        """Tell how a case was graded: whether it passed, and each metric that its assertions name."""
        about = {names.EVALUATION_ID: result.evaluation_id, names.CASE_ID: result.case_id, names.REPEAT: result.repeat}
        about[names.SCORED_BY] = "evaluation"
        passed = {names.EVALUATION_LABEL: result.status, names.EVALUATION_EXPLANATION: result.detail.reason}
        if result.status == "error":
            passed[names.ERROR_TYPE] = result.error_type or "_OTHER"
        self._tell("passed", result.score, result.execution_id, about | passed)
        for name, score in result.detail.metrics.items():
            self._tell(name, score, result.execution_id, about)

    @_never_raises
    def scored(self, feedback: Feedback) -> None:
        """Tell of one person's feedback on a call."""
        about = {names.SCORED_BY: "feedback", names.EVALUATION_EXPLANATION: feedback.comment}
        self._tell(feedback.name, feedback.score, feedback.execution_id, about)

    def _tell(self, name: str, score: float | None, execution_id: str | None, about: Mapping[str, Any]) -> None:
        span, response_id = self._done.get(execution_id or "", (None, ""))
        attributes = {names.EVALUATION_NAME: name, names.EVALUATION_SCORE: score, **about}
        attributes |= {names.EXECUTION_ID: execution_id, names.RESPONSE_ID: response_id or None}
        words = attributes.pop(names.EVALUATION_EXPLANATION, None)
        if words and self._wanted.content:
            attributes[names.EVALUATION_EXPLANATION] = self._told.redactor.redact(well_formed(words))
        kept = {key: value for key, value in attributes.items() if value is not None}
        self._instruments().tell(names.EVALUATION_EVENT, kept, span)

    def close(self) -> None:
        """Send what is left, if promptctl sends it itself; what no collector takes within a second is lost."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None and (problem := made.close()) is not None:
            self._told.warn(problem)

    async def aclose(self) -> None:
        """`close`, on a thread."""
        import asyncio

        await asyncio.to_thread(self.close)

    def _instruments(self) -> Instruments:
        """Return the instruments of this process: a forked child shares no connection with its parent."""
        made = self._made
        if made is None or made.process_id != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made.process_id != os.getpid():
                    made = self._made = self._make()
        return made

    def _make(self) -> Instruments:
        if self._wanted.exports:
            from promptctl.telemetry.exporting import Exported

            return Exported(self._told.environ)
        from promptctl.telemetry.instruments import Instruments

        return Instruments()

    def load(self) -> None:
        """Import OpenTelemetry, which takes up to 0.3 s."""
        import_module(f"promptctl.telemetry.{'exporting' if self._wanted.exports else 'instruments'}")


class _WatchedLane:
    """A lane whose requests are told of, each within its span."""

    def __init__(self, lane: Gateway, emitter: Emitter) -> None:
        self._lane = lane
        self._emitter = emitter

    async def complete(self, request: Request) -> Reply:
        asked = self._emitter.asked(names.EMBEDDINGS if request.is_embedding else names.CHAT, request)
        if asked is None:
            return await self._lane.complete(request)
        try:
            with asked.current():
                answer = await self._lane.complete(request)
            asked.heed(answer)
            return answer
        finally:
            asked.stop()

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        asked = self._emitter.asked(names.CHAT, request, is_streamed=True)
        async with aclosing(self._lane.stream(request)) as pieces:
            try:
                # Each piece may be asked for in another context: the span is the current one only while one is awaited.
                while (piece := await _next(pieces, asked)) is not None:
                    if asked is not None:
                        asked.heed(piece)
                    yield piece
            finally:
                if asked is not None:
                    asked.stop()

    async def close(self) -> None:
        await self._lane.close()


async def _next(pieces: AsyncGenerator[Delta | Reply, None], asked: Asked | None) -> Delta | Reply | None:
    if asked is None:
        return await anext(pieces, None)
    with asked.current():
        return await anext(pieces, None)


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    """Keep a value among the newest."""
    kept[key] = value
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
