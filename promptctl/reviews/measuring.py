"""Evaluates the prompts of a review, against base where there is one to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from promptctl.comparisons.against import compare_pairs
from promptctl.comparisons.compared import Compared, decision_of
from promptctl.comparisons.gates import Decision, strictest
from promptctl.comparisons.verdicts import GateRule
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
from promptctl.evaluations.coverage import coverage
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.planning import cases_taken, pair, plan
from promptctl.evaluations.request import EvaluationRequest, Limits
from promptctl.files.names import RECORDINGS, SETTINGS
from promptctl.log.results import Replies
from promptctl.reviews.review import Measurement, PromptReview

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.session import Session
    from promptctl.reviews.changes import Changes
    from promptctl.reviews.range import ReviewRange

_PASSED = Decision(OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequest:
    """A request to review what HEAD changed.

    `base` and `head` are revisions; see `promptctl.reviews.range.find_range` for what None means. With
    `is_evaluated` False nothing is asked of a model. `replies` is where replies come from. `allows_code` runs
    the code that HEAD's datasets name. `arguments` are the options that make the same review again.
    """

    base: str | None = None
    head: str | None = None
    models: Sequence[str] = ()
    rule: GateRule = field(default_factory=GateRule)
    limits: Limits = field(default_factory=Limits)
    is_evaluated: bool = True
    replies: Replies = "cache"
    allows_code: bool = False
    fails_on_breaking: bool = False
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The evaluations of one prompt over one dataset: pairs of head and base, or heads alone."""

    prompt: str
    pairs: tuple[tuple[Plan, Plan], ...] = ()
    alone: tuple[Plan, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def uses_recordings(self) -> bool:
        """True if replies come from recordings."""
        return any(not each.is_asked for each in (*self.alone, *(head for head, _ in self.pairs)))


async def measure(
    context: Context, session: Session, tasks: Sequence[Task | Measurement], rule: GateRule
) -> list[Measurement]:
    """Do all tasks in one run; return one measurement for each prompt, in order."""
    todo = [each for each in tasks if isinstance(each, Task)]
    pairs = [each for task in todo for each in task.pairs]
    alone = [each for task in todo for each in task.alone]
    compared, evaluations = await compare_pairs(context, session, pairs, rule, alone)
    found: dict[str, list[Measurement]] = {}
    for each in tasks:
        measured = each
        if isinstance(each, Task):
            mine, compared = compared[: len(each.pairs)], compared[len(each.pairs) :]
            own, evaluations = evaluations[: len(each.alone)], evaluations[len(each.alone) :]
            measured = _measured(each, mine, own)
        assert isinstance(measured, Measurement)
        found.setdefault(each.prompt, []).append(measured)
    return [_joined(id_, parts) for id_, parts in found.items()]


def tasks_of(
    context: Context, request: ReviewRequest, moments: ReviewRange, changes: Changes
) -> Iterator[Task | Measurement]:
    """Return what is to be evaluated of each changed or tested prompt, or why it is not; whatever the reason."""
    changed = {prompt.id for prompt in changes.prompts if prompt.kind != "removed" and prompt.is_other_behaviour}
    planner = _TaskPlanner(context, request, moments)
    for id_ in sorted(changed | changes.tests.keys()):
        prompt = next((each for each in changes.prompts if each.id == id_), None)
        why_not = planner.why_not(id_, prompt, changes)
        if isinstance(why_not, Measurement):
            yield why_not
        elif why_not is not None:
            yield Measurement(prompt=id_, decision=_PASSED, why_not=why_not)
        else:
            base = planner.base_ref(prompt)
            for dataset in changes.tests[id_]:
                yield planner.task(id_, dataset, base)


class _TaskPlanner:
    """Plans the evaluations of one review."""

    def __init__(self, context: Context, request: ReviewRequest, moments: ReviewRange) -> None:
        self._context = context
        self._request = request
        self._moments = moments

    def task(self, id_: str, dataset: str, base: str | None) -> Task | Measurement:
        """The evaluations of one prompt over one dataset; whatever stands in the way is reported, not raised."""
        try:
            return self._task(id_, dataset, base)
        except InvalidFiles as error:
            if all(problem.code == "code-not-allowed" for problem in error.problems):
                why = f"{dataset} runs code, which a review does with --allow-code alone"
                return Measurement(prompt=id_, decision=Decision.of(INCOMPLETE, f"{id_}: {why}."), why_not=why)
            return _unusable(id_, error.problems)
        except WorkspaceError as error:
            return _unusable(id_, [Problem(error.message, error.place, error.hint)])
        except ModelError as error:
            decision = Decision.of(MODEL, f"{id_}: {error.message}.")
            return Measurement(prompt=id_, decision=decision, why_not=error.message)

    def why_not(self, id_: str, prompt: PromptReview | None, changes: Changes) -> str | Measurement | None:
        """Return the reason not to evaluate a prompt, whatever the model; None to evaluate it."""
        if prompt is not None and prompt.head_problems:
            return _unusable(id_, prompt.head_problems)
        if not self._request.is_evaluated:
            return "--no-eval was given"
        if not changes.tests.get(id_):
            return _why_untested(id_, prompt, changes)
        head = prompt.head if prompt is not None else None
        if head is not None and head.status == "inactive":
            return "it is inactive"
        if not self._request.models and self._context.settings.model is None:
            own = head or self._context.prompt(self._head_ref(id_)).prompt
            if own.model is None:
                return f"it names no model, and BASE's {SETTINGS} has no default"
        return None

    def base_ref(self, prompt: PromptReview | None) -> str | None:
        """The version to compare with; None where the prompt is as it was, is new, or was unsound."""
        if prompt is None or prompt.base is None or not prompt.is_other_behaviour:
            return None
        return f"{prompt.base.id}@{self._moments.base}"

    def _head_ref(self, id_: str) -> str:
        return id_ if self._moments.head is None else f"{id_}@{self._moments.head}"

    def _task(self, id_: str, dataset: str, base: str | None) -> Task | Measurement:
        request = EvaluationRequest(
            refs=[self._head_ref(id_)],
            datasets=[dataset],
            models=self._request.models,
            limits=self._request.limits,
            replies=self._request.replies,
            allows_code=self._request.allows_code,
        )
        notes: tuple[str, ...] = ()
        try:
            heads = plan(self._context, request)
        except MissingKey as error:
            # Without a key: recordings, where they hold every reply that is needed.
            request = replace(request, replies="replay")
            heads = plan(self._context, request)
            held = coverage(self._context, heads)
            if not held.is_whole:
                why = f"{error.message}; and of its {held.cases} cases {held.recorded or 'none'} has a recorded reply"
                return Measurement(prompt=id_, decision=_PASSED, why_not=why)
            notes = (f"recorded replies were used: {error.message}",)
        is_replayed = not all(each.is_asked for each in heads)
        if is_replayed and coverage(self._context, heads).is_none:
            why = f"none of the replies to it are recorded in {RECORDINGS}/"
            return Measurement(prompt=id_, decision=_PASSED, why_not=why)
        alone = Task(prompt=id_, alone=tuple(heads), notes=notes)
        if base is None:
            return alone
        try:
            pairs = pair(self._context, heads, base, request).pairs
        except ModelConfigurationError as error:
            if is_replayed:
                raise
            return _with_note(alone, error.message)
        if is_replayed:
            before = coverage(self._context, [each for _, each in pairs])
            if before.is_none or (notes and not before.is_whole):
                return _with_note(alone, f"{'no reply' if before.is_none else 'not every reply'} is recorded")
        if not any(is_taken for _, each in pairs for _, is_taken in cases_taken(self._context, each)):
            return _with_note(alone, "it cannot take the inputs of any case")
        return Task(prompt=id_, pairs=pairs, notes=notes)


def _with_note(task: Task, why: str) -> Task:
    return replace(task, notes=(*task.notes, f"base was not evaluated: {why}"))


def _measured(task: Task, compared: Sequence[Compared], evaluations: Sequence[Evaluation]) -> Measurement:
    """Return the measurement of one task."""
    id_ = task.prompt
    decisions = [Decision.of(each.decision.exit_code, f"{id_}: {each.decision.reason}") for each in compared]
    decisions += [decision_of(each) for each in evaluations]
    return Measurement(
        prompt=id_,
        decision=strictest(decisions),
        compared=tuple(compared),
        evaluations=tuple(evaluations),
        notes=task.notes,
    )


def _why_untested(id_: str, prompt: PromptReview | None, changes: Changes) -> str:
    """The reason why no dataset tests a prompt: HEAD may have taken its tests away."""
    ids = {id_, prompt.former_id if prompt is not None else None}
    gone = [dataset.path for dataset in changes.datasets if ids.intersection(dataset.tested)]
    return f"no dataset tests it any more, since HEAD changed {', '.join(gone)}" if gone else "no dataset tests it"


def _joined(id_: str, parts: Sequence[Measurement]) -> Measurement:
    """Join the measurements of one prompt's datasets."""
    whys = dict.fromkeys(part.why_not for part in parts if part.why_not is not None)
    return Measurement(
        prompt=id_,
        decision=strictest([part.decision for part in parts]),
        compared=tuple(each for part in parts for each in part.compared),
        evaluations=tuple(each for part in parts for each in part.evaluations),
        why_not="; ".join(whys) or None,
        problems=tuple(dict.fromkeys(each for part in parts for each in part.problems)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _unusable(id_: str, problems: Sequence[Problem]) -> Measurement:
    wrong = tuple(problem for problem in problems if problem.severity == "error")
    decision = Decision.of(WORKSPACE, f"{id_} cannot be used: {wrong[0] if wrong else 'its files are wrong'}.")
    return Measurement(prompt=id_, decision=decision, why_not="its files, or its datasets, are wrong", problems=wrong)
