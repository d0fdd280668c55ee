"""Each commit says for itself where its prompts are: numbers never change because a later one says so."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from promptctl.errors import PromptNotFound
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

if TYPE_CHECKING:
    from collections.abc import Sequence

A, GITHUB, TOP = "prompts/a.prompt.yaml", ".github/prompts/a.prompt.yml", "a.prompt.yml"
PLACES = (
    "{}\n",
    "prompt_paths: [.github/prompts]\n",
    "prompt_paths: [prompts, .github/prompts]\n",
    'prompt_paths: ["*.prompt.yml"]\n',
    'prompt_paths: [.github, prompts, "*.prompt.yml"]\n',
    "prompt_paths: [\n",
)


def numbers(repo: Repo, prompt: str = "a") -> list[int | None]:
    repository = Repository(repo.path, cache_dir=repo.path / ".promptctl")
    found = [entry.number for entry in repository.versions_of(prompt)]
    repository.close()
    return found


def test_places_that_are_added_later_change_no_number(empty_repo: Repo) -> None:
    repo = empty_repo
    repo.commit("one", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n", A: prompt_text("one")})
    repo.commit("two", {A: prompt_text("two"), ".github/prompts/g.prompt.yml": prompt_text("g one")})
    g_two = repo.commit("g two", {".github/prompts/g.prompt.yml": prompt_text("g two")})
    assert numbers(repo) == [1, 2]
    repo.commit("places", {"promptctl.yaml": PLACES[2]})
    repo.commit("three", {A: prompt_text("three"), ".github/prompts/g.prompt.yml": prompt_text("g three")})
    assert (numbers(repo), numbers(repo, "g")) == ([1, 2, 3], [1, 2])

    repository = Repository(repo.path)
    assert repository.resolve("g@v1").prompt.messages[0].content == "g two\n"  # type: ignore[union-attr]
    with pytest.raises(PromptNotFound):  # it was no prompt then
        repository.resolve(f"g@{g_two}")
    assert repository.numbers()["g"].display.startswith("v2 (")


def test_a_prompt_moved_to_another_place_keeps_its_versions(empty_repo: Repo) -> None:
    repo = empty_repo
    repo.commit(
        "one", {"promptctl.yaml": PLACES[4].replace(".github,", ".github/prompts,"), GITHUB: prompt_text("one")}
    )
    repo.commit("two", {GITHUB: prompt_text("two")})
    repo.git("mv", GITHUB, TOP)
    repo.commit("move to the top")
    (repo.path / "prompts").mkdir()
    repo.git("mv", TOP, "prompts/b.prompt.yaml")
    repo.commit("rename", {"promptctl.yaml": "{}\n"})
    repo.commit("three", {"prompts/b.prompt.yaml": prompt_text("three")})
    assert numbers(repo, "b") == [1, 2, 3]
    repository = Repository(repo.path)
    assert [repository.resolve(f"b@v{n}").prompt.path for n in (1, 2, 3)] == [GITHUB, GITHUB, "prompts/b.prompt.yaml"]


def test_a_place_tried_on_a_branch_counts_beyond_the_line(empty_repo: Repo) -> None:
    repo = empty_repo
    repo.commit("one", {"promptctl.yaml": "{}\n", A: prompt_text("one"), "t.prompt.yml": prompt_text("t")})
    repo.git("checkout", "--quiet", "-b", "try")
    repo.commit("places", {"promptctl.yaml": 'prompt_paths: [prompts, "*.prompt.yml"]\n'})
    repo.commit("two", {A: prompt_text("two"), "t.prompt.yml": prompt_text("t two")})
    shown = {id_: found.display for id_, found in Repository(repo.path).numbers().items()}
    short = repo.head[:7]
    assert shown == {"a": f"v1+1 ({short})", "t": f"v0+2 ({short})"}


def everything(repo: Repo, ids: Sequence[str]) -> dict[str, list[object]]:
    repository = Repository(repo.path, cache_dir=repo.path / ".promptctl")
    found: dict[str, list[object]] = {}
    for id_ in ids:
        try:
            found[id_] = [(entry.number, entry.digest) for entry in repository.versions_of(id_)]
        except PromptNotFound:
            found[id_] = []
    return {**found, "now": list(repository.numbers().items())}


def test_an_index_that_grew_over_changing_places_is_the_one_built_at_once(empty_repo: Repo) -> None:
    chance = random.Random(3)
    repo = empty_repo
    repo.commit("zero", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n"})
    for step in range(30):
        files: dict[str, str | bytes] = {}
        if chance.random() < 0.4:
            files["promptctl.yaml"] = chance.choice(PLACES)
        folder = chance.choice(["prompts/", ".github/prompts/", ""])
        name = f"{folder}{chance.choice('ab')}.prompt.yml"
        if (repo.path / name).exists() and chance.random() < 0.5:
            (repo.path / name).unlink()
        else:
            files[name] = prompt_text(chance.choice("wxyz"))
        repo.commit(f"step {step}", files)
        if chance.random() < 0.3:
            everything(repo, ["a"])
    ids = ["a", "b", "prompts/a", "prompts/b"]
    grown = everything(repo, ids)
    shutil.rmtree(repo.path / ".promptctl")
    assert everything(repo, ids) == grown
    assert sum(len(grown[id_]) for id_ in ids) >= 10
