from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import WorkspaceError
from promptctl.git.kept_trees import CommitTrees, RecentFiles
from promptctl.git.repository import Git
from tests.git.test_trees import POINTER

if TYPE_CHECKING:
    from tests.repositories import Repo


def test_files_of_several_commits_are_read_ahead(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "prompts/sub/a.prompt.yaml"
    commits = [repo.commit(text, {path: text, "prompts/p.j2": POINTER}) for text in ("one\n", "two\n")]
    git = Git.open(repo.path)
    assert git is not None
    trees = CommitTrees(git)
    at = trees.at
    trees.read_ahead([*((at(commit), path) for commit in commits), (at(commits[0]), "prompts/p.j2")])
    trees.read_ahead([(at(commits[0]), "no/x")])
    monkeypatch.setattr(git.objects, "_answers", None)
    assert [trees.at(commit).read(path) for commit in commits] == [b"one\n", b"two\n"]
    monkeypatch.undo()
    with pytest.raises(WorkspaceError, match="Git LFS pointer"):
        trees.at(commits[0]).read("prompts/p.j2")
    with pytest.raises(FileNotFoundError):
        trees.at(commits[0]).read("no/x")


def test_a_large_file_is_read_anew_each_time_and_a_bound_holds_for_a_kept_one(repo: Repo) -> None:
    small, large = "x" * (64 << 10), "y" * ((64 << 10) + 1)
    commit = repo.commit("Files", {"prompts/small.j2": small, "prompts/large.j2": large})
    git = Git.open(repo.path)
    assert git is not None
    tree = CommitTrees(git).at(commit)
    for _ in range(2):
        assert tree.read("prompts/small.j2") == small.encode()
        assert tree.read("prompts/large.j2") == large.encode()
        with pytest.raises(WorkspaceError, match="65,536 bytes; at most 9 are read"):
            tree.read("prompts/small.j2", max_bytes=9)
    assert tree.read("prompts/small.j2") is tree.read("prompts/small.j2")
    assert tree.read("prompts/large.j2") is not tree.read("prompts/large.j2")


def test_the_files_that_were_read_last_are_kept_and_no_more_whatever_threads_do() -> None:
    files = RecentFiles()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: files.__setitem__(str(number), b"%d" % number), range(1_000)))
    assert len(files) == 64
    assert all(data == number.encode() for number, data in files.items())
    for number in range(64):
        files[f"new {number}"] = b""
    files["new 63"] = b"again"
    files["large"] = b"x" * ((64 << 10) + 1)
    assert list(files) == [f"new {number}" for number in range(64)]
    assert files["new 63"] == b"again"
