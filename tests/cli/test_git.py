"""`promptctl git`: what Git itself then shows."""

from __future__ import annotations

import site
from pathlib import Path

import pytest

from promptctl import __version__
from promptctl.catalogue import git_driver
from promptctl.cli import git as module
from tests.cli.conftest import Cli, commit, git, write

PROMPT = """\
messages:
  - role: user
    content: |
      Say {}.

tags: [first, second]

parameters: {{temperature: {}}}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/greet.prompt.yaml", PROMPT.format("hello", 0))
    commit(tmp_path, "Begin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def attributes(root: Path) -> Path:
    return root / ".git" / "info" / "attributes"


def test_diff_and_log_show_messages_as_text_and_parameters_as_a_table(cli: Cli, root: Path) -> None:
    assert cli("git", "install").exit_code == 0
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("goodbye", 1))
    shown = git(root, "diff")
    assert "-temperature  0\n+temperature  1\n" in shown
    assert "-Say hello.\n+Say goodbye." in shown
    commit(root, "Change")
    assert "+Say goodbye." in git(root, "log", "-p", "-1")


def test_what_git_does_with_files_stays_as_it_was(cli: Cli, root: Path) -> None:
    cli("git", "install")
    git(root, "checkout", "--quiet", "-b", "other")
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("hello", 1))
    commit(root, "Warm")
    patch = git(root, "format-patch", "-1", "--stdout")
    assert "+parameters: {temperature: 1}" in patch
    git(root, "checkout", "--quiet", "main")
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("hi", 0))
    commit(root, "Short")
    git(root, "merge", "--quiet", "--no-edit", "other")
    assert (root / "prompts/greet.prompt.yaml").read_text() == PROMPT.format("hi", 1)


@pytest.mark.parametrize("path", ["", ":", "."])
def test_the_driver_imports_nothing_of_the_work_tree(
    cli: Cli, root: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("git", "install")
    for name in ("promptctl", "git", "yaml", "typing", "sitecustomize", "usercustomize"):
        write(root, f"{name}.py", "open('owned', 'w')")
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("goodbye", 1))
    monkeypatch.setenv("PYTHONPATH", path)
    assert "-temperature  0\n+temperature  1\n" in git(root, "diff", "--", "prompts")
    assert not (root / "owned").exists()


def test_a_users_own_installation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._program().endswith(" -I -m promptctl")
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(Path(module.__file__).parents[2]))
    assert module._program().endswith(" -P -m promptctl")


def test_a_broken_file_is_shown_as_it_is(cli: Cli, root: Path) -> None:
    cli("git", "install")
    write(root, "prompts/greet.prompt.yaml", "messages: [\n")
    assert "+messages: [" in git(root, "diff")


def test_without_the_program_git_shows_plain_files(
    cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_program", lambda: str(tmp_path / "gone"))
    cli("git", "install")
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("hello", 1))
    assert "+parameters: {temperature: 1}" in git(root, "diff")


def test_what_another_version_showed_is_not_shown_from_the_cache(
    cli: Cli, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_driver, "__version__", "0.0.1")
    cli("git", "install")
    monkeypatch.undo()
    monkeypatch.chdir(root)
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("hello", 1))
    commit(root, "Warm")
    git(root, "log", "-p")
    assert f"git textconv --made-by {__version__} " in git(root, "config", "diff.promptctl.textconv")
    kept = git(root, "rev-parse", "refs/notes/textconv/promptctl")
    assert "temperature  1" in git(root, "log", "-p")
    assert git(root, "rev-parse", "refs/notes/textconv/promptctl") != kept
    assert "--made-by 0.0.1" not in git(root, "log", "-1", "--format=%B", "refs/notes/textconv/promptctl")


def test_uninstalling_leaves_nothing_behind_and_other_lines_alone(cli: Cli, root: Path) -> None:
    own = "*.t\u00e9xt -text".encode("latin-1")
    attributes(root).parent.mkdir(exist_ok=True)
    attributes(root).write_bytes(own)
    cli("git", "install")
    cli("git", "install")
    assert (
        attributes(root).read_bytes() == own + b"\n" + "".join(f"{line}\n" for line in git_driver.ATTRIBUTES).encode()
    )
    write(root, "prompts/greet.prompt.yaml", PROMPT.format("hello", 1))
    commit(root, "Warm")
    git(root, "log", "-p")
    assert "refs/notes/textconv" in git(root, "for-each-ref")
    assert cli("git", "uninstall").exit_code == 0
    assert attributes(root).read_bytes() == own + b"\n"
    assert "refs/notes/textconv" not in git(root, "for-each-ref")
    assert "+parameters: {temperature: 1}" in git(root, "log", "-p", "-1")


def test_outside_git_it_says_so(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    monkeypatch.chdir(tmp_path)
    ran = cli("git", "install")
    assert ran.exit_code == 3
    assert "not in a Git repository" in ran.err
