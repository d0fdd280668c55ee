"""`promptctl review-comment`: the review as the one comment of a pull request, made anew at each push."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from promptctl.cli.output import say_command, tell, warn
from promptctl.errors import UsageError
from promptctl.reports.annotations import annotation_lines
from promptctl.reports.pull_request import LONGEST, Comments, pull_request_of
from promptctl.reports.review_markdown import MARKER
from promptctl.workspace import find_root

GITHUB = "https://api.github.com"


def review_comment(
    report: Annotated[
        Path, typer.Option("--report", metavar="FILE", help="The review, as review -o FILE.md wrote it.")
    ],
    event: Annotated[
        Path | None, typer.Option("--event", metavar="FILE", help='The event: "$GITHUB_EVENT_PATH".')
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Keep a comment of its own, for the workspace in this folder.")
    ] = ".",
    annotate: Annotated[
        bool,
        typer.Option(
            "--annotate", help="Print annotations of files for the job's log instead; of review -o FILE.json."
        ),
    ] = False,
) -> None:
    """Write a review to its pull request on GitHub: one comment, found again by its hidden marker.

    The token is read from GITHUB_TOKEN, the address of the interface from GITHUB_API_URL.
    """
    if annotate:
        _annotate(report)
        return
    if event is None:
        raise UsageError(
            "--event is missing", hint='promptctl review-comment --event "$GITHUB_EVENT_PATH" --report FILE'
        )
    pull = pull_request_of(event)
    if pull is None:
        tell("this event belongs to no pull request: there is nothing to comment on")
        return
    body = _read(report)
    marker = _marker(name)
    body = f"{marker}\n{body.removeprefix(MARKER).lstrip()}"
    if len(body) > LONGEST:
        raise UsageError(f"{report} has {len(body):,} characters; a comment has at most {LONGEST:,}")
    token = os.environ.get("GITHUB_TOKEN", "").strip()
    if not token:
        raise UsageError("GITHUB_TOKEN is not set", hint="env: {GITHUB_TOKEN: ${{ github.token }}}")
    done, url = Comments(pull, os.environ.get("GITHUB_API_URL") or GITHUB, token).put(body, marker)
    if done == "forbidden":
        warn(
            "a pull request from a fork, or of Dependabot, may not comment; the review is in the job's summary and its artifact"
        )
    elif done == "outdated":
        tell("the pull request has moved on since: the run of its newest commit will comment")
    else:
        tell(f"{done}  {url}")


def _read(report: Path) -> str:
    try:
        return report.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        hint = f"write it with: promptctl review -o {report.name}"
        raise UsageError(f"`{report}` cannot be read", hint=hint) from error


def _annotate(report: Path) -> None:
    """Print the annotations of a review of the workspace in the current folder."""
    try:
        lines = list(annotation_lines(json.loads(_read(report)), _prefix()))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"`{report}` is no review", hint="write it with: promptctl review -o review.json") from error
    for line in lines:
        say_command(line)


def _prefix() -> str:
    """Return the path of the workspace below the repository that the job has checked out."""
    checkout = os.environ.get("GITHUB_WORKSPACE") or "."
    path = os.path.relpath(find_root(Path.cwd()).resolve(), Path(checkout).resolve())
    return "" if path == "." or path.startswith("..") else f"{PurePosixPath(path)}/"


def _marker(name: str) -> str:
    """Return the first line of the comment, which nobody sees."""
    folder = PurePosixPath(re.sub(r"[^\w./ ]|--+", "_", name)).as_posix()
    return MARKER if folder == "." else MARKER.replace(" -->", f": {folder} -->")
