"""From a prompt and a model to the target of many calls, as evaluations make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptctl.calls.call import Target, merge_parameters
from promptctl.models.model_settings import RetryPolicy

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import Version

_REFUSALS = 8


def make_target(
    context: Context,
    prompt: Prompt,
    version: Version,
    model: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    needs_key: bool = True,
) -> Target:
    """Return a prompt with everything that a request to the model needs; `parameters` win over the prompt's own.

    Without `needs_key` the model is not asked itself: its replies come from recordings, or nothing is asked.
    Raises `ModelConfigurationError` if the model's provider or its key is missing.
    """
    is_replay = model.startswith("replay/")
    settings = context.models.settings_of(model if needs_key or is_replay else f"replay/{model}")
    provider = settings.provider if needs_key or is_replay else model.partition("/")[0]
    sent = merge_parameters(settings.parameters, prompt, parameters)
    # With many cases at once, being asked to come back later is no failure yet; what the user set stands.
    retry = replace(settings.retry, max_refusals=_REFUSALS) if settings.retry == RetryPolicy() else settings.retry
    return Target(prompt, version, model, provider, sent, settings.timeout_s, retry)
