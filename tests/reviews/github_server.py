"""The part of GitHub's REST interface that keeps comments, on loopback."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BOT = {"login": "github-actions[bot]", "type": "Bot"}


class GitHub:
    """A repository `team/bot` with pull requests and their comments; a context manager. `url` is its address.

    `statuses` are answered to the next requests in place of what was asked for. With `is_read_only` every write is
    refused, as a fork's token is; with `is_lossy` a new comment is made and the answer lost.
    """

    def __init__(self, token: str = "ghs_0123456789") -> None:
        self.token = token
        self.heads: dict[int, str] = {}
        self.comments: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.statuses: list[int] = []
        self.is_read_only = False
        self.is_lossy = False
        self.user: dict[str, str] | None = None
        self.redirect: str | None = None
        handler = type("Handler", (_Handler,), {"github": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def say(self, body: str, user: dict[str, str] = BOT) -> dict[str, Any]:
        number = len(self.comments) + 1
        made = {"id": number, "body": body, "user": dict(user), "html_url": f"https://github.example/comments/{number}"}
        self.comments.append(made)
        return made

    def __enter__(self) -> GitHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    github: GitHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        path, _, query = self.path.partition("?")
        if path == "/user":
            self._send(200, self.github.user) if self.github.user else self._send(403, {"message": "not accessible"})
        elif match := re.fullmatch(r"/repos/team/bot/pulls/(\d+)", path):
            self._send(200, {"head": {"sha": self.github.heads[int(match[1])]}})
        elif re.fullmatch(r"/repos/team/bot/issues/\d+/comments", path):
            given = dict(part.split("=") for part in query.split("&"))
            size, page = int(given["per_page"]), int(given["page"])
            self._send(200, self.github.comments[(page - 1) * size : page * size])
        else:
            self._send(404, {"message": "Not Found"})

    def do_POST(self) -> None:
        if self._is_allowed(is_write=True):
            made = self.github.say(self._body()["body"], self.github.user or BOT)
            self._send(502, {"message": "lost"}, is_read=True) if self.github.is_lossy else self._send(201, made)

    def do_PATCH(self) -> None:
        if self._is_allowed(is_write=True):
            number = int(self.path.rpartition("/")[2])
            comment = self.github.comments[number - 1]
            comment["body"] = self._body()["body"]
            self._send(200, comment)

    def _is_allowed(self, *, is_write: bool = False) -> bool:
        github = self.github
        github.requests.append((self.command, self.path))
        if github.redirect is not None:
            self.send_response(302)
            self.send_header("Location", github.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif github.statuses:
            self._send(github.statuses.pop(0), {"message": "try again"})
        elif self.headers["Authorization"] != f"Bearer {github.token}":
            self._send(401, {"message": "Bad credentials"})
        elif is_write and github.is_read_only:
            self._send(403, {"message": "Resource not accessible by integration"})
        else:
            return True
        return False

    def _body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def _send(self, status: int, data: Any, *, is_read: bool = False) -> None:
        body = json.dumps(data).encode()
        if not is_read and self.command != "GET" and status >= 400:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
