"""Accounts of budgets as rows: read, made of a rule, and as the rooms above see them."""

from __future__ import annotations

import math
import sqlite3
from typing import Any, NamedTuple

from promptctl.formats.budget_rules import BudgetRule, Unit
from promptctl.log.budgets import BudgetAccount, Unknown, Window
from promptctl.log.sqlite.filters import where
from promptctl.log.sqlite.schema import has_table


class AccountRow(NamedTuple):
    """An account as its table has it, with `since` when it is disabled; `id` is 0 for that of one call."""

    id: int
    budget: str
    key: str
    unit: Unit
    window_start: str
    window_end: str | None
    most: int
    warn_from: int | None
    action: str
    has_webhook: int
    spent: int
    kept: int
    reserved: int
    warned_at: str | None = None
    reached_at: str | None = None
    since: str | None = None
    unknown: Unknown | None = None


_ACCOUNTS = f"""
SELECT {", ".join(f"a.{name}" for name in AccountRow._fields[:-2])}, d.since FROM budget_accounts AS a
LEFT JOIN budget_disabled AS d ON d.budget = a.budget AND d.key = a.key
"""  # noqa: S608 - made of our own names
# A limit of one call has no account: its last event says what it was when it was disabled.
_DISABLED_CALLS = """
SELECT 0, e.budget, e.key, e.unit, e.window_start, e.window_end, e.most, NULL, 'disable', 0, 0, 0, 0, NULL, d.since,
  d.since FROM budget_disabled AS d JOIN budget_events AS e ON e.budget = d.budget AND e.key = d.key
  AND e.at = d.since AND e.kind = 'disabled' AND e.window_start = e.window_end
"""
_TERMED = _ACCOUNTS.replace("d.since FROM", "d.since, a.scope, a.each, a.per FROM")
FIND_ACCOUNT = f"{_TERMED} WHERE a.budget = ? AND a.key = ? AND a.window_start = ? AND a.unit = ?"


def accounts(connection: sqlite3.Connection, budget: str | None, window_start: str | None) -> list[BudgetAccount]:
    """Return every account, the newest windows first; or those of one window, and what is disabled of others."""
    if not has_table(connection, "budget_events"):
        return []
    wanted = {"a.budget = ?": budget, "(a.window_start = ? OR d.since IS NOT NULL)": window_start}
    condition, parameters = where({"e.budget = ?": budget})
    disabled_calls = connection.execute(f"{_DISABLED_CALLS} {condition}", parameters)
    rows = [*account_rows(connection, wanted), *(AccountRow(*row) for row in disabled_calls)]
    return [as_account(row) for row in reversed(rows)]


def account_rows(connection: sqlite3.Connection, conditions: dict[str, Any]) -> list[AccountRow]:
    """Return the accounts that meet conditions on the tables `a` and `d`, the oldest windows first."""
    condition, parameters = where(conditions)
    sql = f"{_ACCOUNTS} {condition} ORDER BY a.window_start, a.id"
    return [AccountRow(*row) for row in connection.execute(sql, parameters)]


def terms_of(rule: BudgetRule) -> dict[str, Any]:
    """Return the columns that an account has from its rule."""
    warn_from = None if rule.warn_at is None else math.ceil(rule.limit * rule.warn_at)
    return {
        "most": rule.limit,
        "warn_from": warn_from,
        "action": rule.then,
        "has_webhook": int(rule.webhook_env is not None),
    }


def new_account(rule: BudgetRule, key: str, window: Window, spent: int) -> AccountRow:
    """Return an account that is in no table."""
    return AccountRow(0, rule.name, key, rule.unit, *window, **terms_of(rule), spent=spent, kept=0, reserved=0)


def as_account(row: AccountRow) -> BudgetAccount:
    """Return an account as the rooms above see it."""
    return BudgetAccount(
        row.budget,
        row.key or None,
        row.unit,
        row.window_start,
        row.window_end,
        row.most,
        row.spent,
        row.kept,
        row.reserved,
        row.warned_at is not None,
        row.reached_at is not None,
        row.since,
        row.unknown,
    )
