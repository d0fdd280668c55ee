from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import GitError, RevisionNotFound
from promptctl.git.repository import Git, init_repository
from tests.repositories import Repo

if TYPE_CHECKING:
    from pathlib import Path


def open_git(folder: Path) -> Git:
    git = Git.open(folder)
    assert git is not None
    return git


def test_outside_a_work_tree_there_is_no_repository(tmp_path: Path, repo: Repo) -> None:
    assert Git.open(tmp_path / "home") is None
    assert Git.open(repo.path / ".git") is None


def test_a_bare_repository_is_its_own_root_unless_a_work_tree_holds_it(repo: Repo, remote: Repo) -> None:
    git = open_git(remote.path)
    assert (git.is_bare, git.root, git.prefix, git.head) == (True, remote.path, "", repo.head)
    assert git.look_again()
    inside = remote.path.rename(repo.path / "inside.git")
    with pytest.raises(GitError, match="bare repository"):
        Git.open(inside)


def test_a_folder_below_the_root_knows_its_prefix(repo: Repo) -> None:
    git = open_git(repo.path / "prompts" / "support")
    assert (git.root, git.prefix, git.head) == (repo.path, "prompts/support/", repo.head)


def test_a_repository_without_a_commit_has_no_head(empty_repo: Repo) -> None:
    git = open_git(empty_repo.path)
    assert git.head is None
    assert git.refs("refs/heads") == []


def test_variables_of_an_outer_git_process_choose_nothing(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Repo(other).git("init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.worktree")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(other))
    assert open_git(repo.path).root == repo.path


def test_a_folder_that_looks_like_a_bare_repository_is_refused_with_its_configuration(repo: Repo) -> None:
    trap = repo.path / "apps" / "bot"
    for folder in ("objects", "refs"):
        (trap / folder).mkdir(parents=True)
    (trap / "HEAD").write_text("ref: refs/heads/main\n")
    (trap / "config").write_text("[core]\n\tbare = false\n\tworktree = .\n")
    with pytest.raises(GitError, match="bare repository"):
        Git.open(trap)


def test_a_replacement_never_stands_in_for_the_object_asked_for(repo: Repo) -> None:
    forged = repo.git("hash-object", "-w", "--stdin", stdin="forged")
    blob = repo.git("rev-parse", "HEAD:promptctl.yaml")
    repo.git("replace", blob, forged)
    found = open_git(repo.path).objects.read(blob)
    assert found is not None
    assert found.data == b"{}\n"


@pytest.mark.parametrize("name", ["--all", "-n", "--git-dir", "nope", "^HEAD", "HEAD:promptctl.yaml", ""])
def test_a_name_that_is_no_commit_is_not_found_and_never_an_option(repo: Repo, name: str) -> None:
    with pytest.raises(RevisionNotFound):
        open_git(repo.path).commit_of(name)


def test_a_part_of_an_id_that_two_objects_share_is_said_with_them(repo: Repo) -> None:
    git = open_git(repo.path)
    for text in (b"142", b"784"):
        git.run(["hash-object", "-w", "--stdin"], input=text)
    with pytest.raises(RevisionNotFound) as caught:
        git.commit_of("8324")
    assert "Git says: short object ID 8324 is ambiguous" in str(caught.value.hint)
    assert "83249d" in str(caught.value.hint)


def test_a_revision_in_each_of_gits_notations_names_a_commit(repo: Repo) -> None:
    first = repo.head
    second = repo.commit("Second")
    repo.git("tag", "-a", "-m", "A tag", "release")
    git = open_git(repo.path)
    assert git.commit_of("HEAD~1") == first
    assert git.commit_of(second[:8]) == git.commit_of("release") == git.commit_of(":/Second") == second


def test_a_name_of_both_a_branch_and_a_tag_has_to_be_written_in_full(repo: Repo) -> None:
    repo.git("tag", "release")
    later = repo.commit("Later")
    repo.git("branch", "release")
    git = open_git(repo.path)
    for name in ("release", "release^0"):
        with pytest.raises(GitError, match="several things") as error:
            git.commit_of(name)
        assert error.value.hint == "write it in full: refs/heads/release or refs/tags/release"
    assert git.commit_of("refs/heads/release") == later


