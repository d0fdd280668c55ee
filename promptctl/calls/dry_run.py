"""A call that is prepared and not made: what it could cost, and what each budget would reserve for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.calls.budget_refusals import reached
from promptctl.calls.budgets import BudgetGuard
from promptctl.calls.call import Attempts, Call
from promptctl.context import Context
from promptctl.errors import BudgetReached
from promptctl.files.plain import record_data
from promptctl.log.budgets import BudgetAccount, Charge, unit_name
from promptctl.models.worst_case import WorstCase


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """The part of a request that one budget would reserve, and the account as it stands."""

    charge: Charge
    account: BudgetAccount
    is_admitted: bool

    @property
    def amounts(self) -> tuple[str, ...]:
        """The amounts that would be reserved, of the limit, spent, and reserved by others, as people read them."""
        rule, account = self.charge.rule, self.account
        return tuple(map(rule.amount, (self.charge.amount, rule.limit, account.spent, account.reserved)))

    @property
    def window_end(self) -> str | None:
        """The moment at which its window ends; None without one."""
        return None if self.charge.rule.per == "call" else self.account.window_end

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys, those of `BudgetStatus` for the same; amounts are in `unit`."""
        rule = self.charge.rule
        return {
            "budget": rule.name,
            "rule_place": str(rule.place),
            "unit": unit_name(rule.unit),
            **{name: getattr(rule, name) for name in ("limit", "per", "timezone", "each", "then")},
            **self.account.as_dict(rule),
            "would_reserve": self.charge.amount,
            "window_end": self.window_end,
            "admitted": self.is_admitted,
        }


@dataclass(frozen=True, slots=True)
class DryRun:
    """A call as it would be made: its worst case, the budgets that hold for it, and why it would be refused, if so.

    Tokens and cost are of one request; the cost is None if nobody can tell. The command makes so many `calls`, and asks
    again up to `retries` times in each if the reply cannot be used.
    """

    prompt: str
    version_display: str | None
    model: str
    worst: WorstCase
    budgets: Sequence[BudgetForecast] = ()
    refusal: str | None = None
    experiment: str | None = None
    arm: str | None = None
    calls: int = 1
    retries: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(
            self,
            without=("worst", "refusal"),
            input_tokens=self.worst.input_tokens,
            output_tokens=self.worst.output_tokens,
            cost_nano_usd=self.worst.nano_usd,
            admitted=self.refusal is None,
            reason=self.refusal,
        )


def dry_run(context: Context, call: Call) -> DryRun:
    """Return what a call would reserve. Nothing is asked, reserved or recorded."""
    model = context.models.settings_of(call.request.model).model
    worst = WorstCase.of(call.request, model, context.models.prices)
    budgets, refusal = _forecasts(context, call, worst)
    drawn, target = call.options.drawn, call.target
    return DryRun(
        prompt=target.prompt.id,
        version_display=target.version.display,
        model=call.request.model,
        worst=worst,
        budgets=budgets,
        refusal=refusal,
        experiment=drawn and drawn.experiment,
        arm=drawn and drawn.arm,
        retries=target.prompt.output.retries if target.prompt.output.schema is not None else 0,
    )


def _forecasts(context: Context, call: Call, worst: WorstCase) -> tuple[list[BudgetForecast], str | None]:
    """Return what would be reserved for a call, by which rules, and why it would be refused, if it would be."""
    attempts, request = Attempts(call), call.request
    attempts.begin()
    try:
        wanted = replace(BudgetGuard(context).reservation(attempts, request, worst), is_alive=None, rules=())
    except BudgetReached as error:
        return [], str(error)
    if not wanted.charges:
        return [], None
    found = context.log.reserve(wanted, is_dry_run=True)
    refusals = {each.charge.rule.name: str(reached(each, request, worst, is_dry_run=True)) for each in found.refusals}
    pairs = zip(wanted.charges, found.accounts, strict=True)
    forecasts = [BudgetForecast(charge, account, charge.rule.name not in refusals) for charge, account in pairs]
    return forecasts, next(iter(refusals.values()), None)
