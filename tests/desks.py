"""People at their desks: clones of one remote, each with a workspace whose labels can be moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptctl.files.tree import MemoryTree
from promptctl.formats.settings_file import LabelSettings
from promptctl.git.repository import Git
from promptctl.labels.chains import LabelTags, Listing, current, listing
from promptctl.labels.reading import Labels
from promptctl.labels.tags import Candidate, LabelName
from promptctl.labels.trust import LabelTrust
from promptctl.promotion.moves import Mover, MoveResult
from promptctl.promotion.rules import FindProof
from promptctl.prompts.loading import closure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.repositories import Repo

PROMPT = "support/triage"


_OPENED: list[Git] = []


def open_git(folder: Path) -> Git:
    """The repository of a folder, to be closed when the test ends."""
    git = Git.open(folder)
    assert git is not None
    _OPENED.append(git)
    return git


@pytest.fixture(autouse=True)
def close_repositories() -> Iterator[None]:
    """End the processes that read objects."""
    yield
    while _OPENED:
        _OPENED.pop().close()


@pytest.fixture(name="ada")
def first_clone(repo: Repo, remote: Repo) -> Desk:
    """The first clone, with four versions on the remote's main branch."""
    return Desk(repo)


@pytest.fixture(name="ben")
def second_clone(ada: Desk, remote: Repo, clone: Callable[..., Repo]) -> Desk:
    """Another clone of the same remote."""
    return Desk(clone(remote, "ben", "--config=user.name=Ben Example", "--config=user.email=ben@example.org"))


@pytest.fixture(name="alone")
def repository_without_remote(empty_repo: Repo) -> Desk:
    """A repository without a remote, with four versions."""
    return Desk(empty_repo, remote=None)


@dataclass
class Desk:
    """One clone and what a person does in it; `remote` is None where moves stay local."""

    repo: Repo
    remote: str | None = "origin"
    rules: dict[str, Any] = field(default_factory=dict)
    find_proof: FindProof | None = None

    @property
    def git(self) -> Git:
        return open_git(self.repo.path)

    @property
    def trust(self) -> LabelTrust:
        return LabelTrust(self.remote)

    @property
    def mover(self) -> Mover:
        return Mover(self.git, LabelSettings(self.remote, self.rules), self.trust)

    @property
    def labels(self) -> Labels:
        return Labels(self.git, self.trust)

    def set(self, version: str, label: str = "production", **options: Any) -> MoveResult:
        return self.mover.set(LabelName(PROMPT, label), self.candidate(version), self.find_proof, **options)

    def listing(self) -> Listing:
        git = self.git
        return listing(git, LabelTags.read(git, self.trust))

    def candidate(self, version: str, prompt: str = PROMPT) -> Candidate:
        """The version whose commit is tagged with its number: `v2`."""
        path = f"prompts/{prompt}.prompt.yaml"
        text = self.repo.git("show", f"{version}:{path}")
        digest = closure_of(MemoryTree({path: text}), path).digest or "1:" + "0" * 64
        return Candidate(self.repo.git("rev-parse", f"{version}^{{commit}}"), version, digest, path)

    def live(self, label: str = "production", prompt: str = PROMPT, formerly: tuple[str, ...] = ()) -> str | None:
        """The version that the label names as far as this clone knows."""
        state = current(self.git, self.trust, LabelName(prompt, label, formerly))
        return state.version if state else None

    def tags(self) -> dict[str, str]:
        """The label tags of this clone, with their objects."""
        listed = self.repo.git(
            "for-each-ref", "--format=%(refname) %(objectname)", "refs/tags/prompt", "refs/promptctl"
        )
        return dict(line.split(" ") for line in listed.splitlines())

    def everything(self) -> str:
        """Every reference, HEAD and the configuration: what a refused move must leave as it was."""
        refs = self.repo.git("for-each-ref", "--format=%(refname) %(objectname)")
        return "\n".join([refs, self.repo.head, self.repo.git("config", "--list", "--local")])


def write_hook(remote: Repo, name: str, script: str) -> None:
    """Install a hook at the bare remote."""
    path = Path(remote.path, "hooks", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def hand_tag(
    repo: Repo, name: str, commit: str, message: str, *, header: str | None = None, at: int = 1700000000
) -> str:
    """Make a tag object with `git mktag`, as a hand or another tool could, and return its id."""
    head = f"object {commit}\ntype commit\ntag {header or name}\ntagger Eve <eve@example.org> {at} +0000"
    oid = repo.git("mktag", stdin=f"{head}\n\n{message}")
    repo.git("update-ref", f"refs/tags/{name}", oid)
    return oid
