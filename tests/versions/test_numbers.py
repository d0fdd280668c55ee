"""Version numbers in every situation that a repository can be in."""

from __future__ import annotations

import pytest

from promptctl.errors import HistoryIncomplete
from promptctl.versions.former_ids import earlier_ids
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

A = "prompts/a.prompt.yaml"
B = "prompts/b.prompt.yaml"


def opened(repo: Repo, folder: str = "", **settings: str) -> Repository:
    root = repo.path / folder
    return Repository(root, settings.get("branch"), settings.get("remote"), root / ".promptctl")


def numbers_of(repo: Repo, prompt: str = "a", **settings: str) -> list[tuple[int, str, int | None]]:
    """Number, commit subject and equal version of each version."""
    entries = [entry.as_dict() for entry in opened(repo, **settings).versions_of(prompt)]
    return [(entry["version"], entry["subject"], entry["same_as"]) for entry in entries]


def display(repo: Repo, ref: str = "a", **settings: str) -> str:
    return opened(repo, **settings).resolve(ref).version.display


@pytest.fixture
def line(empty_repo: Repo) -> Repo:
    """A repository with v1 and v2 of the prompt `a` on main."""
    empty_repo.commit("one", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n", A: prompt_text("one")})
    empty_repo.commit("two", {A: prompt_text("two")})
    return empty_repo


def test_each_commit_that_changes_the_digest_is_a_version(line: Repo) -> None:
    line.commit("elsewhere", {"README.md": "hello\n"})
    line.commit("title only", {A: prompt_text("two", name="A title")})
    third = line.commit("three", {A: prompt_text("three")})
    assert numbers_of(line) == [(1, "one", None), (2, "two", None), (3, "three", None)]
    assert display(line) == f"v3 ({third[:7]})"


def test_a_revert_is_a_new_number_and_says_what_it_equals(line: Repo) -> None:
    line.commit("back", {A: prompt_text("one")})
    assert numbers_of(line)[2:] == [(3, "back", 1)]
    assert display(line) == "v3 (= v1)"


def test_history_tells_who_when_and_where(line: Repo) -> None:
    entry = opened(line).versions_of("a")[1]
    assert entry.made is not None
    assert entry.made.commit == line.head
    assert entry.made.author == "Ada Example <ada@example.org>"
    assert entry.path == A
    assert entry.made.date == line.git("show", "-s", "--format=%aI").replace("Z", "+00:00")
    assert entry.digest == opened(line).resolve("a").prompt.digest


def test_a_merge_is_one_step_whatever_its_branch_held(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("topic 1", {A: prompt_text("t1")})
    line.commit("topic 2", {A: prompt_text("t2")})
    line.git("checkout", "--quiet", "main")
    line.commit("unrelated", {"README.md": "x\n"})
    line.merge("topic", "-m", "Merge topic")
    assert numbers_of(line)[2:] == [(3, "Merge topic", None)]


def test_a_squash_is_one_step(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("topic 1", {A: prompt_text("t1")})
    line.commit("topic 2", {A: prompt_text("t2")})
    line.git("checkout", "--quiet", "main")
    line.git("merge", "--quiet", "--squash", "topic")
    line.commit("Squashed")
    assert numbers_of(line)[2:] == [(3, "Squashed", None)]


def test_a_rename_keeps_the_numbers(line: Repo) -> None:
    line.git("mv", A, B)
    line.commit("rename")
    assert numbers_of(line, "b") == [(1, "one", None), (2, "two", None)]
    assert [entry.path for entry in opened(line).versions_of("b")] == [A, A]
    line.commit("three", {B: prompt_text("three")})
    assert numbers_of(line, "b")[2:] == [(3, "three", None)]
    assert earlier_ids(opened(line).now(), "b") == ("a",)


def test_a_rename_with_another_title_has_the_same_digest_and_is_followed(line: Repo) -> None:
    line.git("rm", "--quiet", A)
    line.commit("rename and retitle", {B: prompt_text("two", name="B")})
    assert numbers_of(line, "b") == [(1, "one", None), (2, "two", None)]


def test_a_rename_with_edits_is_followed_where_the_file_says_so(line: Repo) -> None:
    line.git("rm", "--quiet", A)
    line.commit("rename and edit", {B: prompt_text("new words", formerly="[a]")})
    assert numbers_of(line, "b") == [(1, "one", None), (2, "two", None), (3, "rename and edit", None)]


def test_a_rename_with_edits_begins_anew_where_nothing_says_so(line: Repo) -> None:
    line.git("rm", "--quiet", A)
    line.commit("another", {B: prompt_text("new words")})
    assert numbers_of(line, "b") == [(1, "another", None)]


def test_a_copy_begins_its_own_numbers(line: Repo) -> None:
    line.commit("copy", {B: prompt_text("two")})
    assert numbers_of(line, "b") == [(1, "copy", None)]


def test_formerly_does_not_take_the_past_of_a_prompt_that_is_still_there(line: Repo) -> None:
    line.commit("copy", {B: prompt_text("copied", formerly="[a]")})
    assert numbers_of(line, "b") == [(1, "copy", None)]


def test_one_removed_prompt_becomes_one_other_only(line: Repo) -> None:
    line.git("mv", A, B)
    line.commit("split", {"prompts/c.prompt.yaml": prompt_text("two")})
    assert [len(numbers_of(line, name)) for name in ("b", "c")] == [2, 1]


def test_a_prompt_renamed_there_and_back_keeps_counting(line: Repo) -> None:
    line.git("mv", A, B)
    line.commit("there")
    line.commit("three", {B: prompt_text("three")})
    line.git("mv", B, A)
    line.commit("back")
    assert numbers_of(line) == [(1, "one", None), (2, "two", None), (3, "three", None)]


def test_a_prompt_that_comes_back_takes_the_next_number(line: Repo) -> None:
    line.git("rm", "--quiet", A)
    line.commit("delete")
    line.commit("elsewhere", {"README.md": "x\n"})
    line.commit("again", {A: prompt_text("two")})
    assert numbers_of(line)[2:] == [(3, "again", 2)]


def test_a_file_that_cannot_be_read_takes_no_number(line: Repo) -> None:
    line.commit("broken", {A: "messages: [\n"})
    line.commit("mended", {A: prompt_text("two")})
    line.commit("broken again", {A: "messages: [\n"})
    line.commit("three", {A: prompt_text("three")})
    assert numbers_of(line)[2:] == [(3, "three", None)]


def test_editing_a_partial_makes_a_version_of_every_prompt_that_includes_it(line: Repo) -> None:
    include = prompt_text('{% include "shared/outer.j2" %}')
    partials = {"prompts/shared/outer.j2": '{% include "shared/tone.j2" %}\n', "prompts/shared/tone.j2": "kind\n"}
    line.commit("with a partial", {B: include, "prompts/c.prompt.yaml": include, **partials})
    line.commit("tone", {"prompts/shared/tone.j2": "curt\n"})
    assert [number for number, *_ in numbers_of(line, "b")] == [1, 2]
    assert [number for number, *_ in numbers_of(line, "c")] == [1, 2]
    assert [number for number, *_ in numbers_of(line, "a")] == [1, 2]


def test_a_prompt_begins_when_its_missing_partial_arrives(line: Repo) -> None:
    line.commit("too early", {B: prompt_text('{% include "tone.j2" %}')})
    line.commit("the partial", {"prompts/tone.j2": "kind\n"})
    assert numbers_of(line, "b") == [(1, "the partial", None)]


def test_line_ends_are_no_change(line: Repo) -> None:
    line.git("config", "core.autocrlf", "false")
    line.commit("windows", {A: prompt_text("two").replace("\n", "\r\n")})
    assert len(numbers_of(line)) == 2


def test_a_workspace_below_the_root_has_numbers_of_its_own(line: Repo) -> None:
    for text in ("x", "y"):
        line.commit(text, {f"apps/bot/{A}": prompt_text(text), "apps/bot/promptctl.yaml": "{}\n"})
    entries = opened(line, "apps/bot").versions_of("a")
    assert [(entry.number, entry.as_dict()["subject"], entry.path) for entry in entries] == [(1, "x", A), (2, "y", A)]
    assert [number for number, *_ in numbers_of(line)] == [1, 2]


def test_odd_file_names_below_prompts_disturb_nothing(line: Repo) -> None:
    line.commit("odd", {'prompts/ö "x"\n.prompt.yaml': prompt_text("x"), "prompts/t\tab.prompt.yaml": prompt_text("y")})
    line.commit("three", {A: prompt_text("three")})
    assert [number for number, *_ in numbers_of(line)] == [1, 2, 3]


def test_a_users_configuration_changes_no_number(line: Repo, isolated_git: object) -> None:
    for key, value in {
        "log.showRoot": "false",
        "diff.renames": "copies",
        "diff.noprefix": "true",
        "core.quotePath": "true",
        "diff.ignoreSubmodules": "all",
        "diff.orderFile": "nowhere",
        "core.abbrev": "4",
        "log.date": "relative",
        "color.ui": "always",
    }.items():
        line.git("config", key, value)
    assert numbers_of(line) == [(1, "one", None), (2, "two", None)]


def test_a_repository_without_a_commit_has_no_numbers(empty_repo: Repo) -> None:
    empty_repo.write("promptctl.yaml", "{}\n")
    empty_repo.write(A, prompt_text("one"))
    version = opened(empty_repo).resolve("a").version
    assert (version.commit, version.number, version.is_dirty, version.display) == (None, None, True, "v0+dirty")
    with pytest.raises(HistoryIncomplete, match="no commit yet"):
        opened(empty_repo).versions_of("a")


def test_a_branch_beyond_the_line_counts_its_own_changes(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("unrelated", {"README.md": "x\n"})
    assert display(line) == display(line, "a@main")
    line.commit("t1", {A: prompt_text("t1")})
    line.commit("unrelated too", {"README.md": "y\n"})
    head = line.commit("t2", {A: prompt_text("t2")})
    resolved = opened(line).resolve("a").version
    assert (resolved.number, resolved.display) == (None, f"v2+2 ({head[:7]})")
    line.commit("as before", {A: prompt_text("two")})
    assert display(line) == display(line, "a@main")


def test_a_new_prompt_on_a_branch_counts_from_nothing(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    head = line.commit("new", {B: prompt_text("new")})
    assert display(line, "b") == f"v0+1 ({head[:7]})"


def test_a_branch_that_took_main_in_counts_from_there(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("t1", {A: prompt_text("t1")})
    line.git("checkout", "--quiet", "main")
    line.commit("three", {B: prompt_text("other")})
    line.commit("four", {A: prompt_text("three")})
    line.git("checkout", "--quiet", "topic")
    head = line.merge("main", "-X", "ours")
    assert display(line) == f"v3+1 ({head[:7]})"


def test_a_merged_side_commit_counts_from_where_it_left_the_line(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    side = line.commit("t1", {A: prompt_text("t1")})
    line.git("checkout", "--quiet", "main")
    line.commit("unrelated", {"README.md": "x\n"})
    line.merge("topic")
    line.commit("later", {A: prompt_text("later")})
    assert display(line, f"a@{side}") == f"v2+1 ({side[:7]})"
    assert display(line, "a") == f"v4 ({line.head[:7]})"


def test_the_merge_of_a_pull_request_is_one_beyond_whatever_its_length(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    for n in range(3):
        line.commit(f"t{n}", {A: prompt_text(f"t{n}")})
    line.git("checkout", "--quiet", "--detach", "main")
    merge = line.merge("topic")
    assert display(line) == f"v2+1 ({merge[:7]})"


def test_an_orphan_branch_counts_from_nothing(line: Repo) -> None:
    line.git("checkout", "--quiet", "--orphan", "fresh")
    head = line.commit("o", {A: prompt_text("o")})
    assert display(line) == f"v0+1 ({head[:7]})"


def test_a_detached_head_on_the_line_has_its_number(line: Repo) -> None:
    line.git("checkout", "--quiet", "--detach", "HEAD~1")
    version = opened(line).resolve("a").version
    assert (version.number, version.display) == (1, f"v1 ({line.head[:7]})")


def test_uncommitted_changes_are_shown_on_top_of_what_is_committed(line: Repo) -> None:
    line.write(A, prompt_text("edited"))
    version = opened(line).resolve("a").version
    assert (version.number, version.display, version.is_dirty, version.commit) == (None, "v2+dirty", True, line.head)
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("t1")
    line.write(A, prompt_text("edited again"))
    assert display(line) == "v2+1+dirty"
    line.write(B, prompt_text("new"))
    assert display(line, "b") == "v0+dirty"


def test_only_what_the_prompt_is_made_of_makes_it_dirty(line: Repo) -> None:
    line.commit("partial", {B: prompt_text('{% include "tone.j2" %}'), "prompts/tone.j2": "kind\n"})
    line.write(A, prompt_text("two", name="Another title"))
    line.write("prompts/tone.j2", "curt\n")
    repository = opened(line)
    assert not repository.resolve("a").version.is_dirty
    assert repository.resolve("b").version.is_dirty


def test_a_work_tree_with_other_line_ends_is_clean(line: Repo) -> None:
    line.write(A, prompt_text("two").replace("\n", "\r\n"))
    assert not opened(line).resolve("a").version.is_dirty


def test_outside_git_nothing_has_a_version(tmp_path: object, line: Repo) -> None:
    outside = line.path.parent / "outside"
    Repo(outside).write(A, prompt_text("one"))
    repository = Repository(outside, cache_dir=outside / ".promptctl")
    version = repository.resolve("a").version
    assert (repository.now().is_versioned, version.commit, version.number) == (False, None, None)
    assert (version.is_dirty, version.display) == (False, "unversioned")
    assert (repository.versions_of("a"), repository.numbers()) == ([], {})
    assert not (outside / ".promptctl").exists()


def test_a_work_tree_of_the_same_repository_numbers_alike(line: Repo) -> None:
    line.git("branch", "topic")
    line.git("worktree", "add", "--quiet", "../other", "topic")
    other = Repo(line.path.parent / "other")
    assert numbers_of(other) == numbers_of(line)
    assert display(other) == display(line)


def test_a_workspace_in_a_submodule_numbers_by_its_own_repository(line: Repo, tmp_path: object) -> None:
    outer = Repo(line.path.parent / "outer")
    outer.path.mkdir()
    outer.git("init", "--quiet")
    outer.git("submodule", "--quiet", "add", str(line.path), "bot")
    outer.commit("Add the workspace")
    inside = Repo(outer.path / "bot")
    assert numbers_of(inside) == numbers_of(line)


def test_a_rename_on_a_branch_is_followed_as_on_the_main_line(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "branch")
    line.git("mv", A, B)
    moved = line.commit("moved", {})
    assert display(line, "b") == f"v2 ({line.git('rev-parse', 'main')[:7]})"
    edited = line.commit("edited", {B: prompt_text("three")})

    assert display(line, "b") == f"v2+1 ({edited[:7]})"
    assert display(line, "b@v1") == f"v1 ({line.git('rev-parse', 'main~1')[:7]})"
    assert display(line, f"b@{moved}") == display(line, "b@main")
    assert numbers_of(line, "b") == [(1, "one", None), (2, "two", None)]
    assert opened(line).numbers()["b"].display == f"v2+1 ({edited[:7]})"
    assert earlier_ids(opened(line).now(), "b") == ("a",)

    line.git("mv", B, "prompts/c.prompt.yaml")
    line.commit("moved again", {})
    assert display(line, "c") == f"v2+1 ({line.head[:7]})"
    line.git("checkout", "--quiet", "main")
    assert opened(line).numbers().keys() == {"a"}


def test_a_file_that_was_moved_and_not_committed_is_followed(line: Repo) -> None:
    (line.path / A).rename(line.path / B)

    assert display(line, "b") == "v2+dirty"
    assert opened(line).numbers()["b"].display == "v2+dirty"
    assert numbers_of(line, "b") == [(1, "one", None), (2, "two", None)]
