"""A repository with two versions of a prompt, labelled, and an experiment between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptctl import Workspace, open_workspace
from tests.cli.conftest import commit, git, write

HEAD = "model: echo/echo\nlog: [{prompts: '*', content: full}]\n"
EXPERIMENT = """\
experiments:
  tone:
    prompt: triage
    arms: {control: {ref: "@production", share: 50}, kind: {ref: "@kinder", share: 50}}
    primary: {feedback: resolved, minimum: 0.03}
"""
PROMPT = "name: Triage\ninputs: {ticket: {type: string, default: none}}\nmessages: [{role: user, content: '%s'}]\n"

Setting = Callable[[str], object]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("desk")
    write(root, "promptctl.yaml", HEAD + EXPERIMENT)
    write(root, "prompts/triage.prompt.yaml", PROMPT % "plain {{ ticket }}")
    git(root, "init", "--quiet")
    commit(root, "plain")
    write(root, "prompts/triage.prompt.yaml", PROMPT % "kind {{ ticket }}")
    commit(root, "kind")
    write(root, "prompts/triage.prompt.yaml", PROMPT % "work tree {{ ticket }}")
    with open_workspace(root, {}) as workspace:
        workspace.labels.set("triage@production", "v1")
        workspace.labels.set("triage@kinder", "v2")
    return root


@pytest.fixture
def settings(root: Path) -> Iterator[Setting]:
    """Writes the settings of the workspace; the experiment's own come back at the end."""
    write(root, "promptctl.yaml", HEAD + EXPERIMENT)
    yield lambda text: write(root, "promptctl.yaml", text)
    write(root, "promptctl.yaml", HEAD + EXPERIMENT)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def workspace(root: Path, settings: Setting, said: list[str]) -> Iterator[Workspace]:
    with open_workspace(root, {}, on_warning=said.append) as opened:
        yield opened
