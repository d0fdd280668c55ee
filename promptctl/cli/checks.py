"""Shows what a check found, and ends the command with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import typer

from promptctl import errors
from promptctl.cli.output import say, say_json, tell_problems
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
