"""Estimates what a calibration would ask and cost: the calls of the judge are made ready, and none is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from promptctl.assertions.judging import JudgeTerms, RunnerJudge
from promptctl.errors import ModelError
from promptctl.evaluations.estimate import Estimate, cost_of_call
from promptctl.evaluations.scoring import score_case, subject_of
from promptctl.models.gateway import Usage
from promptctl.models.worst_case import WorstCase

if TYPE_CHECKING:
    from promptctl.calibrations.calibrating import CalibrationPlan, JudgingPlan
    from promptctl.calls.call import Call
    from promptctl.context import Context


async def estimate_calibration(context: Context, planned: CalibrationPlan) -> list[Estimate]:
    """Return what each part of a calibration asks and costs at most: one for each model, rubric and order of choices.

    What is in the cache is not taken off.
    """
    return [await _estimate(context, plan) for plans in planned.plans for plan in plans]


async def _estimate(context: Context, plan: JudgingPlan) -> Estimate:
    spec, target, unsent = plan.spec, plan.target, _Unsent()
    terms = JudgeTerms(context, spec.judge, spec.judge_parameters, spec.replies != "replay")
    judge = RunnerJudge(terms, cast("Any", unsent))
    for case in plan.labelled:
        await score_case(case, subject_of(case, case.output or ""), judge)
    model = context.models.settings_of(target.model).model if spec.replies != "replay" else "replay/"
    worst = [WorstCase.of(call.request, model, context.models.prices) for call in unsent.calls]
    costs = [each.nano_usd for each in worst if each.nano_usd is not None]
    tokens_in, tokens_out = (
        sum(each) for each in zip(*((w.input_tokens, w.output_tokens) for w in worst), strict=True)
    )
    cost = sum(costs) * spec.repeats if len(costs) == len(worst) else None
    return Estimate(
        prompt=target.prompt.id,
        model=target.model,
        dataset=spec.dataset,
        calls=len(worst) * spec.repeats,
        judge_calls=0,
        input_tokens=tokens_in * spec.repeats,
        output_tokens=tokens_out * spec.repeats,
        cost_nano_usd=cost,
        is_priced=cost_of_call(context, target.model, spec.replies, Usage(1, 1)) is not None,
        source="the replies that people labelled, each at its worst",
        worst_nano_usd=max(costs) if cost is not None else None,
        plan_worst_nano_usd=cost,
        version_display=target.version.display,
    )


class _Unsent:
    """Stands in for a runner: keeps the calls that it is given, and sends none."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def run(self, call: Call) -> None:
        self.calls.append(call)
        raise ModelError("nothing is asked")
