"""`promptctl browse` as a process: its one address, and its end at a real Ctrl-C."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Cli, write


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "promptctl", "browse", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(address: str, path: str, cookie: str = "") -> tuple[str, str]:
    """The content, and the cookie that is set."""
    with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)) as connection:
        connection.request("GET", path, headers={"Cookie": cookie})
        found = connection.getresponse()
        return found.read().decode(), found.headers.get("Set-Cookie", "")


def test_ctrl_c_ends_it_at_once_with_connections_open(workspace: Path) -> None:
    process = start(workspace)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", address)
        _, header = ask(address, f"/?{urlsplit(address).query}")
        (found,) = SimpleCookie(header).values()
        page, _ = ask(address, found["path"], f"{found.key}={found.value}")
        assert "Support triage" in page
        parts = urlsplit(address)
        place = (parts.hostname, parts.port)
        with (
            socket.create_connection(place),
            socket.create_connection(place) as half,
            socket.create_connection(place) as odd,
        ):
            half.sendall(b"GET / HTTP/1.1\r\n")
            odd.sendall(b"GET\r\n\r\n")
            assert b" 400 " in odd.recv(100)
            process.send_signal(signal.SIGINT)
            rest, words = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, rest) == (130, "")
    assert words.splitlines() == ["Ctrl-C ends it", "interrupted"]


@pytest.mark.usefixtures("workspace")
def test_a_port_that_is_taken_is_said(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ran = cli("browse", "--port", port)
    assert (ran.exit_code, ran.out) == (2, "")
    assert f"cannot listen on port {port}: Address already in use" in ran.err


def test_outside_a_workspace_no_address_is_printed(tmp_path: Path, cli: Cli) -> None:
    ran = cli("browse")
    assert (ran.exit_code, ran.out) == (3, "")
    write(tmp_path, "promptctl.yaml", "")
    ran = cli("--snapshot", "x.json", "browse")
    assert (ran.exit_code, "takes no --snapshot" in ran.err) == (2, True)
