"""The one comment that a review keeps where a branch is discussed, over the REST interface of GitHub or of GitLab."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from promptctl import __version__
from promptctl.errors import ProviderUnreachable, UsageError, WorkspaceError

if TYPE_CHECKING:
    from urllib.request import Request


PER_PAGE = 100
_MOST_PAGES = 100
_TIMEOUT_S = 30
_WAITS_S = (1.0, 3.0, 9.0)
_LOOPBACK = re.compile(r"http://(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?(?:/|\Z)")

Done = Literal["created", "updated", "unchanged", "outdated", "forbidden"]


@dataclass(frozen=True, slots=True)
class Found:
    """A comment: the path at which it is changed, its text, its author, and its address for people."""

    path: str
    body: str
    author: str | None
    url: str


class CommentHost:
    """A host's interface. The token goes to the address given and nowhere else: no redirect is followed.

    Raises `UsageError` for an address that would show the token to others on its way.
    """

    name: str
    variable: str
    change: str
    login: str
    hints: Mapping[int, str]

    def __init__(self, api: str, headers: Mapping[str, str], *, may_only_read: bool) -> None:
        if not api.startswith("https://") and not _LOOPBACK.match(api):
            raise UsageError(f"{self.variable} must begin with https://")
        self._api = api.rstrip("/")
        self._headers = headers
        self._may_only_read = may_only_read

    def put(self, body: str, marker: str) -> tuple[Done, str]:
        """Write this into the comment that begins with the marker, and return the comment's address.

        Nothing is written if the branch has moved on since the event (`outdated`): its own run will. A run whose token
        may only read is `forbidden`. A comment of anybody else stays as it is, whatever it begins with. Raises
        `WorkspaceError` if the host refuses, and `ProviderUnreachable` if it cannot be reached.
        """
        try:
            if self.is_outdated():
                return "outdated", ""
            own = self._own_comment(marker)
            if own is None:
                return "created", self.comment(self.ask("POST", self.comments_path(), {"body": body})).url
            if own.body.replace("\r\n", "\n").strip() == body.strip():
                return "unchanged", own.url
            return "updated", self.comment(self.ask(self.change, own.path, {"body": body})).url
        except Refused as refused:
            if refused.status in (403, 404) and self._may_only_read:
                return "forbidden", ""
            raise WorkspaceError(f"{self.name} refused: {refused}", hint=self.hints.get(refused.status)) from refused

    def is_outdated(self) -> bool:
        """Return True if the branch has a newer commit than the event is about."""
        raise NotImplementedError

    def comments_path(self) -> str:
        """Return the path at which comments are listed and made."""
        raise NotImplementedError

    def comment(self, data: Mapping[str, Any]) -> Found:
        """Return a comment as the interface shows it."""
        raise NotImplementedError

    def author(self) -> str | None:
        """Return the name under which the token writes; None if it cannot be known."""
        try:
            return str(self.ask("GET", "/user")[self.login])
        except (Refused, KeyError, TypeError):
            return None

    def _own_comment(self, marker: str) -> Found | None:
        """Return the first comment with the marker that the token's own user wrote."""
        marked = [each for each in map(self.comment, self._all()) if each.body.startswith(marker)]
        own = self.author() if marked else None
        return next((each for each in marked if own is not None and each.author == own), None)

    def _all(self) -> Iterator[Mapping[str, Any]]:
        for page in range(1, _MOST_PAGES + 1):
            found = self.ask("GET", f"{self.comments_path()}?per_page={PER_PAGE}&page={page}")
            yield from found
            if len(found) < PER_PAGE:
                return

    def ask(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request. Raises `Refused`, and `ProviderUnreachable` if there is none."""
        from urllib.request import Request

        request = Request(  # noqa: S310 - the scheme was checked
            self._api + path,
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Content-Type": "application/json", "User-Agent": f"promptctl/{__version__}", **self._headers},
        )
        # A POST that got no answer may have been heard, and would be made twice.
        waits = _WAITS_S if method != "POST" else ()
        for wait_s in (*waits, None):
            try:
                return _answer(request)
            except Refused as refused:
                if wait_s is None or refused.status not in (429, 500, 502, 503, 504):
                    raise
            except OSError as error:
                if wait_s is None:
                    raise ProviderUnreachable(f"{self.name} could not be reached at {self._api}: {error}") from error
            time.sleep(wait_s)
        raise AssertionError


class Refused(Exception):
    """A host's answer to a request that it did not take."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status


def _answer(request: Request) -> Any:
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    try:
        with build_opener(NoRedirect).open(request, timeout=_TIMEOUT_S) as response:
            return json.loads(response.read())
    except HTTPError as error:
        with error:
            raise Refused(error.code, _words(error.read(10_000))) from None
    except ValueError as error:
        raise Refused(200, "its answer is not JSON") from error


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return "no word why"


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
