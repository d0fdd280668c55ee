"""The index on disk: built once, grown, shared, and never a reason to fail."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import HistoryIncomplete
from promptctl.git.walk import walk
from promptctl.versions import closures, index, index_store
from promptctl.versions.repository import Repository
from promptctl.workspace import open_workspace
from tests.repositories import Repo, prompt_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A = "prompts/a.prompt.yaml"
INDEX = ".promptctl/index/versions.db"

READ_NUMBERS = """
import sys
from pathlib import Path
from promptctl.versions.repository import Repository
root = Path(sys.argv[1])
repository = Repository(root, cache_dir=root / ".promptctl")
print([(entry.number, entry.made.commit) for entry in repository.versions_of("a")])
repository.close()
"""


def opened(repo: Repo) -> Repository:
    return Repository(repo.path, cache_dir=repo.path / ".promptctl")


def numbers_of(repo: Repo, prompt: str = "a") -> list[int | None]:
    return [entry.number for entry in opened(repo).versions_of(prompt)]


def everything(repo: Repo) -> dict[str, list[object]]:
    """All versions of all prompts, and what stands in the work tree."""
    repository = opened(repo)
    ids = [f"p{n}" for n in range(6)]
    found: dict[str, list[object]] = {}
    for id_ in ids:
        try:
            found[id_] = list(repository.versions_of(id_))
        except Exception as error:
            found[id_] = [str(error)]
    return {**found, "now": list(repository.numbers().items())}


@pytest.fixture
def line(empty_repo: Repo) -> Repo:
    """A repository with three versions of `a` on main."""
    empty_repo.commit("zero", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n"})
    for text in ("one", "two", "three"):
        empty_repo.commit(text, {A: prompt_text(text)})
    return empty_repo


@pytest.fixture
def no_walk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Counts the commits that are walked."""
    walked: list[int] = []

    def counted(git: object, commits: list[object], *pathspecs: str) -> object:
        walked.append(len(commits))
        return walk(git, commits, *pathspecs)  # type: ignore[arg-type]

    monkeypatch.setattr(closures, "walk", counted)
    return walked  # type: ignore[return-value]


def test_history_is_walked_once_and_then_only_what_is_new(line: Repo, no_walk: list[int]) -> None:
    assert numbers_of(line) == [1, 2, 3]
    assert numbers_of(line) == [1, 2, 3]
    line.commit("four", {A: prompt_text("four")})
    line.commit("elsewhere", {"README.md": "x\n"})
    assert numbers_of(line) == [1, 2, 3, 4]
    assert no_walk == [4, 2]


