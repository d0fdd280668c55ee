"""Refusals by budgets, in words: which one does not admit a request and why, and what to do."""

from __future__ import annotations

from promptctl.errors import BudgetReached, LogFailure, printable
from promptctl.files.names import SETTINGS
from promptctl.formats.budget_rules import BudgetRule, used_words
from promptctl.log.budgets import TOO_LARGE, Refusal
from promptctl.models.gateway import Request
from promptctl.models.worst_case import WorstCase


def is_passing(refusal: Refusal) -> bool:
    """Return True if requests under way may give back enough for this one."""
    account = refusal.account
    is_open = account.disabled_at is None and account.unknown is None
    return is_open and account.spent + refusal.charge.amount <= account.limit


def reached(refusal: Refusal, request: Request, worst: WorstCase, *, is_dry_run: bool = False) -> BudgetReached:
    """Return why a budget does not admit a request, and what to do; of a dry run, why it would not."""
    charge, account = refusal.charge, refusal.account
    rule = charge.rule
    whose = f" of {rule.each} {charge.key or '(none)'}" if rule.each else ""
    enabling = rule.enabling(charge.key)
    if account.unknown is not None:
        message = (
            f"budget `{rule.name}` cannot be checked, so nothing was sent: {account.unknown.words}, "
            f"and what was spent before {_minute(account.unknown.since)} is not known"
        )
        restore = "add the calls of a backup: promptctl log merge FILE"
        return _error(rule, message, f"{restore}; then, or without: {enabling}")
    if account.disabled_at is not None:
        message = f"budget `{rule.name}`{whose} is disabled since {_minute(account.disabled_at)}: it reached its limit"
        return _error(rule, message, f"enable it again: {enabling}")
    terms = rule.terms.removeprefix(rule.amount(rule.limit))
    state = f"it has spent {used_words(rule.unit, account.spent, rule.limit)}{terms}"
    if account.kept:
        state += f", {rule.amount(account.kept)} of it for requests whose cost nobody told"
    if account.reserved:
        state += f", {rule.amount(account.reserved)} are reserved by requests under way"
    hints = [f"raise `limit` of `{rule.name}` in {SETTINGS}"]
    if rule.unit == "calls":
        asks = "one more is too many"
    else:
        asks = f"the next request to {request.model} could take up to {rule.amount(charge.amount)}"
        asks += f" ({worst.words})"
        hints.append("lower `max_tokens`" if worst.is_limited else "set `max_tokens`, which limits the reply")
    if account.spent < account.limit < charge.amount:
        message = f"budget `{rule.name}`{whose} can never admit this request: {asks}, {TOO_LARGE} of {rule.terms}"
        return _error(rule, message, ", or ".join(reversed(hints)))
    if rule.then == "disable" and not is_passing(refusal):
        now = "would be disabled" if is_dry_run else "is disabled now"
        message = f"budget `{rule.name}`{whose} {now}: {state}, and {asks}"
        return _error(rule, message, f"enable it again: {enabling}")
    until = None if rule.per == "call" else account.window_end
    ends = f"; its window ends {_minute(until)}" if until else ""
    hints += ["wait until the window ends"] if until else []
    hints += ["wait for those under way"] if is_passing(refusal) else []
    message = f"budget `{rule.name}`{whose} admits no more: {state}, and {asks}{ends}"
    return _error(rule, message, ", or ".join(reversed(hints)), until)


def unpriced(rule: BudgetRule, request: Request, worst: WorstCase) -> BudgetReached:
    """Return why a budget does not admit a request whose worst case nobody can tell."""
    if worst.unbounded is not None:
        what = f"nobody can tell what a request to {request.model} takes with `{printable(worst.unbounded)}`"
        hint = "take it out of the prompt"
    else:
        what = f"it is not known what {request.model} costs"
        hint = (
            f"give its price under `prices:` in {SETTINGS}, or say with `priced_as` under `models:` which model it is"
        )
    message = f"budget `{rule.name}` admits no request of unknown cost: {what}"
    return _error(rule, message, f"{hint}, or set `unpriced: allow`")


def unchecked(rule: BudgetRule, failure: LogFailure) -> BudgetReached:
    """Return why a budget admits nothing while the log, which holds what was spent, cannot be written."""
    opens = f"or let calls through without it: `budgets_without_log: open` in {SETTINGS}"
    message = f"budget `{rule.name}` cannot be checked, so nothing was sent: {failure.message}"
    return _error(rule, message, f"{failure.hint}; {opens}" if failure.hint else f"mend the log, {opens}")


def _error(rule: BudgetRule, message: str, hint: str, until: str | None = None) -> BudgetReached:
    return BudgetReached(message, budget=rule.name, place=rule.place, hint=hint, until=until)


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"
