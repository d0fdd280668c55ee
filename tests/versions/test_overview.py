"""`numbers()` says of every prompt at once what `resolve` says of each."""

from __future__ import annotations

import pytest

from promptctl.versions import overview
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text


def opened(repo: Repo) -> Repository:
    return Repository(repo.path, cache_dir=repo.path / ".promptctl")


def shown(repo: Repo) -> dict[str, tuple[int | None, str, bool | None]]:
    return {id_: (each.number, each.display, each.is_dirty) for id_, each in opened(repo).numbers().items()}


def one_by_one(repo: Repo) -> dict[str, tuple[int | None, str, bool | None]]:
    repository = opened(repo)
    versions = {id_: repository.resolve(id_).version for id_ in repository.numbers()}
    return {id_: (each.number, each.display, each.is_dirty) for id_, each in versions.items()}


@pytest.fixture
def line(empty_repo: Repo) -> Repo:
    """Four prompts on main; `b` and `c` include a partial; `d` was reverted."""
    include = '{% include "tone.j2" %}'
    files: dict[str, str | bytes] = {
        "promptctl.yaml": "{}\n",
        ".gitignore": ".promptctl/\n",
        "prompts/tone.j2": "kind\n",
        "prompts/a.prompt.yaml": prompt_text("a"),
        "prompts/b.prompt.yaml": prompt_text(f"b {include}"),
        "prompts/c.prompt.yaml": prompt_text(f"c {include}"),
        "prompts/d.prompt.yaml": prompt_text("d"),
    }
    empty_repo.commit("one", files)
    empty_repo.commit("two", {"prompts/d.prompt.yaml": prompt_text("other")})
    empty_repo.commit("three", {"prompts/d.prompt.yaml": prompt_text("d")})
    return empty_repo


def test_a_clean_work_tree_at_the_tip_loads_nothing(line: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(line).numbers()
    loaded: list[str] = []
    monkeypatch.setattr(overview, "load_prompt", lambda _, id_: loaded.append(id_))
    numbers = shown(line)
    assert loaded == []
    assert numbers["d"] == (3, "v3 (= v1)", False)
    assert numbers["a"][:1] == (1,)


def test_numbers_agree_with_resolving_each(line: Repo) -> None:
    assert shown(line) == one_by_one(line)


def test_uncommitted_changes_of_files_and_partials(line: Repo) -> None:
    line.write("prompts/tone.j2", "curt\n")
    line.write("prompts/d.prompt.yaml", prompt_text("d", name="Only a title"))
    line.write("prompts/new.prompt.yaml", prompt_text("new"))
    numbers = shown(line)
    assert numbers == one_by_one(line)
    assert {id_: each[1] for id_, each in numbers.items() if each[2]} == {
        "b": "v1+dirty",
        "c": "v1+dirty",
        "new": "v0+dirty",
    }


def test_commits_beyond_the_line(line: Repo) -> None:
    line.git("checkout", "--quiet", "-b", "topic")
    line.commit("tone", {"prompts/tone.j2": "curt\n"})
    head = line.commit("b", {"prompts/b.prompt.yaml": prompt_text("b only")})
    line.write("prompts/c.prompt.yaml", prompt_text("c edited"))
    numbers = shown(line)
    assert numbers == one_by_one(line)
    assert numbers["a"][0] == 1
    assert numbers["b"] == (None, f"v1+2 ({head[:7]})", False)
    assert numbers["c"] == (None, "v1+1+dirty", True)


def test_an_earlier_commit_of_the_line(line: Repo) -> None:
    line.commit("tone", {"prompts/tone.j2": "curt\n"})
    line.git("checkout", "--quiet", "--detach", "HEAD~2")
    numbers = shown(line)
    assert numbers == one_by_one(line)
    assert (numbers["d"][0], numbers["b"][0]) == (2, 1)


def test_a_prompt_that_cannot_be_read_disturbs_no_other(line: Repo) -> None:
    line.commit("broken", {"prompts/a.prompt.yaml": "messages: [\n"})
    line.write("prompts/b.prompt.yaml", "messages: [\n")
    numbers = shown(line)
    assert numbers["a"] == (None, "v?", False)
    assert numbers["b"] == (None, "v1+dirty", True)
    assert numbers["d"][0] == 3


def test_a_prompt_that_moved_but_is_not_committed_keeps_its_number_by_its_own_word(line: Repo) -> None:
    line.git("mv", "prompts/a.prompt.yaml", "prompts/e.prompt.yaml")
    line.write("prompts/e.prompt.yaml", prompt_text("edited", formerly="[a]"))
    assert shown(line)["e"] == (None, "v1+dirty", True)
    assert shown(line) == one_by_one(line)


def test_without_a_commit_every_prompt_is_new(empty_repo: Repo) -> None:
    empty_repo.write("prompts/a.prompt.yaml", prompt_text("a"))
    assert shown(empty_repo) == {"a": (None, "v0+dirty", True)}
