"""`promptctl results trend`: score, pass rate, cost and latency of a prompt, version by version."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.output import is_terminal, say, say_json, styled, tell
from promptctl.cli.tables import say_table
from promptctl.reports.wording import format_cost, format_latency

if TYPE_CHECKING:
    from promptctl import Trend, TrendRow

_BAR = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def trend(
    context: typer.Context,
    ref: options.Ref,
    dataset: Annotated[str | None, options.dataset_option("On this dataset; the last one by default.")] = None,
    model: Annotated[str | None, options.model_option("With this model; the last one by default.")] = None,
    output: Annotated[Path | None, options.output_option("Also write a page with charts: .html")] = None,
    as_json: options.Json = False,
) -> None:
    """Follow a prompt from version to version: how good, how dear, how fast. With @ up to that version."""
    if output is not None:
        from promptctl.reports.trend_page import check_trend_path  # a shell that completes words need not wait for it

        check_trend_path(output)
    workspace = options.workspace_of(context)
    found = workspace.results.trend(ref, dataset, model)
    if output is not None:
        workspace.results.export_trend(found, output)
        tell(f"written  {output}")
    if as_json:
        say_json(found.as_dict())
    else:
        _say(found)


def _say(found: Trend) -> None:
    numbers = ["Cases", "Passed", "95 %", "Score", "Cost", "Latency"]
    if is_terminal():
        say(f"{styled(found.prompt, sys.stdout, bold=True)} on {found.dataset} with {found.model}\n")
    rows = [_cells(row) for row in found.rows]
    say_table(
        ["Version", *numbers, "Change"],
        rows,
        right=[name for name in numbers if name != "Passed"],
        spare=["Latency", "Score", "95 %"],
    )
    if any(not row.has_same_cases for row in found.rows):
        tell("* the dataset held other cases then")
    beside = [row.version_display for row in found.rows if row.version is None]
    if beside and len(beside) < len(found.rows):
        tell(f"not on the default branch: {', '.join(beside)}")
    if is_terminal() and len(found.line) > 1:
        say()
        for name, read, show in _LINES:
            values = [read(row) for row in found.line]
            if any(value is not None for value in values):
                line = sparkline(values, is_share=name in _SHARES)
                say(f"{name:<8} {line}  {show(values[0])} → {show(values[-1])}")


def _cells(row: TrendRow) -> tuple[Any, ...]:
    rate = "-" if row.pass_rate is None else f"{row.pass_rate:.1%}"
    if is_terminal() and row.pass_rate is not None:
        rate = f"{bar(row.pass_rate)} {rate:>6}"
    return (
        row.version_display + ("" if row.has_same_cases else " *"),
        row.cases,
        rate,
        "-" if row.low is None or row.high is None else f"{row.low:.0%}–{row.high:.0%}",
        "-" if row.score is None else f"{row.score:.3f}",
        format_cost(row.cost_nano_usd),
        format_latency(row.p50_latency_ms),
        row.change or "-",
    )


_LINES: Sequence[tuple[str, Callable[[TrendRow], float | None], Callable[[Any], str]]] = (
    ("passed", lambda row: row.pass_rate, lambda value: "-" if value is None else f"{value:.1%}"),
    ("score", lambda row: row.score, lambda value: "-" if value is None else f"{value:.3f}"),
    ("cost", lambda row: row.cost_nano_usd, format_cost),
    ("latency", lambda row: row.p50_latency_ms, format_latency),
)
_SHARES = ("passed", "score")


def bar(share: float, width: int = _BAR) -> str:
    """Return a share from 0 to 1 as a bar of so many columns.

    >>> bar(0.5)
    '██████████          '
    """
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)


def sparkline(values: Sequence[float | None], *, is_share: bool = False) -> str:
    """Return values as heights between the lowest and the highest, shares from 0 to 1, with a blank for a missing one.

    >>> sparkline([1, None, 2, 3])
    '▁ ▅█'
    >>> sparkline([0.9, 1.0], is_share=True)
    '▇█'
    """
    known = [value for value in values if value is not None] + ([0.0, 1.0] if is_share else [])
    low, high = min(known, default=0.0), max(known, default=0.0)
    width = high - low or 1.0
    return "".join(" " if value is None else _HEIGHTS[round((value - low) / width * 7)] for value in values)
