"""Estimates calls, tokens and cost of an evaluation before anything is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from promptctl.assertions.assertion import AskedJudge
from promptctl.assertions.judging import EMBEDDER, JudgeTerms
from promptctl.context import Context
from promptctl.counting import counted, without_collector
from promptctl.datasets.cases import Case
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.plan import Plan
from promptctl.files.plain import bare_keys
from promptctl.files.wording import as_text
from promptctl.log.filter import Filter
from promptctl.log.results import Replies
from promptctl.log.store import Store
from promptctl.models.gateway import Request, Usage
from promptctl.models.tokens import token_counter
from promptctl.models.worst_case import FREE, WorstCase
from promptctl.prompts.prompt import Rendered

_COUNTED_CASES = 200
# So many tell what a call takes; a log may have a million.
_MOST_CALLS = 64
_TOKENS_PER_MESSAGE = 4
# What an estimate has of all its calls together.
_OF_ALL_CALLS = (
    *("judge_calls", "input_tokens", "output_tokens", "cost_nano_usd", "plan_worst_nano_usd"),
    *("judge_input_tokens", "judge_output_tokens", "judge_cost_nano_usd"),
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls, tokens and cost of one evaluation. None is unknown; `source` says what it was estimated from.

    `judge_calls` are asked besides; what they take is not in the tokens and the cost but apart, and unknown where the
    log has no earlier call of one of the judges. The cost is unknown if the model has no price (`is_priced`), or
    if nothing says how long its replies are. `worst_nano_usd` is the most that one call can cost, the dearest of the
    first cases: as much must be left of a limit on the cost. `plan_worst_nano_usd` is the most that all `calls` can
    cost, each once: no judge, whose request holds a reply of unknown length, and nothing that is asked again. All of it
    `is_at_most` asked, if it is to end once it is decided.
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
    judge_input_tokens: int | None = 0
    judge_output_tokens: int | None = 0
    judge_cost_nano_usd: int | None = 0
    worst_nano_usd: int | None = 0
    plan_worst_nano_usd: int | None = 0
    version_display: str = ""
    is_at_most: bool = False

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return asdict(self, dict_factory=bare_keys)

    def scaled(self, calls: int) -> Estimate:
        """Return the estimate of so many calls like these."""
        share = calls / self.calls

        numbers = {name: getattr(self, name) for name in _OF_ALL_CALLS}
        return replace(
            self, calls=calls, **{name: round(each * share) for name, each in numbers.items() if each is not None}
        )


@dataclass(frozen=True, slots=True)
class _PerCall:
    """The tokens of one call, on average."""

    input_tokens: float
    output_tokens: float | None
    source: str


@without_collector()
def estimates(context: Context, plans: Sequence[Plan]) -> list[Estimate]:
    """Estimate plans from the latest calls of their prompts and models in the log, else from cases as they render.

    Without earlier calls the length of replies is taken from `max_tokens`: no reply is longer. Cached replies are not
    taken off: they make it cheaper.
    """
    earlier = _earlier_calls(context.log, [(plan.target.prompt.id, plan.target.model) for plan in plans])
    return [_estimate(context, plan, earlier) for plan in counted(plans, "estimating", len(plans))]


def _estimate(context: Context, plan: Plan, earlier: Mapping[tuple[str, str], _PerCall]) -> Estimate:
    target = plan.target
    calls, first = 0, list[Case]()
    judges: Counter[AskedJudge] = Counter()
    for case in plan.cases(context):
        calls += case.output is None
        judges.update(case.judges)
        if len(first) < _COUNTED_CASES:
            first.append(case)
    repeats = plan.spec.repeats
    calls *= repeats
    judge_input, judge_output, judge_cost = _of_judges(context, plan, judges)
    asker = Asker(context, plan)
    asked = [asker.ask(case) for case in first]
    each = earlier.get((target.prompt.id, target.model)) or _from_cases(context, plan, asked)
    output = each.output_tokens
    cost = _cost(context, plan, target.model, each) if calls else 0
    costs = _worst_costs(context, plan, asked) if calls else []
    worst = None if costs is None else max(costs, default=0)
    # Each case beyond the first ones counts as the dearest of them.
    known = [most for case, most in zip(first, costs or (), strict=False) if case.output is None]
    return Estimate(
        prompt=target.prompt.id,
        model=target.model,
        dataset=plan.spec.dataset,
        calls=calls,
        judge_calls=judges.total() * repeats,
        input_tokens=round(each.input_tokens * calls),
        output_tokens=None if output is None else round(output * calls),
        cost_nano_usd=None if cost is None or (output is None and cost) else cost * calls,
        is_priced=cost is not None,
        source=each.source,
        judge_input_tokens=judge_input,
        judge_output_tokens=judge_output,
        judge_cost_nano_usd=judge_cost,
        worst_nano_usd=worst,
        plan_worst_nano_usd=None if worst is None else sum(known) * repeats + (calls - len(known) * repeats) * worst,
        version_display=target.version.display,
        is_at_most=plan.spec.until is not None,
    )


def cost_of_call(context: Context, model: str, replies: Replies, usage: Usage) -> int | None:
    """Return the cost of one call in nano-USD: 0 if no provider is asked, None if the price is unknown."""
    if model.startswith(FREE) or replies == "replay":
        return 0
    return context.models.prices.cost_nano_usd(model, usage)[0]


def _cost(context: Context, plan: Plan, model: str, each: _PerCall) -> int | None:
    """Return the cost of one call: of each by itself, since long requests may have a different price."""
    usage = Usage(input_tokens=round(each.input_tokens), output_tokens=round(each.output_tokens or 0))
    return cost_of_call(context, model, plan.spec.replies, usage)


def _of_judges(context: Context, plan: Plan, judges: Counter[AskedJudge]) -> tuple[int | None, int | None, int | None]:
    """Return the tokens in and out, and the cost, of all calls of judges; None for a sum of which a part is unknown."""
    tokens_in = tokens_out = 0.0
    cost: int | None = 0
    for judge, count in judges.items():
        model, calls = JudgeTerms(context, plan.spec.judge).model_of(judge), count * plan.spec.repeats
        asked = judge.prompt_id or EMBEDDER.id, model
        each = _earlier_calls(context.log, [asked]).get(asked)
        if each is None:
            return None, None, None
        of_one = _cost(context, plan, model, each)
        tokens_in += each.input_tokens * calls
        tokens_out += (each.output_tokens or 0) * calls
        cost = None if cost is None or of_one is None else cost + of_one * calls
    return round(tokens_in), round(tokens_out), cost


def _earlier_calls(log: Store, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], _PerCall]:
    """Return what the latest calls in the log took, by prompt and model."""
    found: dict[tuple[str, str], _PerCall] = {}
    wanted = (
        Filter(prompt=prompt, model=model, status="ok", limit=_MOST_CALLS) for prompt, model in dict.fromkeys(asked)
    )
    for key, group in groupby(() if log.is_new else log.attempts(*wanted), attrgetter("prompt", "model")):
        calls = list(group)
        if tokens := sum(each.input_tokens or 0 for each in calls):
            source = f"{len(calls)} earlier calls" if len(calls) < _MOST_CALLS else f"the latest {len(calls)} calls"
            output = sum(each.output_tokens or 0 for each in calls)
            found[key] = _PerCall(tokens / len(calls), output / len(calls), source)
    return found


def _worst_costs(context: Context, plan: Plan, asked: Sequence[tuple[Rendered, Request]]) -> list[int] | None:
    """Return the most that each of the calls can cost; None if unknown."""
    if plan.spec.replies == "replay":
        return [0] * len(asked)
    prices, model = context.models.prices, plan.target.model
    costs = []
    for _, request in asked:
        cost = WorstCase.of(request, model, prices).nano_usd
        if cost is None:
            return None
        costs.append(cost)
    return costs


def _from_cases(context: Context, plan: Plan, asked: Sequence[tuple[Rendered, Request]]) -> _PerCall:
    count, tokenizer = context.shared(_token_counter)
    tokens: list[int] = []
    has_media = False
    for rendered, _ in asked:
        contents = [message.get("content") for message in rendered.messages]
        texts = [_text_of(content) for content in contents]
        has_media = has_media or any(isinstance(each, list) and any(map(_is_media, each)) for each in contents)
        tokens.append(sum(count(text) + _TOKENS_PER_MESSAGE for text in texts))
    parameters = plan.target.parameters
    most = parameters.get("max_tokens") or parameters.get("max_completion_tokens")
    counted = f"its cases{' without images, sounds and files' if has_media else ''}, {tokenizer}"
    source = counted + (", and max_tokens" if most else "")
    return _PerCall(sum(tokens) / max(1, len(tokens)), most, source)


def _text_of(content: object) -> str:
    """Return the text of a message. How many tokens its images, sounds and files are, only a provider knows."""
    if not isinstance(content, list):
        return as_text(content)
    return as_text([part for part in content if not _is_media(part)])


def _is_media(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") != "text"


def _token_counter(_context: Context) -> tuple[Callable[[str], int], str]:
    return token_counter()
