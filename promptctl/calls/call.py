"""One call as it is asked for: a rendered prompt at a version, the request it makes, and what to record with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.log.records import Content, Source
from promptctl.models.gateway import Request
from promptctl.models.retries import RetryPolicy
from promptctl.prompts.prompt import Prompt, Rendered
from promptctl.versions.version import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What a caller adds to a call, none of it seen by the model.

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
class Call:
    """A call that is ready to be made. `provider` is what stands before the model's name."""

    prompt: Prompt
    version: Version
    rendered: Rendered
    request: Request
    provider: str
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    options: CallOptions = field(default_factory=CallOptions)


def build_request(
    prompt: Prompt,
    rendered: Rendered,
    model: str,
    parameters: Mapping[str, Any],
    *,
    timeout_s: float = 60.0,
    repeat: int = 0,
) -> Request:
    """The request of a rendered prompt; `parameters` are all that are sent, the prompt's own among them."""
    return Request(
        model=model,
        messages=rendered.messages,
        parameters=parameters,
        tools=prompt.tools,
        response_format=prompt.declared_response_format,
        timeout_s=timeout_s,
        repeat=repeat,
    )
