"""`promptctl validate` and `promptctl fmt`; and how any check shows what it found, and ends its command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import flat, say, say_json, tell, tell_problems
from promptctl.errors import Problem
from promptctl.reports.wording import count


def check_as_dict(problems: Sequence[Problem], **facts: Any) -> dict[str, Any]:
    """Return the facts, followed by problems with how many there are, as a JSON object with stable keys."""
    failed = sum(problem.severity == "error" for problem in problems)
    found = [problem.as_dict() for problem in problems]
    return {**facts, "errors": failed, "warnings": len(problems) - failed, "problems": found}


def say_check(problems: Sequence[Problem], *, about: str = "", as_json: bool = False, **facts: Any) -> None:
    """Print problems with how many there are, after `about`; as JSON after the `facts`.

    Ends the command with exit code 1 if any of them is an error.
    """
    found = check_as_dict(problems, **facts)
    if as_json:
        say_json(found)
    else:
        tell_problems(problems)
        say(f"{about}{count(found['errors'], 'error')}, {count(found['warnings'], 'warning')}")
    if found["errors"]:
        raise typer.Exit(errors.CHECK_FAILED)


def prefix_in_checkout(root: Path) -> str:
    """Return the path of the workspace at `root` below the repository that a CI's job has checked out."""
    checkout = os.environ.get("GITHUB_WORKSPACE") or "."
    path = os.path.relpath(root.resolve(), Path(checkout).resolve())
    return "" if path == "." or path.startswith("..") else f"{PurePosixPath(path)}/"


def validate(
    context: typer.Context,
    paths: options.Paths = None,
    as_json: options.Json = False,
) -> None:
    """Check the workspace's files: settings, prompts, schemas, partials and datasets. Exit code 1 on any error."""
    report = options.workspace_of(context).validate(paths or ())
    about = f"{count(report.files, 'file')} checked: "
    say_check(report.problems, about=about, as_json=as_json, files=report.files)


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
