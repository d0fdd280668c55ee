"""Costs of calls in the log computed anew, by the prices that held when they began; corrections are appended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptctl.counting import counted
from promptctl.files.plain import record_data
from promptctl.log.filter import Filter
from promptctl.log.records import WITH_REPLY, CostCorrection, Execution
from promptctl.log.stamps import utc_now
from promptctl.models.aborted import ESTIMATED
from promptctl.models.chat_protocol import cost_of
from promptctl.models.gateway import UNLISTED_KINDS, Usage, usage_of_kept

if TYPE_CHECKING:
    from promptctl.log.evidence import Note
    from promptctl.log.store import Store
    from promptctl.models.prices import Prices

_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_ALL = 10**9


@dataclass(slots=True)
class RepricedModel:
    """The attempts of one model, and their costs before and after, beside the attempts whose cost is not known.

    Of `attempts`, `corrected` have a new cost. `unlisted` have no known price, `uncounted` lack numbers of tokens that
    it depends on: these keep the cost that they have.
    """

    model: str
    attempts: int = 0
    corrected: int = 0
    unlisted: int = 0
    uncounted: int = 0
    before_nano_usd: int = 0
    before_unpriced: int = 0
    after_nano_usd: int = 0
    after_unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Repricing:
    """Result of repricing, done or not, by model. `without_row` attempts are in the totals alone, and stay as they are.

    Rows are missing where log rules leave them out, and after pruning.
    """

    models: tuple[RepricedModel, ...]
    without_row: int
    is_dry_run: bool
    corrections: Mapping[str, CostCorrection] = field(default_factory=dict, repr=False)

    @property
    def total(self) -> RepricedModel:
        """The sums over all models."""
        total = RepricedModel("total")
        for name in asdict(total):
            if name != "model":
                setattr(total, name, sum(getattr(each, name) for each in self.models))
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        total = asdict(self.total)
        del total["model"]
        return {**total, **record_data(self, without=("corrections",))}


def reprice(
    log: Store, prices: Prices, wanted: Filter, *, is_dry_run: bool = False, note: Note | None = None
) -> Repricing:
    """Price every attempt that the filter means anew; append a correction for each cost that differs.

    If it is cut off, some are corrected, and the next time the others are. What did not come from a model (echo, the
    cache, recordings) is left alone. Raises `LogFailure`.
    """
    models: dict[str, RepricedModel] = {}
    found: dict[str, CostCorrection] = {}
    now = utc_now()
    for execution in counted(log.executions(wanted), "pricing calls"):
        is_counted = execution.output_tokens is not None
        if execution.reply_source != "model" or not (is_counted or execution.status in WITH_REPLY):
            continue
        row = models.setdefault(execution.model, RepricedModel(execution.model))
        row.attempts += 1
        before = after = execution.cost_nano_usd
        if not is_counted or execution.input_tokens is None:
            row.uncounted += 1
        else:
            usage = _usage(execution)
            cost, source = _price(prices, execution, usage)
            if cost is None:
                row.unlisted += 1
            elif cost != before and execution.usage_details is None and not _is_sure(prices, execution, usage, cost):
                row.uncounted += 1
            elif cost != before:
                row.corrected += 1
                found[execution.id] = CostCorrection(now, before, cost, source)
                after = cost
        row.before_nano_usd += before or 0
        row.before_unpriced += before is None
        row.after_nano_usd += after or 0
        row.after_unpriced += after is None
    if not is_dry_run:
        log.correct_costs(found, note)
    ordered = tuple(models[name] for name in sorted(models))
    return Repricing(ordered, _without_row(log, wanted), is_dry_run, found)


def _usage(execution: Execution) -> Usage:
    counts = {name: getattr(execution, name) for name in _COUNTS}
    usage = usage_of_kept({**counts, **(execution.usage_details or {})})
    if execution.usage_details is None and execution.price_source == execution.provider:
        return replace(usage, told_nano_usd=execution.cost_nano_usd)
    return usage


def _price(prices: Prices, execution: Execution, usage: Usage) -> tuple[int | None, str | None]:
    model, provider, details = execution.model, execution.provider, execution.usage_details or {}
    model = model if "/" in model or provider is None else f"{provider}/{model}"
    began, tier = datetime.fromisoformat(execution.started_at).timestamp(), details.get("service_tier")
    cost, source = cost_of(prices, model, usage, execution.parameters, began, tier)
    return cost, source + ESTIMATED if source is not None and details.get("estimated") else source


def _is_sure(prices: Prices, execution: Execution, usage: Usage, cost: int) -> bool:
    """Return True if the cost is the same whatever the tokens were that the row does not count apart."""
    others = (_price(prices, execution, replace(usage, **{kind: _ALL})) for kind in UNLISTED_KINDS)
    return all(other == cost for other, _ in others)


def _without_row(log: Store, wanted: Filter) -> int:
    """Return how many attempts of these prompts are in the totals alone, of any time and model."""
    prompts = Filter(prompt=wanted.prompt, renames=wanted.renames, source=wanted.source)
    counted, kept = (log.totals(each, (), costs_only=True) for each in (prompts, replace(prompts, since="")))
    return max(0, sum(each.attempts for each in counted) - sum(each.attempts for each in kept))
