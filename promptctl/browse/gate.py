"""The gate that every request passes: the right host, one of our own pages, and the secret of this run.

A browser sends a cookie to every port of a host, so that another program on this machine could be handed it. Ours is
sent below one path alone, which is as secret as the cookie; and neither of the two opens anything without the other.
"""

from __future__ import annotations

import secrets
from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from promptctl.loopback.sockets import HOST, Headers

LONGEST_ADDRESS = 4096
_METHODS = ("GET", "HEAD")
_OWN_SITES = ("none", "same-origin")


class Unwelcome(Exception):
    """A request that is not answered: the status and the words for whoever sent it."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class Moved(Exception):
    """A request for our folder without its last slash."""


class Gate:
    """Lets in who shows the token of the printed address, once it has become a cookie."""

    def __init__(self, port: int) -> None:
        self.host = f"{HOST}:{port}"
        self._cookie = f"promptctl_{port}"
        self._token, self._secret, self._once = (secrets.token_urlsafe(24) for _ in range(3))
        self.folder = f"/{secrets.token_urlsafe(18)}/"

    @property
    def address(self) -> str:
        """The address for the user."""
        return f"http://{self.host}/?token={self._token}"

    @property
    def address_for_once(self) -> str:
        """An address that is good once: other users may see what a browser is started with."""
        return f"http://{self.host}/?token={self._once}"

    @property
    def cookie(self) -> str:
        """The header that makes a browser known: no script reads it, no other site and no other path sends it."""
        return f"{self._cookie}={self._secret}; Path={self.folder}; HttpOnly; SameSite=Strict"

    def enters(self, method: str, target: str, headers: Headers) -> bool:
        """Return True for a request that shows the token, and False for one of our pages.

        Raises `Unwelcome`, and `Moved`.
        """
        if method not in _METHODS:
            raise Unwelcome(HTTPStatus.METHOD_NOT_ALLOWED, "These pages are for reading: GET and HEAD alone.")
        if len(target) > LONGEST_ADDRESS:
            raise Unwelcome(HTTPStatus.REQUEST_URI_TOO_LONG, f"The address has over {LONGEST_ADDRESS:,} characters.")
        if list(headers.getall("Host", ())) != [self.host]:
            raise Unwelcome(HTTPStatus.MISDIRECTED_REQUEST, f"Ask for http://{self.host}/, by this name and port.")
        if set(headers.getall("Origin", ())) - {f"http://{self.host}"}:
            raise Unwelcome(HTTPStatus.FORBIDDEN, "Another site asked for this.")
        path, token = self._split(target)
        if token is not None:
            self._take(token)
            return True
        if f"{path}/" == self.folder:  # the browser sends no cookie for it
            raise Moved
        if set(headers.getall("Sec-Fetch-Site", ())) - set(_OWN_SITES):
            raise Unwelcome(HTTPStatus.FORBIDDEN, "A different site asked for this.")
        if not path.startswith(self.folder) or not self._shows_secret(headers):
            words = "Open the address that `promptctl browse` printed: this one is of an earlier run, or not for you."
            raise Unwelcome(HTTPStatus.FORBIDDEN, words)
        return False

    def _split(self, target: str) -> tuple[str, str | None]:
        """Return the path that is asked for, and the token if the address is that of the entry."""
        try:
            parts = urlsplit(target)
            token = parse_qs(parts.query).get("token") if parts.path == "/" else None
        except ValueError:
            raise Unwelcome(HTTPStatus.BAD_REQUEST, "This is no address.") from None
        return parts.path, token[0] if token else None

    def _take(self, token: str) -> None:
        if self._once and _are_equal(token, self._once):
            self._once = ""
        elif not _are_equal(token, self._token):
            words = "This token is not the one that `promptctl browse` printed, or was good once and is used."
            raise Unwelcome(HTTPStatus.FORBIDDEN, words)

    def _shows_secret(self, headers: Headers) -> bool:
        # Servers on other ports set cookies of any form for this host: what is not ours is passed over.
        shown = (each.strip().partition("=") for line in headers.getall("Cookie", ()) for each in line.split(";"))
        return any(name == self._cookie and _are_equal(value, self._secret) for name, _, value in shown)


def _are_equal(given: str, secret: str) -> bool:
    return compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())
