"""A workspace whose replies are served to real clients, and the model that it may ask."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptctl.context import Context
from promptctl.loopback.sockets import listen
from promptctl.serving.repliers import Replier
from promptctl.serving.server import serving_beside
from promptctl.workspace import open_workspace
from tests.openai_server import OpenAIServer

if TYPE_CHECKING:
    from openai import OpenAI

SETTINGS = """\
model: openai/gpt-4o-mini
models:
  "openai/*": {{api_base: "{url}", timeout_s: 20, max_attempts: 1}}
prices:
  openai/gpt-4o-mini: {{input: 1, output: 1}}
"""
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
BODY = {"model": "gpt-4o-mini", "messages": HELLO}


@dataclass(frozen=True)
class Answered:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> Any:
        return self.json["error"]


@dataclass(frozen=True)
class Served:
    """A server that runs, and what it said."""

    port: int
    told: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def ask(
        self, body: Any = None, path: str = "/v1/chat/completions", method: str = "POST", **headers: Any
    ) -> Answered:
        """Send one request with these headers; None leaves one out."""
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Type": "application/json", **headers}
        sent = body if isinstance(body, bytes) else json.dumps(BODY if body is None else body).encode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**given, "Content-Length": str(len(sent))}.items():
            if value is not None:
                connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(sent)
        response = connection.getresponse()
        answered = Answered(response.status, dict(response.headers), response.read().decode())
        connection.close()
        return answered

    @contextmanager
    def client(self) -> Iterator[OpenAI]:
        """The official client, with its own ideas of asking again."""
        from openai import OpenAI  # its import takes half a second, which each process of the suite would pay

        with OpenAI(base_url=self.url, api_key="none", timeout=20) as client:
            yield client


@contextmanager
def serve(replier: Replier) -> Iterator[Served]:
    """Serve replies."""
    listening, told = listen(0), list[str]()
    with serving_beside(listening, replier, told.append) as url:
        yield Served(int(url.rpartition(":")[2].partition("/")[0]), told)


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def root(tmp_path: Path, model: OpenAIServer) -> Path:
    (tmp_path / "promptctl.yaml").write_text(SETTINGS.format(url=model.url))
    return tmp_path


@pytest.fixture
def context(root: Path) -> Iterator[Context]:
    warned: list[str] = []
    with open_workspace(root, {"CANARY_API_KEY": "canary-of-a-key"}, on_warning=warned.append, refresh_s=0) as opened:
        yield opened.context
    assert warned == []


def recordings(root: Path, name: str = "served") -> list[dict[str, Any]]:
    """What is recorded, a line each."""
    file = root / f"datasets/recordings/{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
