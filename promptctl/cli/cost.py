"""`promptctl cost`: what calls cost, by prompt, version, user or time, and what would make them cheaper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl import Filter
from promptctl.cli import options
from promptctl.cli.call_filter import BY_HELP, FilterOptions, Since, Until, dimensions, moments, say_totals
from promptctl.cli.commands import Group, argument, grouped, option, refuse_before
from promptctl.cli.output import format_version, is_terminal, say, say_json, say_wrapped, tell
from promptctl.cli.tables import Styled, bar, say_table
from promptctl.reports.tables import COSTS, check_suffix, write_costs, write_sides, write_suggestions
from promptctl.reports.wording import (
    count,
    format_cost,
    format_count,
    format_known,
    format_latency,
    format_share,
    format_tokens,
)

if TYPE_CHECKING:
    from promptctl import CallTotals, CostSide, CostTable, RepricedModel, Repricing

app = Group("What calls cost, and what would make them cheaper.", no_args_is_help=False)

EXAMPLES = """\
  promptctl cost --by prompt,version
  promptctl cost --by day --since 30d --prompt "support/*"
  promptctl cost --by metadata.customer -o costs.csv"""

_BAR = 12
Output = Annotated[Path | None, options.output_option("Also write the table to a file: .csv")]


@app.callback(invoke_without_command=True)
@grouped
def show_costs(
    context: typer.Context,
    filters: FilterOptions,
    by: Annotated[list[str] | None, option("--by", "NAMES", f"{BY_HELP} Default: prompt.")] = None,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Show what calls cost: the dearest first, each with its share and the average of a call, and their total."""
    if context.invoked_subcommand is not None:
        refuse_before(context, context.invoked_subcommand)
        return
    groups = dimensions(by or ["prompt"])
    _check(output)
    workspace = options.workspace_of(context)
    table = workspace.costs.table(filters.filter, list(groups.values()))
    if _is_shown(table, output, write_costs, as_json=as_json):
        return
    if not table.rows:
        filters.tell_nothing(workspace, "call")
    else:
        _say(table)
    filters.tell_left_out(table.evaluations, table.without_row, table.by)


@app.command("compare")
def compare_costs(
    context: typer.Context,
    base: options.Ref,
    head: Annotated[str, argument("REF", "A second version of the same prompt; @v8 alone is one.", completes="ref")],
    since: Since = None,
    until: Until = None,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Compare what two versions of a prompt really cost in production, per call; evaluations are left out."""
    _check(output)
    since, until = moments(since, until)
    found = options.workspace_of(context).costs.compare(base, head, since=since, until=until)
    if _is_shown(found, output, write_sides, as_json=as_json):
        return
    say_wrapped(found.sentence, bold=True)
    say()
    sides = [found.base, found.head]
    names = [format_version(side.version_display) for side in sides]
    say_table(["Per call", *names], [(name, *map(cell, sides)) for name, cell in _MEASURES], right=names)
    for note in found.notes:
        tell(note)


@app.command("suggest")
def suggest_savings(
    context: typer.Context,
    ref: Annotated[
        str | None,
        argument(
            "[REF]",
            "A prompt, with or without a version; by default the ten dearest of the last 30 days.",
            completes="ref",
        ),
    ] = None,
    output: Output = None,
    as_json: options.Json = False,
) -> None:
    """Say what would make a prompt cheaper: each with the calls that show it, and money in a month."""
    _check(output)
    workspace = options.workspace_of(context)
    found = workspace.costs.suggest(ref)
    if _is_shown(found, output, write_suggestions, as_json=as_json):
        return
    for number, each in enumerate(found.found):
        if number:
            say()
        saved = "saves no money" if each.saving_nano_usd is None else f"{format_cost(each.saving_nano_usd)} a month"
        say_wrapped(f"{each.prompt} · {saved}: {each.what}", bold=True)
        say_wrapped(f"seen in {count(each.calls, 'call')}: {each.evidence}", "  ")
        say_wrapped(f"rule: {each.rule}", "  ", dim=True)
    if not found.looked_at:
        tell("no call yet" if workspace.log.is_new else "no call of the application matches")
    elif not found.found:
        tell("nothing to suggest")
    for seen in found.looked_at:
        cost = "unpriced" if seen["cost_nano_usd"] is None else f"{format_cost(seen['cost_nano_usd'])} a month"
        tell(f"{seen['prompt']} {seen['version_display']}: {count(seen['calls'], 'call')} looked at, {cost}")
    for text in found.unchecked:
        tell(text)


def _check(output: Path | None) -> None:
    if output is not None:
        check_suffix(output, COSTS)


def _is_shown(found: Any, output: Path | None, write: Callable[[Any, Path], None], *, as_json: bool) -> bool:
    """Write what was found to the file that is named; print it as JSON if that is asked for, and return True then."""
    if output is not None:
        write(found, output)
        tell(f"written  {output}")
    if as_json:
        say_json(found.as_dict())
    return as_json


_MEASURES: Sequence[tuple[str, Callable[[CostSide], Any]]] = (
    ("calls", lambda side: format_count(side.calls)),
    ("cost", lambda side: format_cost(side.mean_cost_nano_usd)),
    ("95 %", lambda side: side.interval and f"{format_cost(side.interval.low)}–{format_cost(side.interval.high)}"),
    ("tokens", lambda side: format_tokens(side.input_tokens, side.output_tokens)),
    ("cached tokens", lambda side: format_count(side.cached_tokens)),
    ("cache hit rate", lambda side: format_share(side.cache_hit_rate)),
    ("retries", lambda side: _rate(side.retries)),
    ("repairs", lambda side: _rate(side.repairs)),
    ("invalid", lambda side: format_share(side.invalid_share)),
    ("p50", lambda side: format_latency(side.p50_latency_ms)),
    ("p95", lambda side: format_latency(side.p95_latency_ms)),
)


def _rate(number: float | None) -> str:
    return "-" if number is None else f"{number:.3g}"


def _say(table: CostTable) -> None:
    highest = max(row.known_cost_nano_usd for row in table.rows)
    is_drawn = is_terminal() and highest

    def share(row: CallTotals) -> str:
        if row is table.total:
            return ""
        shown = format_share(table.share(row))
        return f"{bar(row.known_cost_nano_usd / highest, _BAR)} {shown:>6}" if is_drawn else shown

    spare = ("Tokens", "Average", "Share")
    say_totals(table.by, table.rows, table.total, ("Calls", "Tokens", "Cost", "Average"), {"Share": share}, spare=spare)
    if table.total.unpriced:
        replies = count(table.total.unpriced, "reply")
        tell(
            f"{replies} unpriced: no price was known for the model (`prices:` can say it), or nobody counted the tokens"
        )


@app.command("reprice")
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
    wanted = Filter(prompt=options.one_prompt(prompt), model=model, since=since, until=until)
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
    table = [_repriced(each, each.model) for each in done.models]
    if len(table) > 1:
        table.append(_repriced(done.total, Styled("total", {"bold": True})))
    say_table(["Model", *numbers], table, right=numbers, texts=["Model"], spare=["Attempts"])
    _tell_left(done)
    corrected = count(done.total.corrected, "cost")
    if not done.total.corrected:
        tell("nothing to correct")
    else:
        tell(f"{corrected} would be corrected" if dry_run else f"{corrected} corrected; no row was changed")


def _repriced(row: RepricedModel, name: Any) -> tuple[Any, ...]:
    return (
        name,
        format_count(row.attempts),
        format_count(row.corrected),
        format_known(row.before_nano_usd, row.before_unpriced),
        format_known(row.after_nano_usd, row.after_unpriced),
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
