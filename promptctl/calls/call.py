"""One call: a prompt at a version, the model asked, the request, what to record with it, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import ModelConfigurationError, ModelTimeout, PromptctlError, ProviderUnreachable
from promptctl.files.names import SETTINGS
from promptctl.log.records import Content, Execution, Source
from promptctl.models.gateway import Request
from promptctl.models.model_settings import RetryPolicy
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.prompt_at_version import Version

if TYPE_CHECKING:
    from promptctl.context import Context

# Attempts of a call among many at once that is only told to come back later.
_MANY_REFUSALS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Details that a caller adds to a call; the model sees none of them.

    `log` overrides the workspace's log rules for this call: `full`, `metadata` or `off`.
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


@dataclass(frozen=True, slots=True)
class Target:
    """A prompt at a version and the model that is asked, with everything that a request to it needs.

    `parameters` are all that are sent, as `merge_parameters` makes them.
    """

    prompt: Prompt
    version: Version
    model: str
    provider: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def request(self, rendered: Rendered, *, repeat: int = 0) -> Request:
        """Return the request that sends these messages to the model."""
        return Request(
            model=self.model,
            messages=rendered.messages,
            parameters=self.parameters,
            tools=self.prompt.tools,
            response_format=self.prompt.declared_response_format,
            timeout_s=self.timeout_s,
            repeat=repeat,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is ready to be made."""

    target: Target
    rendered: Rendered
    request: Request
    options: CallOptions = field(default_factory=CallOptions)


def merge_parameters(model: Mapping[str, Any], prompt: Prompt, call: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the parameters to send: the model's from the settings, the prompt's over them, the call's over both."""
    return {**model, **prompt.parameters, **(call or {})}


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
    Raises `ModelConfigurationError` if there is no model, or its provider or its key is missing.
    """
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
    return Target(prompt, version, model, provider, sent, settings.timeout_s, retry)


def spent(execution: Execution | None, error: PromptctlError | None) -> int | None:
    """Return the cost of a call in nano-USD: 0 for one that was refused, None if it broke off and nobody can say."""
    if execution is not None and execution.cost_nano_usd is not None:
        return execution.cost_nano_usd
    if isinstance(error, ModelTimeout | ProviderUnreachable):
        return None
    has_reply = execution is not None and execution.reply is not None
    return None if has_reply else 0
