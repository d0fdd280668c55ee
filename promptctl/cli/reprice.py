"""`promptctl cost reprice`: costs in the log by the prices that are known now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl import Filter
from promptctl.cli import options
from promptctl.cli.call_filter import Until, moments
from promptctl.cli.commands import option
from promptctl.cli.output import say_json, tell
from promptctl.cli.tables import Styled, say_table
from promptctl.reports.wording import count, format_count, format_spent

if TYPE_CHECKING:
    from promptctl import RepricedModel, Repricing


def reprice(
    context: typer.Context,
    prompt: options.PromptName = None,
    model: Annotated[str | None, options.model_option("Only this model's; * and ? match any text.")] = None,
    since: Annotated[
        str | None, option("--since", "WHEN", "Only calls from then on: yesterday, 7d, or 2026-01-31[T12:00].")
    ] = None,
    until: Until = None,
    reason: options.EventReason = None,
    dry_run: options.WriteNothing = False,
    as_json: options.Json = False,
) -> None:
    """Price the calls of the log anew, each by the price that held when it began, and append corrections.

    No row is changed. Totals and lists then count the corrected costs. Evaluations keep what they cost when they ran.
    """
    since, until = moments(since, until)
    wanted = Filter(prompt=prompt, model=model, since=since, until=until)
    log = options.workspace_of(context).log
    done = log.reprice(wanted, is_dry_run=dry_run, reason=reason)
    if as_json:
        say_json(done.as_dict())
        return
    if not done.models:
        tell("no call yet" if log.is_new else "nothing to price: no call of a model matches")
        _tell_left(done)
        return
    numbers = ["Attempts", "Corrected", "Before", "After"]
    table = [_cells(each, each.model) for each in done.models]
    if len(table) > 1:
        table.append(_cells(done.total, Styled("total", {"bold": True})))
    say_table(["Model", *numbers], table, right=numbers, texts=["Model"], spare=["Attempts"])
    _tell_left(done)
    corrected = count(done.total.corrected, "cost")
    if not done.total.corrected:
        tell("nothing to correct")
    else:
        tell(f"{corrected} would be corrected" if dry_run else f"{corrected} corrected; no row was changed")


def _cells(row: RepricedModel, name: Any) -> tuple[Any, ...]:
    return (
        name,
        format_count(row.attempts),
        format_count(row.corrected),
        format_spent(row.before_nano_usd, row.before_unpriced),
        format_spent(row.after_nano_usd, row.after_unpriced),
    )


def _tell_left(done: Repricing) -> None:
    """Say what keeps the cost that it has, and why."""
    total = done.total
    if total.unlisted:
        tell(
            f"{count(total.unlisted, 'attempt')} of models without a price at that time: give `prices:` in promptctl.yaml"
        )
    if total.uncounted:
        tell(f"{count(total.uncounted, 'attempt')} without the numbers of tokens that the price depends on")
    if done.without_row:
        tell(f"{count(done.without_row, 'attempt')} without a row (rule `off`, or pruned): only their totals are kept")
