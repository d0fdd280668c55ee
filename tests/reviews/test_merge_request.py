"""The one note on a merge request of GitLab, over HTTP to a server on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptctl.reports import comments
from promptctl.reports.review_markdown import MARKER
from tests.cli.conftest import commit, git, write
from tests.reviews.conftest import Cli, Ran
from tests.reviews.conftest import cli as cli

ROOT = Path(__file__).parents[2]
TOKEN = "glpat-0123456789"
HEAD = "1" * 40
US = {"id": 5, "username": "project_1_bot_1"}


class GitLab(BaseHTTPRequestHandler):
    """Project 1 with merge request 7."""

    notes: list[dict[str, Any]]
    requests: list[tuple[str, str]]
    sha = HEAD

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self._is_allowed():
            path, _, query = self.path.partition("?")
            if path == "/api/v4/user":
                self._send(200, US)
            elif path == "/api/v4/projects/1/merge_requests/7":
                self._send(200, {"sha": type(self).sha})
            elif path == "/api/v4/projects/1/merge_requests/7/notes":
                given = dict(part.split("=") for part in query.split("&"))
                size, page = int(given["per_page"]), int(given["page"])
                self._send(200, self.notes[(page - 1) * size : page * size])
            else:
                self._send(404, {"message": "404 Not Found"})

    def do_POST(self) -> None:
        if self._is_allowed():
            self.notes.append({"id": 100 + len(self.notes), "body": self._body(), "author": US})
            self._send(201, self.notes[-1])

    def do_PUT(self) -> None:
        if self._is_allowed():
            match = re.fullmatch(r"/api/v4/projects/1/merge_requests/7/notes/(\d+)", self.path)
            assert match
            note = next(each for each in self.notes if each["id"] == int(match[1]))
            note["body"] = self._body()
            self._send(200, note)

    def _is_allowed(self) -> bool:
        self.requests.append((self.command, self.path))
        if self.headers["PRIVATE-TOKEN"] == TOKEN:
            return True
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(401, {"message": "401 Unauthorized"})
        return False

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"])

    def _send(self, status: int, data: Any) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[GitLab]]:
    handler = type("Handler", (GitLab,), {"notes": [], "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setattr(comments, "_WAITS_S", (0.0, 0.0))
    for name, value in {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": f"http://127.0.0.1:{server.server_port}/api/v4",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/team/bot",
        "CI_COMMIT_SHA": HEAD,
        "GITLAB_TOKEN": TOKEN,
        "CI_JOB_TOKEN": "glcbt-0123456789",
    }.items():
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def note(cli: Cli, tmp_path: Path) -> Any:
    def run(body: str = "All is well", *more: str) -> Ran:
        (tmp_path / "review.md").write_text(f"{MARKER}\n{body}\n")
        return cli("review-comment", "--report", str(tmp_path / "review.md"), *more)

    return run


def test_the_first_run_writes_it_and_the_next_writes_it_anew(gitlab: type[GitLab], note: Any) -> None:
    gitlab.notes.append({"id": 1, "body": f"{MARKER}\nnot ours", "author": {"id": 6, "username": "mallory"}})
    first = note("first")
    assert (first.exit_code, first.err) == (
        0, "created  https://gitlab.example/team/bot/-/merge_requests/7#note_101\n",
    )  # fmt: skip
    assert note("second").err.startswith("updated")
    assert note("second").err.startswith("unchanged")
    assert note("other", "--name", "apps/a").err.startswith("created")
    assert [each["body"].split("\n")[1] for each in gitlab.notes] == ["not ours", "second", "other"]


def test_no_line_of_it_is_an_order_to_gitlab(gitlab: type[GitLab], note: Any) -> None:
    assert note("/merge\n  /approve\n```\n/close\n```\na/b").exit_code == 0
    assert re.findall(r"^\s*/[a-z]", gitlab.notes[0]["body"], re.MULTILINE) == []
    assert "a/b" in gitlab.notes[0]["body"]


def test_a_pipeline_of_an_older_commit_leaves_the_note(gitlab: type[GitLab], note: Any) -> None:
    gitlab.sha = "2" * 40
    ran = note()
    assert (ran.exit_code, gitlab.notes) == (0, [])
    assert "moved on" in ran.err


def test_a_jobs_own_token_is_never_sent_and_a_missing_one_is_said(
    gitlab: type[GitLab], note: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITLAB_TOKEN")
    ran = note()
    assert (ran.exit_code, gitlab.requests) == (2, [])
    assert "CI_JOB_TOKEN may write no notes" in ran.err
    monkeypatch.setenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "9")
    ran = note()
    assert (ran.exit_code, gitlab.requests) == (0, [])
    assert "from a fork" in ran.err
    monkeypatch.setenv("GITLAB_TOKEN", "spent")
    monkeypatch.setenv("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "1")
    ran = note()
    assert (ran.exit_code, "GITLAB_TOKEN still valid" in ran.err) == (3, True)


def test_a_pipeline_of_no_merge_request_asks_for_nothing(
    gitlab: type[GitLab], note: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_API_V4_URL", "http://gitlab.example/api/v4")
    assert note().exit_code == 2
    monkeypatch.delenv("CI_MERGE_REQUEST_IID")
    assert (note().exit_code, gitlab.requests) == (0, [])


def test_the_component_reviews_and_writes_the_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = yaml.safe_load_all((ROOT / "templates/prompt-review/template.yml").read_text())
    (script,) = job["prompt-review"]["script"]
    assert "$[[" not in script, "an input in a script would be code"
    source, checkout = tmp_path / "source", tmp_path / "checkout"
    program = f"""#!/bin/sh
