"""Rules of `promptctl.yaml` that change what is graded, or how it is judged, as an evaluation's spec keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from promptctl.assertions.judges import ShippedJudges, find_judge
from promptctl.assertions.judging import judge_model
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import WorkspaceError
from promptctl.files.plain import canonical_json
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.formats.settings_file import CalibrationRule, calibration_rule
from promptctl.models.gateway import recorded_model

if TYPE_CHECKING:
    from promptctl.assertions.licences import Licences
    from promptctl.context import Context
    from promptctl.datasets.dataset import Dataset, Header
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.files.tree import Tree
    from promptctl.log.results import EvaluationSpec
    from promptctl.prompts.prompt import Prompt


def server_digest(server: str) -> str | None:
    """Return the digest that tells a server apart, None for the provider's own."""
    return sha256(server.encode()).hexdigest()[:16] if server else None


def reply_rules(context: Context, model: str) -> dict[str, Any]:
    """Return the rules beside parameters that change a model's replies; empty without any."""
    rule = context.settings.model_rule(recorded_model(model))
    rules = {"reasoning_block": rule.reasoning_block, "supports_schema": rule.supports_schema}
    return {name: value for name, value in rules.items() if value not in (None, "keep")}


def judge_rules(
    context: Context, request: EvaluationRequest, dataset: Dataset, prompt: Prompt | None = None
) -> dict[str, Any]:
    """Return the digest of the rules of all judges' models, of their servers and own prompts; empty without any.

    `uncalibrated` tells apart evaluations in which other judges may not decide, if any may not.
    Raises `ModelConfigurationError` for a judge that cannot be asked.
    """
    asked_all = list(dataset.judges)
    models = {judge_model(context, asked, request.judge) for asked in asked_all}
    ruled = {model: rules for model in models if (rules := _of_judge(context, request, model))}
    prompts = {id_: find_judge(context, id_) for asked in asked_all if (id_ := asked.prompt_id)}
    if own := {id_: found.prompt.digest for id_, found in prompts.items() if not isinstance(found.tree, ShippedJudges)}:
        ruled["prompts"] = own
    rules = {"judges": _digest(ruled)} if ruled else {}
    if asked_all and (lacking := _lacking(context, request, dataset, prompt)):
        rules["uncalibrated"] = _digest(sorted(lacking))
    return rules


def calibration_rule_of(context: Context, dataset: Dataset) -> CalibrationRule | None:
    """Return what is asked of judges on a dataset: all that settings, it and, in a review, BASE's own ask for."""
    asked = [context.settings.gate.calibrated, dataset.header.calibrated]
    if context.trusted_judges is not None:
        asked += _rules_of_base(context.trusted_judges, dataset.header)
    rules = [each for each in asked if each is not None]
    return reduce(CalibrationRule.with_other, rules) if rules else None


def licences_of(
    context: Context, request: EvaluationRequest | EvaluationSpec, rule: CalibrationRule | None, *, needs_key: bool
) -> Licences:
    """Return the licences of the judges of an evaluation."""
    from promptctl.assertions.licences import Licences

    return Licences(
        context, rule, default_model=request.judge, parameters=request.judge_parameters, needs_key=needs_key
    )


def known_calibrations(
    context: Context, request: EvaluationRequest, dataset: Dataset, prompt: Prompt
) -> dict[str, Mapping[str, Any]]:
    """Return the calibrations of the judges that a dataset asks, by their keys, as a spec keeps them."""
    if not dataset.judges:
        return {}
    licences = licences_of(context, request, None, needs_key=request.needs_keys)
    if licences.is_idle:
        return {}
    used = licences.used(each for case in dataset.cases(prompt) for each in case.assertions)
    return {key: each.summary for key, each in sorted(used.items())}


def _rules_of_base(base: Tree, header: Header) -> list[CalibrationRule | None]:
    """Return what BASE's own dataset asks of judges; of one that it does not have, what those of its prompts ask."""
    try:
        return [calibration_rule(read_dataset_file(base.read(header.path), header.path).header.get("judge"))]
    except FileNotFoundError:
        index = DatasetIndex(base)
        paths = {path for own in index.testing(header.prompts, skips_broken=True).values() for path in own}
        return [index.open(path).header.calibrated for path in sorted(paths)]
    except WorkspaceError:
        return []


def _lacking(
    context: Context, request: EvaluationRequest, dataset: Dataset, prompt: Prompt | None
) -> set[tuple[str, ...]]:
    rule = calibration_rule_of(context, dataset)
    if rule is None:
        return set()
    licences = licences_of(context, request, rule, needs_key=request.needs_keys)
    return licences.lacking(each for case in dataset.cases(prompt) for each in case.assertions)


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
