"""Evaluates the prompts of a review, against base where there is one to compare with, and tells what it came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from promptctl.comparisons.compared import decision_of
from promptctl.comparisons.comparing import Comparing, takes_any
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.verdicts import GateRule
from promptctl.context import Context
from promptctl.errors import (
    INCOMPLETE,
    MODEL,
    OK,
    WORKSPACE,
    InvalidFiles,
    MissingKey,
    ModelConfigurationError,
    ModelError,
    Problem,
    WorkspaceError,
)
from promptctl.evaluations.evaluating import Evaluating, EvaluationRequest
from promptctl.evaluations.evaluation import Plan
from promptctl.evaluations.evaluator import Limits, Progress
from promptctl.evaluations.recorded import Coverage, coverage
from promptctl.files.names import RECORDINGS, SETTINGS
from promptctl.reviews.changes import Changes
from promptctl.reviews.range import ReviewRange
from promptctl.reviews.review import Measurement, PromptReview, strictest_of

_PASSED = Decision(OK, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """What to review and how.

    `base` and `head` are revisions; see `promptctl.reviews.range.find_range` for what None means. With
    `is_evaluated` False nothing is asked of a model. `is_replayed` answers from recordings alone. `allows_code` runs
    the code that HEAD's datasets name. `arguments` are the options that make the same review again.
    """

    base: str | None = None
    head: str | None = None
    models: Sequence[str] = ()
    rule: GateRule = field(default_factory=GateRule)
    limits: Limits = field(default_factory=Limits)
    is_evaluated: bool = True
    is_replayed: bool = False
    allows_code: bool = False
    fails_on_breaking: bool = False
    arguments: Sequence[str] = ()


class Measurer:
    """Evaluates prompts one after another, against base where there is one to compare with."""

    def __init__(
        self,
        parts: Context,
        request: ReviewRequest,
        found: ReviewRange,
        comparing: Comparing,
        on_progress: Callable[[Plan, Progress], None] | None,
    ) -> None:
        self.uses_recordings = False
        self._parts = parts
        self._request = request
        self._range = found
        self._comparing = comparing
        self._on_progress = on_progress

    async def measure(self, id_: str, changes: Changes) -> Measurement:
        """What evaluating one prompt comes to; whatever stands in the way is told, not raised."""
        prompt = next((each for each in changes.prompts if each.id == id_), None)
        why_not = self._why_not(id_, prompt, changes)
        if isinstance(why_not, Measurement):
            return why_not
        if why_not is not None:
            return Measurement(prompt=id_, decision=_PASSED, why_not=why_not)
        base = self._base_ref(prompt)
        return _joined(id_, [await self._over(id_, dataset, base) for dataset in changes.tests[id_]])

    async def _over(self, id_: str, dataset: str, base: str | None) -> Measurement:
        """What evaluating one prompt over one dataset comes to."""
        try:
            return await self._evaluate(id_, dataset, base)
        except InvalidFiles as error:
            if all(problem.code == "code-not-allowed" for problem in error.problems):
                why = f"{dataset} runs code, which a review does with --allow-code alone"
                return Measurement(prompt=id_, decision=Decision(INCOMPLETE, f"{id_}: {why}."), why_not=why)
            return _unusable(id_, error.problems)
        except WorkspaceError as error:
            return _unusable(id_, [Problem(error.message, error.place, error.hint)])
        except ModelError as error:
            return Measurement(prompt=id_, decision=Decision(MODEL, f"{id_}: {error.message}."), why_not=error.message)

    def _why_not(self, id_: str, prompt: PromptReview | None, changes: Changes) -> str | Measurement | None:
        """What keeps a prompt from being evaluated, whatever the model."""
        if prompt is not None and prompt.head_problems:
            return _unusable(id_, prompt.head_problems)
        if not self._request.is_evaluated:
            return "--no-eval was given"
        if not changes.tests.get(id_):
            return _why_untested(id_, prompt, changes)
        head = prompt.head if prompt is not None else None
        if head is not None and head.status == "inactive":
            return "it is inactive"
        if not self._request.models and self._parts.settings.model is None:
            own = head or self._parts.prompt(self._head_ref(id_)).prompt
            if own.model is None:
                return f"it names no model, and BASE's {SETTINGS} has no default"
        return None

    def _head_ref(self, id_: str) -> str:
        return id_ if self._range.head is None else f"{id_}@{self._range.head}"

    def _base_ref(self, prompt: PromptReview | None) -> str | None:
        """The version to compare with; None where the prompt is as it was, is new, or was unsound."""
        if prompt is None or prompt.base is None or not prompt.is_other_behaviour:
            return None
        return f"{prompt.base.id}@{self._range.base}"

    async def _evaluate(self, id_: str, dataset: str, base: str | None) -> Measurement:
        request = EvaluationRequest(
            refs=[self._head_ref(id_)],
            datasets=[dataset],
            models=self._request.models,
            limits=self._request.limits,
            is_replayed=self._request.is_replayed,
            is_cached=not self._request.is_replayed,
            allows_code=self._request.allows_code,
        )
        try:
            plans = Evaluating(self._parts, request).plans()
        except MissingKey as error:
            return await self._from_recordings(id_, request, base, error.message)
        if request.is_replayed or any(plan.target.model.startswith("replay/") for plan in plans):
            return await self._replayed(id_, replace(request, is_cached=False), base, plans)
        if base is None:
            return await self._alone(id_, request, plans)
        try:
            sides = self._comparing.beside(plans, request, base)
        except ModelConfigurationError as error:
            return await self._alone(id_, request, plans, f"base was not evaluated: {error.message}")
        return await self._against(id_, request, sides)

    async def _from_recordings(self, id_: str, request: EvaluationRequest, base: str | None, why: str) -> Measurement:
        """Without a key: recordings, where they hold every reply that is needed."""
        request = replace(request, is_replayed=True, is_cached=False)
        plans = Evaluating(self._parts, request).plans()
        head = self._coverage(plans)
        if not head.is_whole:
            why = f"{why}; and of its {head.cases} cases {head.recorded or 'none'} has a recorded reply"
            return Measurement(prompt=id_, decision=_PASSED, why_not=why)
        return await self._replayed(id_, request, base, plans, notes=(f"recorded replies were used: {why}",))

    async def _replayed(
        self,
        id_: str,
        request: EvaluationRequest,
        base: str | None,
        plans: Sequence[Plan],
        notes: tuple[str, ...] = (),
    ) -> Measurement:
        """From recordings alone; a side of which nothing is recorded is left out."""
        if self._coverage(plans).is_none:
            why = f"none of the replies to it are recorded in {RECORDINGS}/"
            return Measurement(prompt=id_, decision=_PASSED, why_not=why)
        self.uses_recordings = True
        if base is None:
            return await self._alone(id_, request, plans, *notes)
        sides = self._comparing.beside(plans, request, base)
        before = self._coverage([plan for _, plan in sides])
        if before.is_none or (notes and not before.is_whole):
            recorded = "no reply" if before.is_none else "not every reply"
            return await self._alone(id_, request, plans, *notes, f"base was not evaluated: {recorded} is recorded")
        return await self._against(id_, request, sides, *notes)

    def _coverage(self, plans: Sequence[Plan]) -> Coverage:
        found = [coverage(plan, self._parts.recordings_folder) for plan in plans]
        return Coverage(sum(each.cases for each in found), sum(each.recorded for each in found))

    async def _alone(self, id_: str, request: EvaluationRequest, plans: Sequence[Plan], *notes: str) -> Measurement:
        made = await self._comparing.run(request, [(plan, None) for plan in plans], self._on_progress)
        decisions = [decision_of(each) for each in made]
        return Measurement(
            prompt=id_,
            decision=_whole(id_, decisions, len(made) == len(plans)),
            evaluations=tuple(made),
            notes=notes,
            why_not=None if made else "interrupted",
        )

    async def _against(
        self, id_: str, request: EvaluationRequest, sides: Sequence[tuple[Plan, Plan]], *notes: str
    ) -> Measurement:
        if not any(takes_any(before) for _, before in sides):
            unfit = "base was not evaluated: it cannot take the inputs of any case"
            return await self._alone(id_, request, [plan for plan, _ in sides], *notes, unfit)
        made = await self._comparing.between(sides, request, self._on_progress)
        decisions = [Decision(each.decision.exit_code, f"{id_}: {each.decision.reason}") for each in made]
        return Measurement(
            prompt=id_,
            decision=_whole(id_, decisions, len(made) == len(sides)),
            compared=tuple(made),
            notes=notes,
            why_not=None if made else "interrupted",
        )


def _why_untested(id_: str, prompt: PromptReview | None, changes: Changes) -> str:
    """Why no dataset tests a prompt: whether HEAD took away what did."""
    ids = {id_, prompt.former_id if prompt is not None else None}
    gone = [dataset.path for dataset in changes.datasets if ids.intersection(dataset.tested)]
    return f"no dataset tests it any more, since HEAD changed {', '.join(gone)}" if gone else "no dataset tests it"


def _joined(id_: str, parts: Sequence[Measurement]) -> Measurement:
    """What one prompt's datasets came to, as one."""
    whys = dict.fromkeys(part.why_not for part in parts if part.why_not is not None)
    return Measurement(
        prompt=id_,
        decision=strictest_of([part.decision for part in parts]),
        compared=tuple(each for part in parts for each in part.compared),
        evaluations=tuple(each for part in parts for each in part.evaluations),
        why_not="; ".join(whys) or None,
        problems=tuple(dict.fromkeys(each for part in parts for each in part.problems)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _whole(id_: str, decisions: list[Decision], is_whole: bool) -> Decision:
    return strictest_of([*decisions, *([] if is_whole else [Decision(INCOMPLETE, f"{id_} was interrupted.")])])


def _unusable(id_: str, problems: Sequence[Problem]) -> Measurement:
    wrong = tuple(problem for problem in problems if problem.severity == "error")
    decision = Decision(WORKSPACE, f"{id_} cannot be used: {wrong[0] if wrong else 'its files are wrong'}.")
    return Measurement(prompt=id_, decision=decision, why_not="its files, or its datasets, are wrong", problems=wrong)