def test_an_index_that_grew_is_the_one_built_at_once(empty_repo: Repo) -> None:
    chance = random.Random(7)
    texts = [prompt_text(f'{word} {{% include "tone.j2" %}}') for word in ("x", "y", "z")] + ["messages: [\n"]
    empty_repo.commit("zero", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n", "prompts/tone.j2": "kind\n"})
    for step in range(60):
        path = f"prompts/p{chance.randrange(6)}.prompt.yaml"
        there = sorted(file.name for file in (empty_repo.path / "prompts").glob("p*"))
        action = chance.random()
        if action < 0.15 and there:
            empty_repo.git("rm", "--quiet", f"prompts/{chance.choice(there)}")
        elif action < 0.35 and there and not (empty_repo.path / path).exists():
            empty_repo.git("mv", f"prompts/{chance.choice(there)}", path)
        elif action < 0.45:
            empty_repo.write("prompts/tone.j2", chance.choice(["kind\n", "curt\n"]))
        else:
            formerly = {"formerly": f"[p{chance.randrange(6)}]"} if chance.random() < 0.2 else {}
            text = chance.choice(texts)
            empty_repo.write(path, text if not formerly else prompt_text(f"f{step}", **formerly))
        empty_repo.commit(f"step {step}")
        if chance.random() < 0.4:
            opened(empty_repo).numbers()
    grown = everything(empty_repo)
    shutil.rmtree(empty_repo.path / ".promptctl")
    assert everything(empty_repo) == grown
    assert sum(len(versions) for versions in grown.values()) > 20


def test_a_rewritten_line_is_indexed_anew_and_said(line: Repo) -> None:
    kept = line.git("rev-parse", "HEAD~1")
    assert numbers_of(line) == [1, 2, 3]
    line.git("reset", "--quiet", "--hard", kept)
    line.commit("other", {A: prompt_text("other")})
    repository = opened(line)
    assert [entry.as_dict()["subject"] for entry in repository.versions_of("a")] == ["one", "two", "other"]
    assert repository.notices == (
        (
            f"the line of main was rewritten after {kept[:7]}: version numbers changed (a from v3); "
            "commits and digests still name what they named"
        ),
    )
    assert opened(line).notices == ()


def test_main_merged_the_wrong_way_round_changes_numbers_and_says_so(line: Repo) -> None:
    base = line.head
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("mine", {"prompts/b.prompt.yaml": prompt_text("mine")})
    line.git("checkout", "--quiet", "main")
    fourth = line.commit("four", {A: prompt_text("four")})
    fifth = line.commit("five", {A: prompt_text("five")})
    assert numbers_of(line) == [1, 2, 3, 4, 5]
    line.git("checkout", "--quiet", "topic")
    line.merge("main")
    line.git("checkout", "--quiet", "main")
    line.git("merge", "--quiet", "--ff-only", "topic")
    repository = opened(line)
    assert [entry.number for entry in repository.versions_of("a")] == [1, 2, 3, 4]
    assert len(repository.notices) == 1
    assert f"after {base[:7]}" in repository.notices[0]
    assert "a from v4" in repository.notices[0]
    assert repository.resolve(f"a@{fourth}").version.display == f"v3+1 ({fourth[:7]})"
    assert repository.resolve(f"a@{fifth}").version.digest == repository.resolve("a@v4").version.digest


def test_a_line_reset_to_an_earlier_commit_forgets_the_later_numbers(line: Repo) -> None:
    assert numbers_of(line) == [1, 2, 3]
    line.git("reset", "--quiet", "--hard", "HEAD~1")
    assert numbers_of(line) == [1, 2]


def test_an_old_tip_that_is_gone_for_good_is_no_obstacle(line: Repo) -> None:
    assert numbers_of(line) == [1, 2, 3]
    line.git("reset", "--quiet", "--hard", "HEAD~1")
    line.commit("other", {A: prompt_text("other")})
    line.git("reflog", "expire", "--expire=now", "--all")
    line.git("gc", "--quiet", "--prune=now")
    assert numbers_of(line) == [1, 2, 3]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "other tables", "a page"])
def test_a_damaged_index_is_built_anew(line: Repo, damage: str, no_walk: list[int]) -> None:
    assert numbers_of(line) == [1, 2, 3]
    file = line.path / INDEX
    data = file.read_bytes()
    if damage == "garbage":
        file.write_bytes(b"no database " * 400)
    elif damage == "truncated":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "a page":
        file.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    else:
        file.unlink()
        connection = sqlite3.connect(file)
        connection.execute("CREATE TABLE meta (only TEXT)")
        connection.close()
    assert numbers_of(line) == [1, 2, 3]
    assert numbers_of(line) == [1, 2, 3]
    assert no_walk == [4, 4]


def test_the_index_of_another_promptctl_is_built_anew(
    line: Repo, monkeypatch: pytest.MonkeyPatch, no_walk: list[int]
) -> None:
    assert numbers_of(line) == [1, 2, 3]
    monkeypatch.setattr(index, "_FORMAT", "1 99.0")
    assert numbers_of(line) == [1, 2, 3]
    assert no_walk == [4, 4]


def test_where_nothing_can_be_written_the_index_is_built_in_memory(line: Repo) -> None:
    (line.path / ".promptctl").write_text("a file where the folder should be\n")
    assert numbers_of(line) == [1, 2, 3]
    assert Repository(line.path).resolve("a").version.number == 3


