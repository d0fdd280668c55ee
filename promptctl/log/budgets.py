"""Accounts of budgets as the log keeps them: what is reserved before a request, settled after it, and told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptctl.files.plain import record_data
from promptctl.formats.budget_rules import BudgetRule, Unit, amount_words, used_words

EventKind = Literal["changed", "warned", "exceeded", "blocked", "disabled", "enabled", "expired", "unknown"]
WebhookState = Literal["due", "sent", "failed"]
Window = tuple[str, str | None]
"""The beginning and the end of a window, as the log stores moments; None for no end."""


TOO_LARGE = "more than the whole limit"
"""The end of the reason of a request that was refused, however little was spent."""


def unit_name(unit: Unit) -> str:
    """Return the name of what amounts of a budget count, as documents have it: money is in nano-USD."""
    return "nano_usd" if unit == "usd" else unit


@dataclass(frozen=True, slots=True)
class BudgetedCall:
    """The part of a call that rules look at, as its row will have it, and the most that it may spend, by unit.

    `prompts` are the ids that its prompt has and had, `keys` the names of its accounts by `each`.
    """

    at: str
    prompts: tuple[str, ...]
    source: str
    models: tuple[str, ...]
    keys: Mapping[str, str | None]
    amounts: Mapping[str, int | None]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BudgetedCall:
        """Return it as it was before it was written as JSON."""
        return cls(**{**data, "prompts": tuple(data["prompts"]), "models": tuple(data["models"])})

    def is_for(self, rule: BudgetRule, people: Mapping[str | None, str]) -> bool:
        """Return True if a rule holds for it; `people` are the plain names of users by their hashes."""
        user = self.keys["user"]
        return rule.matches(self.prompts, self.source, self.keys["label"], people.get(user, user), self.models)


@dataclass(frozen=True, slots=True)
class Charge:
    """One rule's part of a reservation: so much of its unit, on the account of `key` in a window.

    `other` is the other name under which the log may have the same user or session: of a plain name the hash that
    stands for it in calls whose sensitive inputs hold it, of a hash the plain name, which is never written.
    `already` is what earlier attempts of the same call have spent, for a limit of one call. `users` are both names of
    the call's user, as far as globs of the rule look at them.
    """

    rule: BudgetRule
    key: str | None
    window: Window
    amount: int
    already: int = 0
    other: str | None = None
    users: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The key of the account and its other name."""
        return (self.key or "", *([self.other] if self.other else []))


