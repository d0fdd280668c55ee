"""From a request to plans: reads files and settings, checks everything, asks nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from promptctl.assertions.judging import judge_model
from promptctl.calls.call import make_target
from promptctl.counting import counted
from promptctl.datasets.choosing import DatasetChoice
from promptctl.datasets.index import dataset_index
from promptctl.datasets.selection import Choosing, Chosen, part_of
from promptctl.errors import (
    InvalidFiles,
    ModelConfigurationError,
    Place,
    PromptctlError,
    PromptInactive,
    PromptNotFound,
    RevisionNotFound,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.earlier import FailedCases
from promptctl.evaluations.estimate import cost_of_call
from promptctl.evaluations.plan import Plan, can_differ, comparison_key
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.rules import (
    calibration_rule_of,
    judge_rules,
    known_calibrations,
    reply_rules,
    server_digest,
)
from promptctl.files.names import RECORDINGS
from promptctl.formats.settings_file import judge_parameter_problems
from promptctl.log.results import EvaluationSpec
from promptctl.log.stamps import new_id
from promptctl.models.gateway import Usage, recorded_model
from promptctl.models.recordings import RecordedReplies

if TYPE_CHECKING:
    from promptctl.assertions.assertion import AskedJudge
    from promptctl.calls.call import Target
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset
    from promptctl.datasets.index import DatasetIndex
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import PromptAtVersion


@dataclass(frozen=True, slots=True)
class Pair:
    """The head of a comparison, and its base over the same cases; None if it is evaluated by itself."""

    head: Plan
    base: Plan | None = None

    @property
    def sides(self) -> tuple[Plan, ...]:
        """The plans, base first."""
        return (self.head,) if self.base is None else (self.base, self.head)


def plan(context: Context, request: EvaluationRequest) -> list[Plan]:
    """Return a plan for each prompt, dataset and model of the request, every dataset checked to its last row.

    Raises `InvalidFiles` with all problems of a dataset, `UsageError` if nothing is selected,
    `ModelConfigurationError` if a model cannot be asked, `PromptInactive` for a single prompt that is.
    """
    context.work_tree_for("an evaluation")
    plans: list[Plan] = []
    judges: set[AskedJudge] = set()
    group, choosing = new_id(), Choosing(request.selection)
    failed = FailedCases(context.log, request.failed_of) if request.only_failed else None
    broken: list[PromptctlError] = []
    for ref, at_version, dataset in counted(_subjects(context, request, broken), "reading datasets"):
        prompt, path = at_version.prompt, dataset.header.path
        judges |= dataset.judges
        cases = partial(dataset.cases, prompt)
        all_chosen = choosing.of(cases, dataset, dataset.code_left_out.ids)
        for name in request.models or (at_version.model,):
            model, selection, chosen = name, request.selection, all_chosen
            if failed is not None:
                found = failed.of(prompt.id, path, name if request.models else None)
                if found is None:
                    continue
                model, selection = found[0], selection.among(found[1])
                chosen = Choosing(selection).of(cases, dataset)
            if not chosen.count:
                continue
            target = _target(context, request, at_version, model)
            spec = EvaluationSpec(
                ref=ref,
                group=group,
                dataset=path,
                dataset_digest=dataset.digest,
                cases=chosen.count,
                ids=None if selection.ids is None else tuple(sorted(selection.ids)),
                tags=selection.tags,
                sample=selection.sample,
                seed=selection.seed,
                first=selection.first,
                split=part_of(dataset, selection.part),
                repeats=request.repeats,
                at_least=request.at_least,
                min_pass=dataset.header.min_pass if request.min_pass is None else request.min_pass,
                parameters=target.parameters,
                judge=request.judge,
                judge_model=judging_model(context, request, dataset),
                judge_parameters=request.judge_parameters,
                replies=request.replies,
                afresh=request.afresh,
                until=request.until,
                server=server_digest(target.server),
                rules=reply_rules(context, target.model) | judge_rules(context, request, dataset, prompt),
                calibrations=known_calibrations(context, request, dataset, prompt),
                code_left_out=dataset.code_left_out.words,
            )
            calibrated = calibration_rule_of(context, dataset)
            plans.append(
                Plan(target=target, spec=spec, chosen=chosen, tests=prompt, code=request.code, calibrated=calibrated)
            )
    if request.on_broken is not None:
        for error in {str(error): error for error in broken}.values():
            request.on_broken(error)
    if broken and not plans:
        raise broken[0]
    choosing.finish()
    if failed is not None:
        failed.finish(context.warn)
    if not plans:
        raise UsageError("every case passed the last time", hint="leave --failed out to evaluate all")
    check_models(context, request, {each.target.model for each in plans}, judges)
    _warn_of_code_left_out(context, plans)
    return plans


def judging_model(context: Context, request: EvaluationRequest, dataset: Dataset) -> str | None:
    """Return the model that judges without a model of their own ask; None without judges."""
    return (request.judge or context.settings.judging_model or "") if dataset.judges else None


def pair(context: Context, request: EvaluationRequest, plans: Sequence[Plan], base: str) -> list[Pair]:
    """Return each of the request's plans with the plan of its base, over the same cases.

    `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref. It is asked only for
    cases that give it the inputs it needs, if there are any. Of prompts that nobody named, those that `base` does not
    have are paired with None; one that was named raises `PromptNotFound` or `RevisionNotFound`. So does a label, number
    or revision that no prompt has: it is misspelt.
    """
    pairs: list[Pair] = []
    unknown: RevisionNotFound | None = None
    for head in plans:
        try:
            other = _base_plan(context, request, head, base)
            rows = head.row(), other.row()
            key, until = comparison_key(*rows), head.spec.until
            if until == "sequential" and not any(map(can_differ, rows)):  # where nothing is chance no test is of use
                until = "decided"
            pairs.append(
                Pair(
                    replace(head, spec=replace(head.spec, side="head", comparison=key, until=until)),
                    replace(other, spec=replace(other.spec, comparison=key, until=until)),
                )
            )
        except (PromptNotFound, RevisionNotFound) as error:
            if not (request.is_of_own and base.startswith("@")):
                raise
            pairs.append(Pair(head))
            unknown = error if isinstance(error, RevisionNotFound) else unknown
        except InvalidFiles as error:
            if not (request.is_of_own and request.on_broken):
                raise
            request.on_broken(error)
            pairs.append(Pair(head))
    if unknown is not None and all(each.base is None for each in pairs):
        raise unknown
    return pairs


def rerun(pair: Pair, ids: Collection[str], repeats: int) -> Pair:
    """Return the pair over these cases alone, so often: both sides are asked anew, nothing comes from the cache."""
    chosen, wanted = Chosen(len(ids), frozenset(ids)), tuple(sorted(ids))

    def fresh(side: Plan) -> Plan:
        spec = replace(side.spec, side="rerun", replies="ask", ids=wanted, cases=len(ids), at_least=None)
        return replace(side, chosen=chosen, spec=replace(spec, repeats=repeats))

    return Pair(fresh(pair.head), fresh(pair.base) if pair.base is not None else None)


def _subjects(
    context: Context, request: EvaluationRequest, broken: list[PromptctlError]
) -> Iterator[tuple[str, PromptAtVersion, Dataset]]:
    """Yield each ref of the request with its prompt, once for each of its datasets.

    What keeps one from being evaluated is added to `broken`, and raised if the user named it or nobody is to be told.
    """
    index = dataset_index(context, request.code)
    goes_on = request.is_of_own and request.on_broken is not None
    refs = list(index.tested_prompts(skips_broken=goes_on)) if request.refs is None else request.refs
    broken += index.broken.values()
    if not refs and not broken:
        raise UsageError("no prompt has a dataset", hint="write one to datasets/, with `prompts:` and `cases:`")
    prompts = frozenset(ref.partition("@")[0] for ref in refs)
    choice = DatasetChoice(
        index, context.inside, request.datasets, prompts, is_of_own=request.is_of_own, skips_broken=goes_on
    )
    for ref in refs:
        try:
            at_version = _prompt(context, request, index, ref)
            paths = choice.paths_of(at_version.prompt) if _is_active(context, at_version.prompt, len(refs)) else ()
        except WorkspaceError as error:
            if not goes_on:
                raise
            broken.append(error)
            continue
        for path in paths:
            try:
                dataset = index.checked(path, at_version.prompt)
                if goes_on:
                    _check_subject(context, request, at_version, dataset)
            except (WorkspaceError, ModelConfigurationError) as error:
                if not goes_on:
                    raise
                broken.append(error)
            else:
                yield ref, at_version, dataset


def _prompt(context: Context, request: EvaluationRequest, index: DatasetIndex, ref: str) -> PromptAtVersion:
    try:
        return context.prompt(ref)
    except PromptNotFound as error:
        if request.is_of_own and (problems := index.missing_prompt(ref)):  # nobody but a dataset names it
            raise InvalidFiles(problems) from error
        raise


def _is_active(context: Context, prompt: Prompt, refs: int) -> bool:
    """Return False, and say so, for one of several prompts that is inactive; raise `PromptInactive` for a single."""
    if prompt.status != "inactive":
        if prompt.status == "deprecated":
            context.warn(prompt.retirement)
        return True
    if refs == 1:
        instead = f"use {prompt.successor}; or " if prompt.successor else ""
        raise PromptInactive(
            f"{prompt.id} is inactive and refuses to run", hint=f"{instead}promptctl activate {prompt.id}"
        )
    context.warn(f"{prompt.id} is inactive and left out" + (f": use {prompt.successor}" if prompt.successor else ""))
    return False


def _check_subject(context: Context, request: EvaluationRequest, at_version: PromptAtVersion, dataset: Dataset) -> None:
    """Raise `ModelConfigurationError` if a model that the prompt or its judges need cannot be asked."""
    for name in request.models or (at_version.model,):
        _target(context, request, at_version, name)
    for asked in dataset.judges if request.needs_keys else ():
        context.models.settings_of(judge_model(context, asked, request.judge))


def _target(context: Context, request: EvaluationRequest, at_version: PromptAtVersion, model: str | None) -> Target:
    prompt, version = at_version.prompt, at_version.version
    return make_target(context, prompt, version, model, parameters=request.parameters, needs_key=request.needs_keys)


def check_models(context: Context, request: EvaluationRequest, models: set[str], judges: set[AskedJudge]) -> None:
    """Refuse, before anything is sent, a judge that cannot be asked, and a model whose cost nobody can bound."""
    if problems := judge_parameter_problems(request.judge_parameters, Place("judge parameters")):
        raise UsageError(problems[0].message, hint=problems[0].hint)
    judging = {judge_model(context, asked, request.judge) for asked in judges}
    _check_recorded(context, request, judging)
    if request.needs_keys:
        for model in judging:
            context.models.settings_of(model)
    if request.limits.max_cost_nano_usd is not None:
        for model in sorted(models | judging):
            if cost_of_call(context, model, request.replies, Usage(1, 1)) is None:
                raise ModelConfigurationError(
                    f"--max-cost cannot be kept: it is not known what {model} costs",
                    hint="give its price under `prices:` in promptctl.yaml, or say with `priced_as` under `models:` "
                    "which model it is",
                )


def _warn_of_code_left_out(context: Context, plans: Sequence[Plan]) -> None:
    for path, words in {each.spec.dataset: each.spec.code_left_out for each in plans}.items():
        if words:
            context.warn(f"{path}: {words}")


def _check_recorded(context: Context, request: EvaluationRequest, judging: set[str]) -> None:
    """Refuse judges that are to be replayed, and of which no reply is recorded."""
    is_replayed = request.replies == "replay"
    replayed = sorted(model for model in judging if is_replayed or model.startswith("replay/"))
    recorded = RecordedReplies(context.recordings_folder).models if replayed else ()
    for model in replayed:
        if recorded_model(model) not in recorded:
            raise ModelConfigurationError(
                f"{model} cannot judge: none of its replies are recorded in {RECORDINGS}/",
                hint="record them with --replies record, or name a model that is asked: --judge MODEL",
            )


def _base_plan(context: Context, request: EvaluationRequest, head: Plan, base: str) -> Plan:
    own = head.target.prompt
    ref = f"{own.id}{base}" if base.startswith("@") else base
    try:
        at_version = context.prompt(ref)
    except PromptNotFound as error:
        hint: str | None = f"to evaluate {own.id} by itself: promptctl eval {own.id}"
        if not base.startswith("@"):
            hint = error.hint
            with suppress(PromptctlError):
                context.prompt(f"{own.id}@{base}")
                hint = f"did you mean `@{base}`?"
        raise PromptNotFound(f"nothing to compare with: {error.message}", hint=hint) from error
    model = head.target.model if request.models else (at_version.model or head.target.model)
    target = _target(context, request, at_version, model)
    of_judges = {name: rule for name, rule in head.spec.rules.items() if name in ("judges", "uncalibrated")}
    spec = replace(
        head.spec,
        ref=ref,
        side="base",
        drops_unknown_inputs=True,
        parameters=target.parameters,
        server=server_digest(target.server),
        rules=reply_rules(context, target.model) | of_judges,
    )
    found = replace(head, target=target, spec=spec)
    if at_version.prompt.inputs == own.inputs:
        return found
    asker = Asker(found)
    taken = {case.id: asker.takes(case) for case in found.cases(context)}
    fit = frozenset(id_ for id_, is_taken in taken.items() if is_taken)
    if not fit or len(fit) == len(taken):
        return found
    spec = replace(spec, left_out=tuple(id_ for id_ in taken if id_ not in fit), cases=len(fit))
    return replace(found, chosen=Chosen(len(fit), fit), spec=spec)
