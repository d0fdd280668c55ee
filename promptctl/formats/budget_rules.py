"""`budgets:` of `promptctl.yaml`: what may be spent, by whom, in which window, and what happens at the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from promptctl.errors import Place, Problem, UsageError, quote
from promptctl.files.document import Document

Unit = Literal["usd", "calls", "tokens"]
Each = Literal["user", "prompt", "label", "session"]

_NANO = 1_000_000_000
_AT_LIMIT = {
    "warn": "it warns, and lets calls through",
    "block": "it refuses calls until the window ends",
    "block total": "it refuses calls until `limit` is raised",
    "block call": "it refuses requests that would exceed it",
    "disable": "it refuses calls until it is enabled again",
}
CONDITIONS = ("prompts", "labels", "models", "users", "sources")
"""The keys of a rule that say for which calls it holds, each a list of globs."""


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """One rule of spending: the most of one unit in a window, for the calls that match.

    `limit` is in nano-USD, requests or tokens, by `unit`. An empty tuple of globs means all calls, also those that name
    no label or user; any glob means only calls that name one.
    """

    name: str
    unit: Unit
    limit: int
    prompts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    each: Each | None = None
    per: Literal["call", "day", "week", "month", "total"] = "total"
    timezone: str = "UTC"
    warn_at: float | None = None
    then: Literal["warn", "block", "disable"] = "block"
    unpriced: Literal["refuse", "allow"] = "refuse"
    webhook_env: str | None = None
    place: Place | None = field(default=None, compare=False)

    @property
    def is_hard(self) -> bool:
        """True if calls are refused at the limit."""
        return self.then != "warn"

    def amount(self, amount: int) -> str:
        """Return an amount of its unit as people read it."""
        return amount_words(self.unit, amount)

    def matches(
        self,
        prompts: tuple[str, ...],
        source: str,
        label: str | None,
        user: str | None,
        models: tuple[str | None, ...],
    ) -> bool:
        """Return True if the rule holds for a call.

        `prompts` are the ids that its prompt has and had, `models` those that its model goes by.
        """
        return (
            _is_any(self.prompts, prompts)
            and _is_any(self.sources, (source,))
            and _is_any(self.labels, (label,))
            and _is_any(self.users, (user,))
            and _is_any(self.models, models)
        )

    def enabling(self, key: str | None) -> str:
        """Return the command that enables it again, or of a budget with accounts the one of `key`."""
        account = f" --account {quote(key or '')}" if self.each else ""
        return f"promptctl budget enable {quote(self.name)}{account} --reason TEXT"

    @property
    def terms(self) -> str:
        """The limit and its window, as people read them: `$5 a day for each user`."""
        amount = amount_words(self.unit, self.limit)
        window = {"total": "in total", "call": "for one call"}.get(self.per, f"a {self.per}")
        zone = "" if self.timezone == "UTC" else f" ({self.timezone})"
        return f"{amount} {window}{zone}{f' for each {self.each}' if self.each else ''}"

    @property
    def at_limit(self) -> str:
        """Its act at the limit, as people read it: `it refuses calls until the window ends`."""
        return _AT_LIMIT.get(f"{self.then} {self.per}") or _AT_LIMIT[self.then]


def amount_words(unit: str, amount: int) -> str:
    """Return an amount of a unit as people read it.

    >>> amount_words("usd", 5_200_000_000), amount_words("usd", -70), amount_words("calls", 1)
    ('$5.20', '-$0.00000007', '1 call')
    """
    if unit == "usd":
        whole, _, cents = f"{abs(amount) / _NANO:,.9f}".rstrip("0").partition(".")
        return f"{'-' * (amount < 0)}${whole}" + (f".{cents:0<2}" if cents else "")
    return f"{amount:,} {unit if amount != 1 else unit[:-1]}"


def used_words(unit: str, spent: int, limit: int) -> str:
    """Return how much of a limit is spent: `3 of 5 calls`."""
    return f"{amount_words(unit, spent) if unit == 'usd' else f'{spent:,}'} of {amount_words(unit, limit)}"


def _is_any(globs: tuple[str, ...], names: tuple[str | None, ...]) -> bool:
    if not globs:
        return True
    return any(name is not None and fnmatchcase(name, glob) for glob in globs for name in names)


def read_budgets(document: Document, problems: list[Problem]) -> tuple[BudgetRule, ...]:
    """Return the rules of a document that has the form of one, adding what is wrong with them to `problems`."""
    rules: list[BudgetRule] = []
    for index, given in enumerate(document.data["budgets"]):
        rule = replace(_rule(given), place=document.key_place("budgets", index, "name"))
        if any(rule.name == other.name for other in rules):
            place, hint = document.place("budgets", index, "name"), "give each budget a name of its own"
            problems.append(Problem(f"two budgets have the name `{rule.name}`", place, hint, "duplicate-name"))
        if not rule.limit and given["limit"].get("usd"):
            place = document.place("budgets", index, "limit", "usd")
            problems.append(Problem("a limit below $0.000000001 holds no amount", place, "raise `usd`", "out-of-range"))
        if "timezone" in given:
            from promptctl.formats.time_zones import zone_named

            try:
                zone_named(rule.timezone)
            except UsageError as error:
                place = document.place("budgets", index, "timezone")
                problems.append(Problem(error.message, place, error.hint, "unknown-value"))
        rules.append(rule)
    return tuple(rules)


def _rule(given: Mapping[str, Any]) -> BudgetRule:
    fields = {**given, **{name: tuple(given[name]) for name in CONDITIONS if name in given}}
    [(unit, limit)] = fields.pop("limit").items()
    if isinstance(share := fields.get("warn_at"), str):
        fields["warn_at"] = float(share.removesuffix("%")) / 100
    fields.setdefault("unpriced", "allow" if fields.get("then") == "warn" else "refuse")
    return BudgetRule(unit=unit, limit=round(limit * _NANO) if unit == "usd" else limit, **fields)
