"""What an evaluation would ask and cost, before anything is asked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from promptctl.evaluations.asking import Asker
from promptctl.evaluations.evaluation import Plan
from promptctl.log.filters import Filter
from promptctl.log.stats import stats
from promptctl.log.store import Log
from promptctl.models.gateway import Usage
from promptctl.models.prices import Prices
from promptctl.models.tokens import token_counter

_COUNTED_CASES = 200
_TOKENS_PER_MESSAGE = 4
_FREE = ("echo/", "replay/")


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, tokens and cost of one evaluation. None is unknown; `source` says what it was estimated from.

    `judge_calls` are asked besides; they are not in the tokens and the cost. The cost is unknown where the model has no
    price (`is_priced`), or where nothing says how long its replies are.
    """

    prompt: str
    model: str
    dataset: str
    calls: int
    judge_calls: int
    input_tokens: int
    output_tokens: int | None
    cost_nano_usd: int | None
    is_priced: bool
    source: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _PerCall:
    """The tokens of one call, on average."""

    input_tokens: float
    output_tokens: float | None
    source: str


def estimate(log: Log, plan: Plan, prices: Prices) -> Estimate:
    """Estimate a plan from the calls of this prompt and model in the log, else from its first cases as they render.

    Without earlier calls the length of replies is taken from `max_tokens`: no reply is longer. Cached replies are not
    taken off: they make it cheaper.
    """
    target = plan.target
    calls = judge_calls = 0
    for case in plan.chosen.of(plan.dataset.cases(target.prompt)):
        calls += case.output is None
        judge_calls += sum(1 for assertion in case.assertions for _ in assertion.judges)
    calls, judge_calls = calls * plan.repeats, judge_calls * plan.repeats
    each = _from_log(log, plan) or _from_cases(plan)
    output = each.output_tokens
    # Priced call by call: long requests may have another price.
    used = Usage(input_tokens=round(each.input_tokens), output_tokens=round(output or 0))
    cost = prices.cost_nano_usd(target.model, used)[0]
    if target.model.startswith(_FREE) or plan.spec.get("is_replayed") or not calls:
        cost = 0
    return Estimate(
        prompt=target.prompt.id,
        model=target.model,
        dataset=plan.dataset.header.path,
        calls=calls,
        judge_calls=judge_calls,
        input_tokens=round(each.input_tokens * calls),
        output_tokens=None if output is None else round(output * calls),
        cost_nano_usd=None if cost is None or (output is None and cost) else cost * calls,
        is_priced=cost is not None,
        source=each.source,
    )


def _from_log(log: Log, plan: Plan) -> _PerCall | None:
    wanted = Filter(prompt=plan.target.prompt.id, model=plan.target.model, status="ok")
    for row in stats(log, wanted, by=("prompt",)):
        totals = row.totals
        if totals.ok and totals.input_tokens:
            return _PerCall(
                totals.input_tokens / totals.ok, totals.output_tokens / totals.ok, f"{totals.ok} earlier calls"
            )
    return None


def _from_cases(plan: Plan) -> _PerCall:
    asker = Asker(plan.target, drops_unknown_inputs=plan.drops_unknown_inputs)
    count, tokenizer = token_counter()
    tokens: list[int] = []
    for case in islice(plan.chosen.of(plan.dataset.cases(plan.target.prompt)), _COUNTED_CASES):
        rendered, _ = asker.ask(case)
        texts = [_text(message.get("content")) for message in rendered.messages]
        tokens.append(sum(count(text) + _TOKENS_PER_MESSAGE for text in texts))
    parameters = plan.target.parameters
    most = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    source = f"its cases, {tokenizer}" + (", and max_tokens" if most else "")
    return _PerCall(sum(tokens) / max(1, len(tokens)), most, source)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