def test_no_hook_and_no_monitor_of_the_repository_runs(repo: Repo, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    script = repo.write(".git/hooks/reference-transaction", f"#!/bin/sh\ntouch {witness}\n")
    script.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(script))
    git = open_git(repo.path)
    git.run(["update-ref", "refs/tags/t", repo.head])
    git.run(["status", "--porcelain"])
    assert not witness.exists()


def test_gits_own_remedy_is_the_hint(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError) as refused:
        Git.open(repo.path)
    assert "dubious ownership" in refused.value.message
    assert refused.value.hint is not None
    assert f"git config --global --add safe.directory {repo.path}" in refused.value.hint


def test_a_failing_command_is_an_error_unless_asked_otherwise(repo: Repo) -> None:
    git = open_git(repo.path)
    with pytest.raises(GitError, match="Git refused"):
        git.run(["cat-file", "-p", "nope"])
    assert git.run(["cat-file", "-p", "nope"], check=False).status == 128


def test_refs_are_listed_below_a_prefix_with_the_objects_they_name(repo: Repo) -> None:
    repo.git("tag", "-a", "-m", "One", "prompt/a@x/1")
    repo.git("tag", "prompt/b@x/1")
    git = open_git(repo.path)
    below = git.refs("refs/tags/prompt/a@x")
    assert [(ref.name, ref.object) for ref in below] == [
        ("refs/tags/prompt/a@x/1", repo.git("rev-parse", "prompt/a@x/1"))
    ]
    assert len(git.refs("refs/tags/prompt")) == 2


def test_where_no_reference_can_be_is_told_from_where_one_is_or_git_must_say(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    places = ("refs/tags/prompt/a@x", "refs/tags/prompt/a@*/*")
    repositories = [open_git(repo.path), open_git(tmp_path / "linked")]
    assert not any(git.may_have("refs/promptctl/known", place) for git in repositories for place in places)
    repo.git("tag", "prompt/a@x/1")
    assert all(git.may_have("refs/promptctl/known", place) for git in repositories for place in places)
    repo.git("pack-refs", "--all", "--prune")
    assert not (repo.path / ".git/refs/tags/prompt").exists()
    assert all(git.may_have("refs/promptctl/known", place) for git in repositories for place in places)
    assert not any(git.may_have("refs/promptctl/known") for git in repositories)
    (repo.path / ".git").rename(tmp_path / "gone")
    assert repositories[0].may_have("refs/promptctl/known")


def test_git_missing_from_the_path_is_said(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git = open_git(repo.path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="not installed"):
        git.run(["version"])


def test_a_new_repository_begins_on_main_or_on_what_the_user_configured(tmp_path: Path, isolated_git: Path) -> None:
    for name, configured in (("one", None), ("two", "trunk")):
        isolated_git.write_text(f"[init]\n defaultBranch = {configured}\n" if configured else "")
        (tmp_path / name).mkdir()
        init_repository(tmp_path / name)
        assert Repo(tmp_path / name).git("symbolic-ref", "HEAD") == f"refs/heads/{configured or 'main'}"


def test_what_others_changed_is_seen_on_looking_again(repo: Repo) -> None:
    git = open_git(repo.path)
    assert git.head != repo.commit("Later")
    git.look_again()
    assert git.head == repo.head


def test_objects_are_those_of_the_repository_that_took_the_place(repo: Repo, tmp_path: Path) -> None:
    git = open_git(repo.path)
    assert git.objects.read(repo.head) is not None
    new = Repo(tmp_path / "new")
    shutil.copytree(repo.path, new.path)
    new.commit("Later")
    shutil.rmtree(repo.path)
    new.path.rename(repo.path)
    assert git.look_again()
    assert git.head == repo.head
    assert git.objects.read(repo.head) is not None
