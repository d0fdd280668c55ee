"""Completion as a shell asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer

from promptctl.cli import options
from promptctl.workspace import open_workspace
from promptctl.workspace.completion import Word
from tests.cli.conftest import Cli, write
from tests.cli.support import inside_support, support_workspace

__all__ = ["inside_support", "support_workspace"]
CASES = """\
prompts: [chat]
cases:
  - {id: first, tags: [smoke], assert: [{type: contains, value: Hello}]}
  - {id: second, tags: [smoke, slow], assert: [{type: contains, value: Hello}]}
"""


@pytest.fixture
def desk(inside: Path, cli: Cli) -> Path:
    write(inside, "datasets/chat.yaml", CASES)
    cli("label", "set", "support/triage@production", "v2")
    return inside


def shell(folder: Path, words: str) -> list[str]:
    """What Bash is offered after these words, the last of which may be empty."""
    environ = {
        "_PROMPTCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [Path(sys.executable).with_name("promptctl")]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_is_offered_what_fits_the_place(desk: Path) -> None:
    assert shell(desk, "promptctl run supp") == ["support/triage"]
    assert shell(desk, "promptctl run support/triage -i t") == ["ticket=", "tone="]
    assert shell(desk.parent, f"promptctl -C {desk.name} eval chat --case ") == ["first", "second"]
    assert shell(desk, "promptctl eval --rep") == ["--replies", "--repeat"]


@pytest.mark.parametrize(
    ("kind", "refs", "start", "words"),
    [
        ("ref", (), "c", ["chat"]),
        ("ref", (), "support/triage@", [f"support/triage@{name}" for name in ("production", "v3", "v2", "v1")]),
        ("ref", (), "support/triage@v", [f"support/triage@{name}" for name in ("v3", "v2", "v1")]),
        ("ref", (), "nothing@", []),
        ("input", ("support/triage@v1",), "", ["ticket=", "product=", "tone=", "history="]),
        ("input", (), "", []),
        ("model", (), "", ["echo/echo", "openai/gpt-4o-mini"]),
        ("dataset", (), "datasets/c", ["datasets/chat.yaml"]),
        ("tag", ("chat@v1",), "s", ["smoke", "slow"]),
        ("case", ("chat",), "", ["first", "second"]),
        ("case", ("support/triage",), "", ["a"]),
    ],
)
def test_words_of_each_kind(desk: Path, kind: Word, refs: tuple[str, ...], start: str, words: list[str]) -> None:
    with open_workspace(desk) as workspace:
        assert workspace.complete(start, kind, refs) == words


def test_cases_of_a_file_and_of_a_matrix_are_those_that_are_evaluated(desk: Path) -> None:
    write(desk, "datasets/rows.yaml", "prompts: [chat]\ncases: rows.jsonl\n")
    write(desk, "datasets/rows.jsonl", '{"id": "r1", "tags": ["slow"]}\n{"id": "r2"}\n')
    write(desk, "datasets/matrix.yaml", "prompts: [chat]\ncases: [{id: m, matrix: {model: [a, b]}}]\n")
    write(desk, "datasets/broken.yaml", "prompts: [chat]\ncases: [{id: x\n")
    with open_workspace(desk) as workspace:
        offered = workspace.complete("", "case", ["chat"])
        assert {"first", "second", "r1", "r2"} < set(offered)
        assert sum(each.startswith("m") for each in offered) == 2


def test_a_shell_waits_for_little(desk: Path) -> None:
    """Reading the settings, Git's history or the assertions took most of the time of an answer."""
    heavy = ("promptctl.calls", "promptctl.assertions", "promptctl.versions", "promptctl.log", "promptctl.evaluations")
    for words, also in (("promptctl run sup", ("yaml", "promptctl.formats")), ("promptctl eval chat --case f", ())):
        script = "from promptctl.cli.main import app; app(prog_name='promptctl', standalone_mode=False)"
        environ = {"_PROMPTCTL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [sys.executable, "-X", "importtime", "-c", script]
        done = subprocess.run(command, cwd=desk, env={**os.environ, **environ}, capture_output=True, text=True)
        loaded = {line.rpartition("| ")[2].strip() for line in done.stderr.splitlines()}
        assert "promptctl.workspace.completion" in loaded
        assert done.stdout.split()
        assert not {name for name in loaded if name.startswith((*heavy, *also))}


def test_ids_are_those_of_the_log_newest_first(desk: Path, cli: Cli) -> None:
    made = [cli("run", "chat", "-m", "echo/echo", "--json").json["execution"] for _ in range(2)]
    evaluated = cli("eval", "chat", "-m", "echo/echo", "--json").json[0]["evaluation"]
    with open_workspace(desk) as workspace:
        offered = workspace.complete("", "execution")
        assert [each for each in offered if each in made] == made[::-1]
        assert made[0][-8:] in offered
        assert workspace.complete(evaluated[-8:], "evaluation") == [evaluated[-8:]]


def test_nothing_is_offered_where_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    for kind in get_args(Word):
        assert options.completing(kind)(context, "") == []
    write(folder, "promptctl.yaml", "modle: x\n")
    assert options.completing("model")(context, "") == []