def test_an_index_that_cannot_be_written_is_read_and_grown_in_memory(
    line: Repo, monkeypatch: pytest.MonkeyPatch, no_walk: list[int]
) -> None:
    assert numbers_of(line) == [1, 2, 3]
    connect = sqlite3.connect

    def read_only(name: str, **options: object) -> sqlite3.Connection:
        # Permissions do not stop the super-user that tests may run as.
        connection = connect(name, **options)  # type: ignore[call-overload]
        if name.endswith("versions.db"):
            connection.execute("PRAGMA query_only = ON")
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    line.commit("four", {A: prompt_text("four")})
    assert numbers_of(line) == [1, 2, 3, 4]
    assert no_walk == [4, 1]


def test_an_index_that_another_process_holds_for_too_long_is_bypassed(
    line: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert numbers_of(line) == [1, 2, 3]
    monkeypatch.setattr(index_store, "_WAIT_S", 0.05)
    line.commit("four", {A: prompt_text("four")})
    holder = sqlite3.connect(line.path / INDEX, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert numbers_of(line) == [1, 2, 3, 4]
    finally:
        holder.close()


def test_processes_that_start_at_once_share_one_index(line: Repo) -> None:
    commits = "".join(
        f"commit refs/heads/main\ncommitter A <a@example.org> {1_800_000_000 + n} +0000\ndata 1\nx\n"
        + (f"from {line.head}\n" if n == 0 else "")
        + f"M 644 inline {A}\ndata <<END\n{prompt_text(f'text {n}')}END\n\n"
        for n in range(300)
    )
    line.git("fast-import", "--quiet", stdin=commits)
    command = [sys.executable, "-c", READ_NUMBERS, str(line.path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert len(answers) == 1
    assert answers.pop().count(",") == 2 * 303 - 1
    connection = sqlite3.connect(line.path / INDEX)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT COUNT(*) FROM versions").fetchone() == (303,)
    connection.close()


def test_a_build_that_breaks_off_leaves_the_index_as_it_was(line: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert numbers_of(line) == [1, 2, 3]
    line.commit("four", {A: prompt_text("four")})

    def interrupted(*_: object) -> object:
        raise HistoryIncomplete("no")

    with monkeypatch.context() as patched:
        patched.setattr(closures, "walk", interrupted)
        with pytest.raises(HistoryIncomplete):
            numbers_of(line)
    assert numbers_of(line) == [1, 2, 3, 4]


def test_the_index_is_kept_out_of_git(line: Repo) -> None:
    line.commit("no ignore", {".gitignore": "", "promptctl.yaml": ""})
    with open_workspace(line.path) as workspace:
        assert workspace.prompt("a").version.number == 3
    assert (line.path / ".git/promptctl/index/versions.db").is_file()
    assert line.git("status", "--porcelain", "--untracked-files=all") == "?? .promptctl/.gitignore"


def test_a_hostile_index_runs_nothing(line: Repo, tmp_path: Path) -> None:
    file = line.path / INDEX
    file.parent.mkdir(parents=True)
    connection = sqlite3.connect(file)
    connection.execute("CREATE VIEW meta AS SELECT load_extension('/nowhere') AS key, 1 AS value")
    connection.close()
    assert numbers_of(line) == [1, 2, 3]


def test_damage_that_shows_only_in_the_versions_themselves_is_mended(line: Repo, no_walk: list[int]) -> None:
    for n in range(200):
        line.write(f"prompts/many/p{n}.prompt.yaml", prompt_text(f"many {n}"))
    line.commit("many")
    assert numbers_of(line) == [1, 2, 3]
    file = line.path / INDEX
    connection = sqlite3.connect(file)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'versions'").fetchone()[0]
    connection.close()
    data = bytearray(file.read_bytes())
    data[(root - 1) * size : root * size] = b"\xff" * size
    file.write_bytes(data)
    assert numbers_of(line) == [1, 2, 3]
    assert no_walk == [5, 5]
