"""How version numbers grow: each prompt's digests in the order of the line, followed through renames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.files.names import prompt_id
from promptctl.versions.closures import candidate_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from promptctl.versions.closures import Closures, Outcome
    from promptctl.versions.line import Step


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One numbered version: `position` is its commit's place on the line, `same_as` the latest earlier equal one."""

    prompt: str
    number: int
    position: int
    digest: str
    path: str
    same_as: int | None = None


@dataclass(slots=True)
class PromptState:
    """Where one id stands at the end of the line that was walked.

    `path` is None while there is no such file. `digest` is that of the last version, None after a deletion: whatever
    comes back gets a new number. `number` is the highest that the id ever had, 0 before the first. `is_sound` says that
    the file as it stands can be loaded, so that `digest` is its own.
    """

    id: str
    path: str | None = None
    digest: str | None = None
    number: int = 0
    is_sound: bool = False
    asked: frozenset[str] = frozenset()


class Lineages:
    """The state of every prompt along a line, advanced commit by commit.

    `files` is path to blob id of all files below `prompts/` where the walk begins. `earlier` gives the versions that
    an id already has, in order. What is new stands in `rows` and `touched`.
    """

    def __init__(
        self,
        files: dict[str, str],
        states: Iterable[PromptState],
        earlier: Callable[[str], Sequence[VersionRow]],
    ) -> None:
        self.files = files
        self.states = {state.id: state for state in states}
        self.rows: list[VersionRow] = []
        self.touched: set[str] = set()
        self._earlier = earlier
        self._versions: dict[str, list[VersionRow]] = {}
        self._users: dict[str, set[str]] = {}
        for state in self.states.values():
            self._note_asked(state, state.asked)

    def advance(self, position: int, step: Step, closures: Closures) -> None:
        """Take in what one commit changed."""
        affected: set[str] = set()
        removed_blobs: dict[str, str] = {}
        for change in step.changes:
            own = prompt_id(change.path)
            if own is not None:
                affected.add(own)
                if change.blob is None and change.path in self.files:
                    removed_blobs[own] = self.files[change.path]
            affected |= self._users.get(change.path, set())
            if change.blob is None:
                self.files.pop(change.path, None)
            else:
                self.files[change.path] = change.blob
        if not affected:
            return
        self.touched |= affected
        self._settle(position, sorted(affected), removed_blobs, closures)

    def _settle(self, position: int, affected: list[str], removed_blobs: dict[str, str], closures: Closures) -> None:
        paths = {id_: next((path for path in candidate_paths(id_) if path in self.files), None) for id_ in affected}
        outcomes = {id_: closures.outcome(id_, self.files) for id_, path in paths.items() if path is not None}
        states = {id_: self.states.setdefault(id_, PromptState(id_)) for id_ in affected}
        gone = [state for id_, state in states.items() if state.path is not None and paths[id_] is None]
        for id_, outcome in outcomes.items():
            state = states[id_]
            if state.path is None:
                self._follow_rename(state, outcome, self.files[paths[id_] or ""], gone, removed_blobs)
        for state in gone:
            state.path = state.digest = None
            self._note_asked(state, frozenset())
        for id_, outcome in outcomes.items():
            state = states[id_]
            state.path = paths[id_]
            state.is_sound = outcome.digest is not None
            self._note_asked(state, outcome.asked)
            if outcome.digest is not None and outcome.digest != state.digest:
                self._number(state, position, outcome.digest)

    def _follow_rename(
        self,
        state: PromptState,
        outcome: Outcome,
        blob: str,
        gone: list[PromptState],
        removed_blobs: dict[str, str],
    ) -> None:
        """Give a prompt that has just come the versions of the one it was until now, if it was one."""
        source = self._source(outcome, blob, gone, removed_blobs)
        if source is None:
            return
        past, own = self._rows_of(source.id), self._rows_of(state.id)
        # A prompt that had other versions under this id keeps counting from its own.
        if not past or [row.digest for row in own] != [row.digest for row in past[: len(own)]]:
            return
        inherited = [replace(row, prompt=state.id) for row in past[len(own) :]]
        own += inherited
        self.rows += inherited
        state.number, state.digest = own[-1].number, own[-1].digest
        if source in gone:
            # One prompt becomes one other.
            removed_blobs.pop(source.id, None)
            source.digest = None

    def _source(
        self, outcome: Outcome, blob: str, gone: list[PromptState], removed_blobs: dict[str, str]
    ) -> PromptState | None:
        named = [self.states[id_] for id_ in outcome.formerly if id_ in self.states and not self._is_there(id_)]
        if named:
            return max(
                named, key=lambda state: (state in gone, *(row.position for row in self._rows_of(state.id)[-1:]))
            )
        for state in gone:
            if removed_blobs.get(state.id) == blob:
                return state
        for state in gone:
            if state.digest is not None and state.digest == outcome.digest:
                return state
        return None

    def _is_there(self, id_: str) -> bool:
        return any(path in self.files for path in candidate_paths(id_))

    def _number(self, state: PromptState, position: int, digest: str) -> None:
        rows = self._rows_of(state.id)
        same_as = next((row.number for row in reversed(rows) if row.digest == digest), None)
        state.number += 1
        state.digest = digest
        row = VersionRow(state.id, state.number, position, digest, state.path or "", same_as)
        rows.append(row)
        self.rows.append(row)

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
