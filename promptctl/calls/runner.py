"""Makes one call: ask, retry what can be retried, validate, ask again, and record every attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from promptctl.calls.call import Attempts, Call, Piece
from promptctl.calls.loop import UnderWay, under_way_of
from promptctl.errors import BudgetReached, CostLimitReached, InvalidOutput, ModelError, PromptctlError
from promptctl.log.call_totals import reply_kept
from promptctl.log.records import Content, Execution
from promptctl.models.gateway import Delta, Gateway, Reply, Request
from promptctl.schemas.json_schema import Validator

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.models.model_settings import Models
    from promptctl.models.reading import AfterReasoning
    from promptctl.telemetry.emitting import Emitter

T = TypeVar("T")
Sleep = Callable[[float], Any]
OnReply = Callable[[Request, Reply], object]
Prepare = Callable[["Context"], "list[Call]"]
_KEPT_VALIDATORS = 256
# What nearly all replies end with, so that nothing more need be loaded to read them.
_WHOLE = frozenset({None, "stop", "tool_calls"})


class Recorder(Protocol):
    """The place that the record of each attempt goes to. No method raises for a log that cannot be written."""

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt; returns once it is durable, or handed to a batch that will be."""

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt without waiting for anything: for a call that is being cancelled, or was refused."""

    async def written(self) -> None:
        """Return once what `save_now` got is durable, or handed to a batch that will be."""


class Runner:
    """Makes calls through one gateway and records them with one recorder; safe for many calls at once.

    `on_reply` sees each request with its whole reply, as `--record` needs them. By `models` a reply that broke off
    before its tokens were counted is priced. `watch` is told of each attempt. `under_way` are those without a record.
    """

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        *,
        on_reply: OnReply | None = None,
        models: Models | None = None,
        sleep: Sleep = asyncio.sleep,
        watch: Emitter | None = None,
        under_way: UnderWay | None = None,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._on_reply = on_reply
        self._models = models
        self._sleep = sleep
        self._watch = watch
        self._under_way = under_way or UnderWay()
        self._validators: dict[str, Validator] = {}

    async def run(self, call: Call) -> Execution:
        """Make the call and return its last attempt, with the tokens and cost of all attempts.

        Raises `ModelError` when the provider failed for good and `InvalidOutput` when the reply never fitted the
        output schema; the error's `execution` is the last attempt either way. Without a schema a reply that was cut or
        withheld is returned, with the status `invalid_output` and why.
        """
        with self._under_way.until_ended(attempts := Attempts(call)):
            repairs_left = call.target.prompt.output.retries
            while True:
                reply = _shown(call, await self._ask(attempts))
                value, fault = self._read(call, reply)
                if fault is None or not fault.problems or repairs_left == 0:
                    return await self._finished(attempts, reply, value, fault)
                attempts.unfit = await self._save(attempts, reply, fault)
                repairs_left -= 1
                why = "did not fit the schema" if call.options.check is None else "cannot be used"
                _tell_retry(attempts, f"attempt {attempts.number + 1}: the reply {why}: {fault.problems[0]}")
                from promptctl.calls.output import corrected

                attempts.request = corrected(call, attempts.request, reply, fault.problems)

    async def stream(self, call: Call) -> AsyncGenerator[Piece, None]:
        """Yield the call as it arrives: first the chat message's metadata, then pieces of text, last the `Execution`.

        Asked again only while nothing was yielded. A reply that does not fit the output schema raises `InvalidOutput`
        at the end. A consumer that stops early leaves a record with status `cancelled`.
        """
        with self._under_way.until_ended(attempts := Attempts(call)):
            while True:
                self._begin(attempts)
                is_open = False
                show = _shower(call)
                try:
                    async with aclosing(self._gateway.stream(attempts.request)) as pieces:
                        async for piece in pieces:
                            if not is_open:
                                # Only now is it known which attempt brings the reply, and so whose id to hand out.
                                is_open = True
                                yield attempts.opening()
                            if isinstance(piece, Delta):
                                attempts.received.append(piece.text)
                                if text := piece.text if show is None else show.pass_on(piece.text):
                                    yield text
                            else:
                                reply = piece
                    self._tell_reply(attempts, reply)
                    if show is not None and (text := show.finish()):
                        yield text
                    break
                except BaseException as error:
                    await self._ended(attempts, error, is_final=is_open)
            reply = _shown(call, reply)
            yield await self._finished(attempts, reply, *self._read(call, reply))

    async def _ask(self, attempts: Attempts) -> Reply:
        """Return one whole reply, asking again while the error and the policy allow it.

        A cancellation meanwhile carries a note of why the last attempt failed, if it did.
        """
        failed: ModelError | None = None
        try:
            while True:
                self._begin(attempts)
                try:
                    reply = await self._gateway.complete(attempts.request)
                except BaseException as error:
                    failed = error if isinstance(error, ModelError) else failed
                    await self._ended(attempts, error)
                else:
                    self._tell_reply(attempts, reply)
                    return reply
        except asyncio.CancelledError as error:
            if failed is not None:
                error.add_note(f"the last attempt: {failed.message}")
            raise

    async def _finished(self, attempts: Attempts, reply: Reply, value: Any, fault: InvalidOutput | None) -> Execution:
        record = attempts.summed(await self._save(attempts, reply, fault, value))
        if fault is not None and attempts.call.target.prompt.output.schema is not None:
            fault.hint = fault.hint or "; ".join(filter(None, (reply_kept(record), _in_words(attempts.call)))) or None
            fault.execution = record
            _hide(attempts, fault)
            raise fault
        return record

    async def _save(
        self, attempts: Attempts, reply: Reply, fault: InvalidOutput | None, value: Any = None
    ) -> Execution:
        if fault is None:
            record = attempts.replied(reply, output=value)
        else:
            words = "; ".join(fault.problems) or fault.message
            bare = None
            if fault.problems:
                bare = "the reply does not fit the output schema"
            elif fault.message.endswith(reply.text):
                bare = fault.message.removesuffix(reply.text).rstrip(": ")
            record = attempts.replied(
                reply,
                "invalid_output",
                error_type=type(fault).__name__,
                error_message=words,
                bare_error=bare,
            )
        await self._record(attempts, record)
        return record

    def _begin(self, attempts: Attempts) -> None:
        self._under_way.begin(attempts, self._cancel)
        if self._watch is not None:
            self._watch.begin(attempts.execution_id, attempts.call.target.prompt.id, attempts.call.options.log)

    async def _record(self, attempts: Attempts, record: Execution) -> None:
        if not self._under_way.end(attempts):
            return
        if self._watch is not None:
            self._watch.end(record, attempts.call.options.log)
        await self._recorder.save(record, attempts.call.options.log)

    async def _ended(self, attempts: Attempts, error: BaseException, *, is_final: bool = False) -> None:
        """Record the attempt that an error has ended, and raise the error unless the model is to be asked again."""
        if isinstance(error, ModelError):
            await self._wait_after(attempts, error, is_final=is_final)
            return
        if isinstance(error, CostLimitReached):
            await self._blocked(attempts, error)
        else:
            await self._cancelled(attempts, error)
        raise error

    async def _wait_after(self, attempts: Attempts, error: ModelError, *, is_final: bool) -> None:
        """Record the failed attempt and wait until the next; raise the error if there is none."""
        from promptctl.calls.retries import decide

        _hide(attempts, error)
        delay_s, reason = decide(error, attempts.number, attempts.call.target.retry, waited_s=attempts.waited_s)
        record = attempts.failed(error, models=self._models)
        await self._record(attempts, record)
        if is_final or delay_s is None:
            if error.is_retryable and not is_final:
                error.hint = error.hint or f"gave up: {reason}"
            error.execution = attempts.summed(record)
            raise error
        _tell_retry(attempts, f"{reason}: {error.message}")
        attempts.waited_s += delay_s
        await self._sleep(delay_s)

    async def _blocked(self, attempts: Attempts, error: CostLimitReached) -> None:
        """Record an attempt that a budget does not admit; a reply that was paid for before reaches the caller.

        A limit of one command leaves no record of its own.
        """
        record = attempts.last
        if isinstance(error, BudgetReached):
            record = attempts.blocked(error)
            await self._record(attempts, record)
        else:
            self._under_way.end(attempts)
        if record is not None:
            error.execution = attempts.summed(attempts.unfit or record)

    async def _cancelled(self, attempts: Attempts, error: BaseException) -> None:
        """Record an attempt that its task's end, or that of its loop, has cut off; of a bug there is no record."""
        if self._under_way.end(attempts) and not isinstance(error, Exception):
            self._cancel(attempts, error)
        if isinstance(error, asyncio.CancelledError):  # what else ends a coroutine lets it wait for nothing
            await self._recorder.written()

    def _cancel(self, attempts: Attempts, error: BaseException) -> None:
        record = attempts.failed(error, "cancelled", models=self._models)
        if self._watch is not None:
            self._watch.end(record, attempts.call.options.log)
        self._recorder.save_now(record, attempts.call.options.log)

    def _tell_reply(self, attempts: Attempts, reply: Reply) -> None:
        for tell in filter(None, (self._on_reply, attempts.call.options.on_reply)):
            tell(attempts.request, reply)

    def _read(self, call: Call, reply: Reply) -> tuple[Any, InvalidOutput | None]:
        """Return the reply as data if the prompt asks for it, and what is wrong with the reply, if anything is."""
        prompt = call.target.prompt
        schema = prompt.output.schema
        if schema is None and reply.finish_reason in _WHOLE and reply.text and not reply.text.isspace():
            return None, None
        from promptctl.models.reading import shortfall

        short = shortfall(call.request, reply, wants_data=schema is not None)
        if schema is None or short is not None:
            return None, short
        from promptctl.calls.output import check_output

        validator = self._validators.get(call.target.version.digest)
        if validator is None:
            if len(self._validators) >= _KEPT_VALIDATORS:
                self._validators.clear()
            validator = self._validators[call.target.version.digest] = Validator(schema)
        value, problems = check_output(reply, validator, prompt.tools)
        misfit = f"the reply of {call.request.model} does not fit the output schema of {prompt.id}: "
        if not problems and call.options.check is not None:
            problems = tuple(call.options.check(value))
            misfit = f"the reply of {call.request.model} to {prompt.id} cannot be used: "
        if not problems:
            return value, None
        return None, InvalidOutput(misfit + "; ".join(problems[:3]), problems=problems)


