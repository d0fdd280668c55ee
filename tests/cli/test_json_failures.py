"""Every command with `--json` prints one JSON document, also when it fails: its own, or the problems."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from promptctl.cli.main import app
from tests.cli.conftest import Cli, write
from tests.json_schemas import fits

GIVEN = {"TIME": ["0m"], "GLOB... KEY=VALUE...": ["nosuch", "active=false"], "PROMPT@LABEL": ["nosuch@production"]}
OPTIONS = {"--describe": "words", "--to": "github", "--dataset": "nosuch", "--reason": "words"}


def commands() -> Iterator[list[str]]:
    """Each command that has `--json`, with arguments that name nothing that is there."""
    yield from _below(typer.main.get_command(app), [])


def _below(command: Any, path: list[str]) -> Iterator[list[str]]:
    for name in getattr(command, "list_commands", lambda _: ())(None):
        yield from _below(command.get_command(None, name), [*path, *name.split()])
    given = [param for param in command.params if param.required]
    if any("--json" in param.opts for param in command.params):
        words = [GIVEN.get(each.metavar, ["nosuch"]) for each in given if each.param_type_name == "argument"]
        names = [each.opts[-1] for each in given if each.param_type_name == "option"]
        yield [*path, *(word for some in words for word in some), *(w for name in names for w in (name, OPTIONS[name]))]


def failures(cli: Cli) -> dict[str, set[str]]:
    """Run each command; return the codes of problems of each that failed before it had a document of its own."""
    codes = {}
    for arguments in commands():
        ran = cli(*arguments, "--json")
        found = ran.json
        if ran.exit_code > 1 and arguments != ["review"]:
            fits("failure", found)
            assert all(each["message"] in ran.err for each in found["problems"]), arguments
            codes[" ".join(arguments)] = {each["code"] for each in found["problems"]}
    return codes


def test_with_wrong_settings(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(workspace, "promptctl.yaml", "model: echo/echo\nmodles: {}\n")
    monkeypatch.chdir(workspace)
    found = failures(cli)
    assert found["lint"] == found["list"] == found["run nosuch"] == {"unknown-key"}
    problems = cli("validate", "--json").json["problems"]
    for arguments in (["--json"], ["--format", "json"], ["--format=json"]):
        assert cli("lint", *arguments).json["problems"] == problems


def test_outside_a_workspace(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = failures(cli)
    assert found["lint"] == found["validate"] == found["label list"] == {"workspace-not-found"}


def test_with_names_that_do_not_exist(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    found = failures(cli)
    assert found["show nosuch"] == found["label set nosuch@production"] == {"prompt-not-found"}
    assert found["dataset show nosuch"] == {"dataset-not-found"}


def test_a_wrong_argument_and_a_bug_are_failures_too(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    ran = cli("list", "--json", "--tga", "x")
    assert (ran.exit_code, ran.json["problems"][0]["code"]) == (2, "usage-error")
    monkeypatch.setattr("promptctl.workspace.Workspace.prompts", lambda *_: 1 / 0)
    ran = cli("list", "--json")
    assert (ran.exit_code, ran.json["problems"][0]["code"]) == (70, "bug")


def test_what_follows_two_dashes_is_no_option(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("serve", "--echo", "--", "true", "--json")
    assert (ran.exit_code, ran.out) == (3, "")
