"""From a request to plans: reads files and settings, checks everything, asks nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from promptctl.assertions.judging import JudgeTerms
from promptctl.calls.call import Target, make_target
from promptctl.counting import counted, without_collector
from promptctl.datasets.choosing import DatasetChoice
from promptctl.datasets.index import DatasetIndex, dataset_index
from promptctl.datasets.selection import Choosing, Chosen, Selection, part_of
from promptctl.errors import (
    InvalidFiles,
    ModelConfigurationError,
    NothingLeft,
    Place,
    PromptctlError,
    PromptInactive,
    PromptNotFound,
    UsageError,
    WorkspaceError,
)
from promptctl.evaluations.earlier import FailedCases
from promptctl.evaluations.estimate import cost_of_call
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.rules import answering, calibration_rule_of
from promptctl.files.names import RECORDINGS
from promptctl.formats.settings_file import judge_parameter_problems
from promptctl.log.results import EvaluationSpec
from promptctl.log.stamps import new_id
from promptctl.models.gateway import Usage, recorded_model
from promptctl.models.recordings import RecordedReplies
from promptctl.prompts.loading import warn_of_wrongly_named

if TYPE_CHECKING:
    from promptctl.assertions.assertion import AskedJudge
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import PromptAtVersion


@without_collector()
def plan(context: Context, request: EvaluationRequest, *, is_compared: bool = False) -> list[Plan]:
    """Return a plan for each prompt, dataset and model of the request, every dataset checked to its last row.

    Raises `InvalidFiles` with all problems of a dataset, `UsageError` if nothing is selected, or if only a comparison
    could end it as the request says and it is not one, `ModelConfigurationError` if a model cannot be asked,
    `PromptInactive` for a single prompt that is.
    """
    if request.until == "sequential" and not is_compared:
        hint = "--until-decided ends an evaluation by itself"
        raise UsageError("--sequential compares two versions: give it with --against", hint=hint)
    context.work_tree_for("an evaluation")
    plans: list[Plan] = []
    judges: set[AskedJudge] = set()
    asked, choosing = _asked(request), Choosing(request.selection)
    failed = FailedCases(context.log, request.failed_of) if request.only_failed else None
    broken: list[PromptctlError] = []
    for ref, at_version, dataset, target_for in counted(_subjects(context, request, broken), "reading datasets"):
        judges |= dataset.judges
        for model, selection, chosen in _chosen(request, at_version, dataset, choosing, failed):
            target = target_for(model)
            spec = replace(
                asked,
                ref=ref,
                dataset=dataset.header.path,
                dataset_digest=dataset.digest,
                cases=chosen.count,
                ids=None if selection.ids is None else tuple(sorted(selection.ids)),
                split=part_of(dataset, selection.part),
                min_pass=dataset.header.min_pass if request.min_pass is None else request.min_pass,
                parameters=target.parameters,
                code_left_out=dataset.code_left_out.words,
                **answering(context, request, dataset, target),
            )
            calibrated, tests = calibration_rule_of(context, dataset), at_version.prompt
            plans.append(
                Plan(target=target, spec=spec, chosen=chosen, tests=tests, code=request.code, calibrated=calibrated)
            )
    for error in {str(error): error for error in broken}.values():
        if request.on_broken is not None:
            request.on_broken(error)
    if broken and not plans:
        raise broken[0]
    choosing.finish()
    if failed is not None:
        failed.finish(context.warn)
    if not plans:
        raise NothingLeft("every case passed the last time", hint="leave --failed out to evaluate all")
    check_models(context, request, {each.target.model for each in plans}, judges)
    for told in dict.fromkeys(f"{each.spec.dataset}: {words}" for each in plans if (words := each.spec.code_left_out)):
        context.warn(told)
    return plans


def _asked(request: EvaluationRequest) -> EvaluationSpec:
    """Return what the request says of each of its evaluations, which are one command's."""
    selection = request.selection
    return EvaluationSpec(
        group=new_id(),
        tags=selection.tags,
        sample=selection.sample,
        seed=selection.seed,
        first=selection.first,
        repeats=request.repeats,
        at_least=request.at_least,
        judge=request.judge,
        judge_parameters=request.judge_parameters,
        replies=request.replies,
        afresh=request.afresh,
        until=request.until,
        max_cost_nano_usd=request.limits.max_cost_nano_usd,
    )