echo "$1 ${{GITLAB_TOKEN:-}} ${{A_KEY:-}} $*" >> {tmp_path}/ran
if [ "$1" = review ]; then echo review > "$CI_PROJECT_DIR/prompt-review/review.md"; exit 1; fi
"""
    had = "${GITLAB_TOKEN:-} ${A_KEY:-} ${https_proxy:-} ${PIP_INDEX_URL:-}"
    install = f"""echo "install {had}" >> {tmp_path}/ran
mkdir -p "$1/bin"; cp "$(dirname "$0")/program" "$1/bin/promptctl"; chmod +x "$1/bin/promptctl"
"""
    write(source, "scripts/install.sh", install)
    write(source, "scripts/program", program)
    git(source, "init", "--quiet")
    write(checkout, "apps/bot/promptctl.yaml", "")
    environ = {
        "PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "CI_PROJECT_DIR": str(checkout), "GITLAB_TOKEN": TOKEN,
        "A_KEY": "key", "CI_MERGE_REQUEST_DIFF_BASE_SHA": HEAD, "PROMPTCTL_SOURCE": str(source),
        "PROMPTCTL_COMMIT": commit(source, "Begin"), "PROMPTCTL_FOLDER": "apps/bot",
        "PROMPTCTL_OPTIONS": "--gate strict", "https_proxy": "http://proxy:3128", "PIP_INDEX_URL": "a b",
    }  # fmt: skip
    done = subprocess.run(["sh", "-c", script], cwd=checkout, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    installed, reviewed, noted = (tmp_path / "ran").read_text().splitlines()
    assert installed == "install   http://proxy:3128 a b"
    assert reviewed.startswith("review  key review --gate strict -o ")
    assert reviewed.endswith(f"-- {HEAD} HEAD")
    assert noted.startswith(f"review-comment {TOKEN} key review-comment --report ")
    assert noted.endswith("--name apps/bot")
    subprocess.run(["sh", "-c", script], cwd=checkout, env=environ | {"PROMPTCTL_FOLDER": ""}, timeout=60, check=False)
    assert (tmp_path / "ran").read_text().endswith(" --name .\n")
    merged = environ | {"CI_MERGE_REQUEST_TARGET_BRANCH_SHA": "2" * 40}
    subprocess.run(["sh", "-c", script], cwd=checkout, env=merged, capture_output=True, timeout=60)
    assert (tmp_path / "ran").read_text().splitlines()[-2].endswith(f"-- {'2' * 40} HEAD"), "not main's changes"
