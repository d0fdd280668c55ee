"""`promptctl results`: evaluations of the past, out of the log, and how a prompt does from version to version."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.evaluation_output import say_evaluations
from promptctl.cli.output import (
    format_id,
    format_moment,
    format_version,
    is_terminal,
    say,
    say_json,
    styled,
    tell,
    time_heading,
)
from promptctl.cli.tables import bar, say_table
from promptctl.reports.files import check_report_path
from promptctl.reports.rows import result_as_dict
from promptctl.reports.wording import count, format_cost, format_latency, format_range, format_share, format_spent

if TYPE_CHECKING:
    from promptctl import EvaluationRow, Trend, TrendRow

app = Group("Evaluations of the past.")

_HEIGHTS = "▁▂▃▄▅▆▇█"
Evaluations = Annotated[list[str], argument("ID...", "Evaluations, by id.", completes="evaluation")]
Id = Annotated[str, argument("ID", "An evaluation's id, its beginning or its end.", completes="evaluation")]


@app.command("list")
def list_results(
    context: typer.Context,
    prompt: options.PromptName = None,
    status: Annotated[
        Literal["running", "finished", "incomplete"] | None,
        option("--status", "Only those that ran to their end, did not, or are running, whatever their verdict."),
    ] = None,
    verdict: Annotated[
        Literal["passed", "failed", "incomplete"] | None, option("--verdict", "Only those with this verdict.")
    ] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List evaluations, newest first."""
    results = options.workspace_of(context).results
    rows = results.evaluations(prompt=options.one_prompt(prompt), status=status, verdict=verdict, limit=limit)
    if as_json:
        say_json([_as_dict(row) for row in rows])
        return
    if not rows:
        is_filtered = prompt or status or verdict
        tell("no evaluation matches" if is_filtered else "no evaluations yet: promptctl eval PROMPT")
        return
    numbers = ["Passed", "Failed", "Errors", "Cost"]
    time = time_heading("Time", (row.started_at for row in rows))
    say_table(
        [time, "Prompt", "Version", "Model", "Verdict", *numbers, "Id"],
        [
            (
                format_moment(row.started_at),
                row.prompt,
                format_version(row.version_display),
                row.model,
                _verdict(row, is_running=results.is_running(row)),
                row.totals.passed,
                row.totals.failed,
                row.totals.errors,
                format_spent(row.totals),
                format_id(row.id),
            )
            for row in rows
        ],
        right=numbers,
        texts=["Model"],
        spare=["Cost", "Errors", time],
    )


def _as_dict(row: EvaluationRow) -> dict[str, Any]:
    names = ("prompt", "version", "version_display", "model", "status", "started_at")
    head = {"evaluation": row.id, **{name: getattr(row, name) for name in names}}
    return {**head, "dataset": row.spec.dataset, **row.totals.as_json()}


def _verdict(row: EvaluationRow, *, is_running: bool) -> str:
    """Return how it ended, marked if it only served something else: a rerun, trial, calibration."""
    verdict = row.totals.verdict or row.status
    if row.status == "running":
        verdict = "running" if is_running else "interrupted"
    return f"{verdict} ({row.spec.side})" if row.spec.side in ("rerun", "trial", "calibration") else verdict


@app.command("show")
def show_results(
    context: typer.Context,
    wanted: Id,
    case: Annotated[str | None, option("--case", "ID", "Everything of one case.", completes="case")] = None,
    as_json: options.Json = False,
) -> None:
    """Show an evaluation: its totals, and why each case failed; or everything of one case."""
    workspace = options.workspace_of(context)
    if case is None:
        found = workspace.results.evaluation(wanted)
        say_evaluations(workspace, [found], as_json=as_json, is_whole=True)
        return
    each = workspace.results.case(wanted, case)
    if as_json:
        say_json([result_as_dict(row) | workspace.results.messages(row) for row in each.rows])
        return
    from promptctl.cli.case_output import say_case

    say_case(workspace.results.evaluation(wanted), each, workspace.results.messages(each.rows[0])["messages"])


@app.command("export")
def export_results(
    context: typer.Context,
    wanted: Evaluations,
    outputs: Annotated[list[Path], options.output_option(".json .jsonl .csv .md .xml .html. Repeatable.")],
) -> None:
    """Write evaluations with every result to files."""
    for output in outputs:
        check_report_path(output)
    results = options.workspace_of(context).results
    found = [results.evaluation(each) for each in wanted]
    for output in outputs:
        results.export(found, output)
        tell(f"written  {output}")


@app.command("delete")
def delete_results(
    context: typer.Context,
    wanted: Evaluations,
) -> None:
    """Delete evaluations with their results; the executions they made stay in the log."""
    for row, number in options.workspace_of(context).results.delete(wanted):
        tell(f"deleted  {row.id} ({row.prompt}, {count(number, 'result')})")


@app.command("trend")
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
        _say_trend(found)


def _say_trend(found: Trend) -> None:
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
    rate = format_share(row.pass_rate)
    if is_terminal() and row.pass_rate is not None:
        rate = f"{bar(row.pass_rate)} {rate:>6}"
    return (
        row.version_display + ("" if row.has_same_cases else " *"),
        row.cases,
        rate,
        format_range(row.low, row.high),
        "-" if row.score is None else f"{row.score:.3f}",
        format_cost(row.cost_nano_usd),
        format_latency(row.p50_latency_ms),
        row.change or "-",
    )


_LINES: Sequence[tuple[str, Callable[[TrendRow], float | None], Callable[[Any], str]]] = (
    ("passed", lambda row: row.pass_rate, format_share),
    ("score", lambda row: row.score, lambda value: "-" if value is None else f"{value:.3f}"),
    ("cost", lambda row: row.cost_nano_usd, format_cost),
    ("latency", lambda row: row.p50_latency_ms, format_latency),
)
_SHARES = ("passed", "score")


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