@dataclass(frozen=True, slots=True)
class Reservation:
    """The most that one request may spend, by all rules that hold for it; settled by the id of its execution.

    `process` tells the process that will settle it. With `is_alive`, which is given it with the last `deadline` of its
    reservations, those of processes that ended, and all past their deadline, are counted as spent first; with
    `rules`, a change of their terms is noted. With `is_open` it passes where what was spent before is not known.
    By `call` accounts by changed rules know of it while it is under way.
    """

    execution: str
    at: str
    process: str
    deadline: str
    charges: tuple[Charge, ...]
    rules: tuple[BudgetRule, ...] = ()
    is_open: bool = False
    is_alive: Callable[[str, str], bool] | None = None
    call: BudgetedCall | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The moment at which a log began in the place of a damaged one, and in words where that is."""

    since: str
    words: str

    def covers(self, rule: BudgetRule, window_start: str) -> bool:
        """Return True if what a rule needs to know to stop calls was in the damaged log."""
        return rule.is_hard and self.is_before(rule, window_start)

    def is_before(self, rule: BudgetRule, window_start: str) -> bool:
        """Return True if something that a rule counts was in the damaged log: nothing of a later window was."""
        return rule.then == "disable" or window_start < self.since


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """An account of a budget in one window; amounts are nano-USD, requests or tokens, by `unit`.

    `kept` is the part of what is spent that nobody told: such requests count with all that was reserved. With `unknown`
    nobody can tell what was spent before.
    """

    budget: str
    key: str | None
    unit: Unit
    window_start: str
    window_end: str | None
    limit: int
    spent: int
    kept: int
    reserved: int
    is_warned: bool = False
    is_reached: bool = False
    disabled_at: str | None = None
    unknown: Unknown | None = None

    @property
    def left(self) -> int:
        """The amount that is neither spent nor reserved; below 0 if a request cost more than was foreseen."""
        return self.left_of(self.limit)

    def left_of(self, limit: int) -> int:
        """Return what is left of a limit, such as the one that the file has now."""
        return limit - self.spent - self.reserved

    def as_dict(self, rule: BudgetRule) -> dict[str, Any]:
        """Return its amounts by the rule as the file has it now, JSON-able, with stable keys."""
        return {
            "account": self.key,
            "spent": self.spent,
            "kept": self.kept,
            "reserved": self.reserved,
            "left": self.left_of(rule.limit),
            "disabled_at": self.disabled_at if rule.is_hard else None,
        }


@dataclass(frozen=True, slots=True)
class BudgetEvent:
    """Something that happened to a budget: `exceeded` if it only warns, `blocked` for the first refusal of a window.

    `reason` says why it was enabled, what changed, or what was refused. `webhook` is None for a rule without one.
    `unknown` is about all budgets, and has no name: the log was damaged, and this one was begun in its place.
    """

    id: int
    at: str
    budget: str
    key: str | None
    kind: EventKind
    unit: Unit | None = None
    window_start: str | None = None
    window_end: str | None = None
    limit: int | None = None
    spent: int | None = None
    reserved: int | None = None
    reason: str | None = None
    execution: str | None = None
    webhook: WebhookState | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(
            self,
            without=("id", "key"),
            event=self.id,
            budget=self.budget or None,
            account=self.key,
            unit=self.unit and unit_name(self.unit),
        )

    def amount(self, amount: int | None) -> str | None:
        """Return an amount of its unit as people read it; None if it has none."""
        return None if amount is None or self.unit is None else amount_words(self.unit, amount)

    @property
    def words(self) -> str:
        """The event as one line for people."""
        if self.kind == "unknown":
            return f"{self.reason}, and a new log was begun: what budgets had spent is not known"
        whose = f" of {self.key}" if self.key else ""
        return f"budget `{self.budget}`{whose} {self._what}"

    @property
    def _what(self) -> str:
        if self.kind == "changed":
            return f"was changed: {self.reason}"
        if self.kind == "enabled":
            return f"was enabled again: {self.reason}"
        if self.kind == "expired":
            return f"counts {self.reason} of a process that ended before it said what its request cost"
        unit = self.unit or "usd"
        used = used_words(unit, self.spent or 0, self.limit or 0)
        if self.kind == "disabled":
            return f"is disabled until it is enabled again: {used} spent"
        if self.kind == "blocked" and (self.reason or "").endswith(TOO_LARGE):
            return f"refused {self.reason}"
        is_later = self.window_end is not None and self.window_end != self.window_start
        until = f" until {self.window_end[:16].replace('T', ' ')} UTC" if is_later and self.window_end else ""
        if self.kind == "blocked":
            return f"lets no more through{until}: {used} spent"
        return f"has spent {used}{' (it only warns)' if self.kind == 'exceeded' else ''}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A charge that its budget does not admit, with the account as it stands."""

    charge: Charge
    account: BudgetAccount


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a reservation: admitted by all rules, or refused by some and then reserved by none.

    `accounts` are those of the charges, in their order, as they stood before it. `has_due` says that a webhook waits.
    """

    accounts: tuple[BudgetAccount, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    events: tuple[BudgetEvent, ...] = ()
    has_due: bool = False


@dataclass(slots=True)
class Settlement:
    """The amounts that one execution spent, by unit; None if nobody can tell, and all that was reserved counts.

    The log puts into `events` what happened by it, for `on_written` to tell. `names` has the name that the call came
    with by the other one, under which the log may have its accounts. `of_call` are its charges on limits of one call,
    which have no account, each with what the call has spent by then.
    """

    execution: str
    spent: Mapping[str, int | None]
    on_written: Callable[[Settlement], None] | None = None
    events: list[BudgetEvent] = field(default_factory=list)
    names: Mapping[str | None, str] = field(default_factory=dict)
    of_call: Sequence[tuple[Charge, int]] = ()

    def written(self) -> None:
        """Report that the log has it, or keeps it in a file until it does."""
        if self.on_written is not None:
            self.on_written(self)
