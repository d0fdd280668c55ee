from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, git


def test_a_new_workspace_works_at_once(cli: Cli, tmp_path: Path) -> None:
    made = cli("init", "shop")
    assert made.exit_code == 0
    assert (tmp_path / "shop/.git").is_dir()
    assert cli("-C", "shop", "validate").exit_code == 0

    ran = cli("-C", "shop", "run", "welcome", "-i", "name=Ada")
    assert (ran.exit_code, ran.out) == (0, "Welcome Ada to our team.\n")
    assert cli("-C", "shop", "eval", "welcome").exit_code == 0


def test_an_existing_repository_and_its_files_are_left_alone(cli: Cli, workspace: Path) -> None:
    before = (workspace / "promptctl.yaml").read_text()
    made = cli("init")
    assert made.exit_code == 0
    assert (workspace / "promptctl.yaml").read_text() == before
    assert not (workspace / "prompts/welcome.prompt.yaml").exists(), "there are prompts already"
    assert "kept     promptctl.yaml" in made.err
    assert git(workspace, "log", "--format=%s") == "Add triage"


def test_running_it_again_writes_nothing(cli: Cli) -> None:
    cli("init")
    again = cli("init")
    assert (again.exit_code, again.out) == (0, "")


def test_the_log_stays_out_of_git(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    cli("run", "welcome", "-i", "name=Ada")
    assert (tmp_path / ".promptctl/log.db").is_file()
    status = git(tmp_path, "status", "--porcelain", "--untracked-files=all")
    assert "log.db" not in status
    assert ".promptctl/schemas/prompt.schema.json" in status


def test_editors_get_the_schemas(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    names = {path.name for path in (tmp_path / ".promptctl/schemas").iterdir()}
    assert {"prompt.schema.json", "dataset.schema.json", "promptctl.schema.json"} <= names
    assert "$schema=../.promptctl/schemas/prompt.schema.json" in (tmp_path / "prompts/welcome.prompt.yaml").read_text()


def test_a_folder_in_the_way_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").mkdir()
    failed = cli("init")
    assert failed.exit_code == 3
    assert "promptctl.yaml is in the way" in failed.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert cli("init", "closed").exit_code == 3