async def prepared(context: Context, prepare: Callable[[Context], T]) -> T:
    """Return what is prepared. A refusal is in the log before it is raised."""
    try:
        return prepare(context)
    except PromptctlError as error:
        if error.execution is not None:
            await context.recorder.written()
        raise


def runner_of(context: Context, gateway: Gateway, on_reply: OnReply | None = None) -> Runner:
    """Return a runner that records in the workspace's log; what is left of its calls is in `under_way_of`."""
    return Runner(
        gateway,
        context.recorder,
        on_reply=on_reply,
        models=context.models,
        watch=context.telemetry,
        under_way=under_way_of(context),
    )


class Runners:
    """The runner of an open workspace's calls, and the one that budgets guard from the first call on that finds any."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.under_way = under_way_of(context)
        self._recording: dict[str, OnReply] = {}

    async def run(self, options: Mapping[str, object], prepare: Prepare) -> Execution:
        """Make the first call that is prepared, and each further one if the provider of the one before failed for good.

        Of the options of a run, `record` counts here.
        """
        calls, runner = await self._prepared(options, prepare)
        if len(calls) == 1:
            return await runner.run(calls[0])
        from promptctl.calls.fallbacks import run_first

        return await run_first(runner.run, calls)

    async def stream(self, options: Mapping[str, object], prepare: Prepare) -> AsyncGenerator[Piece, None]:
        """Return a generator of what `run` would return, as it arrives."""
        calls, runner = await self._prepared(options, prepare)
        if len(calls) == 1:
            return runner.stream(calls[0])
        from promptctl.calls.fallbacks import stream_first

        return stream_first(runner.stream, calls)

    async def _prepared(self, options: Mapping[str, object], prepare: Prepare) -> tuple[list[Call], Runner]:
        context = self._context.for_call()
        calls = await prepared(context, prepare)
        if options.get("record"):
            from promptctl.calls.recording import reply_recording

            prompt_id = calls[0].target.prompt.id
            on_reply = self._recording.get(prompt_id) or reply_recording(context, prompt_id)
            self._recording[prompt_id] = on_reply  # it has read the file
            calls = [replace(call, options=replace(call.options, on_reply=on_reply)) for call in calls]
        is_guarded = "_guarded" in self.__dict__ or bool(context.settings_now.budgets)
        return calls, self._guarded if is_guarded else self._plain

    @cached_property
    def _plain(self) -> Runner:
        return runner_of(self._context, self._context.gateway)

    @cached_property
    def _guarded(self) -> Runner:
        from promptctl.calls.spending import SpendingGateway

        return runner_of(self._context, SpendingGateway(self._context, self._context.gateway))


def _shown(call: Call, reply: Reply) -> Reply:
    """Return the reply as the model's rule wants it shown: without its reasoning, or as it is."""
    if not call.target.drops_reasoning:
        return reply
    from promptctl.models.reading import without_reasoning

    return replace(reply, text=without_reasoning(reply.text))


def _shower(call: Call) -> AfterReasoning | None:
    if not call.target.drops_reasoning:
        return None
    from promptctl.models.reading import AfterReasoning

    return AfterReasoning()


def _tell_retry(attempts: Attempts, words: str) -> None:
    mask, tell = attempts.call.options.mask, attempts.call.options.on_retry
    if tell is not None:
        tell(words if mask is None else mask.text(words))


def _hide(attempts: Attempts, error: PromptctlError) -> None:
    """Leave what is sensitive out of an error, which may be printed anywhere."""
    mask = attempts.call.options.mask
    if mask is not None:
        error.hide(mask.text)


def _in_words(call: Call) -> str:
    formats = call.target.formats
    if formats is None or formats.has_schema:
        return ""
    return (
        "the schema was asked for in words: if the model takes schemas, set `supports_schema: true` under "
        "`models:` in promptctl.yaml"
    )
