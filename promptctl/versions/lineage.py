"""The growth of version numbers: each prompt's digests in the order of the line, followed through renames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from promptctl.differences.renames import Named, source_of
from promptctl.files.names import PromptPlaces
from promptctl.git.walk import Step, apply
from promptctl.versions.closures import Closures, Digested
from promptctl.versions.index_store import PromptState, VersionRow


class Lineages:
    """The state of every prompt along a line, advanced commit by commit.

    `places` are those of prompts where the walk has come to, and `files` is path to blob id of all files there and in
    every place that a commit of the walk names. `earlier` returns the versions that an id already has, in order. `rows`
    and `touched` are what is new.
    """

    def __init__(
        self,
        places: PromptPlaces,
        states: Iterable[PromptState],
        earlier: Callable[[str], Sequence[VersionRow]],
    ) -> None:
        self.places = places
        self.files: dict[str, str] = {}
        self.states = {state.id: state for state in states}
        self.rows: list[VersionRow] = []
        self.touched: set[str] = set()
        self._earlier = earlier
        self._versions: dict[str, list[VersionRow]] = {}
        self._users: dict[str, set[str]] = {}
        for state in self.states.values():
            self._note_asked(state, state.asked)

    def advance(self, position: int, step: Step, closures: Closures, places: PromptPlaces | None = None) -> None:
        """Take in what one commit changed; `places` are those of its settings if it changed them."""
        affected: set[str] = set()
        removed: dict[str, str] = {}
        before = self.places
        if places is not None and places != before:
            self.places = places
            for path, blob in self.files.items():
                was, now = before.id(path), self.places.id(path)
                affected.update(id_ for id_ in (was, now) if id_ is not None)
                if was is not None and was != now:
                    removed[was] = blob
        for change in step.changes:
            own = was = self.places.id(change.path)
            if before is not self.places:
                was = before.id(change.path)
            affected.update(id_ for id_ in (was, own) if id_ is not None)
            if was is not None and change.before is not None and change.after is None:
                removed[was] = change.before
            affected |= self._users.get(change.path, set())
        apply(step.changes, self.files)
        if affected:
            self.touched |= affected
            self._settle(position, sorted(affected), removed, closures)

    def _settle(self, position: int, affected: list[str], removed: dict[str, str], closures: Closures) -> None:
        paths = {id_: path for id_ in affected if (path := self._path(id_)) is not None}
        found = {id_: closures.digested(id_, self.files, self.places) for id_ in paths}
        states = [self.states.setdefault(id_, PromptState(id_)) for id_ in affected]
        gone = [state for state in states if state.path is not None and state.id not in paths]
        new = [state for state in states if state.path is None and state.id in paths]
        if new:
            olds = {state.id: self._old(state.id, removed.get(state.id), state.digest) for state in gone}
            for state in new:
                self._follow_rename(state, self.files[paths[state.id]], found, olds)
        for state in gone:
            state.path = state.digest = None
            self._note_asked(state, frozenset())
        for state in states:
            if state.id in paths:
                self._take(state, paths[state.id], found[state.id], position)

    def _take(self, state: PromptState, path: str, found: Digested, position: int) -> None:
        """Note a prompt's state after a commit, with a new version if its digest is new."""
        state.path = path
        state.is_sound = found.digest is not None
        self._note_asked(state, found.asked)
        if found.digest is None or found.digest == state.digest:
            return
        rows = self._rows_of(state.id)
        same_as = next((row.number for row in reversed(rows) if row.digest == found.digest), None)
        state.number += 1
        state.digest = found.digest
        rows.append(VersionRow(state.id, state.number, position, found.digest, path, same_as))
        self.rows.append(rows[-1])

    def _follow_rename(
        self, state: PromptState, blob: str, found: Mapping[str, Digested], gone: dict[str, Named]
    ) -> None:
        """Give a prompt that has just come the versions of the one it was until now, if it was one.

        A different prompt may be at the old id already: the commit that brought it changed what is there.
        """
        new = Named(state.id, frozenset([blob]), found[state.id].digest, found[state.id].formerly)

        def has_left(id_: str) -> bool:
            now, was = found.get(id_), self.states[id_]
            return self._path(id_) is None or (now is not None and now.digest not in (None, was.digest))

        left = [id_ for id_ in new.formerly if id_ not in gone and id_ in self.states and has_left(id_)]
        source = source_of(new, [*gone.values(), *(self._old(id_) for id_ in left)])
        if source is None:
            return
        past, own = self._rows_of(source.id), self._rows_of(state.id)
        # A prompt that had other versions under this id keeps counting from its own.
        if not past or [row.digest for row in own] != [row.digest for row in past[: len(own)]]:
            return
        inherited = [row._replace(prompt=state.id) for row in past[len(own) :]]
        own += inherited
        self.rows += inherited
        state.number, state.digest = own[-1].number, own[-1].digest
        if source.id in gone:  # by its content one prompt becomes one other
            gone[source.id] = replace(source, blobs=frozenset(), digest=None)

    def _old(self, id_: str, blob: str | None = None, digest: str | None = None) -> Named:
        """Return a prompt that is gone; one that this commit took away comes before those that left long ago."""
        last = tuple(row.position for row in self._rows_of(id_)[-1:])
        return Named(
            id_, frozenset([blob] if blob else []), digest, last=(int(self.states[id_].path is not None), *last)
        )

    def _path(self, id_: str) -> str | None:
        return next((path for path in self.places.paths_of(id_) if path in self.files), None)

    def _rows_of(self, id_: str) -> list[VersionRow]:
        if id_ not in self._versions:
            self._versions[id_] = list(self._earlier(id_))
        return self._versions[id_]

    def _note_asked(self, state: PromptState, asked: frozenset[str]) -> None:
        for path in state.asked - asked:
            self._users.get(path, set()).discard(state.id)
        for path in asked:
            self._users.setdefault(path, set()).add(state.id)
        state.asked = asked
