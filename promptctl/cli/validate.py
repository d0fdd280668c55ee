"""`promptctl validate`: every problem of every file, in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.output import say, say_json, tell_problems
from promptctl.reports.wording import count


def validate(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATHS]...", help="Files or folders; the whole workspace by default."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check the workspace's files: settings, prompts, schemas, partials and datasets. Exit code 1 on any error."""
    workspace = options.workspace_of(context)
    report = workspace.validate(paths or ())
    failed = [problem for problem in report.problems if problem.severity == "error"]
    warnings = len(report.problems) - len(failed)
    if as_json:
        say_json(
            {
                "files": report.files,
                "errors": len(failed),
                "warnings": warnings,
                "problems": [problem.as_dict() for problem in report.problems],
            }
        )
    else:
        tell_problems(report.problems)
        say(f"{count(report.files, 'file')} checked: {count(len(failed), 'error')}, {count(warnings, 'warning')}")
    if failed:
        raise typer.Exit(errors.CHECK_FAILED)
