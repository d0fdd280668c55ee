"""`promptctl validate`: every problem of every file, in one go."""

from __future__ import annotations

import typer

from promptctl.cli import options
from promptctl.cli.checks import say_check
from promptctl.reports.wording import count


def validate(
    context: typer.Context,
    paths: options.Paths = None,
    as_json: options.Json = False,
) -> None:
    """Check the workspace's files: settings, prompts, schemas, partials and datasets. Exit code 1 on any error."""
    report = options.workspace_of(context).validate(paths or ())
    about = f"{count(report.files, 'file')} checked: "
    say_check(report.problems, about=about, as_json=as_json, files=report.files)
