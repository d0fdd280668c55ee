"""`promptctl review-comment`: the review as the one comment of a pull or merge request, made anew at each push."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from promptctl.cli.checks import prefix_in_checkout
from promptctl.cli.commands import option, refuse_given
from promptctl.cli.output import say_command, tell, warn
from promptctl.errors import UsageError
from promptctl.reports.annotations import annotation_lines
from promptctl.reports.comments import (
    LONGEST,
    LONGEST_NOTE,
    CommentHost,
    MergeRequestNotes,
    PullRequestComments,
    as_note,
    merge_request_of,
    pull_request_of,
)
from promptctl.reports.review_markdown import MARKER
from promptctl.workspace import find_root
from promptctl.workspace.given_files import read_given

GITHUB = "https://api.github.com"


def review_comment(
    context: typer.Context,
    report: Annotated[Path, option("--report", "FILE", "The review, as review -o FILE.md wrote it.")],
    event: Annotated[
        Path | None, option("--event", "FILE", 'The event of GitHub: "$GITHUB_EVENT_PATH". On GitLab none.')
    ] = None,
    name: Annotated[
        str, option("--name", "NAME", "Keep a comment of its own, for the workspace in this folder.")
    ] = ".",
    author: Annotated[
        str | None, option("--author", "LOGIN", "The user that GITHUB_TOKEN writes as, if it is an app's: `name[bot]`.")
    ] = None,
    annotate: Annotated[
        bool, option("--annotate", "Print annotations of files for the job's log instead; of review -o FILE.json.")
    ] = False,
) -> None:
    """Write a review to its pull or merge request: one comment, found again by its author and its hidden marker.

    On GitHub the token is read from GITHUB_TOKEN, the address of the interface from GITHUB_API_URL; in a pipeline of
    GitLab from GITLAB_TOKEN and CI_API_V4_URL.
    """
    if annotate:
        refuse_given(context, ["event", "name", "author"], "is for a comment, and --annotate writes none")
        _annotate(report)
        return
    if event is None and "GITLAB_CI" in os.environ:
        host, longest, missing = _gitlab(), LONGEST_NOTE, "this pipeline belongs to no merge request"
    else:
        host, longest, missing = _github(event, author), LONGEST, "this event belongs to no pull request"
    if host is None:
        tell(f"{missing}: there is nothing to comment on")
        return
    marker = _marker(name)
    body = f"{marker}\n{_read(report).removeprefix(MARKER).lstrip()}"
    if isinstance(host, MergeRequestNotes):
        body = as_note(body)
    if len(body) > longest:
        raise UsageError(f"{report} has {len(body):,} characters; a comment has at most {longest:,}")
    done, url = host.put(body, marker)
    if done == "forbidden":
        warn(
            "a pull request from a fork, or of Dependabot, may not comment; the review is in the job's summary and its artifact"
        )
    elif done == "outdated":
        tell("the pull request has moved on since: the run of its newest commit will comment")
    else:
        tell(f"{done}  {url}")


def _github(event: Path | None, author: str | None) -> CommentHost | None:
    if event is None:
        raise UsageError(
            "--event is missing", hint='promptctl review-comment --event "$GITHUB_EVENT_PATH" --report FILE'
        )
    pull = pull_request_of(event)
    if pull is None:
        return None
    token = _token("GITHUB_TOKEN", "env: {GITHUB_TOKEN: ${{ github.token }}}")
    return PullRequestComments(pull, os.environ.get("GITHUB_API_URL") or GITHUB, token, author)


def _gitlab() -> CommentHost | None:
    request = merge_request_of(os.environ)
    if request is None:
        return None
    if request.may_only_read and not os.environ.get("GITLAB_TOKEN"):
        warn("a merge request from a fork may not comment; the review is in the job's artifacts")
        raise typer.Exit
    token = _token(
        "GITLAB_TOKEN",
        "a project access token with the scope `api`, as a masked variable; CI_JOB_TOKEN may write no notes",
    )
    return MergeRequestNotes(request, os.environ.get("CI_API_V4_URL", ""), token)


def _token(variable: str, hint: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise UsageError(f"{variable} is not set", hint=hint)
    return token


def _read(report: Path) -> str:
    try:
        return read_given(report, 16 << 20).decode("utf-8", "replace")
    except OSError as error:
        hint = f"write it with: promptctl review -o {report.name}"
        raise UsageError(f"`{report}` cannot be read", hint=hint) from error


def _annotate(report: Path) -> None:
    """Print the annotations of a review of the workspace in the current folder."""
    try:
        lines = list(annotation_lines(json.loads(_read(report)), prefix_in_checkout(find_root(Path.cwd()))))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"`{report}` is no review", hint="write it with: promptctl review -o review.json") from error
    for line in lines:
        say_command(line)


def _marker(name: str) -> str:
    """Return the first line of the comment, which nobody sees."""
    folder = PurePosixPath(re.sub(r"[^\w./ ]|--+", "_", name)).as_posix()
    return MARKER if folder == "." else MARKER.replace(" -->", f": {folder} -->")
