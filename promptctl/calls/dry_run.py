"""A call that is prepared and not made: what it could cost, and what each budget would reserve for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptctl.calls.budgets import BudgetForecast, BudgetGuard
from promptctl.calls.call import Attempts, Call
from promptctl.context import Context
from promptctl.models.worst_case import WorstCase


@dataclass(frozen=True, slots=True)
class DryRun:
    """A call as it would be made: its worst case, the budgets that hold for it, and why it would be refused, if so.

    Tokens and cost are of one request; the cost is None if nobody can tell.
    """

    prompt: str
    version_display: str | None
    model: str
    worst: WorstCase
    budgets: Sequence[BudgetForecast] = ()
    refusal: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "prompt": self.prompt,
            "version_display": self.version_display,
            "model": self.model,
            "input_tokens": self.worst.input_tokens,
            "output_tokens": self.worst.output_tokens,
            "cost_nano_usd": self.worst.nano_usd,
            "admitted": self.refusal is None,
            "reason": self.refusal,
            "budgets": [each.as_dict() for each in self.budgets],
        }


def dry_run(context: Context, call: Call) -> DryRun:
    """Return what a call would reserve. Nothing is asked, reserved or recorded."""
    model = context.models.settings_of(call.request.model).model
    worst = WorstCase.of(call.request, model, context.models.prices)
    Attempts(call).begin()
    budgets, refusal = BudgetGuard(context).forecast(call.request, worst)
    return DryRun(call.target.prompt.id, call.target.version.display, call.request.model, worst, budgets, refusal)
