"""The attempts of one call, each made into a record for the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from promptctl import __version__
from promptctl.calls.call import Call, CallOptions, Target
from promptctl.errors import ModelError, PromptctlError
from promptctl.log.records import Execution, Status
from promptctl.log.stamps import new_id, utc_now
from promptctl.models.gateway import Reply


class Attempts:
    """The attempts of one call: one `call_id`, counted from 1, with what they cost together.

    `request` is the one under way: the call's own, or the one that asks to correct a reply.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.request = call.request
        self.number = 0
        self.waited_s = 0.0
        self._fixed = _fixed_fields(call.target, call.options) | {
            "call_id": new_id(),
            "parameters": call.request.parameters,
            "inputs": call.rendered.inputs,
        }
        self._execution_id = ""
        self._started_at = ""
        self._clock = 0.0
        self._cost: int | None = None

    def begin(self) -> None:
        """Start the next attempt."""
        self.number += 1
        self._execution_id = new_id()
        self._started_at = utc_now()
        self._clock = time.perf_counter()

    def opening(self) -> dict[str, Any]:
        """Return the metadata that a chat message carries, known before the first word of the reply."""
        return self._record("ok", {}).metadata

    def replied(self, reply: Reply, status: Status = "ok", **fields: Any) -> Execution:
        """Return the record of an attempt that brought a whole reply."""
        self._add(reply.cost_nano_usd)
        return self._record(status, _reply_fields(reply) | fields)

    def failed(self, error: BaseException, status: Status = "error") -> Execution:
        """Return the record of an attempt that failed or was cancelled, with the part of the reply that had arrived."""
        partial = error.partial if isinstance(error, ModelError) else None
        fields: dict[str, Any] = {}
        if isinstance(partial, Reply):
            fields = _reply_fields(partial)
            self._add(partial.cost_nano_usd)
        fields |= _error_fields(error)
        fields["latency_ms"] = _to_microseconds((time.perf_counter() - self._clock) * 1000)
        return self._record(status, fields)

    def summed(self, last: Execution) -> Execution:
        """Return the last attempt as the whole call's answer: with the cost of every attempt of the call."""
        is_known = last.cost_nano_usd is not None or last.reply is None
        return replace(last, cost_nano_usd=self._cost) if is_known and self.number > 1 else last

    def _add(self, cost_nano_usd: int | None) -> None:
        if cost_nano_usd is not None:
            self._cost = (self._cost or 0) + cost_nano_usd

    def _record(self, status: Status, fields: Mapping[str, Any]) -> Execution:
        return Execution(
            **self._fixed,
            **fields,
            id=self._execution_id,
            started_at=self._started_at,
            attempt=self.number,
            status=status,
            messages=self.request.messages,
        )


def refused(target: Target, inputs: Mapping[str, Any] | None, error: PromptctlError, options: CallOptions) -> Execution:
    """Return the record of a call that was refused before any request: wrong inputs, an inactive prompt, no key."""
    return Execution(
        **_fixed_fields(target, options),
        **_error_fields(error),
        id=new_id(),
        call_id=new_id(),
        started_at=utc_now(),
        inputs=inputs,
        status="blocked",
    )


def _fixed_fields(target: Target, options: CallOptions) -> dict[str, Any]:
    prompt, version = target.prompt, target.version
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
        "model": target.model,
        "provider": target.provider,
        "parameters": target.parameters,
        "user": options.user,
        "session": options.session,
        "call_metadata": {**prompt.metadata, **options.metadata},
        "evaluation_id": options.evaluation_id,
        "case_id": options.case_id,
        "repeat": options.repeat,
        "tool_version": __version__,
    }


def _error_fields(error: BaseException) -> dict[str, Any]:
    message = error.message if isinstance(error, PromptctlError) else str(error)
    return {"error_type": type(error).__name__, "error_message": message}


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
