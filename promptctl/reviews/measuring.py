"""Evaluates the prompts of a review, against base if there is one to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from promptctl.assertions.judging import JudgeTerms
from promptctl.comparisons.against import compare_pairs
from promptctl.comparisons.compared import Compared, decision_of
from promptctl.comparisons.gates import Decision, strictest
from promptctl.comparisons.pairing import pair
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import JointVerdict
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
from promptctl.evaluations.asking import coverage, takes_any
from promptctl.evaluations.evaluation import Evaluation
from promptctl.evaluations.plan import Pair, Plan
from promptctl.evaluations.planning import plan
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.session import Session
from promptctl.files.names import RECORDINGS, SETTINGS, recording_path
from promptctl.files.wording import count
from promptctl.log.store import Store
from promptctl.models.gateway import REPLAY
from promptctl.reviews.changes import Changes
from promptctl.reviews.range import ReviewRange
from promptctl.reviews.request import ReviewRequest
from promptctl.reviews.review import Measurement, PromptReview

_PASSED = Decision(OK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The evaluations of one prompt over one dataset, or why there are none and what that comes to.

    `doubt` is why they prove nothing of what HEAD's model says, or are compared with nothing, which the strict gate
    takes for incomplete. With `is_judged_by_recordings` judges did not grade it themselves.
    """

    prompt: str
    pairs: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()
    why_not: str | None = None
    decision: Decision = _PASSED
    problems: tuple[Problem, ...] = ()
    doubt: str | None = None
    is_judged_by_recordings: bool = False


Measured = tuple[list[Measurement], tuple[JointVerdict, ...]]


async def measure(log: Store, session: Session, tasks: Sequence[Task], rule: GateRule) -> Measured:
    """Do all tasks in one run; return one measurement for each prompt, in order, and what they show together."""
    pairs = [each for task in tasks for each in task.pairs]
    made, together = await compare_pairs(log, session, pairs, rule)
    found, by_prompt = iter(made), groupby(tasks, key=lambda task: task.prompt)
    return [_measurement(id_, list(own), found) for id_, own in by_prompt], together


def _measurement(id_: str, tasks: Sequence[Task], found: Iterator[Compared | Evaluation]) -> Measurement:
    """Return the results of one prompt's tasks as one; `found` begins with them."""
    own = list(islice(found, sum(len(task.pairs) for task in tasks)))
    decisions = [decision_of(each) if isinstance(each, Evaluation) else each.decision.about(id_) for each in own]
    return Measurement(
        prompt=id_,
        decision=strictest([*(task.decision for task in tasks), *decisions]),
        compared=tuple(each for each in own if isinstance(each, Compared)),
        evaluations=tuple(each for each in own if isinstance(each, Evaluation)),
        why_not="; ".join(dict.fromkeys(task.why_not for task in tasks if task.why_not is not None)) or None,
        problems=tuple(dict.fromkeys(each for task in tasks for each in task.problems)),
        notes=tuple(dict.fromkeys(note for task in tasks for note in task.notes)),
    )


def tasks_of(context: Context, request: ReviewRequest, moments: ReviewRange, changes: Changes) -> Iterator[Task]:
    """Yield what is to be evaluated of each changed or tested prompt, by prompt; whatever is wrong is in the task."""
    reviews = {each.id: each for each in changes.prompts}
    changed = {each.id for each in changes.prompts if each.is_to_be_measured or each.head_problems}
    datasets = {each.path: each for each in changes.datasets}
    for id_ in sorted(changed | changes.tests.keys()):
        prompt = reviews.get(id_)
        ref = id_ if moments.head.commit is None else f"{id_}@{moments.head.commit}"
        if (unasked := _not_evaluated(request, changes, id_, prompt)) is not None:
            yield unasked
            continue
        # None if the prompt is as it was, is new, or was unsound.
        old = prompt.base if prompt is not None and prompt.is_other_behaviour else None
        base = f"{old.id}@{moments.base.commit}" if old is not None else None
        former = {id_, prompt.former_id if prompt is not None else None}
        tested = (each for each in changes.datasets if not former.isdisjoint(each.tested))
        known = {case.content for each in tested for case in each.before.values()}
        usual = (prompt.base.model if prompt is not None and prompt.base else None) or context.settings.model
        for dataset in changes.tests[id_]:
            wanted = replace(request.evaluation(ref, dataset), default_model=changes.default_model)
            task = _task(context, wanted, id_, base, usual)
            is_reached = id_ in changed or dataset in datasets or recording_path(id_) in changes.recordings
            if task.why_not is not None and not is_reached:  # changed recordings, which are of other prompts
                continue
            if own := datasets.get(dataset):
                edited = own.edited
                added = frozenset(case for case in own.added if own.after[case].content not in known)
                pairs = tuple(replace(each, edited=edited, added=added) for each in task.pairs)
                task = replace(task, pairs=pairs)
            yield task


def _not_evaluated(request: ReviewRequest, changes: Changes, id_: str, prompt: PromptReview | None) -> Task | None:
    """Return the task of a prompt that is not evaluated, with the reason; None to evaluate it."""
    base, head = (prompt.base, prompt.head) if prompt is not None else [changes.prompt_of_head(id_)] * 2
    is_inactive = [each is not None and each.status == "inactive" for each in (base, head)]
    if prompt is not None and prompt.head_problems:
        return _unusable(id_, prompt.head_problems)
    if not request.is_evaluated:
        return Task(prompt=id_, why_not="--no-eval was given")
    if all(is_inactive):
        return Task(prompt=id_, why_not="it is inactive")
    if not changes.tests.get(id_):
        return _unasked(id_, changes.why_untested((id_, prompt.former_id if prompt is not None else None)))
    if is_inactive[1]:
        return _unasked(id_, "it is inactive")
    if not request.models and changes.default_model is None and (head is None or head.model is None):
        return _unasked(id_, f"it names no model, and {SETTINGS} has no default")
    return None


