"""`promptctl cost`: what calls cost, by prompt, version, user or time, and what would make them cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.call_filter import FilterOptions
from promptctl.cli.grouping import BY_HELP, dimensions, group_cell, heading
from promptctl.cli.options import grouped
from promptctl.cli.output import is_terminal, say_json, tell
from promptctl.cli.reprice import reprice
from promptctl.cli.tables import Styled, say_table
from promptctl.reports.wording import count, format_cost, format_count, format_share, format_spent, format_tokens

if TYPE_CHECKING:
    from promptctl import CallTotals, CostTable

app = typer.Typer(help="What calls cost, and what would make them cheaper.", rich_markup_mode=None)

app.command("reprice")(reprice)

EXAMPLES = """\
  promptctl cost --by prompt,version
  promptctl cost --by day --since 30d --prompt "support/*"
  promptctl cost --by metadata.customer -o costs.csv"""

_BAR = 12


@app.callback(invoke_without_command=True)
@grouped
def show_costs(
    context: typer.Context,
    filters: FilterOptions,
    by: Annotated[list[str] | None, typer.Option("--by", metavar="NAMES", help=f"{BY_HELP} Default: prompt.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also write the table to a file: .csv")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what calls cost: the dearest first, each with its share and the average of a call, and their total."""
    if context.invoked_subcommand is not None:
        return
    groups = dimensions(by or ["prompt"])
    if output is not None:
        from promptctl.reports.cost_table import check_costs_path

        check_costs_path(output)
    workspace = options.workspace_of(context)
    table = workspace.costs.table(filters.filter, list(groups.values()))
    if output is not None:
        from promptctl.reports.cost_table import write_costs

        write_costs(table, output)
        tell(f"written  {output}")
    if as_json:
        say_json(table.as_dict())
        return
    if not table.rows:
        filters.tell_nothing(workspace, "call")
    else:
        _say(table)
    _tell_not_counted(table)


def _say(table: CostTable) -> None:
    highest = max(row.known_cost_nano_usd for row in table.rows)
    numbers = ["Calls", "Tokens", "Cost", "Average"]
    rows = [(*(group_cell(row, name) for name in table.by), *_cells(table, row, highest)) for row in table.rows]
    total = table.total
    if is_terminal() and len(rows) > 1:
        cells = _cells(table, total, 0)
        rows.append((Styled("total", {"bold": True}), *[""] * (len(table.by) - 1), *cells[:-1], ""))
    columns = [*map(heading, table.by), *numbers, "Share"]
    say_table(columns, rows, right=numbers, spare=["Tokens", "Average", "Share"])
    if not is_terminal() and len(rows) > 1:  # beside the rows, which may be added up
        tell(f"total: {count(total.calls, 'call')}, {_spent(total)}")
    if total.unpriced:
        tell(f"{count(total.unpriced, 'call')} unpriced: no price is known for the model; `prices:` can say it")


def _cells(table: CostTable, row: CallTotals, highest: int) -> Sequence[Any]:
    share = format_share(table.share(row))
    if is_terminal() and highest:
        from promptctl.cli.trend import bar

        share = f"{bar(row.known_cost_nano_usd / highest, _BAR)} {share:>6}"
    tokens = format_tokens(row.input_tokens, row.output_tokens)
    average = format_cost(row.average_cost_nano_usd)
    return format_count(row.calls), tokens, _spent(row), average, share


def _tell_not_counted(table: CostTable) -> None:
    """Print what the table leaves out."""
    if left := table.evaluations:
        tell(f"not counted: {count(left.calls, 'call')} of evaluations, {_spent(left)}; --source all counts them")
    if left := table.without_row:
        words = f"{count(left.calls, 'call')} that kept no row, {_spent(left)}"
        tell(f"not counted: {words}; --by prompt counts them")


def _spent(row: CallTotals) -> str:
    return format_spent(row.cost_nano_usd, row.unpriced)
