"""From a case of a plan to its request: what is asked, and so what a recording must hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.datasets.cases import Case
from promptctl.errors import InputError
from promptctl.evaluations.plan import Plan
from promptctl.models.gateway import Request
from promptctl.prompts.prompt import Rendered
from promptctl.prompts.rendering import Hide, Renderer


class Asker:
    """Renders the cases of one plan; its templates are compiled once."""

    def __init__(self, plan: Plan) -> None:
        self._target = plan.target
        self._renderer = Renderer(plan.target.prompt)
        self._known_inputs = frozenset(plan.target.prompt.inputs) if plan.spec.drops_unknown_inputs else None

    def ask(self, case: Case, repeat: int = 1, *, hide: Hide | None = None) -> tuple[Rendered, Request]:
        """Return the messages of a case, and the request that sends them; repeats count from 1.

        With `hide` they are also rendered as they are stored; see `Renderer.render`.

        Raises `InputError` and `RenderError`.
        """
        rendered = self._renderer.render(self.inputs_of(case), hide=hide)
        return rendered, self._target.request(rendered, repeat=repeat - 1)

    def inputs_of(self, case: Case) -> Mapping[str, Any]:
        """Return the inputs of a case that the prompt is given."""
        if self._known_inputs is None:
            return case.inputs
        return {name: value for name, value in case.inputs.items() if name in self._known_inputs}

    def takes(self, case: Case) -> bool:
        """Return True if the prompt can take the case's inputs."""
        try:
            self.ask(case)
        except InputError:
            return False
        return True
