"""Cases of a plan that its prompt can take, and that the recordings can answer, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.calls.call import Attempts, Call, CallOptions, masking
from promptctl.errors import InputError, RenderError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.plan import Plan
from promptctl.models.recordings import RecordedReplies

if TYPE_CHECKING:
    from promptctl.context import Context


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
    return any(map(Asker(plan).takes, plan.cases(context)))


def coverage(context: Context, plans: Sequence[Plan]) -> Coverage:
    """Count the cases of the plans that have their reply in the recordings; judges are not looked at.

    Raises `InvalidFiles` if the recordings cannot be read.
    """
    replies = RecordedReplies(context.recordings_folder)
    cases = recorded = 0
    for plan in plans:
        asker = Asker(plan)
        for case in plan.cases(context):
            if case.output is None:
                cases += 1
                with suppress(InputError, RenderError):
                    options = masking(context, plan.target.prompt, asker.inputs_of(case), CallOptions())
                    rendered, request = asker.ask(case, hide=options.hide)
                    request = Attempts(Call(plan.target, rendered, request, options)).request
                    recorded += replies.find_for(request) is not None
    return Coverage(cases, recorded)
