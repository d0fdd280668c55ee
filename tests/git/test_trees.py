from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import WorkspaceError
from promptctl.files.tree import MAX_BYTES, StreamedTree
from promptctl.git.repository import Git
from promptctl.git.trees import CommitTree, WorkTree, blob_id, blob_of
from tests.repositories import Repo

if TYPE_CHECKING:
    from pathlib import Path

    from promptctl.files.tree import Tree

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def commit_tree(repo: Repo, folder: str = "") -> CommitTree:
    git = Git.open(repo.path / folder)
    assert git is not None
    assert git.head is not None
    return CommitTree(git, git.head, git.prefix)


@pytest.fixture(params=["work tree", "commit", "work tree below the root", "commit below the root"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = "apps/bot/" if "below" in request.param else ""
    repo = _made(tmp_path_factory.getbasetemp() / f"trees{len(folder)}", folder)
    return commit_tree(repo, folder) if "commit" in request.param else WorkTree(repo.path / folder)


@cache
def _made(root: Path, folder: str) -> Repo:
    """A repository that is made once: trees are only read."""
    files = {
        "prompts/a.prompt.yaml": "name: A\n",
        "prompts/sub/b.prompt.yaml": "name: B\n",
        "prompts/sub/tone.j2": "kind\r\n",
        "prompts/ünï -x.j2": "odd name\n",
        "prompts-old/c.prompt.yaml": "name: C\n",
        "prompts/large.txt": "x" * (MAX_BYTES + 1),
        "prompts/pointer.j2": POINTER,
    }
    root.mkdir()
    repo = Repo(root)
    repo.git("init", "--quiet")
    repo.commit("Files", {folder + path: text for path, text in files.items()})
    (repo.path / folder / "prompts" / "link.prompt.yaml").symlink_to("a.prompt.yaml")
    (repo.path / folder / "prompts" / "linked").symlink_to("sub")
    repo.commit("Links")
    repo.write("prompts/outside.j2", "of the repository, not of the workspace below it\n")
    return repo


def test_files_are_read_as_stored(tree: Tree) -> None:
    assert tree.read("prompts/sub/tone.j2") == b"kind\r\n"
    assert tree.read("prompts/ünï -x.j2") == b"odd name\n"


def test_paths_are_those_below_a_folder_sorted(tree: Tree) -> None:
    assert list(tree.paths("prompts/sub")) == ["prompts/sub/b.prompt.yaml", "prompts/sub/tone.j2"]
    assert list(tree.paths("prompts-old/")) == ["prompts-old/c.prompt.yaml"]
    assert list(tree.paths("nowhere")) == []
    assert {"prompts/a.prompt.yaml", "prompts-old/c.prompt.yaml"} <= set(tree.paths(""))


@pytest.mark.parametrize("path", ["prompts/none.j2", "prompts/sub", "none", "prompts/a.prompt.yaml/x", "x" * 300])
def test_what_is_not_there_is_not_found(tree: Tree, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        tree.read(path)


@pytest.mark.parametrize(
    "path", ["../secret", "prompts/../../secret", "/etc/passwd", "", "prompts//a", "./prompts/a", "prompts/a\0b"]
)
def test_no_path_leaves_the_workspace(tree: Tree, path: str) -> None:
    with pytest.raises(WorkspaceError, match="does not lie in the workspace"):
        tree.read(path)


@pytest.mark.parametrize("path", ["prompts/link.prompt.yaml", "prompts/linked/tone.j2"])
def test_links_are_not_followed(tree: Tree, path: str) -> None:
    with pytest.raises(WorkspaceError, match="symbolic link") as error:
        tree.read(path)
    assert error.value.place is not None
    assert error.value.place.path == path


def test_a_large_file_is_read_only_where_it_is_allowed_to_be(tree: WorkTree | CommitTree) -> None:
    with pytest.raises(WorkspaceError, match="1,048,577 bytes"):
        tree.read("prompts/large.txt")
    assert len(tree.read("prompts/large.txt", max_bytes=MAX_BYTES + 1)) == MAX_BYTES + 1


def test_a_large_file_is_given_as_a_stream(tree: WorkTree | CommitTree) -> None:
    assert isinstance(tree, StreamedTree)
    with tree.open("prompts/large.txt") as opened:
        assert opened.read(3) == b"xxx"
        assert len(opened.read()) == MAX_BYTES - 2
    with tree.open("prompts/sub/tone.j2") as opened:
        assert list(opened) == [b"kind\r\n"]


@pytest.mark.parametrize("path", ["prompts/link.prompt.yaml", "prompts/pointer.j2", "../secret"])
def test_what_is_not_read_is_not_streamed_either(tree: WorkTree | CommitTree, path: str) -> None:
    with pytest.raises(WorkspaceError):
        tree.open(path)
    with pytest.raises(FileNotFoundError):
        tree.open("prompts/none.txt")


def test_a_pointer_to_large_file_storage_is_no_content(tree: Tree) -> None:
    with pytest.raises(WorkspaceError, match="Git LFS pointer"):
        tree.read("prompts/pointer.j2")


def test_a_link_out_of_the_workspace_reads_nothing(repo: Repo, tmp_path: Path) -> None:
    secret = tmp_path / "secret.prompt.yaml"
    secret.write_text("key\n")
    (repo.path / "prompts" / "secret.prompt.yaml").symlink_to(secret)
    (repo.path / "elsewhere").symlink_to(tmp_path)
    for path in ("prompts/secret.prompt.yaml", "elsewhere/secret.prompt.yaml"):
        with pytest.raises(WorkspaceError, match="symbolic link"):
            WorkTree(repo.path).read(path)
    with pytest.raises(WorkspaceError, match="symbolic link"):
        WorkTree(repo.path).paths("elsewhere")


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(repo: Repo) -> None:
    os.mkfifo(repo.path / "prompts" / "pipe.j2")
    with pytest.raises(WorkspaceError, match="not a regular file"):
        WorkTree(repo.path).read("prompts/pipe.j2")


def test_a_workspace_reached_through_a_link_reads_its_own_files(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(repo.path)
    assert WorkTree(tmp_path / "shortcut").read("promptctl.yaml") == b"{}\n"


def test_a_submodule_inside_the_prompts_is_named_as_such(repo: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    other.path.mkdir()
    other.git("init", "--quiet")
    other.commit("Other", {"tone.j2": "kind\n"})
    repo.git("submodule", "--quiet", "add", str(other.path), "prompts/shared")
    repo.commit("Add a submodule")
    tree = commit_tree(repo)
    with pytest.raises(WorkspaceError, match="submodule"):
        tree.read("prompts/shared/tone.j2")
    with pytest.raises(WorkspaceError, match="submodule"):
        tree.paths("prompts/shared")
    assert list(tree.paths("prompts")) == ["prompts/shared", "prompts/support/triage.prompt.yaml"]


def test_a_workspace_that_is_a_submodule_reads_its_own_commits(repo: Repo, tmp_path: Path) -> None:
    outer = Repo(tmp_path / "outer")
    outer.path.mkdir()
    outer.git("init", "--quiet")
    outer.git("submodule", "--quiet", "add", str(repo.path), "bot")
    outer.commit("Add the workspace")
    tree = commit_tree(outer, "bot")
    assert tree.commit == repo.head
    assert tree.read("promptctl.yaml") == b"{}\n"


def test_a_commit_is_read_as_it_was_whatever_the_work_tree_holds(repo: Repo) -> None:
    tree = commit_tree(repo)
    repo.commit("Change", {"promptctl.yaml": "branch: main\n"})
    assert tree.read("promptctl.yaml") == b"{}\n"
    assert commit_tree(repo).read("promptctl.yaml") == b"branch: main\n"


def test_the_id_of_a_file_is_the_one_git_gives_it(repo: Repo) -> None:
    blobs = commit_tree(repo).blobs("prompts")
    data = (repo.path / "prompts/support/triage.prompt.yaml").read_bytes()
    assert list(blobs.values()) == [blob_id(data, like=repo.head)]


def test_a_file_of_gigabytes_is_not_hashed(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 31)
    assert blob_of(WorkTree(tmp_path), "big", "0" * 40) == ""


def test_a_file_of_the_disk_is_read_again_once_it_was_written_or_a_link(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + 10_000_000_000)
    file, work_tree = repo.write("prompts/a.j2", "one"), WorkTree(repo.path)
    opened: list[str] = []
    read = work_tree.open_stored
    monkeypatch.setattr(work_tree, "open_stored", lambda path: opened.append(path) or read(path))  # type: ignore[func-returns-value]
    assert [work_tree.read("prompts/a.j2") for _ in range(3)] == [b"one"] * 3
    assert len(opened) == 1
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert work_tree.read("prompts/a.j2") == b"two"
    with pytest.raises(WorkspaceError, match="at most 2 "):
        work_tree.read("prompts/a.j2", max_bytes=2)
    file.parent.rename(repo.path / "elsewhere")
    file.parent.symlink_to("elsewhere")
    with pytest.raises(WorkspaceError, match="symbolic link"):
        work_tree.read("prompts/a.j2")
    file.parent.unlink()
    with pytest.raises(FileNotFoundError):
        work_tree.read("prompts/a.j2")
