"""GitHub's prompts stay where they are: at the repository's root and in `.github/prompts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, commit, git, write

LABEL = """\
name: Label
messages:
  - {role: system, content: Label the issue.}
  - {role: user, content: '{{issue}}'}
model: openai/gpt-4o-mini
testData: [{issue: it broke, expected: bug}]
evaluators: [{name: says, string: {contains: it}}]
"""
NOTES = "messages: [{role: user, content: 'Notes of {{version}}'}]\n"


@pytest.fixture
def github(tmp_path: Path, cli: Cli) -> Path:
    """A repository with GitHub's prompts, and then with promptctl."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    write(tmp_path, ".github/prompts/label.prompt.yml", LABEL)
    write(tmp_path, "notes.prompt.yml", NOTES)
    commit(tmp_path, "Before promptctl")
    assert cli("init").exit_code == 0
    commit(tmp_path, "Use promptctl")
    return tmp_path


def test_init_has_them_read_where_they_are(github: Path, cli: Cli) -> None:
    line = 'prompt_paths: [prompts, .github/prompts, "*.prompt.yml"]\n'
    assert line in (github / "promptctl.yaml").read_text()
    found = cli("list", "--json").json
    assert [(each["prompt"], each["path"], each["version"]) for each in found] == [
        ("label", ".github/prompts/label.prompt.yml", 1),
        ("notes", "notes.prompt.yml", 1),
    ]
    assert cli("validate").exit_code == 0
    assert cli("fmt", "--check", "notes.prompt.yml").err == "1 file, 0 to be formatted\n"
    assert "not read" not in cli("validate").err
    assert cli("validate", "notes.prompt.yml", ".github/prompts").out == "2 files checked: 0 errors, 0 warnings\n"

    (github / "promptctl.yaml").write_text("{}\n")
    made = cli("init")
    assert f"write in promptctl.yaml: {line.strip()}      # reads 2 prompts outside prompts/" in made.err
    assert f"hint: write in promptctl.yaml: {line.strip()}; or move each: git mv " in cli("validate").err


def test_each_command_finds_them(github: Path, cli: Cli) -> None:
    assert cli("render", "notes", "-i", "version=2").out == "── user ──\nNotes of 2\n\n"
    assert cli("run", "label", "-i", "issue=it broke", "-m", "echo/echo").out == "it broke\n"
    assert cli("eval", "--all", "-m", "echo/echo").exit_code == 0
    assert cli("label", "set", "notes@production", "--reason", "first").exit_code == 0

    write(github, "notes.prompt.yml", NOTES.replace("Notes", "All notes"))
    commit(github, "Say all")
    assert [each["version"] for each in cli("history", "notes", "--json").json] == [2, 1]
    assert "All notes" in cli("diff", "notes@production", "notes").out
    assert cli("run", "notes@production", "-i", "version=2", "-m", "echo/echo").out == "Notes of 2\n"
    assert cli("label", "verify").exit_code == 0
    assert cli("snapshot", "write", "one.snapshot.json").exit_code == 0
    ran = cli("--snapshot", "one.snapshot.json", "run", "notes@production", "-i", "version=3", "-m", "echo/echo")
    assert ran.out == "Notes of 3\n"
    assert cli("copy", "notes", "short", "--yes").exit_code == 0
    assert (github / "prompts/short.prompt.yml").exists()

    ran = cli("show", ".github/prompts/label.prompt.yml")
    assert "`.github/prompts/label.prompt.yml` is a file; a prompt is named by its id" in ran.err


def test_a_label_of_one_outside_prompts_belongs_to_its_workspace(github: Path, cli: Cli) -> None:
    for folder in ("a", "b"):
        write(github, f"{folder}/promptctl.yaml", 'prompt_paths: [ai/prompts, "*.prompt.yml"]\nmodel: echo/echo\n')
        write(github, f"{folder}/notes.prompt.yml", NOTES.replace("Notes", folder))
        write(github, f"{folder}/ai/prompts/own.prompt.yml", NOTES.replace("Notes", folder))
    commit(github, "Three workspaces")
    for prompt in ("notes", "own"):
        assert cli("-C", "a", "label", "set", f"{prompt}@production", "--reason", "first").exit_code == 0
    assert cli("-C", "a", "run", "own@production", "-i", "version=1").out == "a of 1\n"
    assert "belongs to the prompt of the same id in the workspace a/" in cli("-C", "b", "show", "own@production").err
    refused = cli("show", "notes@production").err
    assert "belongs to the prompt of the same id in the workspace a/" in refused
    assert f"hint: promptctl -C {github / 'a'} label list" in refused
    assert [cli("-C", folder, "label", "list", "--json").json for folder in ("b", ".")] == [[], []]
    assert cli("-C", "a", "label", "verify").exit_code == 0


def test_a_workspace_of_files_at_the_top_alone(github: Path, cli: Cli) -> None:
    write(github, "promptctl.yaml", 'prompt_paths: ["*.prompt.yml"]\n')
    assert "written  short.prompt.yml\n" in cli("copy", "notes", "short", "--yes").err
    ran = cli("copy", "notes", "deep/short")
    assert (ran.exit_code, "names no folder for `deep/short`" in ran.err) == (2, True)
    (github / "link.prompt.yml").symlink_to("notes.prompt.yml")
    assert "link.prompt.yml: the file is reached through a symbolic link" in cli("validate").err
    assert cli("run", "short", "-i", "version=1", "-m", "echo/echo").out == "Notes of 1\n"
    for name in ("notes", "short", "link"):
        (github / f"{name}.prompt.yml").unlink()
    assert "promptctl new ID begins one, ID.prompt.yml" in cli("list").err


def test_what_is_wrong_with_places_is_said(github: Path, cli: Cli) -> None:
    write(github, "promptctl.yaml", "prompt_paths:\n  - prompts\n  - ../other\n")
    ran = cli("list")
    assert ran.exit_code == 3
    assert "promptctl.yaml:3:5: `../other` can be no folder of prompts" in ran.err

    write(github, "promptctl.yaml", 'prompt_paths: [.github/promts, "*.prompt.yml"]\n')
    ran = cli("validate")
    assert "`prompt_paths` names .github/promts/, and there is no file below it" in ran.err
    assert "did you mean `.github/prompts`?" in ran.err

    write(github, "promptctl.yaml", "prompt_pahts: [.github/prompts]\n")
    assert "did you mean `prompt_paths`?" in cli("validate").err

    write(github, "promptctl.yaml", 'prompt_paths: [prompts, .github/prompts, "*.prompt.yml"]\n')
    write(github, "prompts/notes.prompt.yaml", NOTES)
    ran = cli("validate")
    assert ran.exit_code == 1
    assert "notes.prompt.yml and prompts/notes.prompt.yaml are both the prompt `notes`" in ran.err
    assert "are both the prompt `notes`" in cli("run", "notes", "-i", "version=1").err
    assert cli("run", "label", "-i", "issue=it", "-m", "echo/echo").exit_code == 0
