"""Rules of `promptctl.yaml` that change what is graded, or how it is judged, as an evaluation's spec keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from promptctl.assertions.judges import ShippedJudges, find_judge
from promptctl.assertions.judging import judge_model
from promptctl.files.plain import canonical_json
from promptctl.models.gateway import recorded_model

if TYPE_CHECKING:
    from promptctl.assertions.assertion import AskedJudge
    from promptctl.context import Context
    from promptctl.evaluations.request import EvaluationRequest


def server_digest(server: str) -> str | None:
    """Return the digest that tells a server apart, None for the provider's own."""
    return sha256(server.encode()).hexdigest()[:16] if server else None


def reply_rules(context: Context, model: str) -> dict[str, Any]:
    """Return the rules beside parameters that change a model's replies; empty without any."""
    rule = context.settings.model_rule(recorded_model(model))
    rules = {"reasoning_block": rule.reasoning_block, "supports_schema": rule.supports_schema}
    return {name: value for name, value in rules.items() if value not in (None, "keep")}


def judge_rules(context: Context, request: EvaluationRequest, judges: Iterable[AskedJudge]) -> dict[str, Any]:
    """Return the digest of the rules of all judges' models, of their servers and own prompts; empty without any.

    Raises `ModelConfigurationError` for a judge that cannot be asked.
    """
    asked_all = list(judges)
    models = {judge_model(context, asked, request.judge) for asked in asked_all}
    ruled = {model: rules for model in models if (rules := _of_judge(context, request, model))}
    prompts = {id_: find_judge(context, id_) for asked in asked_all if (id_ := asked.prompt_id)}
    if own := {id_: found.prompt.digest for id_, found in prompts.items() if not isinstance(found.tree, ShippedJudges)}:
        ruled["prompts"] = own
    return {"judges": sha256(canonical_json(ruled).encode()).hexdigest()[:16]} if ruled else {}


def _of_judge(context: Context, request: EvaluationRequest, model: str) -> Mapping[str, Any]:
    rule = context.settings.model_rule(recorded_model(model))
    server = context.models.settings_of(model).endpoint.server if request.needs_keys else ""
    rules = {
        "parameters": dict(rule.parameters),
        "judge_parameters": dict(rule.judge_parameters),
        "server": server_digest(server),
    }
    return reply_rules(context, model) | {name: value for name, value in rules.items() if value}
