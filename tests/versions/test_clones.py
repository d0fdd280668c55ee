"""Version numbers in clones of every kind: equal where they can be known, and `v?` with a command where not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from promptctl.errors import HistoryIncomplete, RevisionNotFound
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

A = "prompts/a.prompt.yaml"
Clone = Callable[..., Repo]


def opened(repo: Repo, **settings: str) -> Repository:
    return Repository(repo.path, settings.get("branch"), settings.get("remote"), repo.path / ".promptctl")


def numbers_of(repo: Repo, **settings: str) -> list[tuple[int, str]]:
    entries = [entry.as_dict() for entry in opened(repo, **settings).versions_of("a")]
    return [(entry["version"], entry["commit"]) for entry in entries]


def run_hint(repo: Repo, hint: str | None) -> None:
    """Run the command that an error gave."""
    assert hint is not None
    program, *args = hint.split("   ")[0].split()
    assert program == "git"
    repo.git(*args)


@pytest.fixture
def pushed(repo: Repo, remote: Repo) -> Repo:
    """Three versions of `a` on main, pushed."""
    for text in ("one", "two", "three"):
        repo.commit(text, {A: prompt_text(text), ".gitignore": ".promptctl/\n"})
    repo.git("push", "--quiet")
    return repo


def test_every_full_clone_agrees(pushed: Repo, remote: Repo, clone: Clone) -> None:
    assert numbers_of(clone(remote, "full")) == numbers_of(pushed)
    assert len(numbers_of(pushed)) == 3


def test_the_line_is_the_remotes_and_not_what_is_only_here(pushed: Repo, remote: Repo) -> None:
    head = pushed.commit("not pushed", {A: prompt_text("four")})
    assert len(numbers_of(pushed)) == 3
    assert opened(pushed).resolve("a").version.display == f"v3+1 ({head[:7]})"
    pushed.git("push", "--quiet")
    assert opened(pushed).resolve("a").version.number == 4


def test_a_remote_that_was_never_fetched_counts_as_none(repo: Repo) -> None:
    repo.commit("one", {A: prompt_text("one")})
    repo.git("remote", "add", "origin", "https://example.org/never.git")
    assert len(numbers_of(repo)) == 1


def test_the_settings_name_the_branch(pushed: Repo, remote: Repo, clone: Clone) -> None:
    pushed.git("checkout", "--quiet", "-b", "release")
    pushed.commit("four", {A: prompt_text("four")})
    pushed.git("push", "--quiet", "origin", "release")
    full = clone(remote, "full")
    assert len(numbers_of(full)) == 3
    assert len(numbers_of(full, branch="release")) == 4


def test_the_settings_name_the_remote(pushed: Repo, remote: Repo, clone: Clone) -> None:
    full = clone(remote, "full")
    full.git("remote", "rename", "origin", "upstream")
    assert len(numbers_of(full)) == 3
    full.git("remote", "add", "origin", str(pushed.path))
    pushed.commit("not pushed", {A: prompt_text("four")})
    full.git("fetch", "--quiet", "origin")
    assert len(numbers_of(full, remote="origin")) == 4
    assert len(numbers_of(full, remote="upstream")) == 3


def test_the_remotes_own_default_branch_is_followed(pushed: Repo, remote: Repo, clone: Clone) -> None:
    pushed.git("push", "--quiet", "origin", "main~1:refs/heads/trunk")
    remote.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    assert len(numbers_of(clone(remote, "full"))) == 2


def test_a_default_branch_that_was_renamed_at_the_remote_is_found_by_the_hint(
    pushed: Repo, remote: Repo, clone: Clone
) -> None:
    full = clone(remote, "full")
    remote.git("branch", "--move", "main", "trunk")
    remote.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    full.git("fetch", "--quiet", "--prune")
    with pytest.raises(HistoryIncomplete, match="no longer has the branch main, the default one of origin") as error:
        numbers_of(full)
    for command in str(error.value.hint).split(" && "):
        run_hint(full, command)
    assert len(numbers_of(full)) == 3


def test_a_lone_branch_of_any_name_is_the_line_where_there_is_no_remote(repo: Repo) -> None:
    repo.git("branch", "--move", "trunk")
    repo.commit("one", {A: prompt_text("one")})
    assert len(numbers_of(repo)) == 1
    repo.git("branch", "other")
    with pytest.raises(HistoryIncomplete, match="no branch main") as error:
        numbers_of(repo)
    assert error.value.hint is not None
    assert "promptctl.yaml" in error.value.hint
    assert len(numbers_of(repo, branch="trunk")) == 1


def test_a_shallow_clone_knows_no_number_and_says_how_to_learn_it(pushed: Repo, remote: Repo, clone: Clone) -> None:
    shallow = clone(remote, "shallow", "--depth=1")
    version = opened(shallow).resolve("a").version
    assert (version.number, version.display, version.commit) == (None, "v?", pushed.head)
    assert version.note is not None
    assert "git fetch --unshallow origin" in version.note
    assert opened(shallow).numbers()["a"].display == "v?"
    with pytest.raises(RevisionNotFound) as unknown:
        opened(shallow).resolve("a@production")
    assert str(unknown.value.hint).endswith("those from before a rename with: git fetch --unshallow origin")
    for ask in (lambda: opened(shallow).versions_of("a"), lambda: opened(shallow).resolve("a@v3")):
        with pytest.raises(HistoryIncomplete) as error:
            ask()
    run_hint(shallow, error.value.hint)
    assert numbers_of(shallow) == numbers_of(pushed)


def test_a_shallow_clone_of_a_branch_does_not_guess_where_that_left_the_line(
    pushed: Repo, remote: Repo, clone: Clone
) -> None:
    pushed.git("checkout", "--quiet", "-b", "feature")
    pushed.commit("four", {A: prompt_text("four")})
    pushed.git("push", "--quiet", "origin", "feature")
    shallow = clone(remote, "shallow", "--depth=1", "--branch=feature")
    shallow.git("fetch", "--quiet", "origin", "+refs/heads/main:refs/remotes/origin/main")
    version = opened(shallow).resolve("a").version
    assert (version.display, opened(shallow).numbers()["a"].display) == ("v?", "v?")
    shallow.git("fetch", "--quiet", "--unshallow", "origin")
    assert opened(shallow).resolve("a").version.display.startswith("v3+1 ")


def test_a_revision_beyond_a_shallow_clones_history_says_how_to_reach_it(
    pushed: Repo, remote: Repo, clone: Clone
) -> None:
    shallow = clone(remote, "shallow", "--depth=1")
    with pytest.raises(HistoryIncomplete, match="its history of `main` does not reach back to `main~1`") as error:
        opened(shallow).resolve("a@main~1")
    with pytest.raises(RevisionNotFound):
        opened(shallow).resolve("a@mian~1")
    run_hint(shallow, error.value.hint)
    assert opened(shallow).resolve("a@main~1").version.number == 2


def test_a_shallow_clone_keeps_the_numbers_it_knew_before(pushed: Repo, remote: Repo, clone: Clone) -> None:
    full = clone(remote, "full")
    assert len(numbers_of(full)) == 3
    full.git("fetch", "--quiet", "--depth=1", "origin", "main")
    assert len(numbers_of(full)) == 3


def test_a_clone_deep_enough_for_all_of_the_line_is_complete(pushed: Repo, remote: Repo, clone: Clone) -> None:
    assert numbers_of(clone(remote, "deep", "--depth=100")) == numbers_of(pushed)


def test_a_clone_of_another_branch_alone_says_which_fetch_it_lacks(pushed: Repo, remote: Repo, clone: Clone) -> None:
    pushed.git("push", "--quiet", "origin", "main:refs/heads/topic")
    single = clone(remote, "single", "--single-branch", "--branch=topic")
    version = opened(single).resolve("a").version
    assert (version.number, version.display) == (None, "v?")
    with pytest.raises(HistoryIncomplete, match="does not have the branch main") as error:
        numbers_of(single)
    run_hint(single, error.value.hint)
    assert numbers_of(single) == numbers_of(pushed)
    assert opened(single).resolve("a").version.number == 3


def test_a_shallow_clone_of_another_branch_needs_one_command_as_well(pushed: Repo, remote: Repo, clone: Clone) -> None:
    pushed.git("push", "--quiet", "origin", "main:refs/heads/topic")
    checkout = clone(remote, "checkout", "--depth=1", "--branch=topic")
    version = opened(checkout).resolve("a").version
    assert version.display == "v?"
    with pytest.raises(HistoryIncomplete) as error:
        numbers_of(checkout)
    run_hint(checkout, error.value.hint)
    assert numbers_of(checkout) == numbers_of(pushed)


def test_a_clone_of_the_default_branch_alone_or_without_tags_knows_all(
    pushed: Repo, remote: Repo, clone: Clone
) -> None:
    for name, option in (("single", "--single-branch"), ("tagless", "--no-tags")):
        assert numbers_of(clone(remote, name, option)) == numbers_of(pushed)


def test_a_partial_clone_fetches_what_it_lacks_and_agrees(pushed: Repo, remote: Repo, clone: Clone) -> None:
    partial = clone(remote, "partial", "--filter=blob:none")
    assert numbers_of(partial) == numbers_of(pushed)
    assert opened(partial).resolve("a@v1").prompt.messages == opened(pushed).resolve("a@v1").prompt.messages


def test_a_clone_without_trees_says_how_to_get_them(pushed: Repo, remote: Repo, clone: Clone) -> None:
    treeless = clone(remote, "treeless", "--filter=tree:0", "--no-checkout")
    with pytest.raises(HistoryIncomplete) as error:
        numbers_of(treeless)
    assert error.value.hint is not None
    run_hint(treeless, error.value.hint.removeprefix("in a clone without trees: "))
    assert numbers_of(treeless) == numbers_of(pushed)
