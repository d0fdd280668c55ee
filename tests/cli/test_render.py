from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TRIAGE, Cli, commit, git, write

KEYS = [
    "prompt", "version", "version_display", "commit", "dirty", "digest", "label", "model", "parameters", "messages",
    "tools", "response_format",
]  # fmt: skip


@pytest.mark.usefixtures("workspace")
def test_messages_are_printed_as_they_would_be_sent(cli: Cli) -> None:
    ran = cli("render", "triage", "-i", "ticket=Help!")
    assert ran.exit_code == 0
    assert ran.out == ("── system ──\nYou triage tickets for Acme. Be kind.\n\n── user ──\nHelp!\n\n")
    assert "v1" in ran.err


def test_json_has_the_documented_keys(cli: Cli, workspace: Path) -> None:
    data = cli("render", "triage", "-i", "ticket=Help!", "--json").json
    assert list(data) == KEYS
    assert data["messages"][1] == {"role": "user", "content": "Help!\n"}
    assert (data["version"], data["dirty"], data["label"]) == (1, False, None)
    assert len(data["commit"]) == 40
    assert data["digest"].startswith("1:")


@pytest.mark.usefixtures("workspace")
def test_inputs_come_from_options_files_and_standard_input(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "ticket.txt", "from a file")
    write(tmp_path, "all.yaml", "ticket: from many\nproduct: Lumen\n")
    assert "from a file" in cli("render", "triage", "-I", "ticket=ticket.txt").out
    assert "from stdin" in cli("render", "triage", "-I", "ticket=-", stdin="from stdin").out
    many = cli("render", "triage", "--inputs", "all.yaml", "-i", "tone=brief").out
    assert "for Lumen. Be brief." in many
    assert "from many" in many
    write(tmp_path, "twice.yaml", "ticket: a\nticket: b\n")
    assert "twice.yaml:2:1: `ticket` is given twice" in cli("render", "triage", "--inputs", "twice.yaml").err


def test_a_revision_is_read_from_its_commit_alone(cli: Cli, workspace: Path) -> None:
    first = commit_id = cli("render", "triage", "-i", "ticket=x", "--json").json["commit"]
    write(workspace, "prompts/triage.prompt.yaml", TRIAGE.replace("Be {{", "Stay {{"))
    assert "Stay kind" in cli("render", "triage", "-i", "ticket=x").out
    assert cli("render", "triage", "-i", "ticket=x", "--json").json["dirty"] is True
    assert "Be kind" in cli("render", f"triage@{commit_id}", "-i", "ticket=x").out
    commit(workspace, "Change the tone")
    assert cli("render", "triage@HEAD~1", "-i", "ticket=x", "--json").json["commit"] == first


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["triage"], 2, "ticket"),
        (["triage", "-i", "ticket=x", "-i", "tickt=y"], 2, "did you mean `ticket`"),
        (["triage", "-i", "ticket"], 2, "name=value"),
        (["triage", "-i", "ticket=x", "-i", "ticket=y"], 2, "twice"),
        (["triage", "-I", "ticket=missing.txt"], 2, "missing.txt"),
        (["triage", "--inputs", "missing.yaml"], 2, "missing.yaml"),
        (["trage", "-i", "ticket=x"], 3, "triage"),
        (["prompts/triage.prompt.yaml"], 2, "its id is triage"),
        (["triage@nosuch", "-i", "ticket=x"], 3, "nosuch"),
    ],
)
def test_wrong_input_is_explained(cli: Cli, arguments: list[str], exit_code: int, words: str) -> None:
    ran = cli("render", *arguments)
    assert ran.exit_code == exit_code
    assert words in ran.err
    assert ran.out == ""


def test_outside_a_workspace_the_next_step_is_named(cli: Cli) -> None:
    ran = cli("render", "triage")
    assert ran.exit_code == 3
    assert "promptctl init" in ran.err


def test_a_workspace_outside_git_renders_and_says_so(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/triage.prompt.yaml", TRIAGE)
    ran = cli("render", "triage", "-i", "ticket=x")
    assert ran.exit_code == 0
    assert "unversioned" in ran.err


def test_a_broken_prompt_is_reported_with_all_its_problems(cli: Cli, workspace: Path) -> None:
    write(workspace, "prompts/triage.prompt.yaml", "nam: x\nmesages: []\n")
    ran = cli("render", "triage", "-i", "ticket=x")
    assert ran.exit_code == 3
    assert "prompts/triage.prompt.yaml:1:1" in ran.err
    assert "prompts/triage.prompt.yaml:2:1" in ran.err


def test_a_shallow_clone_says_that_it_cannot_count(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(workspace, "commit", "--quiet", "--allow-empty", "--message", "Nothing new")
    shallow = workspace.parent / "shallow"
    git(workspace, "clone", "--quiet", "--depth", "1", f"file://{workspace}", str(shallow))
    monkeypatch.chdir(shallow)
    for command in ("render", "run"):
        said = cli(command, "triage", "-i", "ticket=Help!").err
        assert "v?" in said
        assert "git fetch --unshallow" in said
