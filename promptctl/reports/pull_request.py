"""The one comment that a review keeps on a pull request, over GitHub's REST interface."""

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

LONGEST = 65_536
_PER_PAGE = 100
_MOST_PAGES = 100
_TIMEOUT_S = 30
_WAITS_S = (1.0, 3.0, 9.0)
_REPOSITORY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/(?!\.{1,2}\Z)[A-Za-z0-9_.-]+")
_LOOPBACK = re.compile(r"http://(?:localhost|127\.[0-9.]+|\[::1\])(?::[0-9]+)?(?:/|\Z)")

Done = Literal["created", "updated", "unchanged", "outdated", "forbidden"]


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


class Comments:
    """The comments of one pull request. The token goes to the address given and nowhere else: no redirect is followed.

    Raises `UsageError` for an address that would show the token to others on its way.
    """

    def __init__(self, pull: PullRequest, api: str, token: str) -> None:
        if not api.startswith("https://") and not _LOOPBACK.match(api):
            raise UsageError(f"GITHUB_API_URL must begin with https://, not {api}")
        self._pull = pull
        self._api = api.rstrip("/")
        self._token = token

    def put(self, body: str, marker: str) -> tuple[Done, str]:
        """Write this into the comment that begins with the marker, and return the comment's address.

        Nothing is written if the pull request has moved on since the event (`outdated`): its own run will. A
        run whose token may only read is `forbidden`. Raises `WorkspaceError` if GitHub refuses, and
        `ProviderUnreachable` if it cannot be reached.
        """
        issue = f"/repos/{self._pull.repository}/issues"
        try:
            if self._is_outdated():
                return "outdated", ""
            own = self._own_comment(marker)
            if own is None:
                made = self._ask("POST", f"{issue}/{self._pull.number}/comments", {"body": body})
                return "created", str(made.get("html_url", ""))
            if str(own.get("body", "")).replace("\r\n", "\n").strip() == body.strip():
                return "unchanged", str(own.get("html_url", ""))
            made = self._ask("PATCH", f"{issue}/comments/{int(own['id'])}", {"body": body})
            return "updated", str(made.get("html_url", ""))
        except _Refused as refused:
            if refused.status in (403, 404) and self._pull.may_only_read:
                return "forbidden", ""
            hint = {401: "is GITHUB_TOKEN still valid?", 403: "give the job `permissions: {pull-requests: write}`"}
            raise WorkspaceError(f"GitHub refused: {refused}", hint=hint.get(refused.status)) from refused

    def _is_outdated(self) -> bool:
        if self._pull.head is None:
            return False
        now = self._ask("GET", f"/repos/{self._pull.repository}/pulls/{self._pull.number}")
        head = (now.get("head") or {}).get("sha")
        return head is not None and head != self._pull.head

    def _own_comment(self, marker: str) -> Mapping[str, Any] | None:
        """Return the first comment with the marker that an automation or the token's own user wrote."""
        by_people = []
        for comment in self._all():
            if not str(comment.get("body", "")).startswith(marker):
                continue
            if (comment.get("user") or {}).get("type") == "Bot":
                return comment
            by_people.append(comment)
        own = self._login() if by_people else None
        return next((each for each in by_people if own and (each.get("user") or {}).get("login") == own), None)

    def _login(self) -> str | None:
        """Return the name of the token's user; None for a job's own token, which is nobody's."""
        try:
            return str(self._ask("GET", "/user")["login"])
        except (_Refused, KeyError, TypeError):
            return None

    def _all(self) -> Iterator[Mapping[str, Any]]:
        path = f"/repos/{self._pull.repository}/issues/{self._pull.number}/comments?per_page={_PER_PAGE}"
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", f"{path}&page={page}")
            yield from found
            if len(found) < _PER_PAGE:
                return

    def _ask(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        from urllib.request import Request

        request = Request(  # noqa: S310 - the scheme was checked
            self._api + path,
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "User-Agent": f"promptctl/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        # A POST that got no answer may have been heard, and would be made twice.
        waits = _WAITS_S if method != "POST" else ()
        for wait_s in (*waits, None):
            try:
                return _answer(request)
            except _Refused as refused:
                if wait_s is None or refused.status not in (429, 500, 502, 503, 504):
                    raise
            except OSError as error:
                if wait_s is None:
                    raise ProviderUnreachable(f"GitHub could not be reached at {self._api}: {error}") from error
            time.sleep(wait_s)
        raise AssertionError


class _Refused(Exception):
    """GitHub's answer to a request that it did not take."""

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
            raise _Refused(error.code, _words(error.read(10_000))) from None
    except ValueError as error:
        raise _Refused(200, "its answer is not JSON") from error


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return "no word why"
