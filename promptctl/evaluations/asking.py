"""From a case to the request that it makes of a target: what is asked, and so what a recording must hold."""

from __future__ import annotations

from promptctl.calls.call import Target
from promptctl.datasets.cases import Case
from promptctl.models.gateway import Request
from promptctl.prompts.prompt import Rendered
from promptctl.prompts.rendering import Renderer


class Asker:
    """Renders the cases of one target; its templates are compiled once.

    With `drops_unknown_inputs`, what of a case the prompt does not declare is left out.
    """

    def __init__(self, target: Target, *, drops_unknown_inputs: bool = False) -> None:
        self._target = target
        self._renderer = Renderer(target.prompt)
        self._known_inputs = frozenset(target.prompt.inputs) if drops_unknown_inputs else None

    def ask(self, case: Case, repeat: int = 1) -> tuple[Rendered, Request]:
        """The messages of a case, and the request that sends them; repeats count from 1.

        Raises `InputError` and `RenderError`.
        """
        target, inputs = self._target, case.inputs
        if self._known_inputs is not None:
            inputs = {name: value for name, value in inputs.items() if name in self._known_inputs}
        rendered = self._renderer.render(inputs)
        return rendered, target.request(rendered, repeat=repeat - 1)
