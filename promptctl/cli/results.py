"""`promptctl results`: evaluations of the past, out of the log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from promptctl.cli import options
from promptctl.cli.evaluation_output import failure_lines, say_evaluations, spent
from promptctl.cli.folded_table import say_folded_table
from promptctl.cli.output import is_terminal, say, say_json, tell
from promptctl.cli.trend import trend
from promptctl.errors import UsageError
from promptctl.evaluations.claims import is_claimed
from promptctl.evaluations.evaluation import load
from promptctl.evaluations.outcomes import case_results
from promptctl.log.results import EvaluationRow
from promptctl.reports.files import write_report
from promptctl.reports.rows import result_as_dict

app = typer.Typer(help="Evaluations of the past.", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="ID", help="An evaluation's id, its beginning or its end.")]


@app.command("list")
def list_results(
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="ID", help="Only this prompt's; * and ? match any text.")
    ] = None,
    status: Annotated[
        Literal["running", "finished", "incomplete"] | None,
        typer.Option("--status", help="Only those that ended so, or have not ended."),
    ] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, metavar="N", help="At most so many, the newest.")] = 20,
    as_json: options.Json = False,
) -> None:
    """List evaluations, newest first."""
    workspace = options.workspace_of(context)
    rows = workspace.log.evaluations(prompt=prompt, status=status, limit=limit)
    if as_json:
        say_json(
            [
                {
                    "evaluation": row.id,
                    "prompt": row.prompt,
                    "version": row.version,
                    "model": row.model,
                    "status": row.status,
                    "started_at": row.started_at,
                    "dataset": row.spec.dataset,
                }
                | row.totals.as_json()
                for row in rows
            ]
        )
        return
    if not rows:
        is_filtered = prompt is not None or status is not None
        tell("no such evaluation" if is_filtered else "no evaluations yet: promptctl eval PROMPT")
        return
    numbers = ["Passed", "Failed", "Errors", "Cost"]
    say_folded_table(
        ["Time", "Prompt", "Version", "Model", "Verdict", *numbers, "Id"],
        [
            (
                row.started_at.replace("T", " ")[: 16 if is_terminal() else 19],
                row.prompt,
                _version(row),
                row.model,
                _verdict(row, is_running=is_claimed(workspace.state_folder, row.group)),
                row.totals.passed,
                row.totals.failed,
                row.totals.errors,
                spent(row.totals.cost_nano_usd, row.totals.unpriced),
                row.id[-8:] if is_terminal() else row.id,
            )
            for row in rows
        ],
        right=numbers,
    )


def _version(row: EvaluationRow) -> str:
    display = row.version_display or "unversioned"
    return display.partition(" (")[0] if is_terminal() else display


def _verdict(row: EvaluationRow, *, is_running: bool) -> str:
    """How it ended, and whether it only asked flipped cases again, as a comparison does."""
    verdict = row.totals.verdict or row.status
    if row.status == "running":
        verdict = "running" if is_running else "interrupted"
    return f"{verdict} (rerun)" if row.spec.side == "rerun" else verdict


@app.command("show")
def show_results(
    context: typer.Context,
    wanted: Id,
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="Everything of one case.")] = None,
    as_json: options.Json = False,
) -> None:
    """Show an evaluation: its totals, and why each case failed."""
    workspace = options.workspace_of(context)
    found = load(workspace.log, workspace.log.evaluation(wanted).id)
    if case is None:
        say_evaluations(workspace, [found], as_json=as_json, most_failures=None)
        return
    rows = [row for row in workspace.log.results(found.row.id) if row.case_id == case]
    if not rows:
        raise UsageError(f"evaluation {found.row.id[-8:]} has no case {case}")
    if as_json:
        say_json([result_as_dict(row) for row in rows])
        return
    for each in case_results(rows, found.row.spec.at_least):
        if each.outcome.status != "passed":
            for line in failure_lines(each):
                tell(line)
    for row in rows:
        say(row.output or "")


@app.command("export")
def export_results(
    context: typer.Context,
    wanted: Annotated[list[str], typer.Argument(metavar="ID...", help="Evaluations, by id.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help=".json .jsonl .csv .md .xml .html")],
) -> None:
    """Write evaluations with every result to a file."""
    workspace = options.workspace_of(context)
    found = [load(workspace.log, workspace.log.evaluation(each).id) for each in wanted]
    write_report(output, workspace.log, found)
    tell(f"written  {output}")


@app.command("delete")
def delete_results(
    context: typer.Context,
    wanted: Annotated[list[str], typer.Argument(metavar="ID...", help="Evaluations, by id.")],
) -> None:
    """Delete evaluations with their results; the executions they made stay in the log."""
    workspace = options.workspace_of(context)
    rows = [workspace.log.evaluation(each) for each in wanted]
    for row in rows:
        if is_claimed(workspace.state_folder, row.group):
            raise UsageError(f"evaluation {row.id[-8:]} is running", hint="stop it, or wait for its end")
    for row in rows:
        number = workspace.log.delete_evaluation(row.id)
        tell(f"deleted  {row.id} ({row.prompt}, {number} results)")


app.command("trend")(trend)
