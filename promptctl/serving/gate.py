"""The gate of the server: programs of this machine may ask, pages of a browser may not."""

from __future__ import annotations

from promptctl.serving.loopback import HOST, Headers
from promptctl.serving.refusal import NotAnswered

_OWN_SITES = frozenset({"none", "same-origin"})


class Door:
    """Lets in requests that were sent to this server by its address, and by no page of a different site."""

    def __init__(self, port: int) -> None:
        self.base_url = f"http://{HOST}:{port}/v1"
        self._hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}", *((HOST, "localhost") if port == 80 else ())})

    def check(self, headers: Headers) -> None:
        """Raise `NotAnswered` for a request that a page may have made, or that was sent to a different name."""
        hosts = headers.getall("Host", ())
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise NotAnswered(421, f"ask for {self.base_url}, by this name and port", code="wrong_host")
        if headers.getall("Origin", ()) or set(headers.getall("Sec-Fetch-Site", ())) - _OWN_SITES:
            words = "a page of a browser asked for this; only programs on this machine are answered"
            raise NotAnswered(403, words, code="asked_by_a_page")

    def check_content(self, headers: Headers) -> None:
        """Raise `NotAnswered` for content that is not said to be JSON: a form of any page could send that."""
        kinds = headers.getall("Content-Type", ())
        if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/json":
            raise NotAnswered(415, "send JSON, with `Content-Type: application/json`", code="not_json")
