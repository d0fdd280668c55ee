"""Events of budgets in the log's file: what happened to them, told once each, and the webhooks that wait."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import TOO_LARGE, BudgetEvent, EventKind, Unknown, WebhookState
from promptctl.log.sqlite.budget_accounts import AccountRow
from promptctl.log.sqlite.filters import where
from promptctl.log.sqlite.schema import has_table
from promptctl.log.stamps import utc_now, utc_text

KNOWN = """
SELECT budget, key FROM budget_events WHERE kind = 'enabled'
  AND id > (SELECT max(id) FROM budget_events WHERE budget = '')
"""
# That a request was too large does not say that the limit was reached: it is told beside it, once in a window.
_TOLD = f"""
SELECT 1 FROM budget_events WHERE budget = ? AND key = ? AND window_start = ? AND kind = 'blocked'
  AND reason LIKE '%{TOO_LARGE}' LIMIT 1
"""  # noqa: S608 - made of our own names
# The terms of one window may change to and fro, as those of two work trees do: each threshold is told once.
_IS_TOLD = """
SELECT 1 FROM budget_events WHERE budget = ? AND key = ? AND window_start = ? AND kind = ? AND unit = ? AND most = ?
  AND spent >= ? AND id > coalesce((SELECT max(id) FROM budget_events WHERE budget = ? AND kind = 'enabled'), 0) LIMIT 1
"""
_IS_NOTED = "SELECT 1 FROM budget_events WHERE budget = ? AND kind = 'changed' AND reason = ? AND at > ? LIMIT 1"
_ALERTS = frozenset({"warned", "exceeded", "blocked", "disabled"})
_EVENT = (
    "id, at, budget, key, kind, unit, window_start, window_end, most, spent, reserved, reason, execution_id, webhook"
)
_ADD_EVENT = f"""
INSERT INTO budget_events ({_EVENT}, webhook_at) VALUES ({", ".join("?" * 15)}) RETURNING {_EVENT}
"""  # noqa: S608 - made of our own names
_DUE = "SELECT id FROM budget_events WHERE webhook = 'due' AND webhook_at <= ? ORDER BY webhook_at, id LIMIT 1"
_CLAIM = f"UPDATE budget_events SET webhook_at = ? WHERE id = ({_DUE}) RETURNING {_EVENT}"  # noqa: S608


def events(
    connection: sqlite3.Connection, budget: str | None, limit: int | None, webhook: WebhookState | None
) -> list[BudgetEvent]:
    """Return what happened, newest first."""
    if not has_table(connection, "budget_events"):
        return []
    condition, parameters = where({"budget = ?": budget, "webhook = ?": webhook})
    sql = f"SELECT {_EVENT} FROM budget_events {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names
    return [_event(row) for row in connection.execute(sql, (*parameters, -1 if limit is None else limit))]


def claim_webhook(connection: sqlite3.Connection, now: str, until: str) -> BudgetEvent | None:
    """Return an event whose webhook is due, for this process alone until that moment."""
    row = connection.execute(_CLAIM, (until, now)).fetchone()
    return row and _event(row)


def mark_webhook(connection: sqlite3.Connection, event_id: int, state: WebhookState, not_before: str) -> None:
    """Set what became of the webhook of an event."""
    sql = "UPDATE budget_events SET webhook = ?, webhook_at = ? WHERE id = ?"
    connection.execute(sql, (state, not_before, event_id))


def note_rules(connection: sqlite3.Connection, rules: Iterable[BudgetRule], at: str) -> list[BudgetEvent]:
    """Keep the terms of each rule, and return an event for each whose terms are not those that were seen last."""
    events = []
    for rule in rules:
        terms = f"{rule.terms}, then {rule.then}"
        found = connection.execute("SELECT terms FROM budget_rules WHERE budget = ?", (rule.name,)).fetchone()
        if found is None or found[0] != terms:
            connection.execute("INSERT OR REPLACE INTO budget_rules VALUES (?, ?, ?)", (rule.name, terms, at))
        if found is not None and found[0] != terms:
            reason = f"{found[0]} -> {terms}"
            day_before = utc_text(datetime.fromisoformat(at) - timedelta(days=1))
            if connection.execute(_IS_NOTED, (rule.name, reason, day_before)).fetchone():
                continue  # work trees with different limits take turns
            events.append(add_event(connection, "changed", at, rule.name, "", reason=reason))
    return events


def note_unknown(connection: sqlite3.Connection, words: str) -> None:
    """Note that nobody can tell what was spent before this log began."""
    add_event(connection, "unknown", utc_now(), "", reason=words)


def unknown_before(connection: sqlite3.Connection) -> Unknown | None:
    """Return when and why a log began of which nobody can tell what was spent before; None of any other."""
    row = connection.execute(
        "SELECT at, reason FROM budget_events WHERE budget = '' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row and Unknown(*row)


def known(connection: sqlite3.Connection, budget: str) -> set[str | None]:
    """Return the accounts of a budget that were enabled since what it had spent is not known; None for all."""
    return {key or None for _, key in connection.execute(f"{KNOWN} AND budget = ?", (budget,))}


def has_due(connection: sqlite3.Connection, at: str) -> bool:
    """Return True if a webhook is due."""
    return connection.execute(_DUE, (at,)).fetchone() is not None


def is_refusal_told(connection: sqlite3.Connection, account: AccountRow) -> bool:
    """Return True if it was told in this window that a request was too large."""
    whose = account.budget, account.key, account.window_start
    return bool(account.id) and connection.execute(_TOLD, whose).fetchone() is not None


def is_told(connection: sqlite3.Connection, account: AccountRow, kind: EventKind, least: int) -> bool:
    """Return True if it was told in this window, since it was last enabled, that a limit was reached like this."""
    if not account.id:
        return False
    least = least if kind == "warned" else 0
    whose = account.budget, account.key, account.window_start, kind, account.unit, account.most, least
    return connection.execute(_IS_TOLD, (*whose, account.budget)).fetchone() is not None


def add_event(
    connection: sqlite3.Connection,
    kind: EventKind,
    at: str,
    of: AccountRow | str,
    key: str = "",
    *,
    reason: str | None = None,
    execution: str | None = None,
) -> BudgetEvent:
    """Add an event of an account, or of a budget by its name."""
    whose: tuple[object, ...] = (of, key, kind, *(None,) * 6)
    webhook = None
    if isinstance(of, AccountRow):
        window = (of.window_start, of.window_end)
        whose = (of.budget, of.key, kind, of.unit, *window, of.most, of.spent, of.reserved)
        webhook = "due" if of.has_webhook and kind in _ALERTS else None
    values = (None, at, *whose, reason, execution, webhook, at)
    return _event(connection.execute(_ADD_EVENT, values).fetchone())


def _event(row: tuple[Any, ...]) -> BudgetEvent:
    id_, at, budget, key, kind, *others = row
    return BudgetEvent(id_, at, budget, key or None, kind, *others)