def _chosen(
    request: EvaluationRequest,
    at_version: PromptAtVersion,
    dataset: Dataset,
    choosing: Choosing,
    failed: FailedCases | None,
) -> Iterator[tuple[str | None, Selection, Chosen]]:
    """Yield each model that is asked over a dataset, if any case is chosen for it, with its selection and choice."""
    prompt = at_version.prompt
    cases = partial(dataset.cases, prompt)
    chosen = choosing.of(cases, dataset, dataset.code_left_out.ids)
    for model in dict.fromkeys(request.models) or (at_version.model,):
        if failed is None and chosen.count:
            yield model, request.selection, chosen
        elif failed and (found := failed.of(prompt.id, dataset.header.path, model if request.models else None)):
            selection = request.selection.among(found[1])
            if (left := Choosing(selection).of(cases, dataset)).count:
                yield found[0], selection, left


def _subjects(
    context: Context, request: EvaluationRequest, broken: list[PromptctlError]
) -> Iterator[tuple[str, PromptAtVersion, Dataset, Callable[[str | None], Target]]]:
    """Yield each ref of the request with its prompt, once for each of its datasets, and what makes a model's target.

    What keeps one from being evaluated is added to `broken`, and raised if the user named it or nobody is to be told.
    """
    index = dataset_index(context, request.code)
    goes_on = request.is_of_own and request.on_broken is not None
    if request.refs is None:
        warn_of_wrongly_named(index.tree, context.warn)
    refs = list(index.tested_prompts(skips_broken=goes_on) if request.refs is None else dict.fromkeys(request.refs))
    broken += index.broken.values()
    if not refs and not broken:
        hint = index.left_out or "promptctl new PROMPT begins one in datasets/"
        raise UsageError("no prompt has a dataset", hint=hint)
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
        target_for = cache(partial(target_of, context, request, at_version))
        for path in paths:
            try:
                dataset = index.checked(path, at_version.prompt)
                if goes_on:
                    list(map(target_for, request.models or (at_version.model,)))
                    _models_judging(context, request, dataset.judges)
            except (WorkspaceError, ModelConfigurationError) as error:
                if not goes_on:
                    raise
                broken.append(error)
            else:
                yield ref, at_version, dataset, target_for
    if not request.datasets and (words := index.left_out):
        context.warn(words)


def _prompt(context: Context, request: EvaluationRequest, index: DatasetIndex, ref: str) -> PromptAtVersion:
    try:
        found = context.prompt(ref)
        return found if request.default_model is None else replace(found, default_model=request.default_model)
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


def target_of(context: Context, request: EvaluationRequest, at_version: PromptAtVersion, model: str | None) -> Target:
    """Return a prompt at a version with the model that is asked, as the request has it asked."""
    prompt, version = at_version.prompt, at_version.version
    return make_target(context, prompt, version, model, parameters=request.parameters, needs_key=request.needs_keys)


def _models_judging(context: Context, request: EvaluationRequest, judges: Iterable[AskedJudge]) -> set[str]:
    """Return the models that judge. Raises `ModelConfigurationError` if one cannot be asked."""
    models = set(map(JudgeTerms(context, request.judge).model_of, judges))
    for model in models if request.needs_keys else ():
        context.models.settings_of(model)
    return models


def check_models(context: Context, request: EvaluationRequest, models: set[str], judges: set[AskedJudge]) -> None:
    """Refuse, before anything is sent, a judge that cannot be asked, and a model whose cost nobody can bound."""
    if problems := judge_parameter_problems(request.judge_parameters, Place("judge parameters")):
        raise UsageError(problems[0].message, hint=problems[0].hint)
    judging = _models_judging(context, request, judges)
    _check_recorded(context, request, judging)
    if request.limits.max_cost_nano_usd is not None:
        for model in sorted(models | judging):
            if cost_of_call(context, model, request.replies, Usage(1, 1)) is None:
                raise ModelConfigurationError(
                    f"--max-cost cannot be kept: it is not known what {model} costs",
                    hint="give its price under `prices:` in promptctl.yaml, or say with `priced_as` under `models:` "
                    "which model it is",
                )


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
