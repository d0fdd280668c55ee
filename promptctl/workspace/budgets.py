"""The budgets of a workspace: what may be spent, what is, and what happened at their limits."""

from __future__ import annotations

from promptctl.catalogue.budgets import BudgetStatus, budget_status, budget_statuses, check_budget
from promptctl.context import Context
from promptctl.errors import UsageError, WorkspaceError
from promptctl.log.budgets import BudgetEvent


class Budgets:
    """Shows the budgets of `promptctl.yaml` with their accounts in the log, and enables what a limit has disabled."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[BudgetStatus]:
        """Return every budget of the settings as it stands now, in their order."""
        return budget_statuses(self._context.fresh())

    def budget(self, name: str) -> BudgetStatus:
        """Return one budget as it stands now. Raises `BudgetNotFound`."""
        return budget_status(self._context.fresh(), name)

    def history(self, name: str | None = None, *, limit: int | None = None) -> list[BudgetEvent]:
        """Return what happened to one budget or to all, newest first. Raises `BudgetNotFound`."""
        if name is not None:
            check_budget(self._context, name)
        return [] if self._context.log.is_new else self._context.log.budget_events(name, limit=limit)

    def enable(self, name: str, reason: str, account: str | None = None) -> list[BudgetEvent]:
        """Enable what is disabled of a budget, or one of its accounts alone: its whole limit counts from now on.

        Raises `UsageError` without a reason, `BudgetNotFound`, and `WorkspaceError` if nothing of it is disabled.
        """
        if not reason.strip():
            raise UsageError("a reason is needed", hint="say why it may spend again: --reason TEXT")
        check_budget(self._context, name)
        whose = f" of `{account}`" if account else ""
        enabled = [] if self._context.log.is_new else self._context.log.enable_budget(name, reason.strip(), account)
        if not enabled:
            raise WorkspaceError(
                f"the budget `{name}`{whose} is not disabled", hint=f"its state: promptctl budget show {name}"
            )
        return enabled
