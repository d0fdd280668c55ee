"""Accounts of budgets as rows: read, made of a rule, and as the rooms above see them; and what a new one begins with.

The rows of the log do not tell all that the calls of a new account have spent, and what those under way may still
spend: some calls leave none, and some never told their cost. Accounts of the same calls, by a rule that was renamed or
changed, or by a different one, know of them.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

from promptctl.formats.budget_rules import BudgetRule, Unit
from promptctl.log.budgets import BudgetAccount, BudgetedCall, Charge, Unknown, Window
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import where
from promptctl.log.sqlite.persons import folder_of, join_accounts, known_names
from promptctl.log.sqlite.schema import has_table
from promptctl.prompts.prompt import HASHED

_SPENT = {
    "usd": "coalesce(sum({cost}), 0)",
    "calls": "count(*)",
    "tokens": "coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0)",
}
# Columns of a call, and the globs of a rule that look at them.
_GLOBS_OF = {
    "prompt": "prompts", "source": "sources", "label": "labels", "user": "users", "model": "models",
    "provider": "models",
}  # fmt: skip
# Words of `ProviderUnreachable` if no connection was made.
_SENT = (
    "status <> 'error' OR error_type NOT IN ('ModelConfigurationError', 'ReplyNotRecorded', 'ProviderUnreachable') OR "
)
_SENT += "(error_type = 'ProviderUnreachable' AND error_message NOT LIKE '% was not reached: %')"
_IS_THERE = """
SELECT 1 FROM budget_accounts WHERE budget = ? AND key = ?
UNION ALL SELECT 1 FROM budget_disabled WHERE budget = ? AND key = ? LIMIT 1
"""
Select = Callable[[str, tuple[Any, ...]], Sequence[tuple[Any, ...]]]
"""Returns the rows of a query with its parameters."""
_OPEN_CALLS = """
SELECT execution_id, call, process, deadline FROM budget_reservations WHERE call IS NOT NULL
GROUP BY execution_id HAVING NOT sum(account = ?)
"""


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
_SHOWN = ("budget", "unit", "window_start", "window_end", "spent", "kept", "reserved", "unknown")
_TERMED = _ACCOUNTS.replace("d.since FROM", "d.since, a.scope, a.each, a.per FROM")
FIND_ACCOUNT = f"{_TERMED} WHERE a.budget = ? AND a.key = ? AND a.window_start = ? AND a.unit = ?"


def accounts(
    connection: sqlite3.Connection, budget: str | None = None, window_start: str | None = None
) -> list[BudgetAccount]:
    """Return every account, the newest windows first; or those of one window, and what is disabled of others."""
    if not has_table(connection, "budget_events"):
        return []
    wanted = {"a.budget = ?": budget, "(a.window_start = ? OR d.since IS NOT NULL)": window_start}
    condition, parameters = where({"e.budget = ?": budget})
    disabled_calls = connection.execute(f"{_DISABLED_CALLS} {condition}", parameters)
    rows = [*account_rows(connection, wanted), *(AccountRow(*row) for row in disabled_calls)]
    people = known_names(connection, (row.key for row in rows))
    return [as_account(row._replace(key=people.get(row.key, row.key))) for row in reversed(rows)]


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
    same = {name: getattr(row, name) for name in _SHOWN}
    told: dict[str, Any] = {"is_warned": row.warned_at is not None, "is_reached": row.reached_at is not None}
    return BudgetAccount(**same, **told, key=row.key or None, limit=row.most, disabled_at=row.since)


class Terms(NamedTuple):
    """The calls that a rule is for, and how it takes them apart, as its accounts have them."""

    scope: str
    each: str
    per: str

    @classmethod
    def of(cls, rule: BudgetRule) -> Terms:
        """Return those of a rule."""
        globs = [rule.prompts, rule.labels, rule.models, rule.users, rule.sources]
        return cls(json.dumps(globs), rule.each or "", f"{rule.per} {rule.timezone}")


def as_one(connection: sqlite3.Connection, charge: Charge) -> Charge:
    """Return the charge on the one account of whoever has two names: that of the hash, once a call has come with it."""
    plain, hashed = sorted(charge.names, key=lambda name: name.startswith(HASHED))
    if charge.key != hashed and not connection.execute(_IS_THERE, (charge.rule.name, hashed) * 2).fetchone():
        return charge
    join_accounts(connection, plain, hashed, charge.rule.name)
    return replace(charge, key=hashed, other=plain)


def begins_with(
    connection: sqlite3.Connection, charge: Charge, prompts: tuple[str, ...], select: Select
) -> tuple[int, int]:
    """Return what a new account, or one by new terms, begins with as spent, and as kept."""
    spent, kept = known_before(connection, charge, prompts)
    return max(spent, spent_before(connection, charge, prompts, select)), kept


def spent_before(connection: sqlite3.Connection, charge: Charge, prompts: tuple[str, ...], select: Select) -> int:
    """Return what the rows of the window say that the calls of an account have spent.

    `prompts` are the ids that the prompt of the call has and had. Rules that look at the same rows make the same
    query, so `select` may remember its answer.
    """
    rule, key = charge.rule, charge.key
    keys = prompts if rule.each == "prompt" and key in prompts else charge.names
    condition, parameters = where(
        {
            "started_at >= ?": charge.window[0],
            "started_at < ?": charge.window[1],  # a clock that was ahead leaves rows of later windows
            "status <> ?": "blocked",
            "reply_source IN ('model', 'echo')": [],
            "model NOT GLOB 'replay/*'": [],
            f"({_SENT})": [],
            **({f"{rule.each} IN ({', '.join('?' * len(keys))})": [*keys]} if rule.each and key else {}),
            **({f"{rule.each} IS NULL": []} if rule.each and not key else {}),
        }
    )
    # Only by what the rule looks at: each user as a group of its own would take four times as long.
    looked_at = [name for name, globs in _GLOBS_OF.items() if getattr(rule, globs)]
    columns = ", ".join(name if name in looked_at else "NULL" for name in _GLOBS_OF)
    # With a bare `prompt` SQLite would take the index of prompts and read the whole table.
    grouping = f"GROUP BY {', '.join(f'+{name}' for name in looked_at)}" if looked_at else ""
    holding = rows(connection)
    total = _SPENT[rule.unit].format(cost=holding.cost)
    sql = f"SELECT {columns}, {total} FROM {holding.table} {condition} {grouping}"  # noqa: S608 - our own names
    people = _matched_names(connection, charge)
    return sum(
        spent
        for prompt, source, label, user, model, provider, spent in select(sql, tuple(parameters))
        if rule.matches(
            prompts if prompt in prompts else (prompt,),
            source,
            label,
            people.get(user, user),
            (model, f"{provider}/{model}"),
        )
    )


def _matched_names(connection: sqlite3.Connection, charge: Charge) -> Mapping[str | None, str]:
    """Return the plain names that globs of `users` look at by their hashes: of the call's user, and what a glob is.

    Those of the log's rows would have to be read and hashed all, while everyone waits who writes.
    """
    if not charge.rule.users:
        return {}
    from promptctl.log.keyed_hashes import hashes_of

    hashes = hashes_of(folder_of(connection), (*charge.users, *charge.rule.users))
    return {hashed: name for name, hashed in hashes.items()}


def known_before(connection: sqlite3.Connection, charge: Charge, prompts: tuple[str, ...] = ()) -> tuple[int, int]:
    """Return the most that the accounts of one other rule for the same calls have spent in a window, and what is kept.

    Those of windows within, and of one that ends in it: the same days by a different clock.
    """
    rule, (start, end) = charge.rule, charge.window
    terms, keys = Terms.of(rule), (*charge.names, *prompts)
    condition, parameters = where(
        {
            "unit = ?": rule.unit,
            "scope = ?": terms.scope,
            "(window_start >= ? OR (per GLOB ? AND coalesce(window_end, '9') > ?))": [start, f"{rule.per} *", start],
            "window_start < ?": end,
            **({"each = ?": terms.each, f"key IN ({', '.join('?' * len(keys))})": [*keys]} if rule.each else {}),
        }
    )
    sums = f"SELECT sum(spent) AS spent, sum(kept) AS kept FROM budget_accounts {condition} GROUP BY budget, each, per"  # noqa: S608
    found = connection.execute(f"SELECT spent, kept FROM ({sums}) ORDER BY spent DESC LIMIT 1", parameters)  # noqa: S608
    spent, kept = found.fetchone() or (0, 0)
    return spent, min(spent, kept)


def take_over(connection: sqlite3.Connection, account_id: int, charge: Charge) -> None:
    """Reserve for an account what requests under way may spend that its rule holds for, and that it does not know."""
    rule, amounts = charge.rule, 0
    found = connection.execute(_OPEN_CALLS, (account_id,)).fetchall()
    calls = [BudgetedCall.from_dict(json.loads(text)) for _, text, _, _ in found]
    people = _matched_names(connection, charge)
    for (execution, text, process, deadline), call in zip(found, calls, strict=True):
        names = call.prompts if rule.each == "prompt" else (call.keys.get(rule.each or "") or "",)
        is_of_key = rule.each is None or not {*charge.names}.isdisjoint(names)
        if not is_of_key or call.at < charge.window[0] or not call.is_for(rule, people):
            continue
        amount = call.amounts.get(rule.unit) or 0
        row = execution, account_id, rule.unit, amount, process, deadline, text
        connection.execute("INSERT INTO budget_reservations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        amounts += amount
    connection.execute("UPDATE budget_accounts SET reserved = reserved + ? WHERE id = ?", (amounts, account_id))


def as_text(call: BudgetedCall | None) -> str | None:
    """Return what rules look at of a call as a reservation has it."""
    return None if call is None else json.dumps(asdict(call))
