"""What a prompt's content at any commit is called: `v7 (3f2a9c1)`, `v9 (= v7)`, `v7+2 (1b2c3d4)`, `v7+dirty`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.files.names import PROMPTS
from promptctl.git.trees import CommitTree
from promptctl.versions.closures import Closures, candidate_paths
from promptctl.versions.line import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.git.repository import Git
    from promptctl.versions.index_store import IndexStore
    from promptctl.versions.line import Step
    from promptctl.versions.lineage import VersionRow

UNKNOWN = "v?"
_SHORT = 7
_CHAIN_AT_FIRST = 256


@dataclass(frozen=True, slots=True)
class Numbered:
    """A version's number, None where the content has none of its own, and what people read."""

    number: int | None
    display: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a commit stands: the last place of the line that it knows, and its own first parents beyond it."""

    position: int
    beyond: tuple[tuple[str, str | None], ...] = ()


def shown(row: VersionRow, commit: str) -> str:
    """A numbered version as people read it; `commit` is where it began."""
    return f"v{row.number} (= v{row.same_as})" if row.same_as is not None else f"v{row.number} ({commit[:_SHORT]})"


class Numbering:
    """Names versions by an index that is current for the line."""

    def __init__(self, git: Git, store: IndexStore) -> None:
        self._git = git
        self._store = store
        self._closures = Closures(git.objects)
        self._places: dict[str, _Place] = {}
        self._walks: dict[str, tuple[Step, ...]] = {}

    def at(self, prompt_id: str, commit: str, digest: str | None, formerly: Sequence[str] = ()) -> Numbered:
        """What the prompt is called at a commit where its digest is `digest`, None where it is not there."""
        place = self._place(commit)
        row = self._row(prompt_id, place.position, formerly)
        if row is not None and row.digest == digest:
            return Numbered(row.number, shown(row, self._store.commits_at([row.position]).get(row.position, "")))
        if not place.beyond:
            return Numbered(None, "v0" if row is None and digest is None else UNKNOWN)
        steps = self._changes_beyond(prompt_id, commit, place)
        return Numbered(None, f"v{row.number if row else 0}+{max(steps, 1)} ({commit[:_SHORT]})")

    def dirty(self, prompt_id: str, commit: str | None, digest: str | None, formerly: Sequence[str] = ()) -> Numbered:
        """What the prompt is called with changes since `commit`, where its digest is `digest`."""
        if commit is None:
            return Numbered(None, "v0+dirty")
        place = self._place(commit)
        row = self._row(prompt_id, place.position, formerly)
        base = f"v{row.number if row else 0}"
        if digest is not None and place.beyond and not (row and row.digest == digest):
            base += f"+{max(self._changes_beyond(prompt_id, commit, place), 1)}"
        return Numbered(None, f"{base}+dirty")

    def _row(self, prompt_id: str, position: int, formerly: Sequence[str]) -> VersionRow | None:
        for id_ in (prompt_id, *formerly):
            row = self._store.version_at(id_, position)
            if row is not None:
                return row
        return None

    def _place(self, commit: str) -> _Place:
        if commit not in self._places:
            position = self._store.position_of(commit)
            self._places[commit] = _Place(position) if position is not None else self._beside(commit)
        return self._places[commit]

    def _beside(self, commit: str) -> _Place:
        """The place of a commit that is not on the line itself.

        The commits of the line that it descends from are the line's first ones, so the highest among its ancestors is
        where it left the line, or last took it in by a merge.
        """
        chain, fork = self._own_commits(commit)
        limits = [commit, *([f"^{fork}"] if fork else [])]
        position = self._store.highest_of(self._git.run(["rev-list", *limits, "--"]).lines())
        if position is None:
            return _Place((self._store.position_of(fork) if fork else None) or 0, tuple(chain))
        merged = self._store.commits_at([position])[position]
        output = self._git.run(["rev-list", "--first-parent", commit, f"^{merged}", "--"])
        own = set(output.lines())
        return _Place(position, tuple(each for each in chain if each[0] in own))

    def _own_commits(self, commit: str) -> tuple[list[tuple[str, str | None]], str | None]:
        """A commit and its first parents down to the line, oldest first, and the commit of the line they left."""
        at_once: int | None = _CHAIN_AT_FIRST
        while True:
            limit = [f"--max-count={at_once}"] if at_once else []
            output = self._git.run(["rev-list", "--first-parent", "--parents", *limit, commit, "--"])
            fields = [line.split(" ") for line in output.lines()]
            position = self._store.highest_of([ids[0] for ids in fields])
            if position is not None or at_once is None or len(fields) < at_once:
                fork = self._store.commits_at([position])[position] if position else None
                ids = [ids[0] for ids in fields]
                beyond = fields[: ids.index(fork)] if fork else fields
                return [(ids[0], ids[1] if len(ids) > 1 else None) for ids in reversed(beyond)], fork
            at_once = None

    def _changes_beyond(self, prompt_id: str, commit: str, place: _Place) -> int:
        """In how many of its own commits beyond the line the prompt's digest changed."""
        if commit not in self._walks:
            self._walks[commit] = tuple(walk(self._git, place.beyond, PROMPTS))
        start = place.beyond[0][1]
        files = CommitTree(self._git, start, self._git.prefix).blobs(PROMPTS) if start else {}
        files = dict(files)
        paths = set(candidate_paths(prompt_id))

        def load() -> tuple[str | None, frozenset[str]]:
            if not paths & files.keys():
                return None, frozenset(paths)
            outcome = self._closures.outcome(prompt_id, files)
            return outcome.digest, outcome.asked | paths

        digest, asked = load()
        count = 0
        for step in self._walks[commit]:
            for change in step.changes:
                if change.blob is None:
                    files.pop(change.path, None)
                else:
                    files[change.path] = change.blob
            if any(change.path in asked for change in step.changes):
                now, asked = load()
                if now is not None and now != digest:
                    count += 1
                    digest = now
        return count
