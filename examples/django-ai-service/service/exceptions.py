"""The exceptions that call sites know, and how those of promptctl become them.

Errors of the provider, such as `promptctl.RateLimited`, and a spent budget, `promptctl.BudgetReached`, pass through:
they are no fault of a template.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import promptctl


class PromptTemplateError(Exception):
    """Something is wrong with a prompt; `__cause__` is promptctl's error, with its place and its hint."""


class PromptTemplateNotFoundError(PromptTemplateError):
    """There is no such prompt, version or label, or the prompt is inactive."""


class PromptRenderError(PromptTemplateError):
    """The template fails on these inputs."""


class PromptValidationError(PromptTemplateError):
    """The context lacks an input, has one too many, or one of the wrong type."""


class PromptSchemaError(PromptTemplateError):
    """The reply never fitted the output schema."""


# The first that fits.
_MAPPED: tuple[tuple[type[promptctl.PromptctlError], type[PromptTemplateError]], ...] = (
    (promptctl.InputError, PromptValidationError),
    (promptctl.InvalidOutput, PromptSchemaError),
    (promptctl.RenderError, PromptRenderError),
    (promptctl.PromptNotFound, PromptTemplateNotFoundError),
    (promptctl.RevisionNotFound, PromptTemplateNotFoundError),
    (promptctl.PromptInactive, PromptTemplateNotFoundError),
    (promptctl.InvalidFiles, PromptTemplateError),
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the service's call sites catch in place of promptctl's own errors of prompts."""
    try:
        yield
    except promptctl.PromptctlError as error:
        for kind, wanted in _MAPPED:
            if isinstance(error, kind):
                raise wanted(error.message) from error
        raise
