"""Renames on a branch that is not merged: numbers go on as they will once the line has it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from promptctl.versions.former_ids import all_former_ids, earlier_ids, former_ids
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text
from tests.versions.test_repository import set_label

A, B, C = (f"prompts/{name}.prompt.yaml" for name in "abc")
TWO = prompt_text("two")


@pytest.fixture
def line(empty_repo: Repo) -> Repo:
    """A repository with v1 and v2 of the prompt `a` on main, and an empty branch of it checked out."""
    empty_repo.commit("one", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n", A: prompt_text("one")})
    empty_repo.commit("two", {A: TWO})
    empty_repo.git("checkout", "--quiet", "-b", "branch")
    return empty_repo


def opened(repo: Repo) -> Repository:
    return Repository(repo.path, cache_dir=repo.path / ".promptctl")


def display(repo: Repo, ref: str) -> str:
    return bare(opened(repo).resolve(ref).version.display)


def bare(display: str) -> str:
    """A version as it is shown, without its commit."""
    return re.sub(r" \([0-9a-f]{7}\)", "", display)


def move(repo: Repo, old: str, new: str, text: str | None = None) -> None:
    repo.git("mv", old, new)
    if text is not None:
        repo.write(new, text)


def on_main(repo: Repo, message: str, files: dict[str, str | bytes]) -> None:
    """Change the line itself, before the branch begins."""
    repo.git("checkout", "--quiet", "main")
    repo.commit(message, files)
    repo.git("checkout", "--quiet", "-B", "branch")


def renamed(repo: Repo) -> str:
    move(repo, A, B, prompt_text("two", formerly="[a]"))
    repo.commit("rename")
    return "b"


def renamed_and_changed(repo: Repo) -> str:
    move(repo, A, B, prompt_text("three", formerly="[a]"))
    repo.commit("rename and edit")
    return "b"


def renamed_then_changed(repo: Repo) -> str:
    renamed(repo)
    repo.commit("edit", {B: prompt_text("three", formerly="[a]")})
    return "b"


def renamed_twice(repo: Repo) -> str:
    renamed_and_changed(repo)
    move(repo, B, C, prompt_text("four", formerly="[a, b]"))
    repo.commit("rename again")
    return "c"


def renamed_twice_once_unsaid(repo: Repo) -> str:
    move(repo, A, B)
    repo.commit("only move")
    move(repo, B, C, prompt_text("three", formerly="[a, b]"))
    repo.commit("rename and edit")
    return "c"


def renamed_back(repo: Repo) -> str:
    renamed_and_changed(repo)
    move(repo, B, A, prompt_text("four", formerly="[b]"))
    repo.commit("and back")
    return "a"


def renamed_back_from_the_line(repo: Repo) -> str:
    repo.git("checkout", "--quiet", "main")
    renamed_and_changed(repo)
    repo.git("checkout", "--quiet", "-B", "branch")
    move(repo, B, A, prompt_text("three", formerly="[b]"))
    repo.commit("back")
    return "a"


def renamed_on_the_line_and_again_here(repo: Repo) -> str:
    repo.git("checkout", "--quiet", "main")
    move(repo, A, B)
    repo.commit("only move")
    repo.git("checkout", "--quiet", "-B", "branch")
    move(repo, B, C, prompt_text("three", formerly="[a, b]"))
    repo.commit("rename and edit")
    return "c"


def another_prompt_at_the_old_id(repo: Repo) -> str:
    renamed_and_changed(repo)
    repo.commit("a different one", {A: prompt_text("nothing like it")})
    return "b"


def the_other_prompt(repo: Repo) -> str:
    another_prompt_at_the_old_id(repo)
    return "a"


def to_an_id_that_had_versions(repo: Repo) -> str:
    on_main(repo, "b", {B: prompt_text("of its own")})
    repo.git("checkout", "--quiet", "main")
    repo.git("rm", "--quiet", B)
    repo.commit("no b")
    repo.git("checkout", "--quiet", "-B", "branch")
    return renamed(repo)


def a_copy_that_says_so(repo: Repo) -> str:
    repo.commit("copy", {B: prompt_text("copied", formerly="[a]")})
    return "b"


@pytest.mark.parametrize(
    ("branch", "shown", "merged"),
    [
        (renamed, "v2", "v2"),
        (renamed_and_changed, "v2+1", "v3"),
        (renamed_then_changed, "v2+1", "v3"),
        (renamed_twice, "v2+2", "v3"),
        (renamed_twice_once_unsaid, "v2+1", "v3"),
        (renamed_back, "v2+2", "v3"),
        (renamed_back_from_the_line, "v3", "v3"),
        (renamed_on_the_line_and_again_here, "v2+1", "v3"),
        (another_prompt_at_the_old_id, "v2+1", "v3"),
        (the_other_prompt, "v2+1", "v3"),
        (to_an_id_that_had_versions, "v1+1", "v2"),
        (a_copy_that_says_so, "v0+1", "v1"),
    ],
)
def test_numbers_of_a_branch_are_those_that_its_merge_goes_on_from(
    line: Repo, branch: Callable[[Repo], str], shown: str, merged: str
) -> None:
    prompt = branch(line)
    repository, known = opened(line), int(shown[1:].split("+")[0])
    moment = repository.now()
    found = {ref: repository.resolve(ref, moment=moment).version.display for ref in (prompt, f"{prompt}@v1") if known}
    assert {ref: bare(name) for ref, name in found.items()} == ({prompt: shown, f"{prompt}@v1": "v1"} if known else {})
    assert bare(repository.numbers(moment)[prompt].display) == shown
    assert [entry.number for entry in repository.versions_of(prompt, moment)] == list(range(1, known + 1))

    line.git("checkout", "--quiet", "main")
    line.git("merge", "--quiet", "--squash", "branch")
    line.commit("merged")
    assert bare(repository.resolve(prompt).version.display) == merged


@pytest.mark.parametrize("is_said", [True, False])
def test_a_rename_on_a_branch_that_is_not_checked_out_counts_from_where_it_was(line: Repo, *, is_said: bool) -> None:
    said = {"formerly": "[a]"} if is_said else {}
    move(line, A, B, prompt_text("two", **said))
    line.commit("rename")
    line.commit("edit", {B: prompt_text("three", **said)})
    line.git("checkout", "--quiet", "main")
    repository = opened(line)
    moment = repository.now()
    found = [repository.resolve(f"b@branch{back}", moment=moment) for back in ("", "~1")]
    assert [bare(each.version.display) for each in found] == ["v2+1", "v2"]
    assert [entry.number for entry in repository.versions_of("b", moment, found[0])] == [1, 2]


def test_before_it_is_committed_a_rename_counts_from_where_it_was(line: Repo) -> None:
    line.commit("three", {A: prompt_text("three")})
    move(line, A, B, prompt_text("three", formerly="[a]"))
    repository = opened(line)
    assert display(line, "b") == repository.numbers()["b"].display == "v2+1+dirty"
    assert len(repository.versions_of("b")) == 2
    line.write(B, prompt_text("four", formerly="[a]"))
    assert display(line, "b") == "v2+1+dirty"


def test_every_earlier_id_is_known_on_a_branch(line: Repo) -> None:
    prompt = renamed_on_the_line_and_again_here(line)
    moment = opened(line).now()
    assert earlier_ids(moment, prompt) == former_ids(moment, prompt) == ("b", "a")
    assert all_former_ids(moment) == {"c": ("b", "a")}


def test_a_different_prompt_at_the_old_id_counts_for_itself(line: Repo) -> None:
    another_prompt_at_the_old_id(line)
    moment = opened(line).now()
    assert earlier_ids(moment, "b") == ("a",)
    assert former_ids(moment, "b") == ()
    assert earlier_ids(moment, "a") == ()


def test_a_label_of_the_old_id_names_its_version(line: Repo) -> None:
    set_label(line, "a", "production", 1, line.git("rev-parse", "main~1"))
    renamed_twice(line)
    assert display(line, "c@production") == "v1"
    assert opened(line).resolve("c@production").prompt.id == "c"
    line.write(C, prompt_text("five", formerly="[a, b]"))
    moved = line.commit("edit")
    digest = opened(line).resolve("c").prompt.digest
    set_label(line, "c", "production", 1, moved, digest=digest)
    for name in ("a", "b", "c"):
        found = opened(line).resolve(f"{name}@production")
        assert (found.prompt.id, found.version.commit, found.prompt.digest) == ("c", moved, digest)
