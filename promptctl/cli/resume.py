"""`promptctl eval resume`: goes on with evaluations that were stopped, or that ended with errors."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from promptctl import ResumeRequest
from promptctl.cli import options
from promptctl.cli.evaluate import check_reports, conclude, exit_code, split_names
from promptctl.cli.evaluation_output import EvaluationProgress, say_evaluations


def resume(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID|PROMPT]...",
            help="An evaluation's id, or prompts; by default all that the last command left.",
            autocompletion=options.complete_ref,
        ),
    ] = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Also where nothing but errors is left.")
    ] = False,
    concurrency: options.Concurrency = 16,
    timeout_s: options.CaseTimeout = 300.0,
    max_cost: options.MaxCost = None,
    fail_fast: options.FailFast = False,
    allow_code: options.AllowCode = False,
    outputs: options.Reports = None,
    as_json: options.Json = False,
) -> None:
    """Go on with evaluations that were not finished: only what has no result, or an error, is asked for.

    They keep what they were begun with. Exit codes are those of eval.
    """
    check_reports(outputs or ())
    workspace = options.workspace_of(context)
    refs, evaluation = split_names(workspace, names or ())
    request = ResumeRequest(
        evaluation=evaluation,
        prompts=[ref.partition("@")[0] for ref in refs],
        retries_errors=retry_errors,
        limits=options.limits(concurrency, max_cost, timeout_s=timeout_s, fails_fast=fail_fast),
        allows_code=allow_code,
    )
    with EvaluationProgress() as progress:
        found = workspace.resume(request, progress)
    conclude(
        workspace, found, outputs or (), partial(say_evaluations, workspace, found, as_json=as_json), exit_code(found)
    )
