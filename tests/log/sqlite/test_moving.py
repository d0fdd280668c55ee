"""The log of an earlier version, moved out of the reach of Git."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.moving import move_state
from promptctl.log.sqlite.store import SqliteStore
from promptctl.workspace import open_workspace
from tests.cli.conftest import commit, git, write
from tests.log.conftest import make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace in Git whose log an earlier version kept in `.promptctl/`, with two records."""
    root = tmp_path / "desk"
    root.mkdir()
    git(root, "init", "--quiet")
    write(root, "promptctl.yaml", "model: echo/echo\n")
    write(root, ".gitignore", ".promptctl/\n")
    commit(root, "Begin")
    with SqliteStore(root / ".promptctl/log.db") as log:
        log.append([Entry(make(), "full"), Entry(make(), "full")])
    return root


def count(log: SqliteStore) -> int:
    return len(list(log.executions()))


def moved(root: Path) -> tuple[SqliteStore, list[str]]:
    warnings: list[str] = []
    assert move_state(root, root / ".promptctl", root / ".git/promptctl", warnings.append)
    return SqliteStore(root / ".git/promptctl/log.db"), warnings


def test_a_log_is_moved_with_what_belongs_to_it_and_found_by_its_old_name(root: Path) -> None:
    old = root / ".promptctl"
    for name in ("index/versions.db", "unsaved/a.jsonl", "log.damaged-1.db"):
        write(root, f".promptctl/{name}", "x")
    with closing(sqlite3.connect(old / "cache.db")) as cache:
        cache.execute("CREATE TABLE replies (request)")
    warnings: list[str] = []
    workspace = open_workspace(root, on_warning=warnings.append)
    state = workspace.context.state_folder
    assert state == root / ".git/promptctl"
    assert [str(state) in warning for warning in warnings] == [True]
    assert {"log.db", "cache.db", "unsaved", "log.damaged-1.db"} <= {each.name for each in state.iterdir()}
    assert not (state / "index").exists()
    assert (state / "log.db").stat().st_mode & 0o777 == 0o600
    assert {each.name for each in old.iterdir()} == {".gitignore", "drafts", "log.db", "log.lock"}
    assert (old / "log.db").samefile(state / "log.db")
    assert len(list(workspace.log.executions())) == 2
    assert open_workspace(root, on_warning=warnings.append).context.state_folder == state
    assert len(warnings) == 1, "it is moved once"


def test_a_process_that_has_the_log_open_writes_on_in_the_new_place(root: Path) -> None:
    with SqliteStore(root / ".promptctl/log.db") as writing:
        writing.append([Entry(make(), "full")])
        log, _ = moved(root)
        assert not writing.append_at_once([Entry(make(), "full")]), "what was written is not at the path"
        assert writing.append([Entry(make(), "full")]) is None
        assert count(log) == 4
        assert log.append([Entry(make(), "full")]) is None
        assert count(writing) == 5
        assert log.verify().problems == []


def test_a_log_that_is_locked_is_moved_later(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    with closing(sqlite3.connect(root / ".promptctl/log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("promptctl.log.sqlite.moving._WAIT_FOR_LOG_S", 0.05)
        workspace = open_workspace(root, on_warning=warnings.append)
        assert workspace.context.state_folder == root / ".promptctl", "no call fails for that"
        assert len(list(workspace.log.executions())) == 2
    assert len(warnings) == 1
    assert "not moved yet" in warnings[0]
    log, _ = moved(root)
    assert count(log) == 2


KILLED = """
import os, pathlib, sys
from promptctl.log.sqlite import moving

def kill(*_):
    os.kill(os.getpid(), 9)

setattr(moving, sys.argv[2], kill) if sys.argv[2] != "unlink" else setattr(pathlib.Path, "unlink", kill)
root = pathlib.Path(sys.argv[1])
moving.move_state(root, root / ".promptctl", root / ".git/promptctl", print)
"""


@pytest.mark.parametrize(("at", "is_set_aside"), [("sync_file", False), ("sync_folder", True), ("unlink", True)])
def test_a_move_that_is_killed_loses_no_record(root: Path, at: str, is_set_aside: bool) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(root), at], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    log, warnings = moved(root)
    assert count(log) == 2
    assert ("there is a log already" in warnings[0]) is is_set_aside
    aside = list((root / ".git/promptctl").glob("earlier-*"))
    assert [count(SqliteStore(each / "log.db")) for each in aside] == [2] * is_set_aside
    assert not list((root / ".git/promptctl").glob("*.new*"))


def test_a_damaged_log_is_moved_as_it_is(root: Path) -> None:
    (root / ".promptctl/log.db").write_bytes(b"no database at all, but long enough" * 100)
    log, _ = moved(root)
    warning = log.append([Entry(make(), "full")])
    assert warning is not None
    assert "the log was damaged" in str(warning)
    assert not os.path.lexists(root / ".promptctl/log.damaged")


def test_work_trees_and_workspaces_of_one_repository(root: Path) -> None:
    write(root, "apps/bot/promptctl.yaml", "model: echo/echo\n")
    commit(root, "Add a workspace")
    git(root, "worktree", "add", "--quiet", "../second")
    second = root.parent / "second"
    shared = root / ".git/promptctl"
    for folder, state in ((root, shared), (second, shared), (root / "apps/bot", shared / "at/apps%2Fbot")):
        assert open_workspace(folder, on_warning=print).context.state_folder == state
    with SqliteStore(second / ".promptctl/log.db") as log:
        assert count(log) == 0
    (second / ".promptctl/log.db").unlink(missing_ok=True)
    with SqliteStore(second / ".promptctl/log.db") as log:  # as an earlier version keeps a log for each work tree
        log.append([Entry(make(), "full")])
    warnings: list[str] = []
    assert len(list(open_workspace(second, on_warning=warnings.append).log.executions())) == 2
    place = warnings[0].rpartition("PROMPTCTL_STATE=")[2]
    named = open_workspace(second, {"PROMPTCTL_STATE": place})
    assert len(list(named.log.executions())) == 1


def test_a_workspace_that_was_moved_begins_a_log_and_names_the_one_it_had(root: Path) -> None:
    write(root, "apps/index/promptctl.yaml", "model: echo/echo\n")
    at = root / ".git/promptctl/at"
    with open_workspace(root / "apps/index") as workspace:
        workspace.context.log.append([Entry(make(), "full")])
    (root / "apps/index").rename(root / "index")
    warnings: list[str] = []
    with open_workspace(root / "index", on_warning=warnings.append) as workspace:
        assert list(workspace.log.executions()) == []
        workspace.context.log.append([Entry(make(), "full")])
    assert warnings == [
        (
            f"the log of this workspace's earlier folder stays in {at / 'apps%2Findex'}: "
            f"PROMPTCTL_STATE={at / 'apps%2Findex'}"
        )
    ]
    assert (root / "index/.promptctl/log.db").samefile(at / "index/log.db")
    assert not (root / ".git/promptctl/index/log.db").exists(), "that is the root's own index of versions"


def test_a_folder_that_cannot_be_written_is_used_where_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    warnings: list[str] = []
    workspace = open_workspace(root, on_warning=warnings.append)
    assert workspace.context.state_folder == root / ".promptctl"
    assert (len(list(workspace.log.executions())), warnings) == (2, [])
