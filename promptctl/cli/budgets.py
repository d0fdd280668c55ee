"""`promptctl budget`: what may be spent, what is, and what happened at the limits."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.output import (
    format_moment,
    is_terminal,
    left_to_show,
    say,
    say_json,
    styled,
    tell,
    time_heading,
    told_moment,
    visible,
)
from promptctl.cli.page_layout import say_columns, say_fact, say_heading
from promptctl.cli.tables import Styled, say_table
from promptctl.reports.wording import count, name_some, percent

if TYPE_CHECKING:
    from promptctl import BudgetStatus

app = Group("What prompts may spend: limits, what is left, what happened.")

EXAMPLES = """\
  promptctl budget list
  promptctl budget show extraction
  promptctl budget enable extraction --reason "The loop in the importer is mended"
"""

BudgetName = Annotated[str, argument("NAME", "A budget's name.", completes="budget")]

_COLOURS = {"warned": "yellow", "exceeded": "yellow", "blocked": "red", "disabled": "red"}
_TOP = 10
_PROMPTS = 8


@app.command("list")
def list_budgets(context: typer.Context, as_json: options.Json = False) -> None:
    """List the budgets. Says what is spent and left of each in the window of now, and its state."""
    found = options.workspace_of(context).budgets.all()
    if not left_to_show(found, "no budget yet: write one under `budgets` in promptctl.yaml", as_json=as_json):
        return
    numbers = ["Limit", "Spent", "Reserved", "Left"]
    ends = time_heading("Ends", (each.window_end for each in found))
    columns = ["Budget", "Highest account", "State", *numbers, ends, "Rule"]
    rows = [_row(each) for each in found]
    if not any(each.rule.each for each in found) and is_terminal():
        columns.remove("Highest account")
        rows = [row[:1] + row[2:] for row in rows]
    say_table(
        columns, rows, right=numbers, texts=["Highest account"], spare=["Reserved", ends, "Highest account", "Limit"]
    )
    for each in found:
        if each.reason:
            tell(f"{each.rule.name} is {each.state}: {each.reason}{_way_out(each)}")


@app.command("show")
def show_budget(context: typer.Context, name: BudgetName, as_json: options.Json = False) -> None:
    """Show one budget. Its terms, its state and why, the prompts that it covers, and who spends most of it."""
    found = options.workspace_of(context).budgets.budget(name)
    if as_json:
        say_json(found.as_dict(is_whole=True))
        return
    rule = found.rule
    say(f"{styled(visible(rule.name), sys.stdout, bold=True)}  {rule.terms}")
    say()
    state = f"{found.state}: {found.reason}{_way_out(found)}" if found.reason else found.state
    say_fact("state", state, fg=_COLOURS.get(found.state))
    say_fact("at limit", rule.at_limit)
    if rule.warn_at is not None:
        say_fact("warns at", percent(rule.warn_at))
    if rule.per not in ("call", "total"):
        end = found.window_end or ""
        say_fact("window", f"{told_moment(found.window_start)} to {told_moment(end)}")
    if rule.each is None and rule.per != "call":
        kept = found.kept_of(found.accounts[0]) if found.accounts else ""
        for label, amount, more in zip(("spent", "reserved", "left"), _amounts(found, 0), (kept, "", ""), strict=True):
            say_fact(label, amount + more)
    for condition in ("labels", "models", "users", "sources"):
        say_fact(condition, ", ".join(getattr(rule, condition)))
    covered = name_some(found.prompts, _PROMPTS) if found.prompts else "none of the files"
    say_fact("prompts", covered if not rule.prompts else f"{', '.join(rule.prompts)}: {covered}")
    if rule.unit == "usd":
        say_fact(
            "unpriced",
            "requests whose cost nobody knows are refused"
            if rule.unpriced == "refuse"
            else "requests whose cost nobody knows pass",
        )
    if rule.webhook_env:
        say_fact("webhook", f"the address in {rule.webhook_env}")
    say_fact("rule", str(rule.place))
    if rule.each is not None:
        _say_accounts(found)


@app.command("history")
def show_history(
    context: typer.Context,
    name: Annotated[str | None, argument("[NAME]", "Only this budget's.", completes="budget")] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List what happened, newest first. Warnings, limits reached, changes of rules, what was enabled again and why."""
    found = options.workspace_of(context).budgets.history(name, limit=limit)
    if not left_to_show(found, "nothing happened yet", as_json=as_json):
        return
    at = time_heading("Time", (each.at for each in found))
    numbers = ["Spent", "Limit"]
    columns = [at, "Budget", "Account", "Event", *numbers, "Why", "Webhook"]
    rows = [
        (
            format_moment(each.at),
            each.budget or "(all)",
            each.key,
            Styled(each.kind, {"fg": _EVENT_COLOURS.get(each.kind)}),
            each.amount(each.spent),
            each.amount(each.limit),
            each.reason,
            each.webhook,
        )
        for each in found
    ]
    say_table(columns, rows, right=numbers, texts=["Why", "Account"], spare=["Webhook", "Account", "Limit", "Spent"])


