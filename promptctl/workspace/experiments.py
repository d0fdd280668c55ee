"""The experiments of a workspace: who gets which version, what is known of each, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from promptctl.calls.prepare import RunOptions
    from promptctl.context import Context
    from promptctl.experiments.drawing import Assignment


class Experiments:
    """Shows the experiments of `promptctl.yaml` and what they found, and ends them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def draw(self, ref: str, **options: Unpack[RunOptions]) -> Assignment:
        """Return the prompt that a call with these options would get, and the arm that it is; nothing is asked.

        Raises what `run` raises of an experiment, its name and its key.
        """
        from promptctl.experiments.drawing import assign

        return assign(self._context.fresh(), ref, options)
