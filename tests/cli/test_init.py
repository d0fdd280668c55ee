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
    assert (tmp_path / ".git/promptctl/log.db").is_file()
    status = git(tmp_path, "status", "--porcelain", "--untracked-files=all")
    assert "log.db" not in status
    assert ".promptctl/schemas/prompt.schema.json" in status


def test_editors_get_the_schemas(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    names = {path.name for path in (tmp_path / ".promptctl/schemas").iterdir()}
    assert {"prompt.schema.json", "dataset.schema.json", "promptctl.schema.json"} <= names
    assert "$schema=../.promptctl/schemas/prompt.schema.json" in (tmp_path / "prompts/welcome.prompt.yaml").read_text()


def test_the_next_command_can_be_pasted_whatever_the_folder_is_called(cli: Cli) -> None:
    assert "  cd 'q dir' && promptctl validate\n" in cli("init", "q dir").err


def test_a_folder_in_the_way_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").mkdir()
    failed = cli("init")
    assert failed.exit_code == 3
    assert "promptctl.yaml is in the way" in failed.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert cli("init", "closed").exit_code == 3


def test_after_an_upgrade_the_schemas_are_the_new_ones_and_nothing_else_changes(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    schema = tmp_path / ".promptctl/schemas/prompt.schema.json"
    new = schema.read_text()
    schema.write_text("{}")
    (tmp_path / "promptctl.yaml").write_text("model: echo/echo\n")
    again = cli("init")
    assert (again.exit_code, again.out) == (0, "written  .promptctl/schemas/prompt.schema.json\n")
    assert schema.read_text() == new
    assert (tmp_path / "promptctl.yaml").read_text() == "model: echo/echo\n"


def test_what_was_ended_half_way_is_completed_the_next_time(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    (tmp_path / "prompts/welcome.prompt.yaml").unlink()  # what comes last
    again = cli("init")
    assert "written  prompts/welcome.prompt.yaml" in again.out
    assert cli("eval", "welcome").exit_code == 0


def test_a_copy_names_the_editors_schema_from_its_own_folder(cli: Cli, tmp_path: Path) -> None:
    cli("init")
    cli("copy", "welcome", "deep/er/w2", "--yes")
    cli("copy", "deep/er/w2", "w3", "--yes")
    first = [
        (tmp_path / "prompts" / name).read_text().splitlines()[0]
        for name in ("deep/er/w2.prompt.yaml", "w3.prompt.yaml")
    ]
    assert first == [
        "# yaml-language-server: $schema=../../../.promptctl/schemas/prompt.schema.json",
        "# yaml-language-server: $schema=../.promptctl/schemas/prompt.schema.json",
    ]


def test_prompts_where_githubs_tools_had_them_are_offered_and_named(cli: Cli, tmp_path: Path) -> None:
    text = "messages: [{role: user, content: 'Hi {{a}}'}]\n"
    for path in ("a summary.prompt.yml", ".github/prompts/label.prompt.yml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    made = cli("init")
    assert (
        "promptctl list      # 2 prompts outside prompts/: `prompt_paths` in promptctl.yaml names their places"
        in made.err
    )
    assert "prompts/welcome.prompt.yaml" not in made.out
    assert "1 prompt file outside prompts/, .github/prompts/ is not read: a summary.prompt.yml" in cli("validate").err
    assert "  git mv 'a summary.prompt.yml' prompts/ " in cli("init").err

    (tmp_path / "promptctl.yaml").write_text("{}\n")
    said = "2 prompt files outside prompts/ are not read: .github/prompts/label.prompt.yml, a summary.prompt.yml"
    assert said in cli("list").err

    made = cli("-C", ".github", "init")
    assert made.exit_code == 0
    assert cli("-C", ".github", "list", "--json").json[0]["prompt"] == "label"
    assert ".github" not in cli("init").err + cli("validate").err
