"""Budgets as people look at them: what is spent of each in its window, its state and why, and what it covers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from promptctl.context import Context
from promptctl.errors import BudgetNotFound, LogFailure, printable
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.formats.budget_rules import CONDITIONS, BudgetRule, used_words
from promptctl.log.budgets import BudgetAccount, BudgetEvent, Charge, Reservation, Unknown, Window, unit_name
from promptctl.log.stamps import new_id, utc_now
from promptctl.log.windows import window_of
from promptctl.prompts.loading import declared_ids

BudgetState = Literal["ok", "warned", "exceeded", "blocked", "disabled"]
_TERMS = ("limit", "per", "timezone", "each", "warn_at", "then", "unpriced", "webhook_env")
_WORST_FIRST: Sequence[BudgetState] = ("disabled", "blocked", "exceeded", "warned", "ok")


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget as it stands: its accounts in the window of now, the highest first, and the prompts that it covers.

    With `unknown` nobody can tell what was spent before the log began. So it refuses calls, unless it `is_open`.
    """

    rule: BudgetRule
    window_start: str
    window_end: str | None
    accounts: tuple[BudgetAccount, ...]
    prompts: tuple[str, ...]
    unknown: Unknown | None = None
    is_open: bool = False

    @property
    def state(self) -> BudgetState:
        """The worst state of its accounts."""
        if self.unknown is not None and not self.is_open:
            return "disabled" if self.rule.then == "disable" else "blocked"
        return min(map(self.state_of, self.accounts), key=_WORST_FIRST.index, default="ok")

    @property
    def reason(self) -> str | None:
        """Words on why it is not `ok`, for the highest account of its state, or is not known to be."""
        state, rule, unknown = self.state, self.rule, None
        if self.unknown is not None:
            unknown = f"{self.unknown.words}, and what was spent before is not known"
        if state == "ok" or (unknown and not self.is_open):
            return unknown
        inside = [each for each in self.accounts if self.state_of(each) == state]
        top = inside[0]
        whose = f"{printable(top.key)}: " if top.key else ""
        words = f"{whose}{used_words(rule.unit, top.spent, rule.limit)} spent"
        if state == "disabled":
            words = f"{whose}the limit of {rule.amount(rule.limit)} was reached"
        words += self.kept_of(top)
        if top.reserved:
            words += f", {rule.amount(top.reserved)} reserved"
        words += f"; and {len(inside) - 1:,} more like it" if len(inside) > 1 else ""
        return f"{words}; {unknown}" if unknown else words

    def kept_of(self, account: BudgetAccount) -> str:
        """Return how much of what is spent nobody told, as the end of a sentence; empty if all was told."""
        return (
            f", {self.rule.amount(account.kept)} of it by requests that never told their cost" if account.kept else ""
        )

    def state_of(self, account: BudgetAccount) -> BudgetState:
        """Return the state of one of its accounts, by the limit as the file has it now."""
        rule = self.rule
        if not rule.is_hard and account.spent > rule.limit:
            return "exceeded"
        if rule.is_hard and account.disabled_at is not None:  # one that only warns now lets calls through
            return "disabled"
        if rule.is_hard and (account.spent >= rule.limit or (account.is_reached and account.limit == rule.limit)):
            return "blocked"
        warn_from = rule.limit if rule.warn_at is None else min(rule.limit, rule.limit * rule.warn_at)
        return "warned" if account.spent > warn_from or account.spent == warn_from > 0 else "ok"

    def as_dict(self, *, is_whole: bool = False) -> dict[str, Any]:
        """Return it JSON-able, with stable keys; amounts are in `unit`, and those of the highest account."""
        rule = self.rule
        top = self.accounts[0] if self.accounts else None
        data = {
            "budget": rule.name,
            "state": self.state,
            "reason": self.reason,
            "rule_place": str(rule.place),
            "unit": unit_name(rule.unit),
            **{name: getattr(rule, name) for name in _TERMS},
            "window_start": self.window_start,
            "window_end": self.window_end,
            "account_count": len(self.accounts),
            **self._amounts(top),
        }
        if is_whole:
            conditions = {name: list(getattr(rule, name)) for name in CONDITIONS}
            accounts = [{"state": self.state_of(each), **self._amounts(each)} for each in self.accounts]
            data |= {"covers": conditions, "prompts": list(self.prompts), "accounts": accounts}
        return data

    def _amounts(self, account: BudgetAccount | None) -> dict[str, Any]:
        if account is None:
            return {"account": None, "spent": 0, "kept": 0, "reserved": 0, "left": self.rule.limit, "disabled_at": None}
        return account.as_dict(self.rule)


def budget_statuses(context: Context, *, with_prompts: bool = True) -> list[BudgetStatus]:
    """Return the budgets of the settings, in their order, as they stand now; each with the prompts that it covers."""
    return _statuses(context, context.settings_now.budgets, context.prompt_ids() if with_prompts else ())


