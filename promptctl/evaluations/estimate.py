"""What an evaluation would ask and cost, before anything is asked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from promptctl.evaluations.evaluation import Plan
from promptctl.log.filters import Filter
from promptctl.log.stats import stats
from promptctl.log.store import Log
from promptctl.models.gateway import Usage
from promptctl.models.prices import Prices
from promptctl.prompts.rendering import Renderer

_CHARACTERS_PER_TOKEN = 4
_RENDERED_CASES = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, tokens and cost of one evaluation. None is unknown; `source` says what it was estimated from."""

    prompt: str
    model: str
    dataset: str
    calls: int
    input_tokens: int
    output_tokens: int | None
    cost_nano_usd: int | None
    source: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return asdict(self)


def estimate(log: Log, plan: Plan, prices: Prices) -> Estimate:
    """Estimate a plan from the calls of this prompt and model in the log, else from its first cases as they render.

    Without earlier calls the length of replies is taken from `max_tokens`: no reply is longer. Cached replies are
    not taken off: they make it cheaper.
    """
    target = plan.target
    calls = plan.results
    found = stats(log, Filter(prompt=target.prompt.id, model=target.model, status="ok"), by=("prompt",))
    answered = [row for row in found if row.totals.ok]
    output: int | None
    if answered and answered[0].totals.input_tokens:
        totals = answered[0].totals
        per_input, output = totals.input_tokens / totals.ok, round(totals.output_tokens / totals.ok)
        source = f"{totals.ok} earlier calls"
    else:
        per_input = _rendered_tokens(plan)
        output = target.parameters.get("max_tokens") or target.parameters.get("max_completion_tokens")
        source = "its cases, characters/4" + (", and max_tokens" if output else "")
    used = Usage(input_tokens=round(per_input), output_tokens=output or 0)
    cost = None if output is None else prices.cost_nano_usd(target.model, used)[0]
    if target.model.startswith(("echo/", "replay/")):
        cost = 0
    return Estimate(
        prompt=target.prompt.id,
        model=target.model,
        dataset=plan.dataset.header.path,
        calls=calls,
        input_tokens=round(per_input * calls),
        output_tokens=None if output is None else output * calls,
        cost_nano_usd=None if cost is None else cost * calls,
        source=source,
    )


def _rendered_tokens(plan: Plan) -> float:
    renderer = Renderer(plan.target.prompt)
    lengths = []
    for case in plan.chosen.of(plan.dataset.cases(plan.target.prompt)):
        lengths.append(len(json.dumps(renderer.render(case.inputs).messages, ensure_ascii=False)))
        if len(lengths) >= _RENDERED_CASES:
            break
    return sum(lengths) / max(1, len(lengths)) / _CHARACTERS_PER_TOKEN
