"""A workspace with a history: `support/triage` in three versions, and `chat`, which is deprecated."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.cli.conftest import commit, git, write
from tests.repositories import copied

SETTINGS = "model: echo/echo\nlog:\n  - {prompts: '*', content: full}\n"
TRIAGE = """\
name: Support triage
description: Classify an inbound ticket.
tags: [support, tickets]
parameters: {temperature: 0}
inputs:
  ticket: {type: string, description: Raw ticket text}
  product: {type: string, default: Acme}
  tone: {enum: [kind, brisk], required: false}
  history: {type: array, default: []}
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}.
      {% include "./tone.j2" %}
  - placeholder: history
  - role: user
    content: |
      {{ ticket }}
output:
  schema: {$ref: ./triage.schema.yaml}
  retries: 2
"""
SCHEMA = """\
type: object
required: [label]
properties:
  label: {enum: [billing, bug], description: What it is about}
"""
CHAT = """\
name: Chat
status: deprecated
tags: [chat]
model: openai/gpt-4o-mini
messages:
  - {role: user, content: Hello}
"""
PATH = "prompts/support/triage.prompt.yaml"


@pytest.fixture(name="support")
def support_workspace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, clean, with v1 to v3 of `support/triage` on main."""
    copied(_made(tmp_path_factory.getbasetemp() / "support"), tmp_path)
    return tmp_path / "work"


@cache
def _made(base: Path) -> Path:
    folder = base / "work"
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    write(folder, "promptctl.yaml", SETTINGS)
    write(folder, "prompts/chat.prompt.yaml", CHAT)
    write(folder, PATH, TRIAGE)
    write(folder, "prompts/support/triage.schema.yaml", SCHEMA)
    write(folder, "prompts/support/tone.j2", "Be kind.\n")
    write(folder, "datasets/triage.yaml", "prompts: [support/triage]\ncases: [{id: a, inputs: {ticket: x}}]\n")
    commit(folder, "Add triage")
    write(folder, "prompts/support/tone.j2", "Be kind and honest.\n")
    commit(folder, "Be honest")
    write(folder, PATH, TRIAGE.replace("  tone:", "  urgent: {type: boolean}\n  tone:"))
    commit(folder, "Ask for urgency")
    return base


@pytest.fixture(name="inside")
def inside_support(support: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the current folder."""
    monkeypatch.chdir(support)
    return support


def add_remote(folder: Path) -> Path:
    """A bare remote `origin` that has main."""
    bare = folder.parent / "remote.git"
    git(folder, "init", "--quiet", "--bare", str(bare))
    git(folder, "remote", "add", "origin", str(bare))
    git(folder, "push", "--quiet", "--set-upstream", "origin", "main")
    git(folder, "remote", "set-head", "origin", "main")
    return bare


def clone(bare: Path, name: str) -> Path:
    """A clone of the remote, of somebody else."""
    folder = bare.parent / name
    git(bare, "clone", "--quiet", str(bare), str(folder))
    git(folder, "config", "user.name", "Ben Example")
    return folder
