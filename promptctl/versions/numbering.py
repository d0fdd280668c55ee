"""Names for a prompt's content at any commit: `v7 (3f2a9c1)`, `v9 (= v7)`, `v7+2 (1b2c3d4)`, `v7+dirty`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING

from promptctl.errors import HistoryIncomplete
from promptctl.files.names import DEFAULT_PLACES, PromptPlaces
from promptctl.versions.line import cut_at, unshallow_hint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from promptctl.git.kept_trees import CommitTrees
    from promptctl.git.repository import Git
    from promptctl.git.walk import ParentedCommit, Step
    from promptctl.versions.closures import Closures
    from promptctl.versions.index_store import IndexStore, VersionRow

UNKNOWN = "v?"
_SHORT = 7
_CHAIN_AT_FIRST = 256


@dataclass(frozen=True, slots=True)
class Content:
    """A prompt's content at a commit, or in a work tree at that commit if `is_dirty`.

    `ids` are the prompt's id and those that it had before, latest first; its versions are numbered under `id_on_line`.
    `digest` is the prompt's at the commit, None if it is not
    there or unsound there. `commit` is None in a repository that has none.
    """

    ids: tuple[str, ...]
    id_on_line: str
    commit: str | None
    digest: str | None
    is_dirty: bool = False


@dataclass(frozen=True, slots=True)
class Numbered:
    """A version's number, None if the content has none of its own, and what people read."""

    number: int | None
    display: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """A commit's place: the last position of the line that it knows, and its own first parents beyond it."""

    position: int
    beyond: tuple[ParentedCommit, ...] = ()


def shown(row: VersionRow, commit: str) -> str:
    """Return a numbered version as people read it; `commit` is the one it began with."""
    return f"v{row.number} (= v{row.same_as})" if row.same_as is not None else f"v{row.number} ({commit[:_SHORT]})"


class Numbering:
    """Names versions by indexes of one line. What it learns of commits beside the line is kept for the next version."""

    def __init__(self, git: Git, trees: CommitTrees) -> None:
        self._git = git
        self._trees = trees
        self._standings: dict[str, _Standing] = {}
        self._walks: dict[str, tuple[list[Step], dict[str, PromptPlaces]]] = {}

    @cached_property
    def _closures(self) -> Closures:
        from promptctl.versions.closures import Closures

        return Closures(self._git.objects)

    def name(self, store: IndexStore, content: Content, most_beyond: int | None = None) -> Numbered:
        """Return the number and name of a content; unknown where it takes a walk over more commits than that."""
        commit, digest = content.commit, content.digest
        if commit is None:
            return Numbered(None, "v0+dirty")
        if commit not in self._standings:
            position = store.position_of(commit)
            self._standings[commit] = self._beside(store, commit) if position is None else _Standing(position)
        place = self._standings[commit]
        row = store.version_at(content.id_on_line, place.position)
        is_numbered = row is not None and row.digest == digest
        base = f"v{row.number if row else 0}"
        if place.beyond and not is_numbered and not (content.is_dirty and digest is None):
            if most_beyond is not None and len(place.beyond) > most_beyond:
                return Numbered(None, UNKNOWN + ("+dirty" if content.is_dirty else ""))
            base += f"+{max(self._changes_beyond(content.ids, commit, place), 1)}"
        if content.is_dirty:
            return Numbered(None, f"{base}+dirty")
        if row is not None and is_numbered:
            return Numbered(row.number, shown(row, store.commits_at([row.position])[row.position]))
        if place.beyond:
            return Numbered(None, f"{base} ({commit[:_SHORT]})")
        return Numbered(None, "v0" if row is None and digest is None else UNKNOWN)

    def _beside(self, store: IndexStore, commit: str) -> _Standing:
        """Return the place of a commit that is not on the line itself.

        The commits of the line that it descends from are the line's first ones, so the highest among its ancestors is
        where it left the line, or last took it in by a merge. Raises `HistoryIncomplete` if a shallow clone cannot
        tell.
        """
        own, fork = self._own_commits(store, commit)
        limits = [commit, *([f"^{store.commits_at([fork])[fork]}"] if fork else [])]
        position = store.highest_of(self._git.run(["rev-list", *limits, "--"]).lines())
        if position is None:
            if not fork and cut_at(self._git, own):
                told = f"this clone is shallow: where {commit[:_SHORT]} left the line of versions is not known"
                raise HistoryIncomplete(told, hint=unshallow_hint(self._git.usual_remote()))
            return _Standing(fork, tuple(own))
        merged = store.commits_at([position])[position]
        from promptctl.git.walk import first_parents

        later = {each for each, _ in first_parents(self._git, commit, f"^{merged}")}
        return _Standing(position, tuple(each for each in own if each[0] in later))

    def _own_commits(self, store: IndexStore, commit: str) -> tuple[list[ParentedCommit], int]:
        """Return a commit's first parents beyond the line, oldest first, and the position that they left, or 0."""
        from promptctl.git.walk import first_parents

        for limits in ([f"--max-count={_CHAIN_AT_FIRST}"], []):
            commits = first_parents(self._git, *limits, commit)
            fork = store.highest_of([id_ for id_, _ in commits]) or 0
            if fork or len(commits) < _CHAIN_AT_FIRST:
                break
        ids = [id_ for id_, _ in commits]
        return commits[: ids.index(store.commits_at([fork])[fork]) if fork else None][::-1], fork

    def _changes_beyond(self, ids: Sequence[str], commit: str, place: _Standing) -> int:
        """Count the commits beyond the line in which the prompt's digest changed."""
        from promptctl.git.walk import apply
        from promptctl.versions.closures import walk_prompts

        start = self._trees.at(place.beyond[0][1]) if place.beyond[0][1] else None
        places = start.places if start is not None else DEFAULT_PLACES
        if commit not in self._walks:
            self._walks[commit] = walk_prompts(self._git, place.beyond, places)
        steps, later = self._walks[commit]
        files = start.prompt_blobs(reduce(or_, later.values(), places)) if start is not None else {}
        digest, asked = self._load(ids, files, places)
        count = 0
        for step in steps:
            apply(step.changes, files)
            is_moved = later.get(step.commit, places) != places
            places = later.get(step.commit, places)
            if is_moved or any(change.path in asked for change in step.changes):
                now, asked = self._load(ids, files, places)
                if now is not None and now != digest:
                    count += 1
                    digest = now
        return count

    def _load(
        self, ids: Sequence[str], files: dict[str, str], places: PromptPlaces
    ) -> tuple[str | None, Iterable[str]]:
        """Return the digest among these files of the prompt under its first id there, and the paths it depends on."""
        paths = [path for id_ in ids for path in places.paths_of(id_)]
        there = next((id_ for id_ in ids if files.keys() & places.paths_of(id_)), None)
        if there is None:
            return None, paths
        found = self._closures.digested(there, files, places)
        return found.digest, found.asked | set(paths)
