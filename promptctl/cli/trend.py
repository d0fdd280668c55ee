"""`promptctl results trend`: score, pass rate, cost and latency of a prompt, version by version."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from promptctl.cli import options
from promptctl.cli.output import format_cost, format_latency, is_terminal, say, say_json, say_table, styled, tell
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import HistoryIncomplete, PromptNotFound, UsageError
from promptctl.evaluations.evaluation import load
from promptctl.evaluations.trend import Trend, TrendRow, Wanted, find_trend
from promptctl.files.writing import replace_file
from promptctl.versions.former_ids import former_ids
from promptctl.versions.refs import parse_ref
from promptctl.workspace import Workspace

_BAR = 20
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def trend(
    context: typer.Context,
    ref: options.Ref,
    dataset: Annotated[
        str | None, typer.Option("-d", "--dataset", metavar="FILE", help="On this dataset; the last one by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("-m", "--model", metavar="MODEL", help="With this model; the last one by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also write a page with charts: .html")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Follow a prompt from version to version: how good, how dear, how fast. With @ up to that version."""
    if output is not None and output.suffix.lower() != ".html":
        raise UsageError(f"{output.name}: a trend is written as .html", hint="--json prints it as data")
    workspace = options.workspace_of(context)
    found = find_trend(workspace.log, _wanted(workspace, ref, dataset, model))
    if output is not None:
        _write(workspace, output, found)
    if as_json:
        say_json(found.as_dict())
    else:
        _say(found)


def _wanted(workspace: Workspace, ref: str, dataset: str | None, model: str | None) -> Wanted:
    parsed = parse_ref(ref)
    until = workspace.prompt(ref).version.digest if parsed.at is not None else None
    numbers: dict[str, int] = {}
    try:
        numbers = {entry.digest: entry.number for entry in workspace.repository.versions_of(parsed.prompt)}
    except HistoryIncomplete as error:
        tell(f"version numbers are not known: {error.message}")
    except PromptNotFound:
        if not workspace.log.evaluations(prompt=parsed.prompt, limit=1):
            raise
    path = dataset
    if dataset is not None:
        path = DatasetIndex(workspace.tree).named(dataset, workspace.inside)
    former = former_ids(workspace.repository, parsed.prompt)
    return Wanted(prompt=parsed.prompt, former=former, numbers=numbers, dataset=path, model=model, until=until)


def _say(found: Trend) -> None:
    numbers = ["Cases", "Passed", "95 %", "Score", "Cost", "Latency"]
    if is_terminal():
        say(f"{styled(found.prompt, sys.stdout, bold=True)} on {found.dataset} with {found.model}\n")
    rows = [_cells(row) for row in found.rows]
    say_table(["Version", *numbers], rows, right=[name for name in numbers if name != "Passed"])
    if any(not row.has_same_cases for row in found.rows):
        tell("* the dataset held other cases then")
    if is_terminal() and len(found.rows) > 1:
        say()
        for name, read, show in _LINES:
            values = [read(row) for row in found.rows]
            if any(value is not None for value in values):
                line = sparkline(values, is_share=name in _SHARES)
                say(f"{name:<8} {line}  {show(values[0])} → {show(values[-1])}")


def _cells(row: TrendRow) -> tuple[Any, ...]:
    rate = "-" if row.pass_rate is None else f"{row.pass_rate:.1%}"
    if is_terminal() and row.pass_rate is not None:
        rate = f"{bar(row.pass_rate)} {rate:>6}"
    return (
        row.version + ("" if row.has_same_cases else " *"),
        row.cases,
        rate,
        "-" if row.low is None or row.high is None else f"{row.low:.0%}–{row.high:.0%}",
        "-" if row.score is None else f"{row.score:.3f}",
        format_cost(row.cost_nano_usd),
        format_latency(row.p50_latency_ms),
    )


_LINES: Sequence[tuple[str, Callable[[TrendRow], float | None], Callable[[Any], str]]] = (
    ("passed", lambda row: row.pass_rate, lambda value: "-" if value is None else f"{value:.1%}"),
    ("score", lambda row: row.score, lambda value: "-" if value is None else f"{value:.3f}"),
    ("cost", lambda row: row.cost_nano_usd, format_cost),
    ("latency", lambda row: row.p50_latency_ms, format_latency),
)
_SHARES = ("passed", "score")


def bar(share: float) -> str:
    """A share from 0 to 1 as a bar of 20 columns.

    >>> bar(0.5)
    '██████████          '
    """
    eighths = round(min(1.0, max(0.0, share)) * _BAR * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


def sparkline(values: Sequence[float | None], *, is_share: bool = False) -> str:
    """Values as heights between the lowest and the highest of them, shares from 0 to 1; a blank where there is none.

    >>> sparkline([1, None, 2, 3])
    '▁ ▅█'
    >>> sparkline([0.9, 1.0], is_share=True)
    '▇█'
    """
    known = [value for value in values if value is not None] + ([0.0, 1.0] if is_share else [])
    low, high = min(known, default=0.0), max(known, default=0.0)
    width = high - low or 1.0
    return "".join(" " if value is None else _HEIGHTS[round((value - low) / width * 7)] for value in values)


def _write(workspace: Workspace, output: Path, found: Trend) -> None:
    from promptctl.reports.trend_page import trend_page

    parts = trend_page(workspace.log, found, [load(workspace.log, row.evaluation) for row in found.rows])
    replace_file(output, (part.encode("utf-8", "replace") for part in parts))
    tell(f"written  {output}")
