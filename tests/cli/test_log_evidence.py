"""`promptctl log verify`, in a workspace with three calls."""

from __future__ import annotations

import io
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptctl import open_workspace
from promptctl.errors import UsageError
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


def test_what_a_person_said_is_erased_for_good(cli: Cli, log: Path) -> None:
    Path("datasets/recordings").mkdir(parents=True)
    Path("datasets/recordings/triage.jsonl").write_text('{"reply": "ADA CANARY"}\n')
    Path("datasets/human-labels/triage").mkdir(parents=True)
    Path("datasets/human-labels/triage/bob.jsonl").write_text('{"reply": "ADA CANARY"}\n')
    cache = log.with_name("cache.db")
    cache.write_bytes(b'{"text": "Ada Canary"}')
    would = cli("log", "redact", "--text", "Ada Canary", "--dry-run", "--json")
    assert (would.exit_code, would.json["executions"], would.json["cache_dropped"]) == (0, 2, True)
    assert cache.exists()

    refused = cli("log", "redact", "--text", "Ada Canary")
    assert (refused.exit_code, "--dry-run, then give --yes" in refused.err) == (2, True)
    ran = cli("log", "redact", "--text", "Ada Canary", "--reason", "asked on 3 May", "--yes")
    assert ran.exit_code == 0
    assert ran.out.splitlines()[0] == "2 rows, 0 latest calls, 0 results, 4 contents erased; totals stay"
    assert "datasets/recordings/triage.jsonl is not changed" in ran.err
    assert "datasets/human-labels/triage/bob.jsonl is not changed" in ran.err
    assert b"Canary" not in b"".join(each.read_bytes() for each in log.parent.rglob("*") if each.is_file())
    assert not cache.exists()

    (event,) = cli("log", "verify", "--json").json["events"]
    assert (event["kind"], event["reason"]) == ("redact", "asked on 3 May")
    assert event["by"] != ""
    assert cli("log", "redact", "--text", "ada canary", "--yes").out == "the log holds nothing of the kind\n"
    assert len(cli("log", "list", "--json").json) == 3


@pytest.mark.usefixtures("log")
def test_at_a_terminal_nothing_is_erased_before_yes_and_json_asks_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtTerminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("io.TextIOWrapper", AtTerminal)
    ran = cli("log", "redact", "--text", "Ada Canary", "--json", stdin="y\n")
    assert (ran.exit_code, ran.json["problems"][0]["code"]) == (2, "usage-error")
    ran = cli("log", "redact", "--text", "Ada Canary", stdin="n\n")
    assert (ran.exit_code, "Erase this for good?" in ran.err) == (130, True)
    assert ran.out.startswith("2 rows, ")
    assert cli("log", "redact", "--text", "Ada Canary", "--dry-run", "--json").json["executions"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "one of --text, --user, --session and --execution"),
        ("--user a --session b", "one of --text, --user, --session and --execution"),
        ("--text ab", "too short"),
        ("--execution zz", "too short for an id"),
    ],
)
def test_an_erasure_that_is_not_clear_is_refused(cli: Cli, log: Path, arguments: str, words: str) -> None:
    ran = cli("log", "redact", *arguments.split(), "--yes")
    assert (ran.exit_code, words in ran.err) == (2, True)
    assert cli("log", "redact", "--execution", "00000000", "--yes").exit_code == 3


@pytest.mark.parametrize("given", [{}, {"user": " "}, {"user": "a", "session": "b"}])
def test_a_program_that_does_not_say_clearly_what_is_erased_is_refused(log: Path, given: Any) -> None:
    with open_workspace(log.parents[2]) as workspace, pytest.raises(UsageError, match="say what is erased"):
        workspace.log.redact(**given)


def test_the_log_of_another_machine_is_merged_once(cli: Cli, log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with SqliteStore(other) as store:
        store.append([Entry(make(prompt="triage", reply="from afar"), "full")])
    assert "1 row, 0 evaluations, 0 results would be added" in cli("log", "merge", str(other), "--dry-run").out
    ran = cli("log", "merge", str(other), "--json")
    (merged,) = ran.json["merged"]
    assert (ran.exit_code, merged["rows"], merged["known"]) == (0, 1, 0)
    assert "0 rows, 0 evaluations, 0 results added; 1 row known" in cli("log", "merge", str(other)).out
    assert len(cli("log", "list", "--json").json) == 4
    assert cli("log", "verify").exit_code == 0
    refused = cli("log", "merge", "promptctl.yaml")
    assert (refused.exit_code, "nothing was merged" in refused.err) == (3, True)


def test_events_are_listed(cli: Cli, log: Path) -> None:
    assert cli("log", "backup", "copy.db", "--reason", "nightly").exit_code == 0
    told = cli("log", "verify").err.splitlines()
    assert told[0].startswith("3 rows, 4 contents, 1 event: ")
    assert re.fullmatch(r"  backup at \d{4}-.* by .*: nightly", told[1])
    for _ in range(5):
        cli("log", "backup", "copy.db")
        Path("copy.db").unlink()
    assert cli("log", "prune", "--rows-older", "0s", "--reason", "a\nletter").exit_code == 0
    told = cli("log", "verify").err.splitlines()
    assert told[1] == "events: 5 backup, 1 prune; the newest are"
    assert told[-1].endswith(": a⏎letter")
