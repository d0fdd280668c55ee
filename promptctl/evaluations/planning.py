"""From a request to plans: reads files and settings, checks everything, asks nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import chosen_judge
from promptctl.calls.target import make_target
from promptctl.datasets.choosing import DatasetChoice, open_checked
from promptctl.datasets.index import DatasetIndex
from promptctl.datasets.selection import Choosing, Chosen, Selection, choose
from promptctl.errors import (
    InputError,
    ModelConfigurationError,
    PromptInactive,
    PromptNotFound,
    RevisionNotFound,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.earlier import Evaluated, failed_cases, last_evaluation
from promptctl.evaluations.plan import Plan
from promptctl.log.ids import new_id
from promptctl.log.results import EvaluationSpec
from promptctl.models.gateway import Usage

if TYPE_CHECKING:
    from promptctl.assertions.assertion import AskedJudge
    from promptctl.assertions.preparing import CodeUse
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.log.results import EvaluationRow
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import PromptAtVersion


def plan(context: Context, request: EvaluationRequest) -> list[Plan]:
    """Return a plan for each prompt, dataset and model of the request, every dataset checked to its last row.

    Raises `InvalidFiles` with all problems of a dataset, `UsageError` where nothing is selected,
    `ModelConfigurationError` where a model cannot be asked, `PromptInactive` for a single prompt that is.
    """
    return _Planner(context, request).plans()


def replan(context: Context, row: EvaluationRow, *, allows_code: bool = False) -> Plan:
    """Return the plan that takes up an evaluation of the log again, with what it was begun with.

    Raises `WorkspaceError` where prompt or dataset are not what they were: its results would not belong together.
    """
    spec = row.spec
    if spec.is_part_of_comparison:
        raise WorkspaceError(
            f"evaluation {row.id[-8:]} is one side of a comparison",
            hint="give the command again, with --against: what was answered comes from the cache",
        )
    at_version = _version_of(context, row)
    prompt = at_version.prompt
    index = DatasetIndex(context.tree, code="run" if allows_code else "refuse")
    dataset = open_checked(index, spec.dataset, prompt)
    if at_version.version.digest != row.digest or dataset.digest != spec.dataset_digest:
        changed = spec.dataset if at_version.version.digest == row.digest else row.prompt
        raise WorkspaceError(
            f"{changed} has changed since evaluation {row.id[-8:]} began",
            hint=f"evaluate it anew: promptctl eval {spec.ref}",
        )
    context.shared(OpenDatasets).keep(prompt, dataset)
    target = make_target(context, prompt, at_version.version, row.model, needs_key=spec.replies != "replay")
    chosen = choose(lambda: dataset.cases(prompt), selection_of(spec))
    return Plan(target=replace(target, parameters=spec.parameters), spec=spec, chosen=chosen, resumes=row)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Heads with the base that each is compared with, and plans of prompts that base does not have."""

    pairs: tuple[tuple[Plan, Plan], ...]
    alone: tuple[Plan, ...] = ()


def pair(context: Context, plans: Sequence[Plan], base: str, request: EvaluationRequest) -> Pairs:
    """Return each of the request's plans with the plan of its base, over the same cases.

    `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref. It is asked for those
    cases alone that give it what it must have, where there are any. Of prompts that nobody named, those that `base`
    does not have stay alone; one that was named raises `PromptNotFound` or `RevisionNotFound`. So does a label, number
    or revision that no prompt has: it is misspelt.
    """
    pairs: list[tuple[Plan, Plan]] = []
    alone: list[Plan] = []
    unknown: RevisionNotFound | None = None
    for head in plans:
        try:
            pairs.append((_with_side(head), _base_plan(context, head, base, request)))
        except (PromptNotFound, RevisionNotFound) as error:
            if not (request.is_of_own and base.startswith("@")):
                raise
            alone.append(head)
            unknown = error if isinstance(error, RevisionNotFound) else unknown
    if unknown is not None and not pairs:
        raise unknown
    return Pairs(tuple(pairs), tuple(alone))


