"""What is evaluated: a prompt at a version, asked of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.models.retries import RetryPolicy
from promptctl.prompts.prompt import Prompt
from promptctl.versions.version import Version


@dataclass(frozen=True, slots=True)
class Target:
    """A prompt at a version and the model that is asked, with everything that a request to it needs.

    `parameters` are all that are sent: the model's, the prompt's over them, and the command line's over both.
    """

    prompt: Prompt
    version: Version
    model: str
    provider: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 60.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
