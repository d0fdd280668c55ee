"""`promptctl review-comment`: the review as the one comment of a pull request, made anew at each push."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from promptctl.cli.output import tell, warn
from promptctl.errors import UsageError
from promptctl.reports.pull_request import LONGEST, Comments, pull_request_of
from promptctl.reports.review_markdown import MARKER

GITHUB = "https://api.github.com"


def review_comment(
    event: Annotated[Path, typer.Option("--event", metavar="FILE", help='The event: "$GITHUB_EVENT_PATH".')],
    report: Annotated[
        Path, typer.Option("--report", metavar="FILE", help="The review, as review -o FILE.md wrote it.")
    ],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Keep a comment of its own, for the workspace in this folder.")
    ] = ".",
) -> None:
    """Write a review to its pull request on GitHub: one comment, found again by its hidden marker.

    The token is read from GITHUB_TOKEN, the address of the interface from GITHUB_API_URL.
    """
    pull = pull_request_of(event)
    if pull is None:
        tell("this event belongs to no pull request: there is nothing to comment on")
        return
    try:
        body = report.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"`{report}` cannot be read", hint="write it with: promptctl review -o review.md") from error
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


def _marker(name: str) -> str:
    """Return the first line of the comment, which nobody sees."""
    folder = PurePosixPath(re.sub(r"[^\w./ ]|--+", "_", name)).as_posix()
    return MARKER if folder == "." else MARKER.replace(" -->", f": {folder} -->")
