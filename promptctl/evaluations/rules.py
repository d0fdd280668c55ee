"""Rules of `promptctl.yaml` that change what is graded, or how it is judged, as an evaluation's spec keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from promptctl.assertions.judges import find_judge
from promptctl.assertions.judging import JudgeTerms
from promptctl.calls.shipped import ShippedFiles
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import WorkspaceError
from promptctl.files.names import is_prompt_file
from promptctl.files.plain import canonical_json
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.settings_file import CALIBRATED, CalibrationRule, calibration_rule
from promptctl.models.gateway import recorded_model
from promptctl.prompts.loading import load_prompt_file, prompt_paths

if TYPE_CHECKING:
    from promptctl.assertions.assertion import Assertion
    from promptctl.calls.call import Target
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset, Header
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.files.tree import Tree


def server_digest(server: str) -> str | None:
    """Return the digest that tells a server apart, None for the provider's own."""
    return sha256(server.encode()).hexdigest()[:16] if server else None


def reply_rules(context: Context, model: str) -> dict[str, Any]:
    """Return the rules beside parameters that change a model's replies; empty without any."""
    rule = context.settings.model_rule(recorded_model(model))
    rules = {"reasoning_block": rule.reasoning_block, "supports_schema": rule.supports_schema}
    return {name: value for name, value in rules.items() if value not in (None, "keep")}


def answering(context: Context, request: EvaluationRequest, dataset: Dataset, target: Target) -> dict[str, Any]:
    """Return the fields of a spec that may not change until it is finished: what answers, what judges, what cases ask.

    `judge_model` judges without a model of their own asked, None without judges. Of the rules those of replies are by
    name; of judges there is a digest, of their models' rules, servers and own prompts, and one that tells apart
    evaluations in which other judges may not decide, if any may not. `calibrations` are those of the judges, by key.
    Raises `ModelConfigurationError` for a judge that cannot be asked.
    """
    rules: dict[str, Any] = reply_rules(context, target.model)
    judging: str | None = None
    calibrations: dict[str, Mapping[str, Any]] = {}
    if dataset.judges:
        from promptctl.assertions.licences import Licences

        judging = request.judge or context.settings.judging_model or ""
        terms = JudgeTerms(context, request.judge, request.judge_parameters, request.needs_keys)
        models = set(map(terms.model_of, dataset.judges))
        ruled = {model: rule for model in models if (rule := _of_judge(context, request, model))}
        found = {id_: find_judge(context, id_) for asked in dataset.judges if (id_ := asked.prompt_id)}
        own = {id_: each.prompt.digest for id_, each in found.items() if not isinstance(each.tree, ShippedFiles)}
        if ruled or own:
            rules["judges"] = _digest(ruled | ({"prompts": own} if own else {}))
        needed = calibration_rule_of(context, dataset)
        licences = Licences(terms, needed)
        if not licences.is_idle:
            used = licences.used(_assertions(dataset, target))
            calibrations = {key: each.summary for key, each in sorted(used.items())}
        if needed is not None and (lacking := licences.lacking(_assertions(dataset, target))):
            rules["uncalibrated"] = _digest(sorted(lacking))
    server = server_digest(target.server)
    judged_by = {"judge_model": judging, "rules": rules, "calibrations": calibrations}
    return {"dataset_beside": dataset.beside, "server": server, **judged_by}


def calibration_rule_of(context: Context, dataset: Dataset) -> CalibrationRule | None:
    """Return what is asked of judges on a dataset: all that settings, it and, in a review, BASE's own ask for."""
    asked = [context.settings.gate.calibrated, dataset.header.calibrated]
    if context.trusted_judges is not None:
        asked += _rules_of_base(context, context.trusted_judges, dataset.header)
    rules = [each for each in asked if each is not None]
    return reduce(CalibrationRule.with_other, rules) if rules else None


@dataclass(frozen=True, slots=True)
class _RuledByBase:
    """A rule of one of BASE's datasets, with the prompts it tests; it `is_homeless` if HEAD's no longer tests one."""

    rule: CalibrationRule
    prompts: frozenset[str] = frozenset()
    is_homeless: bool = False


def _rules_of_base(context: Context, base: Tree, header: Header) -> list[CalibrationRule | None]:
    """Return what BASE asks of the judges of one of HEAD's datasets: by its own file, and for what it tests newly.

    For that BASE asks what its other datasets ask that test the same prompt, or that lost one: HEAD may have renamed
    both.
    """
    ruled = context.shared(_ruled_by_base)
    if not ruled:
        return []
    new = {*header.prompts} - _prompts_of(base, header.path)
    inheriting = {path for path, each in ruled.items() if new and (each.is_homeless or each.prompts & new)}
    return [each.rule for path, each in ruled.items() if path == header.path or path in inheriting]


def _ruled_by_base(context: Context) -> dict[str, _RuledByBase]:
    """Return by path the datasets of BASE that ask for calibrated judges; one that cannot be read may ask for it."""
    base, head = context.trusted_judges or context.tree, context.tree
    found: dict[str, _RuledByBase] = {}
    known = None
    for path in DatasetIndex(base).paths():
        try:
            if CALIBRATED.encode() not in (data := base.read(path)):
                continue
            file = read_dataset_file(data, path)
        except WorkspaceError:
            found[path] = _RuledByBase(CalibrationRule(), is_homeless=True)
            continue
        if (rule := calibration_rule(file.header.get("judge"))) is not None:
            known = prompt_paths(head) if known is None else known
            now = _prompts_of(head, path)
            is_homeless = any(id_ not in now or id_ not in known for id_ in file.prompts)
            found[path] = _RuledByBase(rule, frozenset(file.prompts), is_homeless)
    return found


def _prompts_of(tree: Tree, path: str) -> frozenset[str]:
    """Return the prompts that a dataset of a tree tests; none if it is not there or cannot be read."""
    try:
        if is_prompt_file(path):
            prompt = load_prompt_file(tree, path)
            return frozenset([prompt.id] if prompt.own_tests else [])
        return frozenset(read_dataset_file(tree.read(path), path).prompts)
    except (FileNotFoundError, WorkspaceError):
        return frozenset()


def _assertions(dataset: Dataset, target: Target) -> Iterator[Assertion]:
    return (each for case in dataset.cases(target.prompt) for each in case.assertions)


def _digest(value: Any) -> str:
    return sha256(canonical_json(value).encode()).hexdigest()[:16]


def _of_judge(context: Context, request: EvaluationRequest, model: str) -> Mapping[str, Any]:
    rule = context.settings.model_rule(recorded_model(model))
    server = context.models.settings_of(model).endpoint.server if request.needs_keys else ""
    rules = {
        "parameters": dict(rule.parameters),
        "judge_parameters": dict(rule.judge_parameters),
        "server": server_digest(server),
    }
    return reply_rules(context, model) | {name: value for name, value in rules.items() if value}