class OpenDatasets:
    """The checked datasets of a context's plans, so that each file is read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: dict[tuple[str, str], Dataset] = {}

    def keep(self, prompt: Prompt, dataset: Dataset) -> None:
        """Remember a dataset that was checked for a prompt."""
        self._open[prompt.id, dataset.header.path] = dataset

    def of(self, plan: Plan) -> Dataset:
        """Return the dataset of a plan; it is opened and checked where this process did not plan it."""
        key = (plan.target.prompt.id, plan.spec.dataset)
        if key not in self._open:
            index = DatasetIndex(self._context.tree, code="refuse")
            self._open[key] = open_checked(index, plan.spec.dataset, plan.target.prompt)
        return self._open[key]


def judge_model(context: Context, asked: AskedJudge, judge: str | None) -> str:
    """Return the model that a judge is asked of. Raises `ModelConfigurationError` where nothing names one."""
    prompt = find_judge(context, asked.prompt_id)[0] if asked.prompt_id else None
    named = asked.model or (prompt.model if prompt else None) or judge or context.settings.model
    return chosen_judge(named, asked.prompt_id or "similar")


def selection_of(spec: EvaluationSpec) -> Selection:
    """Return the selection of cases that a spec keeps."""
    ids = None if spec.ids is None else frozenset(spec.ids)
    return Selection(ids=ids, tags=spec.tags, sample=spec.sample, seed=spec.seed, first=spec.first)


def cases_taken(context: Context, plan: Plan) -> Iterator[tuple[str, bool]]:
    """Return the id of each of a plan's cases, and whether its prompt can take the case's inputs."""
    asker = Asker(plan.target, drops_unknown_inputs=plan.spec.drops_unknown_inputs)
    cases = context.shared(OpenDatasets).of(plan).cases(plan.target.prompt)
    for case in plan.chosen.of(cases):
        try:
            asker.ask(case)
        except InputError:
            yield case.id, False
        else:
            yield case.id, True


class _Planner:
    """Plans one request."""

    def __init__(self, context: Context, request: EvaluationRequest) -> None:
        self._context = context
        self._request = request
        code: CodeUse = "run" if request.allows_code else "refuse"
        if request.refs is None:
            index = DatasetIndex(context.tree, code=code)
            self._refs: Sequence[str] = list(index.tested_prompts())
            prompts = frozenset(self._refs)
        else:
            self._refs = request.refs
            prompts = frozenset(ref.partition("@")[0] for ref in self._refs)
            index = DatasetIndex(context.tree, prompts=prompts, code=code)
        if not self._refs:
            raise UsageError("no prompt has a dataset", hint="write one to datasets/, with `prompts:` and `cases:`")
        self._choice = DatasetChoice(
            index=index,
            inside=context.inside,
            names=request.datasets,
            prompts=prompts,
            is_of_own=request.is_of_own,
        )
        self._choosing = Choosing(request.selection)
        self._group = new_id()
        self._checked: set[AskedJudge] = set()
        self._never_evaluated: list[UsageError] = []
        self._has_earlier = False

    def plans(self) -> list[Plan]:
        plans: list[Plan] = []
        for ref in self._refs:
            at_version = self._context.prompt(ref)
            if not self._is_inactive(at_version.prompt):
                for dataset in self._choice.of(at_version.prompt):
                    self._check_judges(dataset)
                    plans += self._plans_of(ref, at_version, dataset)
        self._choosing.finish()
        if not plans and self._never_evaluated and not self._has_earlier:
            raise self._never_evaluated[0]
        for error in self._never_evaluated:
            self._context.warn(f"{error.message}, and is left out")
        if not plans:
            raise UsageError("every case passed the last time", hint="leave --failed out to evaluate all")
        return plans

    def _plans_of(self, ref: str, at_version: PromptAtVersion, dataset: Dataset) -> Iterator[Plan]:
        """One plan for each model; none where nothing of the dataset is selected."""
        request, prompt = self._request, at_version.prompt
        all_chosen = self._choosing.of(lambda: dataset.cases(prompt), dataset.count)
        self._context.shared(OpenDatasets).keep(prompt, dataset)
        for name in request.models or (at_version.model,):
            model, chosen, ids = name, all_chosen, request.selection.ids
            if request.only_failed:
                row = self._earlier(Evaluated(prompt.id, dataset.header.path, name if request.models else None))
                if row is None:
                    continue
                ids = failed_cases(self._context.log, row)
                chosen = Choosing(request.selection.among(ids)).of(lambda: dataset.cases(prompt))
                model = row.model
            if not chosen.count:
                continue
            if model is None:
                raise ModelConfigurationError(
                    f"{prompt.id} names no model, and promptctl.yaml has no default",
                    hint="give --model, or set `model:` there",
                )
            self._refuse_unpriced(model)
            target = make_target(
                self._context,
                prompt,
                at_version.version,
                model,
                parameters=request.parameters,
                needs_key=request.needs_keys,
            )
            spec = EvaluationSpec(
                ref=ref,
                group=self._group,
                dataset=dataset.header.path,
                dataset_digest=dataset.digest,
                cases=chosen.count,
                ids=None if ids is None else tuple(sorted(ids)),
                tags=request.selection.tags,
                sample=request.selection.sample,
                seed=request.selection.seed,
                first=request.selection.first,
                repeats=request.repeats,
                at_least=request.at_least,
                min_pass=dataset.header.min_pass if request.min_pass is None else request.min_pass,
                parameters=target.parameters,
                judge=request.judge,
                replies=request.replies,
            )
            yield Plan(target=target, spec=spec, chosen=chosen)

    def _earlier(self, wanted: Evaluated) -> EvaluationRow | None:
        """The evaluation whose failures are wanted; None where that is of something else, or there was none yet."""
        named = self._request.failed_of
        try:
            row = last_evaluation(self._context.log, wanted, named)
        except UsageError as error:
            if named is not None:
                raise
            self._never_evaluated.append(error)
            return None
        self._has_earlier = True
        return row

    def _is_inactive(self, prompt: Prompt) -> bool:
        """True if the prompt refuses to run; asked for by itself that is an error, among others it is left out."""
        if prompt.status != "inactive":
            return False
        if len(self._refs) == 1:
            raise PromptInactive(
                f"{prompt.id} is inactive and refuses to run", hint=f"set `status: active` in {prompt.path}"
            )
        self._context.warn(f"{prompt.id} is inactive and left out")
        return True

    def _check_judges(self, dataset: Dataset) -> None:
        """Refuse, before anything is sent, a judge that cannot be asked."""
        for asked in dataset.judges - self._checked:
            model = judge_model(self._context, asked, self._request.judge)
            if self._request.needs_keys:
                self._context.models.settings_of(model)
            self._refuse_unpriced(model)
            self._checked.add(asked)

    def _refuse_unpriced(self, model: str) -> None:
        request = self._request
        is_free = model.startswith(("echo/", "replay/")) or request.replies == "replay"
        if request.limits.max_cost_nano_usd is None or is_free:
            return
        if self._context.models.prices.cost_nano_usd(model, Usage(1, 1))[0] is None:
            raise ModelConfigurationError(
                f"--max-cost cannot be kept: it is not known what {model} costs",
                hint="give its price under `prices:` in promptctl.yaml",
            )


def _version_of(context: Context, row: EvaluationRow) -> PromptAtVersion:
    """The prompt that an evaluation was of; a label may have moved since, its commit stays."""
    found = context.prompt(row.spec.ref)
    if found.version.digest != row.digest and row.commit and not row.is_dirty:
        with suppress(PromptNotFound, RevisionNotFound):
            return context.prompt(f"{row.prompt}@{row.commit}")
    return found


def _with_side(head: Plan) -> Plan:
    return replace(head, spec=replace(head.spec, side="head"))


def _base_plan(context: Context, head: Plan, base: str, request: EvaluationRequest) -> Plan:
    own: Prompt = head.target.prompt
    ref = f"{own.id}{base}" if base.startswith("@") else base
    try:
        at_version = context.prompt(ref)
    except PromptNotFound as error:
        hint = f"to evaluate {own.id} by itself: promptctl eval {own.id}"
        raise PromptNotFound(f"nothing to compare with: {error.message}", hint=hint) from error
    model = head.target.model if request.models else (at_version.model or head.target.model)
    target = make_target(
        context,
        at_version.prompt,
        at_version.version,
        model,
        parameters=request.parameters,
        needs_key=request.needs_keys,
    )
    spec = replace(head.spec, ref=ref, side="base", drops_unknown_inputs=True, parameters=target.parameters)
    dataset = context.shared(OpenDatasets).of(head)
    context.shared(OpenDatasets).keep(at_version.prompt, dataset)
    found = replace(head, target=target, spec=spec)
    return found if _takes_the_same(at_version.prompt, own) else _without_unfit(context, found)


def _takes_the_same(base: Prompt, head: Prompt) -> bool:
    """True if both declare the same inputs, so that either takes what the other does."""
    declared = [
        {name: (each.schema, each.default, each.is_required) for name, each in prompt.inputs.items()}
        for prompt in (base, head)
    ]
    return declared[0] == declared[1]


def _without_unfit(context: Context, plan: Plan) -> Plan:
    """The plan without the cases whose inputs its prompt cannot take, unless those are all of them."""
    taken = dict(cases_taken(context, plan))
    fit = [id_ for id_, is_taken in taken.items() if is_taken]
    if not fit or len(fit) == len(taken):
        return plan
    left_out = tuple(id_ for id_, is_taken in taken.items() if not is_taken)
    spec = replace(plan.spec, left_out=left_out, cases=len(fit))
    return replace(plan, chosen=Chosen(len(fit), frozenset(fit)), spec=spec)