@app.command("enable")
def enable_budget(
    context: typer.Context,
    name: BudgetName,
    reason: Annotated[str, option("--reason", "TEXT", "Why it may spend again; recorded.")],
    account: Annotated[
        str | None, option("--account", "KEY", "Only this user, prompt, label or session of `each`.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Enable a budget that its limit has disabled. Its whole limit counts from now on."""
    events = options.workspace_of(context).budgets.enable(name, reason, account)
    if as_json:
        say_json([each.as_dict() for each in events])
        return
    for each in events:
        whose = f" of {visible(each.key)}" if each.key else ""
        say(f"{name}{whose}  {styled(each.kind, sys.stdout, fg='green')}: its whole limit counts from now on")


_EVENT_COLOURS = {"warned": "yellow", "exceeded": "yellow", "blocked": "red", "disabled": "red", "enabled": "green"}


def _row(found: BudgetStatus) -> tuple[Any, ...]:
    rule = found.rule
    top = found.accounts[0].key if found.accounts else None
    more = f" (of {len(found.accounts):,})" if rule.each and len(found.accounts) > 1 and is_terminal() else ""
    return (
        rule.name,
        f"{top}{more}" if top else "-",
        Styled(found.state, {"fg": _COLOURS.get(found.state)}),
        rule.amount(rule.limit),
        *(_amounts(found, 0) if rule.per != "call" else ("-",) * 3),
        format_moment(found.window_end),
        str(rule.place),
    )


def _amounts(found: BudgetStatus, index: int) -> tuple[str, str, str]:
    """Return what is spent, reserved and left of an account; of a budget without any, its whole limit."""
    spent, reserved, left = 0, 0, found.rule.limit
    if found.accounts:
        account = found.accounts[index]
        spent, reserved, left = account.spent, account.reserved, account.left_of(left)
    return found.rule.amount(spent), found.rule.amount(reserved), found.rule.amount(left)


def _say_accounts(found: BudgetStatus) -> None:
    each = found.rule.each or ""
    if not found.accounts:
        tell(f"no {each} has spent anything in this window")
        return
    say_heading(f"Highest accounts (of {count(len(found.accounts), each)})")
    rows = [
        (account.key or f"(no {each})", found.state_of(account), *_amounts(found, index))
        for index, account in enumerate(found.accounts[:_TOP])
    ]
    say_columns([each, "state", "spent", "reserved", "left"], rows)


def _way_out(found: BudgetStatus) -> str:
    """Return how a budget comes to let calls through again."""
    if found.unknown is not None:
        return f"; promptctl budget enable {found.rule.name} --reason TEXT"
    if found.state == "disabled":
        keys = [each.key for each in found.accounts if each.disabled_at]
        return f"; {found.rule.enabling(keys[0])}"
    if found.state == "blocked" and found.window_end:
        return f"; until {told_moment(found.window_end)}"
    return ""
