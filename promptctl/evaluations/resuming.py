"""Evaluations that are taken up again: which of the log, and how to go on with each as it was begun."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from promptctl.context import Context
from promptctl.datasets.index import dataset_index
from promptctl.datasets.selection import Selection, choose, part_of
from promptctl.errors import NothingLeft, PromptNotFound, RevisionNotFound, UsageError, WorkspaceError, quote
from promptctl.evaluations.claims import is_claimed
from promptctl.evaluations.evaluation import load
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.planning import check_models, target_of
from promptctl.evaluations.request import EvaluationRequest, Limits, ResumeRequest
from promptctl.evaluations.rules import answering, calibration_rule_of
from promptctl.files.names import SETTINGS
from promptctl.log.filter import Filter
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.versions.prompt_at_version import PromptAtVersion

_SIDES = ("base", "head")


def plan_again(context: Context, request: ResumeRequest) -> tuple[list[Plan], Limits]:
    """Return the plans of the evaluations to take up again, and the limits on what is asked from now on.

    A bound of the request's is for what is spent from now on. Without one, what is left of that of the latest resume
    holds, else of that with which they were begun. Raises what `unfinished` and `replan` raise, and `UsageError` if a
    bound stopped one and the request has none.
    """
    log, limits = context.log, request.limits
    rows = unfinished(log, request, partial(is_claimed, context.state_folder))
    _refuse_unbounded(rows, request)
    if limits.max_cost_nano_usd is not None:
        bound = _spent_nano_usd(log, rows[0].group) + limits.max_cost_nano_usd
        rows = [replace(row, totals=replace(row.totals, max_cost_nano_usd=bound)) for row in rows]
    else:
        resumed = [most for row in rows if (most := row.totals.max_cost_nano_usd) is not None]
        most = min(resumed, default=rows[0].spec.max_cost_nano_usd)
        if most is not None:
            limits = replace(limits, max_cost_nano_usd=max(0, most - _spent_nano_usd(log, rows[0].group)))
    return [replan(context, row, replace(request, limits=limits)) for row in rows], limits


def unfinished(log: Store, request: ResumeRequest, is_running: Callable[[str], bool]) -> list[EvaluationRow]:
    """Return the evaluations to take up again: all of one command, the oldest first.

    Those of a command that `is_running`, by its group, are passed over. Raises `UsageError` if there are none,
    and `WorkspaceError` for one side of a comparison.
    """
    if request.evaluation is not None:
        named = log.evaluation(request.evaluation)
        if named.spec.needs_its_comparison:
            raise WorkspaceError(
                f"evaluation {named.id[-8:]} is one side of a comparison", hint=_compare_again(log, named)
            )
        return [named]
    gaps = log.evaluations(has_gaps=True)
    if request.prompts:
        gaps = [row for row in gaps if row.prompt in request.prompts]
    recent = [row for row in gaps if not row.spec.needs_its_comparison and row.totals.stopped != "decided"]
    with_errors = [row for row in recent if row.totals.errors]
    waiting = [row for row in recent if row.status != "finished" or (request.retries_errors and row in with_errors)]
    free = [row for row in waiting if not is_running(row.group)]
    if free:
        return [row for row in reversed(free) if row.group == free[0].group]
    if waiting:
        raise UsageError("what is unfinished is being run by another process", hint="wait for its end, or stop it")
    nothing = "no evaluation is left unfinished"
    if with_errors and not request.retries_errors:
        again = " ".join(["promptctl eval resume", *map(quote, request.prompts), "--retry-errors"])
        raise UsageError(nothing, hint=f"to ask again for what ended in an error: {again}")
    if side := next((row for row in gaps if row.spec.side in _SIDES), None):
        hint = f"evaluation {side.id[-8:]} is one side of a comparison: {_compare_again(log, side)}"
        raise UsageError(nothing, hint=hint)
    raise NothingLeft(nothing, hint="see them with: promptctl results list")


def _refuse_unbounded(rows: Sequence[EvaluationRow], request: ResumeRequest) -> None:
    """Raise `UsageError` if a bound on the cost stopped one of the evaluations, and the request has none."""
    stopped = next((row for row in rows if row.totals.stopped == "max-cost"), None)
    if stopped is None or request.limits.max_cost_nano_usd is not None:
        return
    named = stopped.id[-8:] if request.evaluation else " ".join(map(quote, request.prompts))
    again = ["promptctl eval resume", *filter(None, [named]), *(["--retry-errors"] if request.retries_errors else [])]
    raise UsageError(
        f"evaluation {stopped.id[-8:]} was stopped by --max-cost, and nothing bounds what the rest of it may cost",
        hint=f"say what it may cost: {' '.join(again)} --max-cost USD",
    )


def _spent_nano_usd(log: Store, group: str) -> int:
    """Return what the evaluations of a command have cost so far, replies without a result among it."""
    spent = 0
    for row in log.evaluations(group=group):
        asked = log.totals(Filter(evaluation_id=row.id), (), costs_only=True)
        spent += max([load(log, row).summary.cost_nano_usd, *(each.cost_nano_usd or 0 for each in asked)])
    return spent


def _compare_again(log: Store, side: EvaluationRow) -> str:
    """Return how to go on with a comparison, given one of its sides."""
    both = {
        row.spec.side: quote(row.spec.ref)
        for row in log.evaluations(group=side.group)
        if row.spec.side in _SIDES and row.spec.comparison == side.spec.comparison
    }
    command = f": promptctl eval {both['head']} --against {both['base']}" if len(both) == len(_SIDES) else ""
    return f"give its command again, with the same options{command}; what was answered comes from the cache"


def replan(context: Context, row: EvaluationRow, resumed: ResumeRequest) -> Plan:
    """Return the plan that takes up an evaluation of the log again, with what it was begun with.

    Raises `WorkspaceError` if prompt, dataset, server, judge or the rules of `promptctl.yaml` are not what they were:
    its results would not belong together. Raises what `plan` does for a model that cannot be asked.
    """
    context.work_tree_for("an evaluation")
    spec, at_version = row.spec, _version_of(context, row)
    prompt, began, anew = at_version.prompt, f"evaluation {row.id[-8:]} began", f"promptctl eval {spec.ref}"
    request = EvaluationRequest(
        refs=(spec.ref,),
        judge=spec.judge,
        judge_parameters=spec.judge_parameters,
        replies=spec.replies,
        limits=resumed.limits,
        allows_code=resumed.allows_code and not spec.code_left_out,
        leaves_out_code=bool(spec.code_left_out),
    )
    dataset = dataset_index(context, request.code).checked(spec.dataset, prompt)
    if at_version.version.digest != row.digest or dataset.digest != spec.dataset_digest:
        changed = spec.dataset if at_version.version.digest == row.digest else row.prompt
        raise WorkspaceError(f"{changed} has changed since {began}", hint=f"evaluate it anew: {anew}")
    target = target_of(context, request, at_version, row.model)
    check_models(context, request, {target.model}, set(dataset.judges))
    if not spec.is_without_server:
        _check_same(row, answering(context, request, dataset, target))
    part = None if spec.split is None else spec.split["part"]
    if spec.split != part_of(dataset, part):
        hint = f"evaluate it anew: {anew} --split {part}"
        raise WorkspaceError(f"the split of {spec.dataset} has changed since {began}", hint=hint)
    ids = None if spec.ids is None else frozenset(spec.ids)
    selection = Selection(ids=ids, tags=spec.tags, sample=spec.sample, seed=spec.seed, first=spec.first, part=part)
    return Plan(
        target=replace(target, parameters=spec.parameters),
        spec=spec,
        chosen=choose(partial(dataset.cases, prompt), selection, dataset),
        tests=prompt,
        code=request.code,
        calibrated=calibration_rule_of(context, dataset),
        resumes=row,
    )


def _check_same(row: EvaluationRow, now: Mapping[str, Any]) -> None:
    """Raise `WorkspaceError` if what answers or judges is not what it was when the evaluation began."""
    changed = row.spec.unlike(replace(row.spec, **now))
    if row.spec.calibrations.keys() != now["calibrations"].keys():
        changed.add("uncalibrated")
    words = {
        "dataset_beside": f"what {row.spec.dataset} asks of its cases (`output`, `must_pass` or strict `xfail`)",
        "server": f"the server of {row.model}",
        "judge_model": f"the model that judges (now {now['judge_model']})",
        "judges": "the server, the rule or the parameters of a judge",
        "uncalibrated": "which judges are calibrated",
        "rules": f"the rule of {row.model} in {SETTINGS}",
    }
    if differing := [words[name] for name in words if name in changed]:
        raise WorkspaceError(
            f"evaluation {row.id[-8:]} cannot be taken up again: since it began, {', '.join(differing)} changed",
            hint=f"change it back, or evaluate anew: promptctl eval {row.spec.ref}",
        )


def _version_of(context: Context, row: EvaluationRow) -> PromptAtVersion:
    """The prompt that an evaluation was of; a label may have moved since, its commit stays."""
    found = context.prompt(row.spec.ref)
    if found.version.digest != row.digest and row.commit and not row.is_dirty:
        with suppress(PromptNotFound, RevisionNotFound):
            return context.prompt(f"{row.prompt}@{row.commit}")
    return found
