"""`promptctl results`: evaluations of the past, out of the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from promptctl.cli import options
from promptctl.cli.commands import Group, argument, option
from promptctl.cli.evaluation_output import say_evaluations
from promptctl.cli.output import format_id, format_moment, format_version, say_json, tell, time_heading
from promptctl.cli.tables import say_table
from promptctl.cli.trend import trend
from promptctl.reports.files import check_report_path
from promptctl.reports.rows import result_as_dict
from promptctl.reports.wording import format_spent

if TYPE_CHECKING:
    from promptctl import EvaluationRow

app = Group("Evaluations of the past.", no_args_is_help=True)

Id = Annotated[str, argument("ID", "An evaluation's id, its beginning or its end.", completes="evaluation")]


@app.command("list")
def list_results(
    context: typer.Context,
    prompt: options.PromptName = None,
    status: Annotated[
        Literal["running", "finished", "incomplete"] | None,
        option("--status", "Only those that ended so, or have not ended."),
    ] = None,
    limit: options.Limit = 20,
    as_json: options.Json = False,
) -> None:
    """List evaluations, newest first."""
    results = options.workspace_of(context).results
    rows = results.evaluations(prompt=prompt, status=status, limit=limit)
    if as_json:
        say_json([_as_dict(row) for row in rows])
        return
    if not rows:
        is_filtered = prompt is not None or status is not None
        tell("no such evaluation" if is_filtered else "no evaluations yet: promptctl eval PROMPT")
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
                format_spent(row.totals.cost_nano_usd, row.totals.unpriced),
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
        say_evaluations(workspace, [found], as_json=as_json, most_failures=None, is_data=True)
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
    wanted: Annotated[list[str], argument("ID...", "Evaluations, by id.", completes="evaluation")],
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
    wanted: Annotated[list[str], argument("ID...", "Evaluations, by id.", completes="evaluation")],
) -> None:
    """Delete evaluations with their results; the executions they made stay in the log."""
    for row, number in options.workspace_of(context).results.delete(wanted):
        tell(f"deleted  {row.id} ({row.prompt}, {number} results)")


app.command("trend")(trend)
