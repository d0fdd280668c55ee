"""Work done before the first call, which would wait for it: refs resolved and compiled, libraries imported."""

from __future__ import annotations

from collections.abc import Sequence

from promptctl.context import Context


def preload(context: Context, refs: Sequence[str]) -> None:
    """Make ready for calls of these refs, or import LiteLLM if there are none; returns when that is done.

    Raises what resolving a ref raises, and `RenderError` for a template that cannot be compiled.
    """
    found = [context.prompt(ref) for ref in refs]
    for each in found:
        each.make_ready()
    for model in {each.model for each in found if each.model is not None} if refs else (None,):
        context.gateway.load(model)
    if context.telemetry is not None:
        context.telemetry.load()
