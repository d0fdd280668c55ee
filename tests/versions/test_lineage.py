"""The walk along changes gives what reading every commit in full would give."""

from __future__ import annotations

import random

import pytest

from promptctl.errors import WorkspaceError
from promptctl.prompts.loading import load_prompt
from promptctl.versions.repository import Repository
from tests.repositories import Repo, prompt_text

IDS = ("a", "b", "deep/c")
PARTIALS = ("tone.j2", "deep/inner.j2")

TEXTS = (
    'x {% include "tone.j2" %}',
    'y {% include "deep/inner.j2" %}',
    "plain",
    '{% include "tone.j2" %}{% include "deep/inner.j2" %}',
)


def prompt_of(prompt: str, chance: random.Random) -> str:
    if chance.random() < 0.1:
        return "messages: [\n"
    # Ids never share content, so that no removal looks like a rename.
    text = prompt_text(f"{prompt}: {chance.choice(TEXTS)}", name=f"T{chance.randrange(3)}")
    return text + ("output:\n  schema: {$ref: answer.schema.yaml}\n" if chance.random() < 0.3 else "")


def change(repo: Repo, chance: random.Random) -> None:
    """One random change of the work tree; no prompt is ever moved to another id."""
    kind = chance.random()
    if kind < 0.15:
        victim = chance.choice([f"{IDS[0]}.prompt.yaml", *PARTIALS, "answer.schema.yaml"])
        repo.git("rm", "--quiet", "--ignore-unmatch", f"prompts/{victim}")
    elif kind < 0.4:
        inner = '{% include "tone.j2" %}' if chance.random() < 0.3 else ""
        repo.write("prompts/deep/inner.j2", f"inner {chance.randrange(2)} {inner}\n")
    elif kind < 0.55:
        repo.write("prompts/tone.j2", f"tone {chance.randrange(2)}\n")
    elif kind < 0.65:
        repo.write("prompts/answer.schema.yaml", chance.choice(["type: object\n", "type: string\n"]))
    else:
        prompt = chance.choice(IDS)
        repo.write(f"prompts/{prompt}.prompt.yaml", prompt_of(prompt, chance))


def numbered_by_reading_everything(repository: Repository, repo: Repo, prompt: str) -> list[tuple[int, str, str]]:
    """Number, commit and digest by the rules themselves, from the whole tree of each commit."""
    found: list[tuple[int, str, str]] = []
    last: str | None = None
    for commit in repo.git("rev-list", "--first-parent", "--reverse", "main").split("\n"):
        tree = repository.tree_at(commit)
        if f"prompts/{prompt}.prompt.yaml" not in tree.blobs("prompts"):
            last = None
            continue
        try:
            digest = load_prompt(tree, prompt).digest
        except WorkspaceError:
            continue
        if digest != last:
            found.append((len(found) + 1, commit, digest))
            last = digest
    return found


@pytest.mark.parametrize("seed", range(2))
def test_numbers_are_those_that_reading_every_commit_gives(empty_repo: Repo, seed: int) -> None:
    chance = random.Random(seed)
    repo = empty_repo
    repo.commit("begin", {"promptctl.yaml": "{}\n", ".gitignore": ".promptctl/\n"})
    for step in range(40):
        if chance.random() < 0.2:
            repo.git("checkout", "--quiet", "-b", f"side{step}")
            for _ in range(chance.randint(1, 3)):
                change(repo, chance)
                repo.commit("on a branch")
            repo.git("checkout", "--quiet", "main")
            repo.merge(f"side{step}")
        else:
            change(repo, chance)
            repo.commit("on main")
    repository = Repository(repo.path, cache_dir=repo.path / ".promptctl")
    counted = 0
    for prompt in IDS:
        expected = numbered_by_reading_everything(repository, repo, prompt)
        counted += len(expected)
        if expected:
            entries = [entry.as_dict() for entry in repository.versions_of(prompt)]
            found = [(entry["version"], entry["commit"], entry["digest"]) for entry in entries]
            assert found == expected
    assert counted > 10
