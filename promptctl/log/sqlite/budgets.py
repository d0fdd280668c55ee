"""Accounts of budgets in the log's file: reserved by one conditional update each, all of them or none, and settled.

An account is made on its first use in a window, with what the window's rows say was spent before. What happens to
budgets is an event, told once, and may wait for its webhook.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from promptctl.formats.budget_rules import BudgetRule, amount_words
from promptctl.log.budgets import (
    TOO_LARGE,
    Admission,
    BudgetEvent,
    Charge,
    EventKind,
    Refusal,
    Reservation,
    Settlement,
    Unknown,
    WebhookState,
)
from promptctl.log.sqlite.budget_accounts import (
    FIND_ACCOUNT,
    AccountRow,
    Select,
    Terms,
    account_rows,
    as_account,
    as_one,
    as_text,
    begins_with,
    new_account,
    take_over,
    terms_of,
)
from promptctl.log.sqlite.filters import where
from promptctl.log.sqlite.persons import folder_of, known_names
from promptctl.log.sqlite.schema import has_table
from promptctl.log.stamps import utc_now, utc_text

_RENAME_DISABLED = "UPDATE OR REPLACE budget_disabled SET key = ? WHERE budget = ? AND key = ?"
_OPEN = f"""
INSERT INTO budget_accounts ({", ".join(AccountRow._fields[1:13])}, scope, each, per) VALUES ({", ".join("?" * 15)})
RETURNING id
"""  # noqa: S608 - made of our own names
# A changed limit is a new threshold, of which nobody was told.
_CHANGE = """
UPDATE budget_accounts SET most = :most, warn_from = :warn_from, action = :action, has_webhook = :has_webhook,
  scope = :scope, each = :each, per = :per, window_end = :window_end, spent = :spent, kept = :kept,
  warned_at = iif(most = :most AND warn_from IS :warn_from, warned_at, NULL),
  reached_at = iif(most = :most AND action = :action, reached_at, NULL)
WHERE id = :id
"""
_RESERVE = """
UPDATE budget_accounts SET reserved = reserved + :amount
WHERE id = :id AND (action = 'warn' OR spent + reserved + :amount <= most)
"""
_SPEND = f"""
UPDATE budget_accounts SET reserved = reserved - ?, spent = spent + ?, kept = kept + ? WHERE id = ?
RETURNING {", ".join(AccountRow._fields[:-2])}
"""  # noqa: S608 - made of our own names
_RENEW = "UPDATE budget_accounts SET spent = 0, kept = 0, warned_at = NULL, reached_at = NULL WHERE id = ?"
KNOWN = """
SELECT budget, key FROM budget_events WHERE kind = 'enabled'
  AND id > (SELECT max(id) FROM budget_events WHERE budget = '')
"""
# The terms of one window may change to and fro, as those of two work trees do: each threshold is told once. That a
# request was too large does not say that the limit was reached: both are told.
_IS_TOLD = f"""
SELECT 1 FROM budget_events WHERE budget = ? AND key = ? AND window_start = ? AND kind = ? AND unit = ? AND most = ?
  AND spent >= ? AND (coalesce(reason, '') LIKE '%{TOO_LARGE}') = ?
  AND id > coalesce((SELECT max(id) FROM budget_events WHERE budget = ? AND kind = 'enabled'), 0) LIMIT 1
