"""From a case of a plan to its request; and so the cases that can be asked, and those that recordings can answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from promptctl.calls.call import Attempts, Call, CallOptions, masking
from promptctl.context import Context
from promptctl.datasets.cases import Case
from promptctl.errors import InputError, RenderError, RenderingTimeSpent
from promptctl.evaluations.plan import Plan
from promptctl.models.gateway import Request
from promptctl.models.recordings import RecordedReplies
from promptctl.prompts.prompt import Rendered
from promptctl.prompts.rendering import Hide, Renderer

_TOGETHER_S, _EACH_S = 120.0, 0.01


class RenderingTime:
    """The time of the processor that the cases of one command have to be rendered in: they come from strangers, too."""

    def __init__(self, _: Context) -> None:
        self._left_s = _TOGETHER_S

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Count what is done within as the rendering of one case. Raises `RenderingTimeSpent` if none is left."""
        self._left_s += _EACH_S
        if self._left_s <= 0:
            together = f"{_TOGETHER_S:g} s of the processor and {_EACH_S * 1000:g} ms for each"
            raise RenderingTimeSpent(
                f"rendering the cases takes longer than {together}", hint="make the templates or their inputs smaller"
            )
        begun = time.thread_time()
        try:
            yield
        finally:
            self._left_s -= time.thread_time() - begun


class Asker:
    """Renders the cases of one plan; its templates are compiled once, and all cases of a command share its time."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self._time = context.shared(RenderingTime)
        self._target = plan.target
        self._renderer = Renderer(plan.target.prompt)
        self._known_inputs = frozenset(plan.target.prompt.inputs) if plan.spec.drops_unknown_inputs else None

    def ask(self, case: Case, repeat: int = 1, *, hide: Hide | None = None) -> tuple[Rendered, Request]:
        """Return the messages of a case, and the request that sends them; repeats count from 1.

        With `hide` they are also rendered as they are stored; see `Renderer.render`.

        Raises `InputError` and `RenderError`.
        """
        with self._time.taken():
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


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `cases` that ask a model, how many have a recorded reply."""

    cases: int
    recorded: int

    def suffices(self, *, needs_all: bool) -> bool:
        """Return True if any case can be answered, or with `needs_all` every one."""
        return self.recorded == self.cases or (self.recorded > 0 and not needs_all)


def takes_any(context: Context, plan: Plan) -> bool:
    """Return True if the prompt can take the inputs of at least one of the plan's cases."""
    return any(map(Asker(context, plan).takes, plan.cases(context)))


def coverage(context: Context, plans: Sequence[Plan]) -> Coverage:
    """Count the cases of the plans that have their reply in the recordings; judges are not looked at.

    Raises `InvalidFiles` if the recordings cannot be read.
    """
    replies = RecordedReplies(context.recordings_folder)
    cases = recorded = 0
    for plan in plans:
        asker = Asker(context, plan)
        for case in plan.cases(context):
            if case.output is None:
                cases += 1
                with suppress(InputError, RenderError):
                    options = masking(context, plan.target.prompt, asker.inputs_of(case), CallOptions())
                    rendered, request = asker.ask(case, hide=options.mask)
                    request = Attempts(Call(plan.target, rendered, request, options)).request
                    recorded += replies.find_for(request) is not None
    return Coverage(cases, recorded)
