"""The hooks of pre-commit: run as it runs them, on the files that it would hand over."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Cli, Ran, commit, git, write

HOOKS = {
    hook["id"]: hook for hook in yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/greet.prompt.yaml", "messages:\n  - {role: user, content: \"{% include 'tone.j2' %}\"}\n")
    write(tmp_path, "prompts/tone.j2", "Be kind.\n")
    commit(tmp_path, "Begin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(cli: Cli, root: Path, hook: dict[str, Any]) -> Ran | None:
    """What a commit of what is staged does; None where the hook is skipped."""
    staged = git(root, "diff", "--staged", "--name-only", "--diff-filter=ACMRTUXB").split()
    kept = [path for path in staged if re.search(hook.get("files", ""), path)]
    kept = [path for path in kept if not re.search(hook.get("exclude", "^$"), path)]
    if not kept and not hook.get("always_run"):
        return None
    program, *arguments = shlex.split(hook["entry"])
    assert program == "promptctl"
    return cli(*arguments, *(kept if hook.get("pass_filenames", True) else ()))


def test_a_partial_that_others_need_is_missed_when_it_is_deleted(cli: Cli, root: Path) -> None:
    git(root, "rm", "--quiet", "prompts/tone.j2")
    ran = run(cli, root, HOOKS["promptctl-validate"])
    assert ran is not None
    assert ran.exit_code == 1
    assert "tone.j2" in ran.err + ran.out


def test_what_is_staged_is_formatted_and_nothing_else_is_handed_over(cli: Cli, root: Path) -> None:
    write(root, "prompts/new.prompt.yaml", "messages:\n  - {role: user, content: Hi}\nname: New\n")
    write(root, "prompts/out.schema.yaml", "type: object\n")
    write(root, "prompts/tone.j2", "Be brisk.\n")
    write(root, "datasets/greet.yaml", "prompts: [greet]\ncases: [{id: a, expected: b}]\n")
    write(root, "datasets/recordings/notes.yaml", "a: 1\n")
    write(root, "src/settings.yaml", "a: 1\n")
    git(root, "add", ".")
    ran = run(cli, root, HOOKS["promptctl-fmt"])
    assert ran is not None
    assert (ran.exit_code, ran.out) == (0, "formatted  prompts/new.prompt.yaml\n")


def test_a_commit_of_other_files_formats_nothing(cli: Cli, root: Path) -> None:
    write(root, "README.md", "Hello\n")
    git(root, "add", ".")
    assert run(cli, root, HOOKS["promptctl-fmt"]) is None
