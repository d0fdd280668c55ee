"""The one comment that a review keeps where a branch is discussed, whatever host it is on."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
