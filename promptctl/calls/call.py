"""One call and its attempts: what is asked, of which model, and the record of each attempt for the log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promptctl import __version__
from promptctl.errors import (
    Cancelled,
    InputError,
    ModelConfigurationError,
    ModelError,
    Place,
    PromptctlError,
    RenderError,
    UsageError,
)
from promptctl.files.names import SETTINGS
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.formats.schemas import structure_of
from promptctl.formats.settings_file import sent_parameters
from promptctl.log.records import Content, Drawn, Execution, Source, Status
from promptctl.log.stamps import new_id, utc_now
from promptctl.models.gateway import Reply, Request
from promptctl.models.model_settings import Models, ModelSettings, RetryPolicy
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.prompt_at_version import Version

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.log.masking import Mask
    from promptctl.models.reply_format import ReplyFormats

Piece = dict[str, Any] | str | Execution
"""An item of a streamed call: its metadata, a piece of text, or the record that ends it."""

# Attempts of a call among many at once that is only told to come back later.
_MANY_REFUSALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Details that a caller adds to a call; the model sees none of them.

    `log` is how much the log keeps of this call: `full`, `metadata` or `off`; with None its rules say so. `on_retry` is
    told each time that the model is asked again: which attempt that is, and why. `mask` hides values of sensitive
    inputs in what is stored. `drawn` is the arm of an experiment that the call got. `check` returns what is wrong with
    a reply that fits the output schema; the model is then asked again as for one that does not. `on_reply` sees each
    request with its whole reply.
    """

    source: Source = "api"
    user: str | None = None
    session: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    log: Content | None = None
    evaluation_id: str | None = None
    case_id: str | None = None
    repeat: int | None = None
    on_retry: Callable[[str], object] | None = None
    mask: Mask | None = field(default=None, repr=False)
    drawn: Drawn | None = None
    check: Callable[[Any], Sequence[str]] | None = None
    on_reply: Callable[[Request, Reply], object] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A prompt at a version and the model that is asked, with everything that a request to it needs.

    `parameters` are all that are sent, as `merge_parameters` makes them. `formats` are the forms of a reply that the
    model takes, None for any. With `drops_reasoning` a reply loses the block of reasoning that it begins with.
    `server` tells apart servers that answer to the same model's id.
    """

    prompt: Prompt
    version: Version
    model: str
    provider: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    formats: ReplyFormats | None = None
    drops_reasoning: bool = False
    server: str = ""

    def by(self, settings: ModelSettings, **changes: Any) -> Target:
        """Return the target as the model's settings say that it is asked, but for the changes."""
        said = {name: getattr(settings, name) for name in ("provider", "timeout_s", "retry", "drops_reasoning")}
        return replace(self, **said | changes)

    def request(self, rendered: Rendered, *, repeat: int = 0) -> Request:
        """Return the request that sends these messages to the model."""
        messages: Sequence[Mapping[str, Any]] = rendered.messages
        response_format: Mapping[str, Any] | None = self.prompt.declared_response_format
        declared = messages, response_format
        if self.formats is not None:
            messages, response_format = self.formats.asked(messages, response_format)
        return Request(
            model=self.model,
            messages=messages,
            parameters=self.parameters,
            tools=self.prompt.tools,
            response_format=response_format,
            timeout_s=self.timeout_s,
            repeat=repeat,
            declared=None if messages is declared[0] else declared,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is ready to be made."""

    target: Target
    rendered: Rendered
    request: Request
    options: CallOptions = field(default_factory=CallOptions)


def merge_parameters(model: Mapping[str, Any], prompt: Prompt, call: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the parameters to send: the model's from the settings, the prompt's over them, the call's over both.

    Raises `UsageError` for one of the call that no file could have; with None a call leaves one out.
    """
    if call:
        _check_parameters({name: value for name, value in call.items() if value is not None})
    return sent_parameters(model, prompt.parameters, call or {})


def _check_parameters(given: Mapping[str, Any]) -> None:
    try:
        found = structure_of("prompt", "parameters").check_data(plain(given, Measure()), Place("parameters"))
    except NotPlain as error:
        raise UsageError(f"parameters cannot be sent: {error}") from None
    for problem in found:
        raise UsageError(f"parameters: {problem.message}", hint=problem.hint)


def make_target(
    context: Context,
    prompt: Prompt,
    version: Version,
    model: str | None,
    *,
    parameters: Mapping[str, Any] | None = None,
    needs_key: bool = True,
) -> Target:
    """Return the target of many calls, as evaluations make them; `parameters` win over the prompt's own.

    Without `needs_key` the model is not asked itself: its replies come from recordings, or nothing is asked.
    Raises `ModelConfigurationError` if there is no model, or its provider or its key is missing, and `InvalidFiles` if
    a schema of the prompt is none.
    """
    check_schemas(context, prompt)
    if model is None:
        raise ModelConfigurationError(
            f"{prompt.id} names no model, and {SETTINGS} has no default",
            hint="give --model, or set `model:` there",
        )
    is_replay = model.startswith("replay/")
    settings = context.models.settings_of(model if needs_key or is_replay else f"replay/{model}")
    provider = settings.provider if needs_key or is_replay else model.partition("/")[0]
    sent = merge_parameters(settings.parameters, prompt, parameters)
    # With many cases at once, being asked to come back later is no failure yet; what the user set stands.
    retry = replace(settings.retry, max_refusals=_MANY_REFUSALS) if settings.retry == RetryPolicy() else settings.retry
    formats, server = formats_for(context, prompt, model), settings.endpoint.server
    target = Target(prompt, version, model, provider, sent, formats=formats, server=server)
    return target.by(settings, provider=provider, retry=retry)


def check_schemas(context: Context, prompt: Prompt) -> None:
    """Raise `InvalidFiles` if a schema of the prompt is no JSON Schema: nothing is asked with it."""
    if prompt.output.schema is not None or prompt.tools:
        from promptctl.prompts.unsound import SoundPrompts

        context.kept(SoundPrompts).check(prompt)


def formats_for(context: Context, prompt: Prompt, model: str) -> ReplyFormats | None:
    """Return the forms of a reply that the model takes; None for a prompt that declares none."""
    return None if prompt.declared_response_format is None else context.models.formats_of(model)


def masking(context: Context, prompt: Prompt, inputs: Mapping[str, Any], options: CallOptions) -> CallOptions:
    """Return the options with the mask of what is sensitive of these inputs, if anything is."""
    if not prompt.sensitive:
        return options
    from promptctl.log.masking import Mask

    return replace(options, mask=Mask.of(context.state_folder, prompt, inputs, options.mask))


_SUMMED = ("cost_nano_usd", "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class Attempts:
    """The attempts of one call: one `call_id`, counted from 1, with what they cost together.

    `request` is the one under way: the call's own, or the one that asks to correct a reply, which is then `unfit`.
    `last` is the record of the last attempt that was sent, None before. `spent` is what the call has spent so far of
    each budget for one call. `received` is the text of a stream that came so far, `process` the one that asks.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.request = call.request
        if (mask := call.options.mask) is not None:
            stored = call.rendered.stored
            self._stored = None if stored is None else _sent(call.target, stored)
            if stored is not None:
                mask.learn(call.rendered.messages, stored)
            self.request = replace(call.request, mask=mask.storing(stored))
        self.number = 0
        self.waited_s = 0.0
        self.unfit: Execution | None = None
        self.last: Execution | None = None
        self.spent: dict[str, int] = {}
        self._fixed = _fixed_fields(call.target, call.options) | {
            "call_id": new_id(),
            "parameters": call.request.parameters,
            "inputs": call.rendered.inputs,
        }
        self.execution_id = ""
        self.received: list[str] = []
        self.process = 0
        self.beside: dict[Attempts, Any] = {}
        self._started_at = ""
        self._clock = 0.0
        self._sums: dict[str, int] = {}
        self._has_untold = False
        self._opened: dict[str, Any] | None = None

    def begin(self) -> None:
        """Start the next attempt."""
        self.number += 1
        self.execution_id = new_id()
        self.received = []
        self.process = os.getpid()
        self._started_at = utc_now()
        self._clock = time.perf_counter()
        ASKING.set(self)

    def opening(self) -> dict[str, Any]:
        """Return the metadata that a chat message carries: whole but for time, tokens and cost, which the end adds."""
        self._opened = self._record("ok", {}).metadata
        return self._opened

    def replied(self, reply: Reply, status: Status = "ok", **fields: Any) -> Execution:
        """Return the record of an attempt that brought a whole reply."""
        return self._complete(self._record(status, _reply_fields(reply) | fields))

    def failed(self, error: BaseException, status: Status = "error", *, models: Models | None = None) -> Execution:
        """Return the record of an attempt that failed or was cancelled, with the part of the reply that had arrived.

        With `models` tokens that nobody counted are estimated.
        """
        partial = error.partial if isinstance(error, ModelError) else None
        if partial is None and self.received:
            partial = Reply("".join(self.received), "", self.call.target.provider)
        if isinstance(partial, Reply) and models is not None and partial.usage.output_tokens is None:
            from promptctl.models.aborted import with_estimate

            partial = with_estimate(models, self.request, partial, self._started_at)
        fields: dict[str, Any] = _reply_fields(partial) if isinstance(partial, Reply) else {}
        if not fields and isinstance(error, ModelError) and error.is_unbilled:
            fields["cost_nano_usd"] = 0
        fields |= _error_fields(error)
        if not isinstance(error, Cancelled):  # that is said whenever somebody finds out
            begun = (error.asked_at if isinstance(error, ModelError) else None) or self._clock
            fields["latency_ms"] = _to_microseconds((time.perf_counter() - begun) * 1000)
        return self._complete(self._record(status, fields))

    def blocked(self, error: PromptctlError) -> Execution:
        """Return the record of an attempt that was not sent.

        After others it is one more of a call that was, and cost nothing.
        """
        told = {"error_type": type(error).__name__, "error_message": str(error)}
        return self._record("blocked", told | ({"cost_nano_usd": 0} if self.number > 1 else {}))

    def summed(self, last: Execution) -> Execution:
        """Return the last attempt as the whole call's answer: with the tokens and cost of every attempt of the call."""
        if self.number == 1:
            return last
        known: dict[str, Any] = {name: n for name, n in self._sums.items() if _is_known(last, name)}
        if self._has_untold:  # that a refusal cost nothing tells nothing of other attempts
            known.setdefault("cost_nano_usd", None)
        return replace(last, **known)

    def _complete(self, record: Execution) -> Execution:
        """Add up what the call took; complete the metadata that a stream handed out, before more may be cancelled."""
        for name in _SUMMED:
            number = getattr(record, name)
            if number or (number is not None and record.reply is not None):
                self._sums[name] = self._sums.get(name, 0) + number
        self._has_untold |= record.cost_nano_usd is None
        self.last = record
        if self._opened is not None:
            self._opened.update(self.summed(record).metadata)
        return record

    def _record(self, status: Status, fields: Mapping[str, Any]) -> Execution:
        messages, mask = self.request.messages, self.call.options.mask
        if mask is not None and self._stored is not None:
            added = messages[len(self.call.request.messages) :]  # those that ask for a correction
            mask = mask.storing([*self._stored, *mask.conversation(added)])
        return Execution(
            **self._fixed,
            **fields,
            id=self.execution_id,
            started_at=self._started_at,
            attempt=self.number,
            status=status,
            messages=messages,
            mask=mask,
        )


def _sent(target: Target, stored: tuple[dict[str, Any], ...]) -> Sequence[Mapping[str, Any]]:
    return target.request(Rendered(stored, {})).messages


ASKING: ContextVar[Attempts] = ContextVar("asking")
"""The call whose attempt a request is, for what stands before a gateway."""


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
        mask=options.mask,
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
        "keeps": options.log,
        **(options.drawn._asdict() if options.drawn is not None else {}),
    }


def _error_fields(error: BaseException) -> dict[str, Any]:
    message = error.message if isinstance(error, PromptctlError) else str(error)
    return {"error_type": type(error).__name__, "error_message": message, "bare_error": _bare(error)}


def _bare(error: BaseException) -> str | None:
    """Return an error's message without what it quotes of inputs or of a server's answer; None if it quotes nothing."""
    if isinstance(error, ModelError):
        return error.message.replace(error.detail, "…") if error.detail else None
    if isinstance(error, InputError):
        return f"wrong inputs: {', '.join(error.names)}" if error.names else "wrong inputs"
    return "a template failed" if isinstance(error, RenderError) else None


def _is_known(last: Execution, name: str) -> bool:
    """Return True if a sum over attempts is not short of what the reply took."""
    return getattr(last, name) is not None or last.reply is None


def _reply_fields(reply: Reply) -> dict[str, Any]:
    return {
        "model_resolved": reply.model or None,
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "cached_tokens": reply.usage.cached_tokens,
        "reasoning_tokens": reply.usage.reasoning_tokens,
        "usage_details": reply.usage_details,
        "cost_nano_usd": reply.cost_nano_usd,
        "price_source": reply.price_source,
        "latency_ms": _to_microseconds(reply.latency_ms),
        "first_token_ms": _to_microseconds(reply.first_token_ms),
        "finish_reason": reply.finish_reason,
        "reply_source": reply.source,
        "full_cost_nano_usd": reply.full_cost_nano_usd,
        "reply": reply.text,
        "tool_calls": reply.tool_calls,
        "reasoning": reply.reasoning or None,
    }


def _to_microseconds(time_ms: float | None) -> float | None:
    return None if time_ms is None else round(time_ms, 3)