def budget_status(context: Context, name: str) -> BudgetStatus:
    """Return one budget of the settings as it stands now. Raises `BudgetNotFound`."""
    rules = {rule.name: rule for rule in context.settings_now.budgets}
    if name in rules:
        return _statuses(context, (rules[name],), context.prompt_ids())[0]
    if name in _logged(context):
        hint = f"what happened to it: promptctl budget history {name}"
        raise BudgetNotFound(f"the budget `{name}` is not in {SETTINGS} any more", hint=hint)
    raise _no_such_budget(name, rules)


def check_budget(context: Context, name: str) -> None:
    """Raise `BudgetNotFound` for a name that neither the settings nor the log know."""
    names = {rule.name for rule in context.settings_now.budgets}
    if name not in names and name not in (names := names | _logged(context)):
        raise _no_such_budget(name, names)


def _no_such_budget(name: str, names: Collection[str]) -> BudgetNotFound:
    return BudgetNotFound(
        f"no budget `{printable(name)}`",
        hint=did_you_mean(name, names) or ("promptctl budget list" if names else f"`budgets` of {SETTINGS} has none"),
    )


def _logged(context: Context) -> set[str]:
    if context.log.is_new:
        return set()
    log = context.log
    return {each.budget for each in log.budget_events() if each.budget} | {
        each.budget for each in log.budget_accounts()
    }


def _statuses(context: Context, rules: Sequence[BudgetRule], ids: Sequence[str]) -> list[BudgetStatus]:
    if not rules:  # the log may be one that cannot be read
        return []
    tree, now = context.repository.work_tree, utc_now()
    known_as: Mapping[str, Sequence[str]] = {}
    if any(rule.prompts for rule in rules):  # of every prompt once: each is a file to be read
        known_as = {id_: (id_, *declared_ids(tree, id_)) for id_ in ids}

    def covered(rule: BudgetRule) -> tuple[str, ...]:
        def is_covered(id_: str) -> bool:
            return any(fnmatchcase(each, glob) for glob in rule.prompts for each in known_as[id_])

        return tuple(filter(is_covered, ids)) if rule.prompts else tuple(ids)

    begun = () if context.log.is_new else context.log.budget_events("", limit=1)

    def status(rule: BudgetRule, window: Window, accounts: tuple[BudgetAccount, ...]) -> BudgetStatus:
        end = None if rule.per == "call" else window[1]
        unknown = _unknown(context, begun, rule, window[0])
        is_open = not rule.is_hard or context.settings_now.budgets_without_log == "open"
        return BudgetStatus(rule, window[0], end, accounts, covered(rule), unknown, is_open)

    windows = [window_of(now, rule.per, rule.timezone) for rule in rules]
    return list(map(status, rules, windows, _accounts(context, rules, windows, now)))


def _unknown(context: Context, begun: Sequence[BudgetEvent], rule: BudgetRule, window_start: str) -> Unknown | None:
    """Return what is not known of a budget since the log was begun anew, if it was, until somebody enables it."""
    for event in begun:
        unknown = Unknown(event.at, event.reason or "")
        if unknown.is_before(rule, window_start) and not any(
            each.id > event.id and each.kind == "enabled" and each.key is None
            for each in context.log.budget_events(rule.name)
        ):
            return unknown
    return None


def _accounts(
    context: Context, rules: Sequence[BudgetRule], windows: Sequence[Window], now: str
) -> list[tuple[BudgetAccount, ...]]:
    """Return the accounts of each rule in its window: the logged ones, or what its first call would begin with."""
    if context.log.is_new:
        return [()] * len(rules)
    found = [_logged_accounts(context, rule, window) for rule, window in zip(rules, windows, strict=True)]
    # Before the first call by a new rule there is no account, but there may be calls that it will count.
    new = [at for at, rule in enumerate(rules) if not found[at] and rule.each is None and rule.per != "call"]
    if new:
        charges = tuple(Charge(rules[at], None, windows[at], 0) for at in new)
        with suppress(LogFailure):
            first = context.log.reserve(Reservation(new_id(), now, "", now, charges), is_dry_run=True)
            for at, account in zip(new, first.accounts, strict=True):
                found[at] = (account,)
    return found


def _logged_accounts(context: Context, rule: BudgetRule, window: Window) -> tuple[BudgetAccount, ...]:
    """Return the accounts of a window, with those that were disabled in an earlier one, the highest first."""
    found: dict[str | None, BudgetAccount] = {}
    for account in context.log.budget_accounts(rule.name, window[0]):
        is_now = account.window_start == window[0] and account.unit == rule.unit
        if is_now or (rule.is_hard and account.key not in found):
            start, end = window
            found[account.key] = (
                account
                if is_now
                else replace(account, unit=rule.unit, window_start=start, window_end=end, spent=0, kept=0, reserved=0)
            )
    return tuple(sorted(found.values(), key=lambda each: each.spent + each.reserved, reverse=True))
