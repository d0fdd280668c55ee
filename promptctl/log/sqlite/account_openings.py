"""Beginnings of accounts: what the calls of a new one have spent, and what those under way may still spend.

The rows of the log do not tell all: some calls leave none, and some never told their cost. Accounts of the same calls,
by a rule that was renamed or changed, or by a different one, know of them.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import NamedTuple

from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import BudgetedCall, Charge
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import where

_SPENT = {
    "usd": "coalesce(sum({cost}), 0)",
    "calls": "count(*)",
    "tokens": "coalesce(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), 0)",
}
# Words of `ProviderUnreachable` if no connection was made.
_NOT_SENT = "status <> 'error' OR error_type NOT IN ('ModelConfigurationError', 'ProviderUnreachable') OR "
_NOT_SENT += "(error_type = 'ProviderUnreachable' AND error_message NOT LIKE '% was not reached: %')"
_OPEN_CALLS = """
SELECT execution_id, call, process, deadline FROM budget_reservations WHERE call IS NOT NULL
GROUP BY execution_id HAVING NOT sum(account = ?)
"""


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


def spent_before(connection: sqlite3.Connection, charge: Charge, prompts: tuple[str, ...] = ()) -> int:
    """Return what the rows of the window say that the calls of an account have spent.

    `prompts` are the ids that the prompt of the call has and had.
    """
    rule, key = charge.rule, charge.key
    keys = prompts if rule.each == "prompt" and key in prompts else (key,)
    condition, parameters = where(
        {
            "started_at >= ?": charge.window[0],
            "status <> ?": "blocked",
            "reply_source IN ('model', 'echo')": [],
            "model NOT GLOB 'replay/*'": [],
            f"({_NOT_SENT})": [],
            **({f"{rule.each} IN ({', '.join('?' * len(keys))})": [*keys]} if rule.each and key else {}),
            **({f"{rule.each} IS NULL": []} if rule.each and not key else {}),
        }
    )
    names = "prompt, source, label, user, model, provider"
    # With a bare `prompt` SQLite would take the index of prompts and read the whole table.
    holding = rows(connection)
    total = _SPENT[rule.unit].format(cost=holding.cost)
    sql = f"SELECT {names}, {total} FROM {holding.table} {condition} GROUP BY +{names}"  # noqa: S608
    return sum(
        spent
        for prompt, source, label, user, model, provider, spent in connection.execute(sql, parameters)
        if rule.matches(
            prompts if prompt in prompts else (prompt,), source, label, user, (model, f"{provider}/{model}")
        )
    )


def known_before(connection: sqlite3.Connection, charge: Charge, prompts: tuple[str, ...] = ()) -> tuple[int, int]:
    """Return the most that the accounts of one other rule for the same calls have spent in a window, and what is kept.

    Those of windows within, and of one that ends in it: the same days by a different clock.
    """
    rule, (start, _) = charge.rule, charge.window
    terms, keys = Terms.of(rule), (charge.key or "", *prompts)
    condition, parameters = where(
        {
            "unit = ?": rule.unit,
            "scope = ?": terms.scope,
            "(window_start >= ? OR (per GLOB ? AND coalesce(window_end, '9') > ?))": [start, f"{rule.per} *", start],
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
    for execution, text, process, deadline in connection.execute(_OPEN_CALLS, (account_id,)).fetchall():
        call = BudgetedCall.from_dict(json.loads(text))
        names = call.prompts if rule.each == "prompt" else (call.keys.get(rule.each or "") or "",)
        is_of_key = rule.each is None or (charge.key or "") in names
        if not is_of_key or call.at < charge.window[0] or not call.is_for(rule):
            continue
        amount = call.amounts.get(rule.unit) or 0
        row = execution, account_id, rule.unit, amount, process, deadline, text
        connection.execute("INSERT INTO budget_reservations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        amounts += amount
    connection.execute("UPDATE budget_accounts SET reserved = reserved + ? WHERE id = ?", (amounts, account_id))


def as_text(call: BudgetedCall | None) -> str | None:
    """Return what rules look at of a call as a reservation has it."""
    return None if call is None else json.dumps(asdict(call))
