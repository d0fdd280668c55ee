"""Turns what happened in each attempt of a call into a record for the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptctl._version import __version__
from promptctl.calls.call import Call, CallOptions
from promptctl.errors import ModelError, PromptctlError
from promptctl.log.ids import new_id
from promptctl.log.records import Execution, Status
from promptctl.log.times import utc_now
from promptctl.models.gateway import Reply, Request
from promptctl.prompts.prompt import Prompt
from promptctl.versions.version import Version


class Attempts:
    """The attempts of one call: one `call_id`, counted from 1, with what they cost together."""

    def __init__(self, call: Call) -> None:
        self.call_id = new_id()
        self.waited_s = 0.0
        self._fixed = _fixed_fields(call.prompt, call.version, call.options) | {
            "call_id": self.call_id,
            "model": call.request.model,
            "provider": call.provider,
            "parameters": call.request.parameters,
            "inputs": call.rendered.inputs,
        }
        self._attempt = 0
        self._execution_id = ""
        self._started_at = ""
        self._clock = 0.0
        self._cost: int | None = None

    def begin(self) -> str:
        """Start the next attempt and give its execution id."""
        self._attempt += 1
        self._execution_id = new_id()
        self._started_at = utc_now()
        self._clock = time.perf_counter()
        return self._execution_id

    @property
    def number(self) -> int:
        """The attempt under way, counted from 1."""
        return self._attempt

    def opening(self, request: Request) -> dict[str, Any]:
        """The metadata that a chat message carries, known before the first word of the reply."""
        return self._record(request, "ok", {}).metadata

    def replied(self, request: Request, reply: Reply, status: Status, output: Any = None) -> Execution:
        """The record of an attempt that brought a whole reply."""
        self._add(reply.cost_nano_usd)
        return self._record(request, status, _reply_fields(reply) | {"output": output})

    def failed(self, request: Request, error: BaseException, status: Status = "error") -> Execution:
        """The record of an attempt that failed or was cancelled, with whatever of the reply had arrived."""
        partial = error.partial if isinstance(error, ModelError) else None
        fields = _reply_fields(partial) if isinstance(partial, Reply) else {}
        if isinstance(partial, Reply):
            self._add(partial.cost_nano_usd)
        fields |= {
            "error_type": type(error).__name__,
            "error_message": error.message if isinstance(error, PromptctlError) else str(error),
            "latency_ms": _to_microseconds((time.perf_counter() - self._clock) * 1000),
        }
        return self._record(request, status, fields)

    def invalid(self, request: Request, reply: Reply, problems: tuple[str, ...]) -> Execution:
        """The record of a reply that does not fit the output schema."""
        record = self.replied(request, reply, "invalid_output")
        return replace(record, error_type="InvalidOutput", error_message="; ".join(problems))

    def summed(self, last: Execution) -> Execution:
        """The last attempt as the whole call's answer: with the cost of every attempt of the call."""
        is_known = last.cost_nano_usd is not None or last.reply is None
        return replace(last, cost_nano_usd=self._cost) if is_known and self._attempt > 1 else last

    def _add(self, cost_nano_usd: int | None) -> None:
        if cost_nano_usd is not None:
            self._cost = (self._cost or 0) + cost_nano_usd

    def _record(self, request: Request, status: Status, fields: Mapping[str, Any]) -> Execution:
        return Execution(
            **self._fixed,
            **fields,
            id=self._execution_id,
            started_at=self._started_at,
            attempt=self._attempt,
            status=status,
            messages=request.messages,
        )


def refused(
    prompt: Prompt,
    version: Version,
    model: str,
    inputs: Mapping[str, Any] | None,
    error: PromptctlError,
    options: CallOptions,
) -> Execution:
    """The record of a call that was refused before any request: wrong inputs, an inactive prompt, no budget."""
    return Execution(
        **_fixed_fields(prompt, version, options),
        id=new_id(),
        call_id=new_id(),
        started_at=utc_now(),
        model=model,
        provider=model.partition("/")[0],
        parameters=prompt.parameters,
        inputs=inputs,
        status="blocked",
        error_type=type(error).__name__,
        error_message=error.message,
    )


def _fixed_fields(prompt: Prompt, version: Version, options: CallOptions) -> dict[str, Any]:
    return {
        "source": options.source,
        "prompt": prompt.id,
        "prompt_name": prompt.name,
        "digest": version.digest,
        "version": version.number,
        "version_display": version.display,
        "commit": version.commit,
        "is_dirty": version.is_dirty,
        "label": version.label,
        "content_type": options.content_type or prompt.metadata.get("content_type"),
        "user": options.user,
        "session": options.session,
        "call_metadata": {**prompt.metadata, **options.metadata},
        "evaluation_id": options.evaluation_id,
        "case_id": options.case_id,
        "repeat": options.repeat,
        "tool_version": __version__,
    }


def _reply_fields(reply: Reply) -> dict[str, Any]:
    return {
        "model_resolved": reply.model,
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "reasoning_tokens": reply.usage.reasoning_tokens,
        "cost_nano_usd": reply.cost_nano_usd,
        "price_source": reply.price_source,
        "latency_ms": _to_microseconds(reply.latency_ms),
        "first_token_ms": _to_microseconds(reply.first_token_ms),
        "finish_reason": reply.finish_reason,
        "reply_source": reply.source,
        "full_cost_nano_usd": reply.full_cost_nano_usd,
        "reply": reply.text,
        "tool_calls": reply.tool_calls,
    }


def _to_microseconds(time_ms: float | None) -> float | None:
    return None if time_ms is None else round(time_ms, 3)
