"""`promptctl fmt`: files as everybody writes them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.checks import check_as_dict
from promptctl.cli.commands import option
from promptctl.cli.output import flat, say, say_json, tell, tell_problems
from promptctl.reports.wording import count


def fmt(
    context: typer.Context,
    paths: options.Paths = None,
    check: Annotated[bool, option("--check", "Write nothing; exit code 1 if a file would change.")] = False,
    as_json: options.Json = False,
) -> None:
    """Format prompts, datasets and settings: literal blocks, stable key order; comments and data stay."""
    report = options.workspace_of(context).format(paths or (), is_check=check)
    if as_json:
        say_json(check_as_dict(report.problems, files=report.files, changed=list(report.changed)))
    else:
        tell_problems(report.problems)
        for path in report.changed:
            say(f"{'would format' if check else 'formatted'}  {flat(path)}")
        tell(f"{count(report.files, 'file')}, {len(report.changed)} {'to be formatted' if check else 'formatted'}")
    if report.problems:
        raise typer.Exit(errors.CHECK_FAILED if check else errors.WORKSPACE)
    if check and report.changed:
        raise typer.Exit(errors.CHECK_FAILED)
