"""Makes one call: ask, retry what can be retried, validate, ask again, and record every attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from promptctl.calls.attempts import Attempts
from promptctl.calls.call import Call
from promptctl.calls.output import Checked, OutputCheck, correction
from promptctl.errors import InvalidOutput, ModelError
from promptctl.log.records import Content, Execution
from promptctl.models.gateway import Delta, Gateway, Reply, Request
from promptctl.models.retries import decide

Sleep = Callable[[float], Any]
_KEPT_CHECKS = 256


class Recorder(Protocol):
    """Where the record of each attempt goes. Neither method raises for a log that cannot be written."""

    async def save(self, execution: Execution, content: Content | None) -> None:
        """Record one attempt; returns once it is durable, or handed to a batch that will be."""

    def save_now(self, execution: Execution, content: Content | None) -> None:
        """The same without waiting for anything else: for a call that is being cancelled."""


class Runner:
    """Makes calls through one gateway and records them with one recorder; safe for many calls at once.

    `on_reply` sees each request with its whole reply, as `--record` needs them.
    """

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        *,
        on_reply: Callable[[Request, Reply], object] | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._on_reply = on_reply
        self._sleep = sleep
        self._checks: dict[str, OutputCheck] = {}

    async def run(self, call: Call) -> Execution:
        """Make the call and give its last attempt, with the cost of all attempts.

        Raises `ModelError` when the provider failed for good and `InvalidOutput` when the reply never fitted the
        output schema; the error's `execution` is the last attempt either way.
        """
        attempts = Attempts(call)
        request = call.request
        repairs_left = call.prompt.output.retries
        while True:
            reply = await self._ask(call, request, attempts)
            checked = self._checked(call, reply)
            if not checked.problems:
                return await self._finished(call, request, reply, checked, attempts)
            record = attempts.invalid(request, reply, checked.problems)
            await self._recorder.save(record, call.options.log)
            if repairs_left == 0:
                raise _invalid(call, attempts.summed(record), checked)
            repairs_left -= 1
            request = _corrected(request, reply, checked)

    async def stream(self, call: Call) -> AsyncGenerator[dict[str, Any] | str | Execution, None]:
        """The call as it arrives: first the chat message's metadata, then pieces of text, last the `Execution`.

        Asked again only while nothing has been given out. A reply that does not fit the output schema raises
        `InvalidOutput` at the end. A consumer that stops early leaves a record with status `cancelled`.
        """
        attempts = Attempts(call)
        request = call.request
        while True:
            attempts.begin()
            received: list[str] = []
            is_open = False
            try:
                async with aclosing(self._gateway.stream(request)) as pieces:
                    async for piece in pieces:
                        if not is_open:
                            # Only now is it known which attempt brings the reply, and so whose id to hand out.
                            is_open = True
                            yield attempts.opening(request)
                        if isinstance(piece, Delta):
                            received.append(piece.text)
                            yield piece.text
                        else:
                            reply = piece
                break
            except ModelError as error:
                delay = None if is_open else self._delay(call, attempts, error)
                await self._failed(call, request, attempts, error, is_last=delay is None)
                await self._sleep(delay or 0)
            except (asyncio.CancelledError, GeneratorExit) as error:
                self._cancelled(call, request, attempts, "".join(received), error)
                raise
        if self._on_reply is not None:
            self._on_reply(request, reply)
        checked = self._checked(call, reply)
        if checked.problems:
            record = attempts.invalid(request, reply, checked.problems)
            await self._recorder.save(record, call.options.log)
            raise _invalid(call, record, checked)
        yield await self._finished(call, request, reply, checked, attempts)

    async def _ask(self, call: Call, request: Request, attempts: Attempts) -> Reply:
        """One whole reply, asking again while the error and the policy allow it.

        A cancellation meanwhile has a note of what the last attempt failed of, where one did.
        """
        failed: ModelError | None = None
        try:
            while True:
                attempts.begin()
                try:
                    reply = await self._gateway.complete(request)
                except ModelError as error:
                    failed = error
                    delay = self._delay(call, attempts, error)
                    await self._failed(call, request, attempts, error, is_last=delay is None)
                    await self._sleep(delay or 0)
                except asyncio.CancelledError as error:
                    self._cancelled(call, request, attempts, "", error)
                    raise
                else:
                    if self._on_reply is not None:
                        self._on_reply(request, reply)
                    return reply
        except asyncio.CancelledError as error:
            if failed is not None:
                error.add_note(f"the last attempt: {failed.message}")
            raise

    async def _finished(
        self, call: Call, request: Request, reply: Reply, checked: Checked, attempts: Attempts
    ) -> Execution:
        record = attempts.replied(request, reply, "ok", checked.value)
        await self._recorder.save(record, call.options.log)
        return attempts.summed(record)

    async def _failed(
        self, call: Call, request: Request, attempts: Attempts, error: ModelError, *, is_last: bool
    ) -> None:
        record = attempts.failed(request, error)
        await self._recorder.save(record, call.options.log)
        if is_last:
            error.execution = attempts.summed(record)
            raise error

    def _cancelled(self, call: Call, request: Request, attempts: Attempts, received: str, error: BaseException) -> None:
        record = attempts.failed(request, error, status="cancelled")
        if received:
            record = replace(record, reply=received)
        self._recorder.save_now(record, call.options.log)

    def _delay(self, call: Call, attempts: Attempts, error: ModelError) -> float | None:
        """Seconds to wait before asking again; None to give up, and then the error says why."""
        decision = decide(error, attempts.number, call.retry, waited_s=attempts.waited_s)
        if decision.delay_s is not None:
            attempts.waited_s += decision.delay_s
        elif error.is_retryable:
            error.hint = error.hint or f"gave up: {decision.reason}"
        return decision.delay_s

    def _checked(self, call: Call, reply: Reply) -> Checked:
        check = self._checks.get(call.version.digest)
        if check is None:
            if len(self._checks) >= _KEPT_CHECKS:
                self._checks.clear()
            check = self._checks[call.version.digest] = OutputCheck(call.prompt.output)
        if reply.tool_calls and not reply.text:
            return Checked()
        return check.check(reply.text)


def _corrected(request: Request, reply: Reply, checked: Checked) -> Request:
    said = {"role": "assistant", "content": reply.text}
    return replace(
        request, messages=[*request.messages, said, {"role": "user", "content": correction(checked.problems)}]
    )


def _invalid(call: Call, record: Execution, checked: Checked) -> InvalidOutput:
    error = InvalidOutput(
        f"the reply of {call.request.model} does not fit the output schema of {call.prompt.id}: "
        + "; ".join(checked.problems[:3]),
        hint=f"the raw reply is kept: promptctl log show {record.id}",
    )
    error.execution = record
    return error
