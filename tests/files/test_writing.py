from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from promptctl.errors import WorkspaceError
from promptctl.evaluations.claims import claimed, is_claimed
from promptctl.files.writing import (
    _open_draft,
    make_state_folder,
    replace_file,
    temporary_folder,
    try_lock,
    wait_for_lock,
)
from promptctl.git.commit_stream import NewCommit, make_commits
from promptctl.git.growth import current_branch, grow, grown_files
from promptctl.git.repository import Git, init_repository
from promptctl.log.sqlite.store import SqliteStore
from promptctl.models.recordings import Recording
from tests.models.test_replay import REPLY, REQUEST


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("old")
    file.chmod(0o600)
    replace_file(file, [b"ne", b"w"])
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    replace_file(tmp_path / "a/b/c.json", [b"{}"])
    assert (tmp_path / "a/b/c.json").read_text() == "{}"


def test_what_fails_half_way_leaves_the_old_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("old")

    def parts() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        replace_file(file, parts())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot write"):
        replace_file(tmp_path / "file/a.json", [b""])


def test_the_cause_is_named_if_no_draft_can_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refuses)
    with pytest.raises(WorkspaceError, match="Permission denied"):
        replace_file(tmp_path / "a.json", [b""])


KILLED = """
import os, pathlib, sys
from promptctl.files.writing import replace_file

def parts():
    yield b"half"
    os.kill(os.getpid(), 9)

replace_file(pathlib.Path(sys.argv[1]), parts())
"""


def killed(file: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False).returncode == -9


def test_what_a_killed_process_left_is_cleared_away_and_never_lies_among_the_files_of_a_workspace(
    tmp_path: Path,
) -> None:
    (tmp_path / "promptctl.yaml").write_text("")
    file = tmp_path / "prompts/a.prompt.yaml"
    killed(file)
    assert list(file.parent.iterdir()) == []
    assert len(list((tmp_path / ".promptctl/drafts").iterdir())) == 1
    assert (tmp_path / ".promptctl/.gitignore").read_text().startswith("*\n")

    with _open_draft(tmp_path / ".promptctl/drafts", "other") as (_, other):
        make_state_folder(tmp_path / ".promptctl")
        assert list((tmp_path / ".promptctl/drafts").iterdir()) == [other], "one that is being written stays"
    assert list((tmp_path / ".promptctl/drafts").iterdir()) == []


def test_only_drafts_are_cleared_away(tmp_path: Path) -> None:
    names = ["thesis.tex", ".notes", "a.promptctl-draft", ".a.promptctl-draft", ".b.short.promptctl-draft"]
    make_state_folder(tmp_path / ".promptctl")
    for name in names:
        (tmp_path / ".promptctl/drafts" / name).write_text("mine")
    (tmp_path / ".promptctl/drafts/.a.yaml.abcd_123.promptctl-draft").touch()
    make_state_folder(tmp_path / ".promptctl")
    assert sorted(each.name for each in (tmp_path / ".promptctl/drafts").iterdir()) == sorted(names)


def test_no_draft_is_written_through_a_link(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    root = tmp_path / "desk"
    for link in (".promptctl", ".promptctl/drafts"):
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / "promptctl.yaml").touch()
        (root / link).symlink_to(theirs)
        with pytest.raises(NotADirectoryError):
            make_state_folder(root / ".promptctl")
        killed(root / "a.yaml")
        assert list(theirs.iterdir()) == []
        (root / link).unlink()


def test_outside_a_workspace_the_next_writing_clears_away_what_was_left(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    killed(file)
    assert len(list(tmp_path.iterdir())) == 1
    replace_file(file, [b"whole"])
    assert list(tmp_path.iterdir()) == [file]


def test_a_gitignore_that_was_begun_and_not_written_is_written(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").touch()
    make_state_folder(tmp_path)
    assert (tmp_path / ".gitignore").read_text().startswith("*\n")


def test_a_file_that_must_be_new_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    replace_file(file, [b"one"], is_new=True)
    with pytest.raises(WorkspaceError, match="File exists"):
        replace_file(file, [b"two"], is_new=True)
    assert (file.read_bytes(), list(tmp_path.iterdir())) == (b"one", [file])


def test_the_next_process_removes_the_temporary_folders_of_killed_ones_alone(tmp_path: Path) -> None:
    def begin(does: str) -> subprocess.Popen[str]:
        script = f"""
import os, pathlib, sys
from promptctl.files.writing import temporary_folder
with temporary_folder("outside", pathlib.Path(sys.argv[1])) as folder:
    (folder / "objects").mkdir()
    print(folder, flush=True)
    {does}
"""
        return subprocess.Popen([sys.executable, "-c", script, tmp_path], text=True, stdin=-1, stdout=-1)

    def age() -> None:
        for each in tmp_path.iterdir():
            os.utime(each, (0, 0), follow_symlinks=False)

    others = tmp_path / "promptctl-outside-notes", tmp_path / "promptctl-outside-of_whom"
    others[0].mkdir()
    others[1].symlink_to(tmp_path.parent)
    killed, running = begin("os.kill(os.getpid(), 9)"), begin("input()")
    assert running.stdout is not None
    held = Path(running.stdout.readline().strip())
    left = Path(killed.communicate()[0].strip())
    begin("pass").communicate()
    assert left.exists(), "a process may be about to lock one that is new"
    age()
    begin("pass").communicate()
    assert set(tmp_path.iterdir()) == {held, *others}
    running.communicate("\n")
    assert (running.returncode, held.exists()) == (0, False)


def test_a_folder_that_takes_no_temporary_one_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match=f"can be written in {tmp_path}/none: No such file") as raised,
        temporary_folder("sign", tmp_path / "none"),
    ):
        pass
    assert raised.value.hint is None


def test_a_lock_is_one_holders_until_the_file_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as first, file.open("wb") as second:
        wait_for_lock(first)
        assert try_lock(second) is False
        first.close()
        assert try_lock(second) is True


@pytest.fixture(params=[errno.ENOLCK, errno.ENOTSUP])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no locks."""

    def refuse(*_: object) -> NoReturn:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_without_locks_everything_is_written_and_no_draft_is_taken_for_a_dead_one(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as opened:
        wait_for_lock(opened)
        assert try_lock(opened) is None
    assert Recording(tmp_path / "r.jsonl").add(REQUEST, REPLY)
    make_state_folder(tmp_path / ".promptctl")
    draft = tmp_path / ".promptctl/drafts/.a.yaml.12345678.promptctl-draft"
    draft.touch()
    make_state_folder(tmp_path / ".promptctl")
    replace_file(tmp_path / "a.yaml", [b"new"])
    assert (tmp_path / "a.yaml").read_bytes() == b"new"
    assert draft.exists()
    with claimed(tmp_path, ["group"]), claimed(tmp_path, ["group"]):
        assert not is_claimed(tmp_path, "group")
    SqliteStore(tmp_path / "log.db").close()
    init_repository(tmp_path)
    git = Git.open(tmp_path)
    assert git is not None
    branch = current_branch(git)
    [tip] = make_commits(git, [NewCommit({"grown": b"new"}, datetime.now(UTC), "Grow")], None)
    grow(git, branch, tip, grown_files(git, branch, {"grown": b"new"}), "grow")
    assert current_branch(git).tip == tip
    git.close()
