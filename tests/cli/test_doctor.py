"""`promptctl doctor`: its words and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, write


def test_a_problem_is_told_with_what_to_do(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    sound = cli("doctor")
    assert (sound.exit_code, sound.err.startswith("0 problems, ")) == (0, True), sound.out
    write(workspace, "promptctl.yaml", "modle: echo/echo\n")
    ran = cli("doctor")
    assert ran.exit_code == 1
    assert (
        "problem    workspace  promptctl.yaml:1:1: unknown key `modle`\n" + " " * 22 + "→ did you mean `model`?\n"
        in ran.out
    )
    document = cli("doctor", "--json").json
    assert document["problems"] == sum(each["status"] == "problem" for each in document["checks"]) > 0


def test_a_folder_that_is_named_is_looked_at(
    cli: Cli, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "there is no promptctl.yaml" in cli("-C", str(elsewhere), "doctor").out
    assert f"ok         workspace  {workspace}\n" in cli("-C", str(workspace), "doctor").out
