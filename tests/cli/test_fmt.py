"""`promptctl fmt`: which files it takes, what it writes, how it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write

PLAIN = 'messages:\n  - {role: user, content: Hi}\nname: "one"\n'
FORMATTED = 'name: "one"\nmessages:\n  - {role: user, content: Hi}\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/a.prompt.yaml", PLAIN)
    write(tmp_path, "prompts/b.prompt.yaml", FORMATTED)
    write(tmp_path, "datasets/a.yaml", '{"cases": [{"id": "c", "expected": "x"}],\n "prompts": ["a"]}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_file_is_formatted_once(cli: Cli, root: Path) -> None:
    ran = cli("fmt")
    assert (ran.exit_code, ran.out) == (0, "formatted  prompts/a.prompt.yaml\n")
    assert (root / "prompts/a.prompt.yaml").read_text() == FORMATTED
    assert cli("fmt", "--check").exit_code == 0


def test_a_check_writes_nothing_and_fails(cli: Cli, root: Path) -> None:
    ran = cli("fmt", "--check")
    assert (ran.exit_code, ran.out) == (1, "would format  prompts/a.prompt.yaml\n")
    assert (root / "prompts/a.prompt.yaml").read_text() == PLAIN


def test_files_and_folders_may_be_named(cli: Cli, root: Path) -> None:
    assert cli("fmt", "--check", "prompts/b.prompt.yaml", "datasets").exit_code == 0
    assert cli("fmt", "--check", "prompts").exit_code == 1
    ran = cli("fmt", "prompts/none.prompt.yaml")
    assert ran.exit_code == 2
    assert "is no prompt, dataset or settings file" in ran.err


def test_a_broken_file_is_told_and_the_others_are_formatted(cli: Cli, root: Path) -> None:
    write(root, "prompts/0.prompt.yaml", "messages: [\n")
    ran = cli("fmt")
    assert ran.exit_code == 3
    assert "prompts/0.prompt.yaml:" in ran.err
    assert (root / "prompts/a.prompt.yaml").read_text() == FORMATTED


def test_a_document_names_what_changed_and_what_is_wrong(cli: Cli, root: Path) -> None:
    write(root, "prompts/0.prompt.yaml", "messages: [\n")
    ran = cli("fmt", "--check", "--json")
    assert (ran.exit_code, ran.err) == (1, "")
    assert (ran.json["files"], ran.json["changed"]) == (5, ["prompts/a.prompt.yaml"])
    assert (ran.json["errors"], ran.json["warnings"]) == (1, 0)
    assert ran.json["problems"][0]["path"] == "prompts/0.prompt.yaml"
    assert (root / "prompts/a.prompt.yaml").read_text() == PLAIN


def test_a_link_is_neither_followed_nor_replaced(cli: Cli, root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(PLAIN)
    link = root / "prompts/link.prompt.yaml"
    link.symlink_to(elsewhere)
    cli("fmt")
    assert link.is_symlink()
    assert elsewhere.read_text() == PLAIN


def test_pipes_and_giants_are_reported_and_the_others_formatted(cli: Cli, root: Path) -> None:
    os.mkfifo(root / "prompts/pipe.prompt.yaml")
    with (root / "datasets/giant.yaml").open("wb") as giant:
        giant.truncate(1 << 40)
    ran = cli("fmt")
    assert (ran.exit_code, ran.out) == (3, "formatted  prompts/a.prompt.yaml\n")
    assert "prompts/pipe.prompt.yaml: the file is not a regular file" in ran.err
    assert "datasets/giant.yaml: the file has 1,099,511,627,776 bytes; at most 1,048,576 are read" in ran.err
    assert cli("validate").exit_code == 1
    # What a user names may be a stream by its own name, but no link to one.
    (root / "zero").symlink_to("/dev/zero")
    ran = cli("git", "textconv", "zero")
    assert (ran.exit_code, ran.err) == (2, "error: cannot read `zero`: it is not a regular file\n")
    ran = cli("render", "a", "-I", "x=zero")
    assert (ran.exit_code, "it is not a regular file" in ran.err) == (2, True)
    with (root / "promptctl.yaml").open("wb") as giant:
        giant.truncate(1 << 40)
    ran = cli("fmt")
    assert "promptctl.yaml: the file has 1,099,511,627,776 bytes" in ran.err


def test_a_mistake_in_the_settings_is_one_among_all_that_validate_finds(cli: Cli, root: Path) -> None:
    (root / "promptctl.yaml").write_text("modl: x\n")
    (root / "prompts/wrong.prompt.yaml").write_text("nam: x\nmessages: [{role: user, content: Hi}]\n")
    ran = cli("validate", "--json")
    assert ran.exit_code == 1
    found = {(each["path"], each["line"], each["column"], each["message"]) for each in ran.json["problems"]}
    assert ("promptctl.yaml", 1, 1, "unknown key `modl`") in found
    assert ("prompts/wrong.prompt.yaml", 1, 1, "unknown key `nam`") in found
