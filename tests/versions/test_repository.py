from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import GitError, InvalidFiles, PromptNotFound, RevisionNotFound
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = "prompts/a.prompt.yaml"
B = "prompts/b.prompt.yaml"


def opened(repo: Repo) -> Repository:
    return Repository(repo.path, cache_dir=repo.path / ".promptctl")


def text_of(repo: Repo, ref: str) -> str:
    message = opened(repo).resolve(ref).prompt.messages[0]
    return str(message.content).strip()  # type: ignore[union-attr]


def set_label(repo: Repo, prompt: str, label: str, n: int, commit: str, *, digest: str = "", **trailers: str) -> None:
    """Write one event of a label by hand, as the tag that `label set` would write."""
    previous = repo.git("rev-parse", f"prompt/{prompt}@{label}/{n - 1}") if n > 1 else "none"
    lines = {
        "Prompt": prompt,
        "Label": label,
        "Action": "set",
        "Version": "v1",
        "Digest": digest or opened(repo).resolve(f"{prompt}@{commit}").prompt.digest,
        "Path": f"prompts/{prompt}.prompt.yaml",
        "Previous": previous,
        "Actor": "Ada Example <ada@example.org>",
        **trailers,
    }
    body = "\n".join(f"{key}: {value}" for key, value in lines.items())
    name = f"prompt/{prompt}@{label}/{n}"
    tag = (
        f"object {commit}\ntype commit\ntag {name}\ntagger Ada Example <ada@example.org> 1700000000 +0000\n\n"
        f"{prompt}@{label}: set v1\n\n{body}\n"
    )
    repo.git("update-ref", f"refs/tags/{name}", repo.git("mktag", stdin=tag))


