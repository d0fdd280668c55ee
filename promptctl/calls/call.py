"""One call as it is asked for: a prompt at a version, the model asked, the request, and what to record with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.log.records import Content, Source
from promptctl.models.gateway import Request
from promptctl.models.model_settings import RetryPolicy
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.prompt_at_version import Version


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
