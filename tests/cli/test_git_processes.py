"""A command over many prompts starts as many Git processes as one over few."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptctl.git.commands import Commands
from tests.cli.conftest import Cli, commit, git, write

PROMPT = "messages:\n  - {role: user, content: Hello}\n"
CASES = "cases:\n  - {id: one, assert: [{type: contains, value: Hello}]}\n"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Git commands that were started, to be cleared between two measurements."""
    started: list[str] = []
    start = Commands.start

    def counted(self: Commands, args: Sequence[str], **options: Any) -> Any:
        started.append(args[0])
        return start(self, args, **options)

    monkeypatch.setattr(Commands, "start", counted)
    return started


def make_workspace(root: Path, prompts: int) -> None:
    """Prompts on main, each of them changed on a branch, each with a dataset."""
    git(root, "init", "--quiet", "--initial-branch", "main")
    write(root, "promptctl.yaml", "model: echo/echo\n")
    write(root, ".gitignore", ".promptctl/\n")
    for text in ("Hello", "Hello again"):
        for n in range(prompts):
            write(root, f"prompts/p{n}.prompt.yaml", PROMPT.replace("Hello", text))
            write(root, f"datasets/p{n}.yaml", f"prompts: [p{n}]\n{CASES}")
        commit(root, text)
        git(root, "checkout", "--quiet", "-B", "topic")


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "--all", "--dry-run"),
        ("eval", "--all", "--against", "@main"),
        ("list",),
        ("review", "main"),
    ],
    ids=" ".join,
)
def test_git_is_asked_as_often_for_many_prompts_as_for_few(
    tmp_path: Path, cli: Cli, started: list[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    counts = []
    for prompts in (2, 12):
        root = tmp_path / str(prompts)
        root.mkdir()
        monkeypatch.chdir(root)
        make_workspace(root, prompts)
        cli("list")
        started.clear()
        ran = cli(*command)
        assert ran.exit_code == 0, ran.err
        counts.append(sorted(started))
    assert counts[0] == counts[1]


def test_a_call_resolves_its_prompt_once(
    tmp_path: Path, cli: Cli, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert cli("label", "set", "p0@production", "HEAD~1").exit_code == 0
    for command in (("run", "p0@production"), ("run", "p0@production", "--dry-run"), ("run", "p0")):
        started.clear()
        assert cli(*command).exit_code == 0
        assert started.count("rev-parse") == 1, started


def test_a_snapshot_reads_all_labels_of_a_prompt_at_once(
    tmp_path: Path, cli: Cli, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    counts = []
    for label in ("x", "y", "z"):
        assert cli("label", "set", f"p0@{label}", "v1").exit_code == 0
        started.clear()
        assert cli("snapshot", "write", "one.json").exit_code == 0
        counts.append(sorted(started))
    assert counts[0] == counts[2]


def test_a_label_is_moved_and_shown_by_one_look(
    tmp_path: Path, cli: Cli, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    for command in (("set", "p0@production", "v1"), ("set", "p0@production"), ("at", "p0@production", "0m")):
        started.clear()
        assert cli("label", *command).exit_code == 0
        assert started.count("rev-parse") == 1, started


@pytest.mark.parametrize("command", [("show", "p0"), ("list",), ("history", "p0"), ("label", "list")], ids=" ".join)
def test_a_repository_without_labels_is_not_asked_for_them(
    tmp_path: Path, cli: Cli, started: list[str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    make_workspace(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert cli(*command).exit_code == 0
    assert started.count("for-each-ref") == 1, started
