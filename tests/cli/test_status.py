"""`promptctl` alone and `promptctl status`: where the workspace stands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from promptctl.context import Context
from promptctl.log.records import Entry
from promptctl.log.stamps import utc_now
from tests.cli.conftest import Cli, commit, git, write
from tests.log.conftest import make


def test_alone_it_is_the_status(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    alone = cli()
    assert (alone.exit_code, alone.err) == (0, "")
    assert alone.out.splitlines()[:4] == [
        f"workspace   {workspace} · main",
        "prompts     1",
        "evaluated   nothing yet",
        "today       no calls",
    ]
    assert alone.out == cli("status").out
    assert "next        promptctl show triage  see what a prompt takes, then run it\n" in alone.out
    write(workspace, "prompts/triage.prompt.yaml", "name: [\n")
    document = cli("status", "--json").json
    assert document["changed"] == ["triage"]
    assert document["next"][0] == {"command": "promptctl validate", "why": "say what is wrong, and where"}
    assert "problems    prompts/triage.prompt.yaml:" in cli().out


def test_labels_that_are_behind_are_named(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    cli("label", "set", "triage@production")
    assert "\nlabels      1, none behind\n" in cli("status").out
    prompt = workspace / "prompts/triage.prompt.yaml"
    prompt.write_text(f"{prompt.read_text()}parameters: {{temperature: 0}}\n")
    commit(workspace, "Be sure")
    assert "\nlabels      1, 1 behind\n            triage@production is v1, the newest is v2\n" in cli("status").out


def test_outside_a_workspace_it_says_how_to_come_to_one(cli: Cli, tmp_path: Path) -> None:
    alone = cli()
    assert (alone.exit_code, alone.out) == (2, "")
    assert f"no promptctl.yaml in {Path.cwd()} or any folder above it\n  promptctl init " in alone.err
    assert "promptctl --help" in alone.err
    assert cli("status").exit_code == 3
    snapshot = cli("--snapshot", str(tmp_path / "x"))
    assert (snapshot.exit_code, "`promptctl status` takes no --snapshot" in snapshot.err) == (2, True)


def test_outside_a_workspace_those_of_the_repository_are_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, "apps/bot/promptctl.yaml", "")
    write(tmp_path, "apps/web/x.txt", "")
    monkeypatch.chdir(tmp_path / "apps/web")
    one = "this repository has one in ../bot: promptctl -C ../bot …\n"
    assert cli("list").err.endswith(f"any folder above it\n  hint: {one}")
    assert f"any folder above it; {one}  promptctl init " in cli().err


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_terminal_no_line_is_too_wide(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    write(workspace, f"prompts/{'long/' * 12}name.prompt.yaml", "nme: wrong\n")
    shown = cli().out.replace(str(workspace), os.sep)
    words = [line for line in shown.splitlines() if "long/" not in line]
    assert words
    assert max(map(len, words)) <= columns


def test_a_wrong_row_of_a_file_that_a_dataset_names_is_a_problem(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    write(workspace, "datasets/rows.yaml", "prompts: [triage]\ncases: rows.jsonl\n")
    write(
        workspace,
        "datasets/rows.jsonl",
        '{"id": "a", "inputs": {"ticket": "x"}, "expected": "x"}\n{"id": "b", "in": 1}\n',
    )
    assert "datasets/rows.jsonl:2" in cli("validate").err
    [problem] = cli("status", "--json").json["problems"]
    assert problem.startswith("datasets/rows.jsonl:2")
    assert "promptctl validate " in cli("status").out


def test_calls_of_evaluations_are_told_apart_and_those_without_row_are_noted(
    cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    log = Context(workspace, {}, lambda _: None).log
    log.append([Entry(make(cost_nano_usd=1_000_000_000, started_at=utc_now(), source="eval")) for _ in range(2)])
    found = cli("status", "--json").json
    assert (found["calls_today"], found["evaluation_calls_today"]) == (2, 2)
    assert "today       0 calls and 2 of evaluations, $2.00\n" in cli("status").out
    assert "promptctl log list --since today --source all  see today's calls\n" in cli("status").out
    log.append([Entry(make(cost_nano_usd=1_000_000_000, started_at=utc_now())), Entry(make(), "off")])
    assert "today       1 call and 2 of evaluations, $3.00\n" in cli("status").out
    assert cli("status", "--json").json["notes"] == []
    (workspace / "promptctl.yaml").write_text('log: [{prompts: "*", active: false}]\n')
    [note] = cli("status", "--json").json["notes"]
    assert note == "1 call kept no row, so it is not known which are today's: promptctl cost counts them"
    log.close()
