"""The objects that come over the wire: of one commit, and of it only the files that are taken."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from promptctl import AddRequest
from promptctl.errors import GitError
from promptctl.git.outside import Received
from promptctl.workspace import Workspace
from tests.cli.conftest import git, write
from tests.repositories import head_of

PROMPT = "prompts/support/triage.prompt.yaml"


def _commit(number: int) -> str:
    """A commit that changes every file, as `git fast-import` reads it."""
    include = "{% include 'support/tone.j2' %}"
    files = {
        "promptctl.yaml": "{}\n",
        PROMPT: f'description: {number}\nmessages: [{{role: user, content: "{include}"}}]\n',
        "prompts/support/tone.j2": f"Tone {number}\n",
        "datasets/triage.yaml": f"prompts: [support/triage]\ndescription: '{number}'\ncases: [{{id: a}}]\n",
        "src/large.bin": "x" * 1000 + str(number),
    }
    for each in range(20):
        files[f"prompts/other/p{each}.prompt.yaml"] = f"messages: [{{role: user, content: {each}-{number}}}]\n"
    body = "".join(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in files.items())
    who = f"committer A <a@example.com> {1_700_000_000 + number} +0000"
    return f"commit refs/heads/main\n{who}\ndata 2\nc\n{body}\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A library of 300 commits, each of which changed every file, and the address of a Git daemon that serves it."""
    folder = tmp_path_factory.mktemp("served")
    git(folder, "init", "--quiet", "--bare", "kit.git")
    history = "".join(_commit(number) for number in range(300)).encode()
    subprocess.run(["git", "-C", folder / "kit.git", "fast-import", "--quiet"], input=history, check=True)
    git(folder / "kit.git", "config", "uploadpack.allowFilter", "true")
    git(folder / "kit.git", "tag", "v1.0", "main~100")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={folder}"]
    daemon = subprocess.Popen(["git", "daemon", "--export-all", "--reuseaddr", *where], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield folder / "kit.git", f"git://127.0.0.1:{port}/kit.git"
    daemon.terminate()
    daemon.wait()


def received(workspace: Workspace, address: str) -> Received:
    """What came over the wire when the prompt was added."""
    added = workspace.vendoring.add(AddRequest(address))
    assert set(added.prompts.values()) == {"support/triage"}
    return added.received


@pytest.mark.parametrize("ref", ["main", "v1.0", ""])
def test_one_commit_comes_and_the_files_that_are_taken(
    served: tuple[Path, str], workspace: Workspace, ref: str
) -> None:
    folder, url = served
    at = f"@{ref}" if ref else ""
    # The settings, the prompt, its partial, the dataset; the folders datasets, other, prompts, src, support, top.
    expected = Received(commits=1, trees=6, blobs=4, is_partial=True)
    assert received(workspace, f"{url}//support/triage{at}") == expected
    if ref == "main":
        assert received(workspace, f"file://{folder}//support/triage@main") == expected
        assert received(workspace, f"{folder}//support/triage@main") == expected
    commit = git(folder, "rev-parse", f"{ref or 'main'}^0")
    assert received(workspace, f"{url}//support/triage@{commit}") == expected


def test_a_server_that_cannot_filter_sends_one_commit_whole(
    served: tuple[Path, str], workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "plain.git"
    shutil.copytree(served[0], folder)
    git(folder, "config", "uploadpack.allowFilter", "false")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "false")
    found = received(workspace, "../plain.git//support/triage@v1.0")
    assert found == Received(commits=1, trees=6, blobs=25, is_partial=False)


def test_the_first_version_of_the_protocol_is_enough(
    served: tuple[Path, str], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that speaks it gives nothing by its id that it has not named: no file, and no older commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(write(tmp_path, "config", "[protocol]\n\tversion = 0\n")))
    assert received(workspace, f"{served[1]}//support/triage@main").commits == 1
    assert received(workspace, f"{served[1]}//support/triage@v1.0").commits == 1


def test_an_update_fetches_one_commit_and_no_file_that_did_not_change(
    served: tuple[Path, str], workspace: Workspace
) -> None:
    folder, url = served
    workspace.write(workspace.vendoring.add(AddRequest(f"{url}//support/triage@v1.0")).proposal)
    assert workspace.vendoring.outdated()[0].standing == "current"
    assert workspace.vendoring.verify(asks_remote=True).problems == ()
    write(workspace.root, "prompts/kit/support/tone.j2", "Ours\n")
    ours = workspace.vendoring.verify().problems
    assert [each.code for each in ours] == ["vendored-edited"]
    assert head_of(folder)


def test_a_repository_of_sha256_is_one_too(tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "long"
    write(folder, "prompts/a.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    git(folder, "init", "--quiet", "--object-format=sha256")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "Begin")
    added = workspace.vendoring.add(AddRequest("../long//a"))
    assert len(added.source.commit) == 64
    workspace.write(added.proposal)
    assert not workspace.vendoring.verify(asks_remote=True).problems


def test_ssh_is_the_program_that_the_user_says(
    served: tuple[Path, str], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one it is `ssh`, which asks nothing: nobody is there to answer."""
    script = write(
        tmp_path, "local-ssh", f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    script.chmod(0o755)
    address = f"ssh://git@example.com{served[0]}//support/triage@main"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(write(tmp_path, "config", f"[core]\n\tsshCommand = {script}\n")))
    assert received(workspace, address).commits == 1
    assert "BatchMode" not in (tmp_path / "asked").read_text()
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    (tmp_path / "bin").mkdir()
    script.rename(tmp_path / "bin/ssh")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert received(workspace, f"git@example.com:{served[0]}//support/triage@main").commits == 1
    assert "-o BatchMode=yes" in (tmp_path / "asked").read_text()


class _SmartHttp(BaseHTTPRequestHandler):
    """Answers as a host of repositories does: by `git http-backend`."""

    folder: ClassVar[Path]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/moved"):
            self.send_response(301)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environ = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environ, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def secure(served: tuple[Path, str], tmp_path: Path) -> Iterator[str]:
    """The address of the library at a host that speaks HTTPS, whose certificate is its own."""
    if shutil.which("openssl") is None:
        pytest.skip("a certificate is made with openssl")
    names = ["-keyout", f"{tmp_path}/key.pem", "-out", f"{tmp_path}/cert.pem", "-subj", "/CN=localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*new, *names, "-addext", "subjectAltName=DNS:localhost"], capture_output=True, check=True)
    handler = type("Handler", (_SmartHttp,), {"folder": served[0].parent})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}/kit.git"
        server.shutdown()


def test_https_brings_one_commit_too(
    served: tuple[Path, str], secure: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "cert.pem"))
    assert received(workspace, f"{secure}//support/triage@v1.0") == Received(1, 6, 4, is_partial=True)
    workspace.write(workspace.vendoring.add(AddRequest(f"{secure}//support/triage@v1.0")).proposal)
    assert workspace.vendoring.outdated()[0].standing == "current"
    assert not workspace.vendoring.verify(asks_remote=True).problems
    monkeypatch.delenv("GIT_SSL_CAINFO")
    assert "certificate" in str(workspace.vendoring.outdated()[0].error)


def test_a_host_leads_to_no_other(
    secure: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "cert.pem"))
    with pytest.raises(GitError, match="301"):
        workspace.vendoring.add(AddRequest(f"{secure.replace('/kit', '/moved/kit')}//support/triage"))


def test_a_repository_that_a_host_does_not_have(
    secure: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "cert.pem"))
    with pytest.raises(GitError, match="there is no repository at https://localhost:") as caught:
        workspace.vendoring.add(AddRequest(f"{secure.replace('kit', 'lost')}//support/triage"))
    assert caught.value.hint == "look at the address"
