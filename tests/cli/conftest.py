"""The command line run in process, in a small workspace of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from promptctl.cli.boundary import run_guarded
from promptctl.cli.main import app
from tests.evaluation_lab import lab, running_model_server
from tests.json_schemas import command_of, fits
from tests.repositories import copied, head_of

__all__ = ["lab", "running_model_server"]

TRIAGE = """\
name: Support triage
description: Classify a ticket.
inputs:
  ticket: {type: string}
  product: {type: string, default: Acme}
  tone: {type: string, required: false}
messages:
  - role: system
    content: |
      You triage tickets for {{ product }}. Be {{ tone | default("kind") }}.
  - role: user
    content: |
      {{ ticket }}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    exit_code: int
    out: str
    err: str
    arguments: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """The document that was printed. One of a command is as its schema says, or as that of failures."""
        found = json.loads(self.out)
        if "--json" in self.arguments and (command := command_of(self.arguments)):
            has_failed = self.exit_code > 1 and isinstance(found, dict) and found.keys() == FAILURE
            is_file = command == "show" and "used_by" in found
            fits("failure" if has_failed else "show file" if is_file else command, found)
        return found


FAILURE = {"errors", "warnings", "problems"}
Cli = Callable[..., Ran]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run `promptctl ARGUMENTS` in the current folder; `stdin` is what it reads there."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        capsys.readouterr()
        exit_code = run_guarded(_command(), arguments)
        written = capsys.readouterr()
        return Ran(exit_code, written.out, written.err, arguments)

    return run


@pytest.fixture
def workspace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in a Git repository with one commit: the prompt `triage`, answered by echo/echo, logged in full."""
    copied(_made(tmp_path_factory.getbasetemp() / "workspace"), tmp_path)
    return tmp_path


@cache
def _made(folder: Path) -> Path:
    write(folder, "promptctl.yaml", "model: echo/echo\nlog:\n  - {prompts: '*', content: full}\n")
    write(folder, "prompts/triage.prompt.yaml", TRIAGE)
    git(folder, "init", "--quiet")
    commit(folder, "Add triage")
    return folder


@cache
def _command() -> Any:
    return typer.main.get_command(app)


def write(folder: Path, path: str, text: str) -> Path:
    """Write a file below the folder."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def git(folder: Path, *arguments: str) -> str:
    """Run git there."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    """Commit everything and give the commit's id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return head_of(folder)