def _unasked(id_: str, why: str) -> Task:
    """Return the task of a prompt that is not evaluated, which leaves what HEAD made of it in doubt."""
    return Task(prompt=id_, why_not=why, doubt=f"it was not evaluated: {why}")


def _task(context: Context, request: EvaluationRequest, id_: str, base: str | None, usual: str | None) -> Task:
    """Plan one prompt over one dataset; whatever stands in the way is reported, not raised.

    `usual` is the model that BASE asks for the prompt, or for any.
    """
    try:
        return _planned(context, request, id_, base, usual)
    except InvalidFiles as error:
        if all(problem.code == "code-not-allowed" for problem in error.problems):
            why = f"{request.datasets[0]} is checked by code alone, which a review runs with --allow-code only"
            return Task(prompt=id_, decision=Decision.of(INCOMPLETE, f"{id_}: {why}."), why_not=why)
        return _unusable(id_, error.problems)
    except WorkspaceError as error:
        return _unusable(id_, [Problem(error.message, error.place, error.hint)])
    except ModelError as error:
        return Task(prompt=id_, decision=Decision.of(MODEL, f"{id_}: {error.message}."), why_not=error.message)


def _planned(context: Context, request: EvaluationRequest, id_: str, base: str | None, usual: str | None) -> Task:
    missing: MissingKey | None = None
    try:
        heads = plan(context, request)
    except MissingKey as error:
        # Without a key: recordings, if they hold every reply that is needed.
        missing, request = error, replace(request, replies="replay")
        heads = plan(context, request)
    is_replayed = not all(each.is_asked for each in heads)
    if is_replayed and not (held := coverage(context, heads)).suffices(needs_all=missing is not None):
        why = f"none of the replies to it are recorded in {RECORDINGS}/"
        if missing is not None:
            cases = count(held.cases, "case")
            why = f"{missing.message}; and of its {cases} {held.recorded or 'none'} has a recorded reply"
        return _unasked(id_, why)
    told = [] if missing is None else [f"recorded replies were used: {missing.message}"]
    if unlike := [each.target.model for each in heads if not request.models and _is_less(each.target.model, usual)]:
        told.append(f"{unlike[0]} answered for HEAD, and BASE asks {usual or 'no model'}")
    doubt = told[0] if told else None
    told += [f"{each.spec.dataset}: {each.spec.code_left_out}" for each in heads if each.spec.code_left_out]
    notes = tuple(told)
    alone = Task(
        prompt=id_,
        pairs=tuple(map(Pair, heads)),
        notes=notes,
        doubt=doubt,
        is_judged_by_recordings=any(_is_judged_by_recordings(context, request, each) for each in heads),
    )
    if base is None:
        return alone
    why_not: str | None
    try:
        pairs = pair(context, request, heads, base)
    except InvalidFiles as error:  # head was planned: it is base that cannot be used, which head may mend
        return replace(alone, notes=(*notes, f"base was not evaluated: {error.problems[0]}"))
    except ModelConfigurationError as error:
        if is_replayed:
            raise
        why_not = error.message
    else:
        bases = [each.base for each in pairs if each.base is not None]
        why_not = _lack(context, bases, is_replayed=is_replayed, needs_all=missing is not None)
    if why_not is not None:
        why_not = f"base was not evaluated: {why_not}"
        return replace(alone, notes=(*notes, why_not), doubt=doubt or why_not)
    return replace(alone, pairs=tuple(pairs))


def _lack(context: Context, bases: Sequence[Plan], *, is_replayed: bool, needs_all: bool) -> str | None:
    """Return what base lacks to be compared with; None if nothing."""
    if is_replayed and not (held := coverage(context, bases)).suffices(needs_all=needs_all):
        return f"{'not every' if held.recorded else 'no'} reply is recorded"
    return None if any(takes_any(context, each) for each in bases) else "it cannot take the inputs of any case"


def _is_less(model: str, usual: str | None) -> bool:
    """Return True if nothing is asked for the model's replies, while the usual one is asked."""
    lane = model.partition("/")[0]
    return lane in ("echo", "replay") and lane != (usual or "").partition("/")[0]


def _is_judged_by_recordings(context: Context, request: EvaluationRequest, plan: Plan) -> bool:
    judges = (
        {judge for case in plan.cases(context) for judge in case.judges} if plan.spec.judge_model is not None else ()
    )
    is_replayed = plan.spec.replies == "replay"
    model_of = JudgeTerms(context, request.judge).model_of
    return any(is_replayed or model_of(each).startswith(REPLAY) for each in judges)


def _unusable(id_: str, problems: Sequence[Problem]) -> Task:
    wrong = tuple(problem for problem in problems if problem.severity == "error")
    decision = Decision.of(WORKSPACE, f"{id_} cannot be used: {wrong[0] if wrong else 'its files are wrong'}.")
    return Task(prompt=id_, decision=decision, why_not="its files, or its datasets, are wrong", problems=wrong)
