"""What a branch brings in place of the log, the caches and the recordings is neither read nor written through."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, git, write
from tests.cli.support import SETTINGS, inside_support, support_workspace  # noqa: F401

RUN = ("run", "chat", "--model", "echo/echo")
COMMANDS = [
    ("list",),
    ("log", "list"),
    ("results", "list"),
    ("validate",),
    ("fmt",),
    ("render", "chat"),
    RUN,
    ("eval", "--all"),
    ("review",),
    ("label", "list"),
    ("label", "set", "chat@staging"),
    ("history", "chat"),
]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def ids(cli: Cli) -> list[str]:
    return [each["execution"] for each in cli("log", "list", "--source", "all", "--json").json]


def test_a_checkout_never_replaces_the_log_and_what_it_brings_proves_nothing(cli: Cli, inside: Path) -> None:
    assert cli(*RUN).exit_code == 0
    own = ids(cli)
    git(inside, "checkout", "--quiet", "-b", "evil")
    shutil.copy(inside / ".git/promptctl/log.db", inside / "forged.db")
    with closing(sqlite3.connect(inside / "forged.db")) as forged:
        forged.execute("PRAGMA journal_mode = DELETE")
    for name in ("log.db", "cache.db", "index/versions.db", "unsaved/a.jsonl"):
        (inside / ".promptctl/log.db").unlink(missing_ok=True)
        (inside / ".promptctl" / name).parent.mkdir(exist_ok=True)
        shutil.copy(inside / "forged.db", inside / ".promptctl" / name)
        git(inside, "add", "--force", f".promptctl/{name}")
        git(inside, "commit", "--quiet", "--message", "Bring state")
        for command in COMMANDS if name == "log.db" else COMMANDS[:2]:
            ran = cli(*command)
            assert (ran.exit_code, f".promptctl/{name} is committed" in ran.err) == (3, True), (command, ran.err)
            assert "git rm -r --cached .promptctl" in ran.err
        git(inside, "checkout", "--quiet", "main")
        assert ids(cli) == own
        git(inside, "checkout", "--quiet", "evil")
        git(inside, "reset", "--quiet", "--hard", "main")


def test_state_that_a_commit_brought_is_not_taken_for_ours_when_git_lets_go_of_it(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli(*RUN).exit_code == 0
    forged = (inside / ".git/promptctl/log.db").read_bytes()
    (inside / ".promptctl/log.db").unlink()
    (inside / ".promptctl/log.db").write_bytes(forged)
    git(inside, "add", "--force", ".promptctl/log.db")
    git(inside, "commit", "--quiet", "--message", "Bring a log")
    git(inside.parent, "clone", "--quiet", str(inside), "clone")
    monkeypatch.chdir(inside.parent / "clone")
    assert cli("log", "list").exit_code == 3
    git(Path(), "rm", "-r", "--quiet", "--cached", ".promptctl")
    ran = cli("log", "list", "--json")
    assert (ran.exit_code, ran.json) == (0, [])
    assert "are not used, as a commit had files in their place" in ran.err
    assert cli("log", "list").err.count("warning") == 0, "it is said once"


@pytest.mark.parametrize(
    ("place", "variable"),
    [(".promptctl", ""), (".Promptctl", ""), (".promptctl/unsaved", ""), ("state", "state"), ("state", "state/here")],
)
def test_state_of_a_submodule_is_refused_and_when_its_branch_is_left_too(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch, place: str, variable: str
) -> None:
    assert cli(*RUN).exit_code == 0
    forged = (inside / ".git/promptctl/log.db").read_bytes()
    shutil.rmtree(inside / ".promptctl")
    other = inside.parent / "other"
    for each in ("log.db", "here/log.db", "a.jsonl"):
        (other / each).parent.mkdir(parents=True, exist_ok=True)
        (other / each).write_bytes(forged)
    git(other, "init", "--quiet")
    git(other, "add", ".")
    git(other, "commit", "--quiet", "--message", "Forge")
    git(inside, "checkout", "--quiet", "-b", "evil")
    git(inside, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--force", "../other", place)
    git(inside, "commit", "--quiet", "--message", "Bring a submodule")
    monkeypatch.setenv("PROMPTCTL_STATE", variable)
    if place == ".Promptctl":  # as a file system that folds case has it
        (inside / place).rename(inside / ".promptctl")
    for command in (("log", "list"), ("label", "set", "chat@staging")):
        assert (cli(*command).exit_code, f"{place} is committed" in cli(*command).err) == (3, True), command
    git(inside, "reset", "--quiet", "--hard", "main")
    ran = cli("log", "list")
    assert (ran.exit_code, f"{place.lower()} is a repository of its own" in ran.err) == (3, True), ran.err
    (inside / place.lower() / ".git").unlink()
    if not variable:
        ran = cli("log", "list", "--json")
        assert "are not used, as a commit had files in their place" in ran.err
        assert len(ran.json) == 1, "only our own"


def test_state_that_a_variable_puts_in_reach_of_git_is_refused_too(
    cli: Cli, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTCTL_STATE", "state")
    assert cli(*RUN).exit_code == 0
    assert len(ids(cli)) == 1
    git(inside, "add", "--force", "state")
    assert "is committed" in cli("log", "list").err


@pytest.mark.parametrize(
    "name", ["", "/log.db", "/cache.db", "/index", "/unsaved", "/drafts", "/schemas", "/.gitignore"]
)
def test_a_link_or_a_pipe_in_the_state_folder_is_refused_and_not_followed(
    cli: Cli, inside: Path, elsewhere: Path, name: str
) -> None:
    place = inside / f".promptctl{name}"
    shutil.rmtree(inside / ".promptctl", ignore_errors=True)
    for is_link in (True, False):
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(elsewhere) if is_link else os.mkfifo(place)
        for command in (RUN, ("fmt",), ("log", "list")):
            ran = cli(*command)
            assert (ran.exit_code, "PROMPTCTL_STATE=FOLDER" in ran.err) == (3, True), (command, ran.err)
        assert list(elsewhere.iterdir()) == []
        place.unlink(missing_ok=True)


def test_a_link_in_the_place_of_the_log_is_refused_if_git_tracks_it(cli: Cli, inside: Path, elsewhere: Path) -> None:
    assert cli("list").exit_code == 0
    (inside / ".promptctl/log.db").symlink_to(elsewhere / "log.db")
    git(inside, "add", "--force", ".promptctl/log.db")
    assert cli(*RUN).exit_code == 3
    git(inside, "rm", "--quiet", "--cached", ".promptctl/log.db")
    assert cli(*RUN).exit_code == 0
    assert (inside / ".promptctl/log.db").samefile(inside / ".git/promptctl/log.db")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["log.db", "log.db-wal", "cache.db", "unsaved", "index"])
def test_a_pipe_in_git_s_own_folder_or_outside_git_stops_nothing(
    cli: Cli, inside: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("list").exit_code == 0
    place = inside / ".git/promptctl" / name
    shutil.rmtree(place, ignore_errors=True)
    os.mkfifo(place)
    assert cli(*RUN).exit_code == 3
    plain = tmp_path / "plain"
    write(plain, "promptctl.yaml", SETTINGS)
    write(plain, "prompts/chat.prompt.yaml", "messages: [{role: user, content: Hello}]\n")
    (plain / ".promptctl").mkdir()
    (plain / ".promptctl" / name).symlink_to("/dev/zero")
    monkeypatch.chdir(plain)
    assert cli(*RUN).exit_code == 3


def test_init_writes_through_no_link(
    cli: Cli, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    for name in (".promptctl", ".promptctl/schemas", "datasets", "prompts"):
        shutil.rmtree(desk)
        (desk / name).parent.mkdir(parents=True)
        monkeypatch.chdir(desk)
        (desk / name).symlink_to(elsewhere)
        assert cli("init").exit_code == 3
        assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["datasets", "datasets/recordings", "datasets/recordings/chat.jsonl"])
def test_recordings_are_written_through_no_link_and_into_no_pipe(
    cli: Cli, inside: Path, elsewhere: Path, name: str
) -> None:
    shutil.rmtree(inside / "datasets", ignore_errors=True)
    place = inside / name
    place.parent.mkdir(parents=True, exist_ok=True)
    (elsewhere / "recordings").mkdir()
    for is_link in (True, False):
        place.symlink_to(elsewhere) if is_link else os.mkfifo(place)
        ran = cli(*RUN, "--record")
        assert "record" in ran.err, ran.err
        place.unlink()
    assert [path.name for path in elsewhere.rglob("*")] == ["recordings"]
