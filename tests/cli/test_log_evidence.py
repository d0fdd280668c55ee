"""`promptctl log verify`, in a workspace with three calls."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.cli.conftest import Cli
from tests.log.conftest import make


@pytest.fixture
def log(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the current workspace: three calls for two users, two of which mention a name."""
    monkeypatch.chdir(workspace)
    path = workspace / ".git/promptctl/log.db"
    with SqliteStore(path) as store:
        store.append(
            [
                Entry(make(prompt="triage", user="ada", session="s-1", reply="Dear Ada Canary"), "full"),
                Entry(make(prompt="triage", user="bob", session="s-2", reply="for Ada Canary"), "full"),
                Entry(make(prompt="triage", user="bob", session="s-2"), "metadata"),
            ]
        )
    return path


def test_a_head_that_was_printed_is_found_again(cli: Cli, log: Path) -> None:
    ran = cli("log", "verify")
    assert ran.exit_code == 0
    assert ran.err == "3 rows, 4 contents, 0 events: nothing is wrong\n"
    head = ran.out.removeprefix("head: ").strip()
    Path("log.head").write_text(ran.out)
    with SqliteStore(log) as store:
        store.append([Entry(make())])
    for given in (head, "log.head", head.upper()):
        assert "is link 3 of 4" in cli("log", "verify", "--head", given).err
    ran = cli("log", "verify", "--head", "0" * 64, "--json")
    assert (ran.exit_code, ran.json["sound"], ran.json["expected_link"]) == (1, False, None)
    assert [problem["kind"] for problem in ran.json["problems"]] == ["head"]
    ran = cli("log", "verify", "--head", "log.haed")
    assert (ran.exit_code, ran.out) == (2, "")
    assert "neither a head nor a file" in ran.err


def test_a_log_that_is_not_sound_fails_and_says_what_to_do(cli: Cli, log: Path) -> None:
    with closing(sqlite3.connect(log)) as raw:
        raw.execute("DROP TRIGGER executions_refuse_update")
        raw.execute("UPDATE executions SET user = 'eve' WHERE user = 'ada'")
        raw.commit()
    ran = cli("log", "verify")
    assert ran.exit_code == 1
    assert "was changed" in ran.out
    assert "not sound" in ran.err
    assert "log backup" in ran.err


def test_a_workspace_without_calls_has_a_sound_log(cli: Cli, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    ran = cli("log", "verify")
    assert (ran.exit_code, ran.out) == (0, "head: none yet\n")
