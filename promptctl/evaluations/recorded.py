"""How much of an evaluation the recordings can answer, found out before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import InputError, RenderError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.evaluation import Plan
from promptctl.models.recordings import RecordedReplies
from promptctl.models.replay import digest_for


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `cases` that ask a model, how many have a recorded reply."""

    cases: int
    recorded: int

    @property
    def is_whole(self) -> bool:
        """Whether no reply is missing."""
        return self.recorded == self.cases

    @property
    def is_none(self) -> bool:
        """Whether every reply is missing, where any is needed."""
        return self.cases > 0 and self.recorded == 0


def coverage(plan: Plan, folder: Path) -> Coverage:
    """How many of the plan's cases have their reply in the recordings of `folder`; judges are not looked at.

    Raises `InvalidFiles` where the recordings cannot be read.
    """
    replies = RecordedReplies(folder)
    asker = Asker(plan.target, drops_unknown_inputs=plan.drops_unknown_inputs)
    cases = recorded = 0
    for case in plan.chosen.of(plan.dataset.cases(plan.target.prompt)):
        if case.output is not None:
            continue
        cases += 1
        try:
            _, request = asker.ask(case)
        except (InputError, RenderError):
            continue
        recorded += replies.find(digest_for(request)) is not None
    return Coverage(cases, recorded)
