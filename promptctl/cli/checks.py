"""`promptctl validate` and `promptctl fmt`; and how any check shows what it found, and ends its command."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import typer

from promptctl import errors
from promptctl.cli import options
from promptctl.cli.commands import option
from promptctl.cli.output import flat, hint_of, say, say_command, say_json, tell, tell_problems
from promptctl.errors import Problem, UsageError
from promptctl.reports.wording import count

_FORMAT = option("--format", "How findings are printed; github: as annotations for the job's log.")
Format = Annotated[Literal["text", "json", "sarif", "github"], _FORMAT]


def check_as_dict(problems: Sequence[Problem], **facts: Any) -> dict[str, Any]:
    """Return the facts, followed by problems with how many there are, as a JSON object with stable keys."""
    failed = sum(problem.severity == "error" for problem in problems)
    found = [problem.as_dict() for problem in problems]
    return {**facts, "errors": failed, "warnings": len(problems) - failed, "problems": found}


def failure_as_dict(failures: Iterable[errors.PromptctlError]) -> dict[str, Any]:
    """Return what ended a command as a JSON object with the keys of any check."""
    problems: list[Problem] = []
    for error in failures:
        if isinstance(error, errors.InvalidFiles):
            problems += error.problems
            continue
        is_bug = type(error) is errors.PromptctlError
        code = "bug" if is_bug else re.sub("(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
        problems.append(Problem(error.message, error.place, hint_of(error), code))
    return check_as_dict(problems)


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


def refuse_two_formats(format_: str, *, as_json: bool) -> None:
    """Raise `UsageError` if two formats are asked for."""
    if as_json and format_ not in ("text", "json"):
        raise UsageError(f"--json and --format {format_} cannot be given together", hint="leave one out")


def say_to_ci(problems: Sequence[Problem], format_: str, root: Path) -> bool:
    """Print problems of the workspace at `root` for a CI; False, and nothing is printed, if the format is for none."""
    if format_ == "sarif":
        from promptctl.reports.sarif import sarif

        say_json(sarif(problems, prefix_in_checkout(root)))
    elif format_ == "github":
        from promptctl.reports.annotations import problem_annotations

        for line in problem_annotations(problems, prefix_in_checkout(root)):
            say_command(line)
    return format_ in ("sarif", "github")


def prefix_in_checkout(root: Path) -> str:
    """Return the path of the workspace at `root` below the repository that a CI's job has checked out."""
    checkout = os.environ.get("GITHUB_WORKSPACE") or "."
    path = os.path.relpath(root.resolve(), Path(checkout).resolve())
    return "" if path == "." or path.startswith("..") else f"{PurePosixPath(path)}/"


def validate(
    context: typer.Context,
    paths: options.Paths = None,
    format_: Annotated[Literal["text", "json", "github"], _FORMAT] = "text",
    as_json: options.Json = False,
) -> None:
    """Check the workspace's files: settings, prompts, schemas, partials and datasets. Exit code 1 on any error."""
    refuse_two_formats(format_, as_json=as_json)
    workspace = options.workspace_of(context)
    report = workspace.validate(paths or ())
    if not say_to_ci(report.problems, format_, workspace.root):
        about = f"{count(report.files, 'file')} checked: "
        say_check(report.problems, about=about, as_json=as_json or format_ == "json", files=report.files)
    elif any(each.severity == "error" for each in report.problems):
        raise typer.Exit(errors.CHECK_FAILED)


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