"""  # noqa: S608 - made of our own names
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


def reserve(connection: sqlite3.Connection, wanted: Reservation) -> Admission:
    """Reserve every charge, or none if one of the budgets does not admit its own."""
    events = note_rules(connection, wanted.rules, wanted.at) if wanted.rules else []
    if wanted.is_alive is not None:
        events += _expire(connection, wanted.is_alive, wanted.at)
    prompts = () if wanted.call is None else wanted.call.prompts
    unknown = None if wanted.is_open else unknown_before(connection)
    charges = (each if each.other is None else as_one(connection, each) for each in wanted.charges)
    select = cache(lambda sql, parameters: connection.execute(sql, parameters).fetchall())
    accounts = [_account(connection, charge, unknown, prompts, select) for charge in charges]
    call = as_text(wanted.call)
    pairs = list(zip(wanted.charges, accounts, strict=True))  # a refusal has the name that the call came with
    refused = [(charge, account) for charge, account in pairs if not _admits(charge, account)]
    for charge, account in refused:
        events += _refuse(connection, wanted, charge, account)
    for charge, account in pairs if not refused else ():
        if account.id:
            values = {"amount": charge.amount, "id": account.id}
            if connection.execute(_RESERVE, values).rowcount != 1:
                raise sqlite3.IntegrityError("a budget was changed within a transaction")
            row = wanted.execution, account.id, account.unit, charge.amount, wanted.process, wanted.deadline, call
            connection.execute("INSERT INTO budget_reservations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    refusals = tuple(Refusal(charge, as_account(account)) for charge, account in refused)
    return Admission(tuple(map(as_account, accounts)), refusals, tuple(events), has_due(connection, wanted.at))


def settle(connection: sqlite3.Connection, *settlements: Settlement) -> None:
    """Count what executions spent and give back the rest of what was reserved for them, each once."""
    for settlement in settlements:
        settlement.events.clear()
        found = "DELETE FROM budget_reservations WHERE execution_id = ? RETURNING account, amount, unit"
        for account_id, amount, unit in connection.execute(found, (settlement.execution,)).fetchall():
            told = settlement.spent.get(unit)
            spent, kept = (amount, amount) if told is None else (told, 0)
            account = _spend(connection, account_id, amount, spent, kept=kept)
            settlement.events += _notice(connection, account, settlement.execution)
        for charge, spent in settlement.of_call:
            call = new_account(charge.rule, charge.key or "", charge.window, spent)
            if call.warn_from is not None and charge.already >= call.warn_from:
                call = call._replace(warned_at=call.window_start)
            if charge.already > call.most:
                call = call._replace(reached_at=call.window_start)
            settlement.events += _notice(connection, call, settlement.execution)


def enable(connection: sqlite3.Connection, budget: str, reason: str, key: str | None) -> list[BudgetEvent]:
    """Enable what is disabled, and give it its whole limit again: what was spent before is in the event alone."""
    from promptctl.log.keyed_hashes import hashes_of

    names = () if key is None else (key, *hashes_of(folder_of(connection), (key,)).values())
    of_names = {f"key IN ({', '.join('?' * len(names))})": [*names]} if names else {}
    condition, parameters = where({"budget = ?": budget, **of_names})
    found = connection.execute(f"DELETE FROM budget_disabled {condition} RETURNING key", parameters).fetchall()  # noqa: S608
    events, at = [], utc_now()
    if not (found or {None, *names} & known(connection, budget)) and unknown_before(connection) is not None:
        # An account that let calls through meanwhile counts the rows anew, with those that were merged since.
        connection.execute(f"UPDATE budget_accounts SET per = '' {condition}", parameters)  # noqa: S608
        return [add_event(connection, "enabled", at, budget, key or "", reason=reason)]
    for (disabled,) in found:
        newest = account_rows(connection, {"a.budget = ?": budget, "a.key = ?": disabled})[-1:]
        events.append(add_event(connection, "enabled", at, *(newest or (budget, disabled)), reason=reason))
        for account in newest:
            connection.execute(_RENEW, (account.id,))
    return events


def _expire(connection: sqlite3.Connection, is_alive: Callable[[str, str], bool], at: str) -> list[BudgetEvent]:
    """Count as spent what processes that ended had reserved, and what none has settled in time.

    Their requests may have been answered.
    """
    events = []
    reserving = connection.execute("SELECT process, max(deadline) FROM budget_reservations GROUP BY process").fetchall()
    ended = [process for process, deadline in reserving if not is_alive(process, deadline)]
    for condition, value in [*(("process = ?", process) for process in ended), ("deadline <= ?", at)]:
        gone = f"DELETE FROM budget_reservations WHERE {condition} RETURNING execution_id, account, amount"  # noqa: S608
        for execution, account_id, amount in connection.execute(gone, (value,)).fetchall():
            account = _spend(connection, account_id, amount, amount, kept=amount)
            reason = amount_words(account.unit, amount)
            events.append(add_event(connection, "expired", at, account, reason=reason, execution=execution))
            events += _notice(connection, account, execution)
    return events


def _account(
    connection: sqlite3.Connection,
    charge: Charge,
    unknown: Unknown | None,
    prompts: tuple[str, ...],
    select: Select,
) -> AccountRow:
    """Return the account of a charge, opened if this is its first; that of one call has no row.

    Nor is it opened as long as nobody can tell what it has spent: rows may be merged until then.
    """
    rule, key, (start, _) = charge.rule, charge.key or "", charge.window
    if unknown is not None and unknown.covers(rule, start) and not known(connection, rule.name) & {None, *charge.names}:
        return new_account(rule, key, charge.window, charge.already)._replace(unknown=unknown)
    if rule.per == "call":
        since = connection.execute(
            "SELECT since FROM budget_disabled WHERE budget = ? AND key = ?", (rule.name, key)
        ).fetchone()
        return new_account(rule, key, charge.window, charge.already)._replace(since=since and since[0])
    row = connection.execute(FIND_ACCOUNT, (rule.name, key, start, rule.unit)).fetchone()
    if row is None:
        if rule.each == "prompt":
            for earlier in prompts[1:]:  # what is disabled stays so under a new id
                connection.execute(_RENAME_DISABLED, (key, rule.name, earlier))
        spent, kept = begins_with(connection, charge, prompts, select)
        new = new_account(rule, key, charge.window, spent)._replace(kept=kept)
        [id_] = connection.execute(_OPEN, (*new[1:13], *Terms.of(rule))).fetchone()
        take_over(connection, id_, charge)
    else:
        *columns, scope, each, per = row
        found, terms, counted = AccountRow(*columns), terms_of(rule), Terms.of(rule)
        is_same = (found.most, found.warn_from, found.action, found.has_webhook) == tuple(terms.values())
        if is_same and (scope, each, per) == counted:
            return found
        is_other = (each, per) != counted[1:]  # its window only begins where the one of before began
        spent, kept = begins_with(connection, charge, prompts, select) if is_other else (found.spent, found.kept)
        begins = {"spent": spent, "kept": kept, "window_end": charge.window[1]}
        values = {**terms, **counted._asdict(), **begins, "id": found.id}
        connection.execute(_CHANGE, values)
        if is_other:
            take_over(connection, found.id, charge)
    return AccountRow(*connection.execute(FIND_ACCOUNT, (rule.name, key, start, rule.unit)).fetchone()[:-3])


def _admits(charge: Charge, account: AccountRow) -> bool:
    if account.action == "warn":
        return True
    return (
        account.since is None
        and account.unknown is None
        and account.spent + account.reserved + charge.amount <= account.most
    )


def _refuse(
    connection: sqlite3.Connection, wanted: Reservation, charge: Charge, account: AccountRow
) -> list[BudgetEvent]:
    """Note the first refusal of a window, and disable what is to be disabled; not if others may still give back."""
    is_final = account.spent + charge.amount > account.most
    if account.since is not None or account.unknown is not None or not is_final:
        return []
    kind: EventKind = "blocked"
    reason = f"a request of up to {amount_words(account.unit, charge.amount)}"
    if account.spent < account.most < charge.amount:
        reason += f", {TOO_LARGE}"  # the limit is not reached: a smaller request would be admitted
    elif account.reached_at is not None:
        return []
    else:
        if account.action == "disable":
            kind = "disabled"
            connection.execute("INSERT INTO budget_disabled VALUES (?, ?, ?)", (account.budget, account.key, wanted.at))
        connection.execute("UPDATE budget_accounts SET reached_at = ? WHERE id = ?", (wanted.at, account.id))
    if kind == "blocked" and is_told(connection, account, kind, 0, reason):
        return []
    return [add_event(connection, kind, wanted.at, account, reason=reason, execution=wanted.execution)]


def _spend(connection: sqlite3.Connection, account_id: int, reserved: int, spent: int, *, kept: int) -> AccountRow:
    """Give back what was reserved, count what was spent, and return the account as it stands then."""
    [row] = connection.execute(_SPEND, (reserved, spent, kept, account_id)).fetchall()
    return AccountRow(*row)


def _notice(connection: sqlite3.Connection, account: AccountRow, execution: str) -> list[BudgetEvent]:
    """Note that an account has reached a threshold, once in its window."""
    kinds: list[tuple[EventKind, str]] = []
    if account.warn_from is not None and account.warned_at is None and account.spent >= account.warn_from:
        kinds.append(("warned", "warned_at"))
    if account.action == "warn" and account.reached_at is None and account.spent > account.most:
        kinds.append(("exceeded", "reached_at"))
    at = utc_now() if kinds else ""
    for _, column in kinds:
        connection.execute(f"UPDATE budget_accounts SET {column} = ? WHERE id = ?", (at, account.id))  # noqa: S608
    new = [kind for kind, _ in kinds if not is_told(connection, account, kind, account.warn_from or 0)]
    return [add_event(connection, kind, at, account, execution=execution) for kind in new]


def events(connection: sqlite3.Connection, budget: str | None = None, *, limit: int | None = None) -> list[BudgetEvent]:
    """Return what happened, newest first."""
    if not has_table(connection, "budget_events"):
        return []
    condition, parameters = where({"budget = ?": budget})
    sql = f"SELECT {_EVENT} FROM budget_events {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own names
    found = connection.execute(sql, (*parameters, -1 if limit is None else limit))
    return with_plain_names(connection, list(map(_event, found)))


def claim_webhook(connection: sqlite3.Connection, now: str, until: str) -> list[BudgetEvent]:
    """Return an event whose webhook is due, if there is one, for this process alone until that moment."""
    return [_event(row) for row in connection.execute(_CLAIM, (until, now))]


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


def is_told(connection: sqlite3.Connection, account: AccountRow, kind: EventKind, least: int, reason: str = "") -> bool:
    """Return True if it was told in this window, since it was last enabled, that a limit was reached like this."""
    if not account.id:
        return False
    least = least if kind == "warned" else 0
    whose = account.budget, account.key, account.window_start, kind, account.unit, account.most, least
    found = connection.execute(_IS_TOLD, (*whose, reason.endswith(TOO_LARGE), account.budget))
    return found.fetchone() is not None


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
    return _event(connection.execute(_ADD_EVENT, values).fetchall()[0])


def with_plain_names(connection: sqlite3.Connection, found: list[BudgetEvent]) -> list[BudgetEvent]:
    """Return events by the plain names of persons and sessions, of whom some rows have the hash.

    For a connection that reads, as `known_names`.
    """
    people = known_names(connection, (event.key for event in found))
    return [replace(event, key=people.get(event.key, event.key)) for event in found] if people else found


def _event(row: tuple[Any, ...]) -> BudgetEvent:
    id_, at, budget, key, *others = row
    return BudgetEvent(id_, at, budget, key or None, *others)
