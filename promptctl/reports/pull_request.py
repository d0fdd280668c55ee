"""The review's comment on a pull request, over GitHub's REST interface."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptctl.errors import UsageError
from promptctl.reports.comments import CommentHost, Found

LONGEST = 65_536
# The user of a job's own token, which may not ask who it is.
JOBS_USER = "github-actions[bot]"
_REPOSITORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/(?!\.{1,2}\Z)[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as an event names it. `head` is the commit that the event is about, if it says.

    `may_only_read`: of a fork, or Dependabot's, whose runs have a token that cannot write.
    """

    repository: str
    number: int
    head: str | None = None
    may_only_read: bool = False


def pull_request_of(event: Path) -> PullRequest | None:
    """Return the pull request that an event of GitHub Actions belongs to; None if it belongs to none.

    Raises `UsageError` if the file is no such event.
    """
    try:
        data = json.loads(event.read_bytes())
        repository = data["repository"]["full_name"]
        found = data.get("pull_request")
        if found is None and "pull_request" in data.get("issue", {}):
            found = data["issue"]
        if found is None:
            return None
        head = found.get("head") or {}
        source = (head.get("repo") or {}).get("full_name")
        is_bots = (found.get("user") or {}).get("login") == "dependabot[bot]"
        may_only_read = bool(head) and (source != repository or is_bots)
        pull = PullRequest(repository, int(found["number"]), head.get("sha"), may_only_read)
    except OSError as error:
        raise UsageError(f"{event} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{event} is no event of GitHub Actions", hint='give the file that "$GITHUB_EVENT_PATH" names'
        ) from error
    if not isinstance(repository, str) or not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"{event} names no repository")
    return pull


class PullRequestComments(CommentHost):
    """The comments of one pull request. `author` is the user of the token, if it is an app's, which cannot ask."""

    name = "GitHub"
    variable = "GITHUB_API_URL"
    change = "PATCH"
    login = "login"
    hints = {401: "is GITHUB_TOKEN still valid?", 403: "give the job `permissions: {pull-requests: write}`"}  # noqa: RUF012

    def __init__(self, pull: PullRequest, api: str, token: str, author: str | None = None) -> None:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        super().__init__(api, headers, may_only_read=pull.may_only_read)
        self._pull = pull
        self._author = author

    def is_outdated(self) -> bool:
        """Return True if the branch has a newer commit."""
        if self._pull.head is None:
            return False
        now = self.ask("GET", f"/repos/{self._pull.repository}/pulls/{self._pull.number}")
        head = (now.get("head") or {}).get("sha")
        return head is not None and head != self._pull.head

    def comments_path(self) -> str:
        """Return the path at which they are listed and made."""
        return f"/repos/{self._pull.repository}/issues/{self._pull.number}/comments"

    def comment(self, data: Mapping[str, Any]) -> Found:
        """Return a comment as the interface shows it."""
        path = f"/repos/{self._pull.repository}/issues/comments/{int(data['id'])}"
        author = (data.get("user") or {}).get("login")
        return Found(path, str(data.get("body") or ""), author, str(data.get("html_url", "")))

    def author(self) -> str | None:
        """Return the name of the token's user."""
        return self._author or super().author() or JOBS_USER
