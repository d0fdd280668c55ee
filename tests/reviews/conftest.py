"""A pull request in a real repository: a bare remote with `main`, a clone on a branch, a model on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from promptctl.reports.review_json import review_as_dict
from promptctl.reports.review_markdown import review_markdown
from promptctl.reviews.request import ReviewRequest
from promptctl.reviews.review import Review
from promptctl.workspace import open_workspace
from tests.cli.conftest import Cli, Ran, cli, commit, git, write
from tests.openai_server import Exchange, OpenAIServer, reply, usage
from tests.repositories import copied

__all__ = ["cli"]

SETTINGS = """\
model: local/small
models:
  "local/*": {{api_base: "{url}", api_key_env: LOCAL_KEY, timeout_s: 5, max_attempts: 1}}
prices:
  local/small: {{input: 1, output: 1}}
log:
  - {{prompts: "*", content: full}}
"""
TRIAGE = """\
name: Triage
inputs:
  ticket: {type: string}
messages:
  - role: system
    content: |
      You triage tickets. Say one word.
      {% include "shared/tone.j2" %}
  - {role: user, content: "{{ ticket }}"}
"""
GREET = """\
name: Greet
messages:
  - {role: system, content: "{% include 'shared/tone.j2' %}"}
  - {role: user, content: Hello}
"""
OTHER = "name: Other\nmessages:\n  - {role: user, content: Something else}\n"
TONE = "Be kind.\n"
KEY = {"LOCAL_KEY": "sk-local-0123456789"}
DATES = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "2026-03-02T10:00:00+00:00")


async def obedient(exchange: Exchange) -> None:
    """Answers with the ticket's first word; with `wrong` where a message says WORSE; never the same cost for both."""
    said = " ".join(str(message["content"]) for message in exchange.request.body["messages"])
    ticket = str(exchange.request.body["messages"][-1]["content"])
    text = "wrong" if "WORSE" in said else ticket.split()[0]
    await reply(text, tokens=usage(max(1, len(said) // 4), 3))(exchange)


class Pull:
    """The clone of whoever opens the pull request, on the branch `feature`."""

    def __init__(self, root: Path, bare: Path, server: OpenAIServer) -> None:
        self.root = root
        self.bare = bare
        self.server = server
        self.environ: dict[str, str] = dict(KEY)

    def write(self, path: str, text: str) -> None:
        write(self.root, path, text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def git(self, *arguments: str) -> str:
        return git(self.root, *arguments)

    def commit(self, message: str = "Change") -> str:
        """Commit everything and give the commit's id."""
        return commit(self.root, message)

    def edit(self, path: str, old: str, new: str) -> str:
        """Replace a text in a file, and commit that."""
        text = self.read(path)
        assert old in text
        self.write(path, text.replace(old, new))
        return self.commit(f"Edit {path}")

    def dataset(self, *cases: Mapping[str, Any], name: str = "triage", prompt: str = "triage", **header: Any) -> None:
        """Write `datasets/<name>.yaml`; JSON is YAML."""
        self.write(f"datasets/{name}.yaml", json.dumps({"prompts": [prompt], **header, "cases": list(cases)}, indent=1))

    def review(self, base: str | None = None, head: str | None = None, **request: Any) -> Review:
        with open_workspace(self.root, self.environ, on_warning=lambda _: None) as workspace:
            return workspace.review(ReviewRequest(base=base, head=head, **request))

    def data(self, **request: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(review_as_dict(self.review(**request))))
        return found

    def markdown(self, **request: Any) -> str:
        return review_markdown(self.review(**request))


def case(number: int, word: str = "billing", **more: Any) -> dict[str, Any]:
    """A case that passes where the model says the ticket's first word."""
    return {"id": f"case-{number}", "inputs": {"ticket": f"{word} number {number}"}, "expected": word, **more}


@pytest.fixture(scope="session")
def _server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def server(_server: OpenAIServer) -> OpenAIServer:
    _server.reset()
    _server.default = obedient
    return _server


@pytest.fixture
def pull(_made: Path, tmp_path: Path, server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Pull:
    """A branch without a change of its own; `main` has two prompts that share a partial, and one that does not."""
    for name in DATES:
        monkeypatch.setenv(name, DATES[name])
    for name in KEY:
        monkeypatch.delenv(name, raising=False)
    copied(_made, tmp_path)
    root = tmp_path / "work"
    monkeypatch.chdir(root)
    return Pull(root, tmp_path / "remote.git", server)


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory, _server: OpenAIServer) -> Path:
    folder = tmp_path_factory.mktemp("pull")
    root, bare = folder / "work", folder / "remote.git"
    root.mkdir()
    git(root, "init", "--quiet")
    git(root, "init", "--quiet", "--bare", str(bare))
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    found = Pull(root, bare, _server)
    found.write("promptctl.yaml", SETTINGS.format(url=_server.url))
    found.write("prompts/triage.prompt.yaml", TRIAGE)
    found.write("prompts/greet.prompt.yaml", GREET)
    found.write("prompts/other.prompt.yaml", OTHER)
    found.write("prompts/shared/tone.j2", TONE)
    found.dataset(*(case(n) for n in range(8)))
    with pytest.MonkeyPatch.context() as patch:
        for name in DATES:
            patch.setenv(name, DATES[name])
        found.commit("Begin")
    git(root, "remote", "add", "origin", str(bare))
    git(root, "push", "--quiet", "--set-upstream", "origin", "main")
    git(root, "remote", "set-head", "origin", "main")
    git(root, "checkout", "--quiet", "-b", "feature")
    return folder


def evaluation_of(data: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """What evaluating one prompt came to."""
    found: dict[str, Any] = next(each for each in data["evaluations"] if each["prompt"] == prompt)
    return found


def prompt_of(data: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """How one prompt differs."""
    found: dict[str, Any] = next(each for each in data["prompts"] if each["prompt"] == prompt)
    return found


def environment(**more: str) -> dict[str, str]:
    """This process's environment with more, for a process of its own."""
    return {**os.environ, **more}


__all__ += ["Cli", "Ran"]
