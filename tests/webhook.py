"""A webhook on loopback that tests let alerts be sent to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

SECRET = "T0123/xoxb-very-secret-9876543210"


class Hook(ThreadingHTTPServer):
    """A webhook on loopback, which keeps what it is sent and answers with `status`, once its `gate` is open."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.gate = Event()
        self.reset()

    def reset(self) -> None:
        """Forget what was sent, and answer with success."""
        self.status = 200
        self.got.clear()
        self.gate.set()

    @property
    def url(self) -> str:
        """The address of the webhook, with a secret in it as they are."""
        return f"http://127.0.0.1:{self.server_address[1]}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        self.server.gate.wait(30)
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url + "/elsewhere")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the library's name

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Hook]:
    """Let a webhook serve meanwhile."""
    with Hook() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.gate.set()
            server.shutdown()


@pytest.fixture(scope="session")
def _webhook() -> Iterator[Hook]:
    with serving() as server:
        yield server


@pytest.fixture
def hook(_webhook: Hook) -> Hook:
    """A webhook that was sent nothing yet."""
    _webhook.reset()
    return _webhook