@pytest.fixture
def line(empty_repo: Repo) -> Repo:
    """A repository with v1 and v2 of the prompt `a` on main, and a partial that `a` includes."""
    first = {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n", "prompts/tone.j2": "kind"}
    empty_repo.commit("one", {**first, A: prompt_text('one {% include "tone.j2" %}')})
    empty_repo.commit("two", {A: prompt_text('two {% include "tone.j2" %}')})
    return empty_repo


def test_a_ref_alone_reads_the_work_tree_and_a_revision_its_commit(line: Repo) -> None:
    line.write(A, prompt_text("edited"))
    assert text_of(line, "a") == "edited"
    assert text_of(line, "a@HEAD").startswith("two")
    assert text_of(line, "a@main~1").startswith("one")
    assert text_of(line, f"a@{line.head[:9]}").startswith("two")
    assert text_of(line, "a@v1").startswith("one")


def test_everything_of_a_version_comes_from_one_commit(line: Repo) -> None:
    line.commit("tone", {"prompts/tone.j2": "curt"})
    repository = opened(line)
    assert repository.resolve("a@v2").prompt.partials == {"tone.j2": "kind"}
    assert repository.resolve("a@v3").prompt.partials == {"tone.j2": "curt"}
    assert repository.resolve("a@v2").tree.commit == line.git("rev-parse", "HEAD~1")


def test_a_version_carries_number_commit_and_digest(line: Repo) -> None:
    first = line.git("rev-parse", "HEAD~1")
    resolved = opened(line).resolve("a@v1")
    assert (resolved.version.number, resolved.version.commit) == (1, first)
    assert resolved.version.digest == resolved.prompt.digest
    assert resolved.version.display == f"v1 ({first[:7]})"
    assert not resolved.version.is_dirty


def test_a_label_names_its_commit_and_its_last_event_counts(line: Repo) -> None:
    first, second = line.git("rev-parse", "HEAD~1"), line.head
    set_label(line, "a", "production", 1, second)
    set_label(line, "a", "production", 2, first)
    version = opened(line).resolve("a@production").version
    assert (version.label, version.commit, version.number) == ("production", first, 1)


def test_a_label_wins_over_a_branch_of_its_name_which_keeps_its_full_name(line: Repo) -> None:
    first = line.git("rev-parse", "HEAD~1")
    line.git("branch", "production", line.head)
    assert opened(line).resolve("a@production").version.commit == line.head
    set_label(line, "a", "production", 1, first)
    assert opened(line).resolve("a@production").version.commit == first
    assert opened(line).resolve("a@refs/heads/production").version.commit == line.head
    assert opened(line).resolve("a@refs/heads/production").version.label is None


def test_a_label_follows_a_rename(line: Repo) -> None:
    set_label(line, "a", "production", 1, line.git("rev-parse", "HEAD~1"))
    line.git("mv", A, B)
    line.commit("rename")
    resolved = opened(line).resolve("b@production")
    assert (resolved.version.number, resolved.version.label) == (1, "production")
    assert (resolved.prompt.id, resolved.prompt.path) == ("b", A)


def test_an_earlier_commit_is_read_under_the_name_of_that_time(line: Repo) -> None:
    line.git("mv", A, B)
    line.commit("rename")
    assert text_of(line, "b@HEAD~1").startswith("two")
    assert text_of(line, "b@v1").startswith("one")
    with pytest.raises(PromptNotFound, match=r"no prompt `a` at `HEAD`"):
        opened(line).resolve("a@HEAD")


def test_a_label_put_on_another_content_than_its_tag_says_is_refused(line: Repo) -> None:
    set_label(line, "a", "production", 1, line.head, digest="1:" + "0" * 64)
    with pytest.raises(GitError, match="was put on digest") as error:
        opened(line).resolve("a@production")
    assert error.value.hint is not None
    assert "label verify" in error.value.hint


def test_a_number_is_never_a_branch_or_tag_of_that_name(line: Repo) -> None:
    line.git("tag", "v1", line.head)
    assert opened(line).resolve("a@v1").version.commit == line.git("rev-parse", "HEAD~1")
    assert opened(line).resolve("a@refs/tags/v1").version.commit == line.head
    line.git("tag", "v7")
    with pytest.raises(RevisionNotFound, match="its versions are v1 to v2") as error:
        opened(line).resolve("a@v7")
    assert error.value.hint is not None
    assert "a@refs/heads/v7 or @refs/tags/v7" in error.value.hint


@pytest.mark.parametrize(("typed", "meant"), [("prodction", "a@production"), ("featur", "a@feature")])
def test_an_unknown_name_is_answered_with_the_nearest(line: Repo, typed: str, meant: str) -> None:
    set_label(line, "a", "production", 1, line.head)
    line.git("branch", "feature")
    with pytest.raises(RevisionNotFound, match="no label of `a` and no revision") as error:
        opened(line).resolve(f"a@{typed}")
    assert error.value.hint is not None
    assert meant in error.value.hint


def test_an_unknown_name_like_none_is_answered_with_the_labels_there_are(line: Repo) -> None:
    set_label(line, "a", "production", 1, line.head)
    with pytest.raises(RevisionNotFound) as error:
        opened(line).resolve("a@zzz")
    assert error.value.hint is not None
    assert "its labels here: production" in error.value.hint
    assert "promptctl label set a@LABEL" in error.value.hint
    line.git("remote", "add", "origin", "../elsewhere.git")
    with pytest.raises(RevisionNotFound) as error:
        opened(line).resolve("a@zzz")
    assert "promptctl label fetch" in (error.value.hint or "")


def test_an_unknown_prompt_is_answered_with_the_nearest(line: Repo) -> None:
    line.commit("triage", {"prompts/support/triage.prompt.yaml": prompt_text("x")})
    repository = opened(line)
    for ask in (
        lambda: repository.resolve("support/triag"),
        lambda: repository.resolve("support/triag@HEAD"),
        lambda: repository.resolve("support/triag@v1"),
        lambda: repository.versions_of("support/triag"),
    ):
        with pytest.raises((PromptNotFound, RevisionNotFound)) as error:
            ask()
        assert error.value.hint is not None
        assert "support/triage" in error.value.hint


def test_a_prompt_that_was_deleted_still_has_its_history(line: Repo) -> None:
    line.git("rm", "--quiet", A)
    line.commit("delete")
    assert len(opened(line).versions_of("a")) == 2
    assert text_of(line, "a@v2").startswith("two")


def test_a_prompt_that_was_never_committed_has_no_versions_yet(line: Repo) -> None:
    line.write(B, prompt_text("new"))
    assert opened(line).versions_of("b") == []
    with pytest.raises(RevisionNotFound, match="no numbered version yet"):
        opened(line).resolve("b@v1")


def test_an_error_in_a_committed_file_says_in_which_commit(line: Repo) -> None:
    line.commit("broken", {A: "messages: [\n"})
    with pytest.raises(InvalidFiles, match=rf"at `HEAD` \(commit {line.head[:7]}\)"):
        opened(line).resolve("a@HEAD")


def test_an_ambiguous_commit_is_told_with_gits_own_candidates(line: Repo) -> None:
    commits = "".join(f"commit refs/heads/n{n}\ncommitter A <a@example.org> {n} +0000\ndata 0\n\n" for n in range(1500))
    line.git("fast-import", "--quiet", stdin=commits)
    prefixes = sorted(id_[:4] for id_ in line.git("for-each-ref", "--format=%(objectname)", "refs/heads").split("\n"))
    short = next(one for one, other in pairwise(prefixes) if one == other)
    with pytest.raises(RevisionNotFound) as error:
        opened(line).resolve(f"a@{short}")
    assert error.value.hint is not None
    assert "ambiguous" in error.value.hint


def test_no_ref_becomes_an_option_of_git(line: Repo, tmp_path: Path) -> None:
    target = tmp_path / "written"
    for at in (f"--output={target}", "--help", "-p", "--exec=touch x", "--upload-pack=touch x"):
        with pytest.raises(RevisionNotFound):
            opened(line).resolve(f"a@{at}")
    assert not target.exists()


def test_outside_git_only_the_work_tree_can_be_named(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    Repo(outside).write(A, prompt_text("one"))
    with pytest.raises(GitError, match="not in a Git repository") as error:
        Repository(outside).resolve("a@v1")
    assert error.value.hint is not None
    assert "git init" in error.value.hint


def test_a_repository_that_git_refuses_is_an_error_with_gits_remedy(
    line: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match="dubious ownership") as error:
        opened(line).resolve("a")
    assert error.value.hint is not None
    assert "safe.directory" in error.value.hint


def test_an_open_repository_sees_what_happens_around_it(line: Repo) -> None:
    repository = opened(line)
    assert repository.resolve("a").version.number == 2
    line.commit("three", {A: prompt_text("three")})
    assert repository.resolve("a").version.number == 3
    line.write(A, prompt_text("edited"))
    assert repository.resolve("a").version.is_dirty
    repository.close()
    assert repository.resolve("a@v3").version.number == 3


def test_without_a_number_the_index_is_not_built(line: Repo) -> None:
    version = opened(line).resolve("a", is_numbered=False).version
    assert (version.commit, version.is_dirty, version.number) == (line.head, False, None)
    assert not (line.path / ".promptctl").exists()


def test_a_partial_clone_reads_a_version_whose_files_are_not_here(
    line: Repo, remote: Repo, clone: Callable[..., Repo]
) -> None:
    partial = clone(remote, "partial", "--filter=blob:none")
    assert opened(partial).resolve("a@v1").prompt.partials == {"tone.j2": "kind"}
