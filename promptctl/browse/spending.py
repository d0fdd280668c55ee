"""Costs of calls, budgets with their bars, and the rules of what the log keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from promptctl import Filter
from promptctl.browse.links import link
from promptctl.browse.views import PageRequest, View, tried, with_moments
from promptctl.errors import UsageError, printable
from promptctl.reports.wording import short_cost

if TYPE_CHECKING:
    from promptctl import BudgetAccount, BudgetStatus, CostTable

ROWS = 100
_BY: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt",),
    "version": ("prompt", "version"),
    "model": ("model",),
    "label": ("label",),
    "user": ("user",),
    "day": ("local_day",),
    "source": ("source",),
}
_SPANS: Mapping[str, str] = {"1d": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days", "all": "all time"}
_USUAL_SPAN = "7d"
_KEPT = ("full", "metadata", "off")
_EVENTS = 50


def costs(request: PageRequest) -> View:
    """Return what calls cost, by prompt, version, model or time, the dearest first."""
    by, since = request.one("by") or "prompt", request.one("since") or _USUAL_SPAN
    if by not in _BY:
        raise UsageError(f"costs are not added up by `{printable(by)}`", hint=f"by {', '.join(_BY)}")
    given = request.given("prompt", "model")
    asked = {**given, "by": by, "since": since}

    def read() -> CostTable | None:
        meant = with_moments(given if since == "all" else {**given, "since": since})
        return request.workspace.costs.table(Filter(**meant, source="app"), _BY[by])

    table, problem = tried(read, None)
    span = f"of the last {_SPANS[since]}" if since in _SPANS else f"since {since}"
    values = {
        "by": by,
        "since": since,
        "span": "of all time" if since == "all" else span,
        "given": asked,
        "table": table,
        "rows": list(_cost_rows(table, by, given)) if table else [],
        "left_out": max(0, len(table.rows) - ROWS) if table else 0,
        "problem": problem,
        "is_new": request.workspace.log.is_new,
        "groups": [(name, link("costs", **asked | {"by": name})) for name in _BY],
        "spans": [(value, words, link("costs", **asked | {"since": value})) for value, words in _SPANS.items()],
        "same": _cost_command(by, since, given),
    }
    return View("costs.html", "Costs", values, status=400 if problem else 200)


def budgets(request: PageRequest) -> View:
    """Return the budgets with what is spent of each, and what happened to them last."""
    found = request.workspace.budgets
    values = {
        "budgets": [(each, _bars(each, each.accounts[:1])) for each in found.all()],
        "events": found.history(limit=_EVENTS),
    }
    return View("budgets.html", "Budgets", values)


def budget(request: PageRequest) -> View:
    """Return one budget: its terms, its accounts with their bars, what happened. Raises `BudgetNotFound`."""
    found, name = request.workspace.budgets, request.needed("name")
    status = found.budget(name)
    has_window = status.rule.per not in ("call", "total")
    since = status.window_start if has_window else None
    values = {
        "budget": status,
        "accounts": _bars(status, status.accounts[:ROWS]),
        "number": len(status.accounts),
        "events": found.history(name, limit=_EVENTS),
        "has_window": has_window,
        "refused": link("executions", status="blocked", error="BudgetReached", since=since),
        "terms": {name: value for name, value in status.as_dict(is_whole=True)["covers"].items() if value},
    }
    return View("budget.html", name, values)


def rules(request: PageRequest) -> View:
    """Return what the log keeps of each prompt's calls, and by which rule."""
    given: dict[str, Any] = request.given("search", "kept", "rule")
    if given.get("kept", _KEPT[0]) not in _KEPT:
        raise UsageError(f"`{printable(given['kept'])}` is nothing that a log rule keeps", hint=", ".join(_KEPT))
    rows = request.workspace.log.rules(**given)
    shown, pages = request.part_of(rows, ROWS, "rules", given)
    values = {
        "rows": shown,
        "number": len(rows),
        "given": given,
        "kept": {"": "any", **{each: each for each in _KEPT}},
        "pages": pages,
    }
    return View("rules.html", "Log rules", values)


def _cost_rows(table: CostTable, by: str, given: Mapping[str, str]) -> Any:
    """Yield each group: its name, the address of its calls, its totals, its share, and that of the dearest group."""
    most = max((row.known_cost_nano_usd for row in table.rows), default=0) or 1
    for row in table.rows[:ROWS]:
        group = row.group
        wanted = {
            **given,
            **{name: group[name] for name in ("prompt", "model", "label", "user", "source") if group.get(name)},
        }
        if by == "version" and group["version"] is not None:
            wanted["version"] = f"v{group['version']}"
        if by == "day":
            wanted |= {"since": group["day"], "until": str(date.fromisoformat(group["day"]) + timedelta(days=1))}
        name = group[_BY[by][0].removeprefix("local_")] or "none"
        if by == "version":
            name = row.version_display or "unversioned"
        yield {
            "name": name,
            "prompt": group.get("prompt"),
            "calls": link("executions", **wanted),
            "totals": row,
            "share": table.share(row),
            "of_dearest": row.known_cost_nano_usd / most,
        }


def _bars(status: BudgetStatus, accounts: Sequence[BudgetAccount]) -> list[dict[str, Any]]:
    """Return the accounts as a template draws them: amounts in words, and the share of the limit that is spent."""
    rule = status.rule
    amount = short_cost if rule.unit == "usd" else rule.amount
    return [
        {
            "key": each.key,
            "state": status.state_of(each),
            "spent": amount(each.spent),
            "reserved": amount(each.reserved) if each.reserved else None,
            "left": amount(each.left_of(rule.limit)),
            "share": each.spent / rule.limit if rule.limit else 1.0,
        }
        for each in accounts
    ]


def _cost_command(by: str, since: str, given: Mapping[str, str]) -> list[str]:
    command = ["cost", "--by", ",".join(name.removeprefix("local_") for name in _BY[by])]
    for name, value in given.items():
        command += [f"--{name}", value]
    return command if since == "all" else [*command, "--since", since]
