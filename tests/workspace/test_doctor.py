"""`diagnose`: it finds what is wrong in a workspace, and changes nothing."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptctl import Finding, WorkspaceError, diagnose, open_workspace
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.workspace import doctor, installation
from tests.cli.conftest import commit, git, write
from tests.log.conftest import make

SETTINGS = "model: echo/echo\nlog:\n  - {prompts: '*', content: full}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    write(tmp_path, "prompts/greet.prompt.yaml", "messages:\n  - {role: user, content: Hello}\n")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "Greet")
    return tmp_path


@pytest.fixture
def log(root: Path) -> Iterator[SqliteStore]:
    """The log with one row, which is not yet merged into its file."""
    with SqliteStore(root / ".git/promptctl/log.db") as store:
        store.append([Entry(make(), "full")])
        yield store


def found(root: Path, check: str, environ: dict[str, str] | None = None) -> list[Finding]:
    return [each for each in diagnose(root, environ or {}) if each.check == check]


def files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm"]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def test_a_sound_workspace_is_left_as_it_is(root: Path, log: SqliteStore) -> None:
    before = files(root)
    findings = diagnose(root, {})
    assert files(root) == before
    assert {each.check for each in findings if each.status != "ok"} <= {"sqlite", "state"}
    (row,) = (each for each in findings if each.check == "log")
    assert row.message.startswith("1 row, ")
    (rules,) = (each for each in findings if each.check == "log rules")
    assert rules.message == "*: full"


def test_nothing_is_made_for_a_log_that_is_not_there(root: Path) -> None:
    before = files(root)
    assert found(root, "log")[0].message == "no call yet"
    assert files(root) == before
    assert not (root / ".promptctl").exists()
    assert not (root / ".git/promptctl").exists()


def test_it_works_outside_a_workspace_and_outside_git(tmp_path: Path) -> None:
    (outside,) = found(tmp_path, "workspace")
    assert (outside.status, outside.hint) == ("warning", "make a workspace here with: promptctl init")
    write(tmp_path, "promptctl.yaml", SETTINGS)
    assert [each.status for each in found(tmp_path, "git")] == ["ok", "warning"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("modle: a/b\n", "promptctl.yaml:1:1: unknown key `modle`"),
        ("model: [\nfoo: 1", "promptctl.yaml:1:8: this `[` is not closed as it should be"),
    ],
)
def test_broken_settings_are_told_and_the_rest_is_looked_at(
    root: Path, log: SqliteStore, settings: str, message: str
) -> None:
    write(root, "promptctl.yaml", settings)
    findings = diagnose(root, {})
    assert [each.message for each in findings if each.check == "workspace"] == [message]
    assert [each.status for each in findings if each.check == "log"] == ["ok"]
    unknown = "not known, since promptctl.yaml cannot be read: every call is refused"
    for check in ("log rules", "budgets", "models"):
        assert [(each.status, each.message) for each in findings if each.check == check] == [("warning", unknown)]


def test_a_bare_repository_goes_by_the_settings_of_its_default_branch(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(root, "promptctl.yaml", SETTINGS + "budgets: [{name: all, limit: {usd: 5}, per: day}]\n")
    commit(root, "Add a budget")
    bare = tmp_path_factory.mktemp("bare") / "desk.git"
    git(root, "clone", "--quiet", "--bare", str(root), str(bare))
    before = files(bare)
    assert [each.message for each in found(bare, "log rules")] == ["*: full"]
    assert [each.message for each in found(bare, "budgets")] == ["all: $5 a day, then block"]
    assert [each.message for each in found(bare, "models")] == ["echo/echo: needs no key"]
    assert files(bare) == before
    write(root, "promptctl.yaml", "modle: a/b\n")
    commit(root, "Break it")
    git(root, "push", "--quiet", str(bare), "HEAD")
    assert [each.status for each in found(bare, "workspace")] == ["problem"]
    assert found(bare, "log rules")[0].message.startswith("not known")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE maintenance SET is_open = 0; PRAGMA user_version = 99", "was written by a newer promptctl"),
        ("PRAGMA application_id = 7; PRAGMA user_version = 1", "is a SQLite database of another program"),
        ("DROP TABLE executions", "no such table"),
        (None, "is damaged"),
    ],
)
def test_a_log_that_is_none_is_a_problem(root: Path, log: SqliteStore, damage: str | None, words: str) -> None:
    log.close()
    if damage is None:
        log.path.write_bytes(b"no database any more")
    else:
        with closing(sqlite3.connect(log.path)) as raw, raw:
            raw.executescript(damage)
        raw.close()
    (problem,) = found(root, "log")
    assert (problem.status, words in problem.message) == ("problem", True), problem.message


def test_what_waits_and_what_was_put_aside_is_told(root: Path, log: SqliteStore) -> None:
    write(root, ".git/promptctl/unsaved/a.jsonl", "{}\n")
    write(root, ".git/promptctl/unsaved/b.rejected", "{}\n")
    write(root, ".git/promptctl/log.damaged-1.db", "")
    messages = [each.message for each in found(root, "log")]
    assert "1 file of records waits to be added" in messages[1]
    assert "1 file of records the log did not take, and no total counts them: " in messages[2]
    assert messages[2].endswith("unsaved/b.rejected")
    assert "log.damaged-1.db is a damaged log" in messages[3]


def test_a_log_that_others_can_read_or_nobody_can_share_is_a_problem(
    root: Path, log: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.path.chmod(0o640)
    monkeypatch.setattr(doctor, "_file_system", lambda folder: "nfs4")
    problems = [each for each in found(root, "state") if each.status == "problem"]
    assert [each.hint for each in problems] == [
        f"chmod 600 {log.path}",
        "keep the log on a local disk: PROMPTCTL_STATE=FOLDER",
    ]


def test_a_place_of_the_log_that_every_call_refuses_is_a_problem(root: Path) -> None:
    write(root, ".promptctl", "a file")
    for environ, place in (({}, ".promptctl"), ({"PROMPTCTL_STATE": "promptctl.yaml"}, "promptctl.yaml")):
        (problem,) = found(root, "state", environ)
        assert (problem.status, f"{root / place} is no folder" in problem.message) == ("problem", True)
        with pytest.raises(WorkspaceError, match="is no folder"):
            open_workspace(root, environ).run("greet", model="echo/echo")


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = write(
        tmp_path,
        "mounts",
        f"a / ext4 rw 0 0\nb {tmp_path}/a\\040b nfs rw 0 0\nc {tmp_path}/a\\040bc ext2 rw 0 0\n"
        f"d {tmp_path}/pläne\\040日 cifs rw 0 0\n",
    )
    assert doctor._file_system(tmp_path / "a b/log", mounts) == "nfs"
    assert doctor._file_system(tmp_path / "pläne 日/log", mounts) == "cifs"
    assert doctor._file_system(tmp_path, mounts) == "ext4"
    assert doctor._file_system(tmp_path, tmp_path / "none") is None


def test_keys_are_told_of_but_never_shown(root: Path) -> None:
    write(root, "promptctl.yaml", "model: openai/gpt-4o-mini\n")
    (without,) = found(root, "models")
    assert (without.status, "OPENAI_API_KEY is not set" in without.message) == ("warning", True)
    findings = diagnose(root, {"OPENAI_API_KEY": "canarykey"})
    assert "openai/gpt-4o-mini: OPENAI_API_KEY is set" in [each.message for each in findings]
    assert "canarykey" not in str(findings)


def test_budgets_that_cannot_hold_are_told(root: Path, log: SqliteStore) -> None:
    write(root, "promptctl.yaml", "budgets:\n  - {name: day, limit: {usd: 5}, per: day, webhook_env: HOOK}\n")
    holds, tells = found(root, "budgets")
    assert (holds.status, tells.status, "HOOK is not set" in tells.message) == ("ok", "warning", True)
    fault = "holds no plain address that begins with https:// or http://"
    (wrong,) = [each for each in diagnose(root, {"HOOK": "ftp://canary"}) if each.check == "budgets" and each.hint]
    assert (fault in wrong.message, "canary" in wrong.message) == (True, False)
    assert not any("HOOK" in each.message for each in diagnose(root, {"HOOK": "https://chat.example/hook"}))
    log.database.write(
        lambda each: each.execute("INSERT INTO budget_disabled (budget, key, since) VALUES ('day', '', '')")
    )
    assert found(root, "budgets")[0].message == "day is disabled: its calls are refused"
    log.close()
    log.path.write_bytes(b"no database")
    assert found(root, "budgets")[0].message == "day refuses every call: the log cannot be read"


def test_a_remote_of_labels_that_is_not_there_is_a_problem(root: Path) -> None:
    write(root, "promptctl.yaml", "labels: {remote: orign}\n")
    git(root, "remote", "add", "origin", "nowhere")
    (problem,) = found(root, "labels")
    assert (problem.status, problem.hint) == ("problem", "git remote add orign URL, or name one of origin")


def test_a_shallow_clone_says_how_to_get_the_rest(root: Path, tmp_path: Path) -> None:
    write(root, "more", "")
    commit(root, "Add more")
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{root}", f"{tmp_path}/clone"], check=True)
    assert found(tmp_path / "clone", "git")[1].hint == "git fetch --unshallow"


def test_releases_and_files_that_steal_keys_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.82.8")
    monkeypatch.setattr("site.getsitepackages", lambda: [str(tmp_path)])
    write(tmp_path, "litellm_init.pth", "import base64\n")
    write(tmp_path, "unknown.pth", "import os\n")
    write(tmp_path, "path.pth", "/a/folder\n")
    status = {message.partition(" runs ")[0]: status for status, message, *_ in installation.litellm()}
    assert status == {
        "LiteLLM 1.82.8 steals keys": "problem",
        f"{tmp_path}/litellm_init.pth": "problem",
        f"{tmp_path}/unknown.pth": "warning",
    }


def test_a_look_that_fails_is_a_finding_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Iterator[installation.Seen]:
        yield "ok", "so far"
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "_CHECKS", {"state": broken, "labels": doctor._CHECKS["labels"]})
    first, second = diagnose(root, {})
    assert (first.message, second.status, "RuntimeError: boom" in second.message) == ("so far", "problem", True)
