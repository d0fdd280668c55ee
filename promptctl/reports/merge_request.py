"""The review's note on a merge request, over GitLab's REST interface."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptctl.errors import UsageError
from promptctl.reports.comments import CommentHost, Found

LONGEST_NOTE = 1_000_000
# A line that begins so is an order to GitLab, with the rights of the token: `/merge`, `/approve`, `/assign`.
_ORDER = re.compile(r"^([^\S\n]*/)(?=[A-Za-z])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class MergeRequest:
    """A merge request as the variables of its pipeline name it. `head` is the commit that the pipeline is about.

    `may_only_read`: of a fork, whose pipelines see no token of the project's.
    """

    project: int
    number: int
    url: str
    head: str
    may_only_read: bool


def merge_request_of(environ: Mapping[str, str]) -> MergeRequest | None:
    """Return the merge request that a pipeline of GitLab belongs to; None if it belongs to none."""
    if "CI_MERGE_REQUEST_IID" not in environ:
        return None
    project, number = environ.get("CI_MERGE_REQUEST_PROJECT_ID", ""), environ["CI_MERGE_REQUEST_IID"]
    if not (project.isdecimal() and number.isdecimal()):
        raise UsageError("CI_MERGE_REQUEST_PROJECT_ID and CI_MERGE_REQUEST_IID must be numbers")
    # A pipeline of the merged result is about a commit of GitLab's own; this one is the branch's.
    head = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA", "")
    url = f"{environ.get('CI_MERGE_REQUEST_PROJECT_URL', '')}/-/merge_requests/{number}"
    is_forks = environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", project) != project
    return MergeRequest(int(project), int(number), url, head, is_forks)


class MergeRequestNotes(CommentHost):
    """The notes of one merge request."""

    name = "GitLab"
    variable = "CI_API_V4_URL"
    change = "PUT"
    login = "username"
    hints = {  # noqa: RUF012
        401: "is GITLAB_TOKEN still valid? A job's own CI_JOB_TOKEN may write no notes",
        403: "give the token of GITLAB_TOKEN the scope `api` and the role Reporter",
    }

    def __init__(self, request: MergeRequest, api: str, token: str) -> None:
        super().__init__(api, {"PRIVATE-TOKEN": token}, may_only_read=request.may_only_read)
        self._request = request
        self._path = f"/projects/{request.project}/merge_requests/{request.number}"

    def is_outdated(self) -> bool:
        """Return True if the branch has a newer commit."""
        head = self.ask("GET", self._path).get("sha")
        return bool(head and self._request.head and head != self._request.head)

    def comments_path(self) -> str:
        """Return the path at which they are listed and made."""
        return f"{self._path}/notes"

    def comment(self, data: Mapping[str, Any]) -> Found:
        """Return a comment as the interface shows it."""
        number = int(data["id"])
        author = (data.get("author") or {}).get("username")
        return Found(
            f"{self._path}/notes/{number}", str(data.get("body") or ""), author, f"{self._request.url}#note_{number}"
        )


def as_note(body: str) -> str:
    """Return the text as a note in which no line is an order to GitLab."""
    return _ORDER.sub("\\1\u200b", body)
