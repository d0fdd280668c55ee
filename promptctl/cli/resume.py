"""`promptctl eval resume`: goes on with evaluations that were stopped, or that ended with errors."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl import ResumeRequest
from promptctl.cli import options
from promptctl.cli.commands import argument, option
from promptctl.cli.evaluate import split_names
from promptctl.cli.evaluation_ending import EvaluationEnding, OutputOptions
from promptctl.cli.evaluation_output import EvaluationProgress


def resume(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        argument(
            "[ID|PROMPT]...",
            "An evaluation's id, or prompts; by default all that the last command left.",
            completes="ref",
        ),
    ] = None,
    retry_errors: Annotated[bool, option("--retry-errors", "Also if nothing but errors is left.")] = False,
    *,
    bounds: options.BoundOptions,
    fail_fast: options.FailFast = False,
    allow_code: options.AllowCode = False,
    output: OutputOptions,
) -> None:
    """Go on with evaluations that were not finished: only what has no result, or an error, is asked for.

    They keep what they were begun with. Exit codes are those of eval.
    """
    output.check()
    workspace = options.workspace_of(context)
    refs, evaluation = split_names(workspace, names or ())
    request = ResumeRequest(
        evaluation=evaluation,
        prompts=[ref.partition("@")[0] for ref in refs],
        retries_errors=retry_errors,
        limits=bounds.limits(fails_fast=fail_fast),
        allows_code=allow_code,
    )
    ending = EvaluationEnding(workspace, output)
    with ending, EvaluationProgress(context) as progress:
        found = workspace.resume(request, progress)
    ending.evaluations(found)
