"""From an evaluation of the log to the plan that takes it up again, if nothing that decides its results has changed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from promptctl.calls.call import make_target
from promptctl.datasets.index import dataset_index
from promptctl.datasets.selection import Selection, choose, part_of
from promptctl.errors import PromptNotFound, RevisionNotFound, WorkspaceError
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.planning import check_models, judging_model
from promptctl.evaluations.request import EvaluationRequest
from promptctl.evaluations.rules import (
    calibration_rule_of,
    judge_rules,
    known_calibrations,
    reply_rules,
    server_digest,
)
from promptctl.files.names import SETTINGS

if TYPE_CHECKING:
    from promptctl.assertions.preparing import CodeUse
    from promptctl.calls.call import Target
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset
    from promptctl.evaluations.request import ResumeRequest
    from promptctl.log.results import EvaluationRow
    from promptctl.versions.prompt_at_version import PromptAtVersion


def replan(context: Context, row: EvaluationRow, resumed: ResumeRequest) -> Plan:
    """Return the plan that takes up an evaluation of the log again, with what it was begun with.

    Raises `WorkspaceError` if prompt, dataset, server, judge or the rules of `promptctl.yaml` are not what they were:
    its results would not belong together. Raises what `plan` does for a model that cannot be asked.
    """
    context.work_tree_for("an evaluation")
    spec, allows_code = row.spec, resumed.allows_code
    at_version = _version_of(context, row)
    prompt = at_version.prompt
    code: CodeUse = "leave-out" if spec.code_left_out else "run" if allows_code else "refuse"
    dataset = dataset_index(context, code).checked(spec.dataset, prompt)
    if at_version.version.digest != row.digest or dataset.digest != spec.dataset_digest:
        changed = spec.dataset if at_version.version.digest == row.digest else row.prompt
        raise WorkspaceError(
            f"{changed} has changed since evaluation {row.id[-8:]} began",
            hint=f"evaluate it anew: promptctl eval {spec.ref}",
        )
    request = EvaluationRequest(
        refs=(spec.ref,),
        judge=spec.judge,
        judge_parameters=spec.judge_parameters,
        replies=spec.replies,
        limits=resumed.limits,
    )
    target = make_target(context, prompt, at_version.version, row.model, needs_key=request.needs_keys)
    check_models(context, request, {target.model}, set(dataset.judges))
    _check_same(context, row, request, target, dataset)
    ids = None if spec.ids is None else frozenset(spec.ids)
    part = None if spec.split is None else spec.split["part"]
    if spec.split != part_of(dataset, part):
        raise WorkspaceError(
            f"the split of {spec.dataset} has changed since evaluation {row.id[-8:]} began",
            hint=f"evaluate it anew: promptctl eval {spec.ref} --split {part}",
        )
    selection = Selection(ids=ids, tags=spec.tags, sample=spec.sample, seed=spec.seed, first=spec.first, part=part)
    return Plan(
        target=replace(target, parameters=spec.parameters),
        spec=spec,
        chosen=choose(partial(dataset.cases, prompt), selection, dataset),
        tests=prompt,
        code=code,
        calibrated=calibration_rule_of(context, dataset),
        resumes=row,
    )


def _check_same(
    context: Context, row: EvaluationRow, request: EvaluationRequest, target: Target, dataset: Dataset
) -> None:
    """Raise `WorkspaceError` if what answers or judges is not what it was when the evaluation began."""
    spec = row.spec
    if spec.is_without_server:
        return
    judge = judging_model(context, request, dataset)
    rules = reply_rules(context, target.model) | judge_rules(context, request, dataset, target.prompt)
    changed = {
        f"the server of {row.model}": spec.server != server_digest(target.server),
        f"the model that judges (now {judge})": spec.judge_model != judge,
        "the server, the rule or the parameters of a judge": spec.rules.get("judges") != rules.get("judges"),
        "which judges are calibrated": spec.rules.get("uncalibrated") != rules.get("uncalibrated")
        or spec.calibrations.keys() != known_calibrations(context, request, dataset, target.prompt).keys(),
        f"the rule of {row.model} in {SETTINGS}": _of_model(spec.rules) != _of_model(rules),
    }
    if differing := [what for what, is_changed in changed.items() if is_changed]:
        raise WorkspaceError(
            f"evaluation {row.id[-8:]} cannot be taken up again: since it began, {', '.join(differing)} changed",
            hint=f"change it back, or evaluate anew: promptctl eval {spec.ref}",
        )


def _of_model(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rule for name, rule in rules.items() if name not in ("judges", "uncalibrated")}


def _version_of(context: Context, row: EvaluationRow) -> PromptAtVersion:
    """The prompt that an evaluation was of; a label may have moved since, its commit stays."""
    found = context.prompt(row.spec.ref)
    if found.version.digest != row.digest and row.commit and not row.is_dirty:
        with suppress(PromptNotFound, RevisionNotFound):
            return context.prompt(f"{row.prompt}@{row.commit}")
    return found
