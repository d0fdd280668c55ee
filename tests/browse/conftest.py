"""The pages of a small workspace: read without a server, and served to real HTTP clients."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from promptctl.browse.gate import Gate
from promptctl.browse.server import serving
from promptctl.browse.site import Site
from promptctl.loopback.sockets import listen
from promptctl.workspace import open_workspace

_INLINE = "a|b|bdi|code|del|ins|small|span|time"


@dataclass(frozen=True, slots=True)
class Read:
    """A page as it was answered."""

    status: int
    text: str

    @property
    def words(self) -> str:
        """What a person reads: no mark-up, and one blank between words."""
        body = re.sub(r"<(script|style|head)\b.*?</\1>", "", self.text, flags=re.DOTALL)
        body = re.sub(rf"</?({_INLINE})\b[^>]*>", "", body)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return [html.unescape(found) for found in re.findall(r'href="([^"]*)"', self.text)]

    @property
    def commands(self) -> list[str]:
        """The commands that it offers to copy."""
        return [html.unescape(found) for found in re.findall(r'class="command"><code>(.*?)</code>', self.text)]


class Pages:
    """Reads the pages of a workspace as the server would, without one."""

    def __init__(self, folder: Path, program: str = "promptctl") -> None:
        self.folder = folder
        self.site = Site(lambda warn: open_workspace(folder, {}, on_warning=warn, refresh_s=0), program)

    def read(self, page: str = "", /, **values: str | list[str]) -> Read:
        """A page, by its name and what its address asks."""
        return self.follow(f"{page}?{urlencode(values, doseq=True)}")

    def follow(self, address: str) -> Read:
        """A page, by its address as a link has it."""
        page, _, query = address.removeprefix("./").partition("?")
        reply = self.site.reply(page, query)
        return Read(reply.status, b"".join(reply.pieces).decode())


@dataclass(frozen=True, slots=True)
class Answered:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True)
class Served:
    """A running server, and how its gate is opened."""

    gate: Gate
    port: int

    @property
    def cookie(self) -> str:
        return self.gate.cookie.partition(";")[0]

    def ask(self, path: str | None = None, method: str = "GET", **headers: str | None) -> Answered:
        """What is answered to a request of our own page, with other headers as given; None leaves one out."""
        given: dict[str, str | None] = {"Host": self.gate.host, "Cookie": self.cookie}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, self.gate.folder if path is None else path, skip_host=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders()
            found = connection.getresponse()
            return Answered(found.status, dict(found.getheaders()), found.read().decode())
        finally:
            connection.close()


@contextmanager
def serve_pages(site: Site) -> Iterator[Served]:
    """A server of these pages, until the block ends."""
    listening = listen(0)
    port = listening.getsockname()[1]
    gate = Gate(port)
    loop = asyncio.new_event_loop()
    task = loop.create_task(serving(listening, gate, site))

    def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Served(gate, port)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
