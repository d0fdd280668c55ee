"""A library in a real repository, and a workspace that takes prompts of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from promptctl.workspace import Workspace, open_workspace
from tests.cli.conftest import cli as cli
from tests.cli.conftest import commit, git, write
from tests.repositories import copied

TRIAGE = """\
name: Support triage
formerly: [triage]
inputs:
  ticket: {type: string}
messages:
  - role: system
    content: |
      You triage tickets. {% include "support/tone.j2" %}
      {% include './more.j2' %}
  - {role: user, content: "{{ ticket }}"}
output:
  schema: {$ref: support/triage.schema.yaml}
"""
REPLY = """\
messages:
  - {role: system, content: '{% include "support/tone.j2" %}'}
  - {role: user, content: "Reply."}
"""
JUDGE = """\
inputs:
  rubric: {type: string}
  output: {type: string}
messages:
  - {role: user, content: "{{ rubric }} {{ output }}"}
"""
DATASET = """\
# Hand-checked.
prompts: [support/triage, support/reply]
cases:
  - {id: a, inputs: {ticket: hi}, assert: [{type: llm-rubric, value: kind, prompt: judges/own}]}
  - {id: b, files: {ticket: tickets/b.txt}, assert: [{type: contains, value: x}]}
"""
FILES = {
    "promptctl.yaml": "model: echo/echo\n",
    "LICENSE": "Copyright 2026 Acme\nDo what you want.\n",
    "prompts/support/triage.prompt.yaml": TRIAGE,
    "prompts/support/reply.prompt.yaml": REPLY,
    "prompts/support/tone.j2": 'Be kind. {% include "shared/end.j2" %}\n',
    "prompts/support/more.j2": "More.\n",
    "prompts/support/triage.schema.yaml": "type: object\nproperties:\n  label: {type: string}\n",
    "prompts/shared/end.j2": "Thank you.\n",
    "prompts/judges/own.prompt.yaml": JUDGE,
    "prompts/unrelated.prompt.yaml": "messages: [{role: user, content: Hello}]\n",
    "datasets/triage.yaml": DATASET,
    "datasets/tickets/b.txt": "x\n",
    "datasets/other.yaml": "prompts: [unrelated]\ncases: [{id: a, assert: [{type: contains, value: x}]}]\n",
    "datasets/recordings/r.jsonl": "{}\n",
    "src/code.py": "print('never')\n",
}


@cache
def _library(folder: Path) -> Path:
    for path, text in FILES.items():
        write(folder, path, text)
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    git(folder, "tag", "-a", "-m", "First", "v1.0")
    return folder


@pytest.fixture
def library(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library at tag v1.0, in `acme-kit` beside the workspace."""
    made = _library(tmp_path_factory.getbasetemp() / "library")
    folder = tmp_path / "acme-kit"
    copied(made, folder)
    return folder


@cache
def _workspace(folder: Path) -> Path:
    write(folder, "promptctl.yaml", "model: echo/echo\n")
    write(folder, "prompts/mine.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    git(folder, "init", "--quiet")
    commit(folder, "Begin")
    return folder


@pytest.fixture
def here(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in `here`, the current folder, whose one prompt is `mine`."""
    folder = tmp_path / "here"
    copied(_workspace(tmp_path_factory.getbasetemp() / "here"), folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def workspace(here: Path) -> Workspace:
    """The workspace of `here`, opened."""
    return open_workspace(here)


def files_of(folder: Path) -> dict[str, str]:
    """Every file of a folder but Git's and the state's, by path."""
    found = (file for file in sorted(folder.rglob("*")) if file.is_file())
    paths = {file.relative_to(folder).as_posix(): file for file in found}
    return {path: file.read_text() for path, file in paths.items() if not path.startswith((".git/", ".promptctl/"))}
