"""The commit that made each line of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.errors import GitError
from promptctl.git.line_history import carried, file_lines, line_changes
from promptctl.git.repository import Git
from tests.repositories import Repo

FILE, OTHER = "prompts/a.prompt.yaml", "prompts/part.j2"
LONG = "".join(f"line {number}\n" for number in range(12))


def subjects(repo: Repo, path: str = FILE, commit: str = "HEAD", **earlier: str) -> list[str]:
    """The subject of the commit of each line; `earlier` maps a path to the one before."""
    git = Git.open(repo.path)
    assert git is not None
    try:
        paths = [path, OTHER] if (repo.path / OTHER).exists() else [path]
        named = {f"prompts/{name}.prompt.yaml": old for name, old in earlier.items()}
        found = line_changes(git, repo.git("rev-parse", commit), paths, lambda _, asked: named.get(asked))
        return [change.commit.subject for change in found[path]]
    finally:
        git.close()


def test_of_a_subject_of_megabytes_the_beginning_is_shown(repo: Repo) -> None:
    repo.write("message", "Long " * 500_000)
    repo.commit("One", {FILE: "a\n"})
    repo.git("commit", "--amend", "--quiet", "--file=message")
    (subject,) = subjects(repo)
    assert subject.startswith("Long Long")
    assert len(subject) < 70_000


def test_each_line_has_the_commit_that_made_it(repo: Repo) -> None:
    repo.commit("One", {FILE: "a\nb\n", OTHER: "x\n"})
    repo.commit("Other", {OTHER: "y\n"})
    repo.commit("Two", {FILE: "a\nc\n"})
    repo.commit("Nothing of it", {"README.md": "hi\n"})
    assert subjects(repo) == ["One", "Two"]
    assert subjects(repo, OTHER) == ["Other"]
    assert subjects(repo, commit="HEAD~2") == ["One", "One"]


def test_lines_of_a_merged_branch_are_of_its_commits(repo: Repo) -> None:
    repo.commit("Base", {FILE: "a\nb\nc\nd\ne\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("On the side", {FILE: "A\nb\nc\nd\ne\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("On main", {FILE: "a\nb\nc\nd\nE\n"})
    repo.merge("side")
    assert subjects(repo) == ["On the side", "Base", "Base", "Base", "On main"]


def test_a_rename_is_followed_where_most_stays(repo: Repo) -> None:
    repo.commit("One", {"prompts/old.prompt.yaml": LONG, OTHER: "x\n"})
    repo.commit("Edit", {"prompts/old.prompt.yaml": LONG.replace("line 3", "LINE 3")})
    repo.commit("Other", {OTHER: "y\n"})
    repo.git("mv", "prompts/old.prompt.yaml", FILE)
    repo.commit("Rename", {FILE: LONG.replace("line 3", "LINE 3").replace("line 9", "LINE 9")})
    found = subjects(repo)
    assert found[3] == "Edit"
    assert found[9] == "Rename"
    assert set(found) == {"One", "Edit", "Rename"}


def test_a_rename_that_changes_most_is_followed_where_it_is_said(repo: Repo) -> None:
    repo.commit("One", {"prompts/old.prompt.yaml": "kept\nx\ny\nz\n"})
    repo.git("mv", "prompts/old.prompt.yaml", FILE)
    repo.commit("Rename", {FILE: "".join(f"new {number}\n" for number in range(20)) + "kept\n"})
    assert set(subjects(repo)) == {"Rename"}
    found = subjects(repo, a="prompts/old.prompt.yaml")
    assert found[-1] == "One"
    assert set(found[:-1]) == {"Rename"}


def test_the_author_is_that_of_the_mailmap_and_odd_names_are_read(repo: Repo) -> None:
    odd = 'prompts/ä "quoted".j2'
    repo.git("config", "user.name", "A. Example")
    repo.commit("One", {FILE: "a\n", odd: "x\n", ".mailmap": "Ada Example <ada@example.org> <you@example.org>\n"})
    git = Git.open(repo.path)
    assert git is not None
    email = repo.git("log", "-1", "--format=%ae")
    repo.commit("Map", {".mailmap": f"Ada King <ada@example.org> <{email}>\n"})
    found = line_changes(git, repo.head, [FILE, odd])
    git.close()
    assert found[FILE][0].commit.author == "Ada King <ada@example.org>"
    assert found[odd][0].path == odd


def test_nothing_of_the_repository_runs_or_hides(repo: Repo, tmp_path: Path) -> None:
    """Neither its filters and attributes nor its list of commits to ignore."""
    trap = tmp_path / "ran"
    repo.commit("One", {FILE: "a\n", ".gitattributes": "*.yaml diff=evil filter=evil\n"})
    made = repo.commit("Two", {FILE: "b\n"})
    for key in ("diff.evil.textconv", "diff.evil.command", "filter.evil.clean", "filter.evil.smudge", "core.pager"):
        repo.git("config", key, f"touch {trap}; cat")
    repo.git("config", "core.fsmonitor", f"touch {trap}")
    repo.write("ignored", made + "\n")
    repo.git("config", "blame.ignoreRevsFile", "ignored")
    repo.git("config", "blame.markIgnoredLines", "true")
    assert subjects(repo) == ["Two"]
    assert not trap.exists()
    repo.git("config", "blame.ignoreRevsFile", "/dev/zero")
    with pytest.raises(GitError, match="names /dev/zero, and that is no file"):
        subjects(repo)


def test_a_shallow_clone_says_where_it_ends(repo: Repo, tmp_path: Path) -> None:
    repo.commit("One", {FILE: "a\nb\n"})
    repo.commit("Two", {FILE: "a\nc\n"})
    repo.commit("Three", {FILE: "a\nc\nd\n"})
    repo.git("clone", "-q", "--depth", "2", f"file://{repo.path}", str(tmp_path / "shallow"))
    git = Git.open(tmp_path / "shallow")
    assert git is not None
    assert git.head is not None
    found = line_changes(git, git.head, [FILE])[FILE]
    git.close()
    assert [(each.commit.subject, each.is_cut) for each in found] == [("Two", True), ("Two", True), ("Three", False)]


def test_a_partial_clone_fetches_what_it_lacks(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.git("config", "uploadpack.allowAnySHA1InWant", "true")
    for number in range(3):
        repo.commit(f"Change {number}", {FILE: "a\n" * number + "b\n"})
    repo.git("clone", "-q", "--filter=blob:none", f"file://{repo.path}", str(tmp_path / "partial"))
    git = Git.open(tmp_path / "partial")
    assert git is not None
    assert git.head is not None
    found = line_changes(git, git.head, [FILE])[FILE]
    git.close()
    assert [each.commit.subject for each in found] == ["Change 1", "Change 2", "Change 0"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "a", [None]),
        ("abc", "abc", [0, 1, 2]),
        ("abc", "axc", [0, None, 2]),
        ("abc", "bc", [1, 2]),
        ("ab", "abab", [0, 1, None, None]),
        ("abcd", "xbyd", [None, 1, None, 3]),
        ("abc", "", []),
    ],
)
def test_lines_are_carried_over(old: str, new: str, expected: list[int | None]) -> None:
    assert carried(list(old), list(new)) == expected


def test_huge_files_are_matched_by_their_ends_alone() -> None:
    old = [str(number) for number in range(10_000)]
    found = carried(old, ["0", *(f"new {each}" for each in old), "9999"])
    assert (found[0], found[1], found[-1]) == (0, None, 9_999)


@pytest.mark.parametrize(
    ("data", "lines"), [(b"", []), (b"a\r\nb", ["a", "b"]), (b"a\n", ["a"]), (b"\xff\n", ["\ufffd"])]
)
def test_lines_are_counted_as_git_counts_them(data: bytes, lines: list[str]) -> None:
    assert file_lines(data) == lines
