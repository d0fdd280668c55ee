"""The index of versions: brought up to the tip of the line when it is asked for, and kept on disk between commands."""

from __future__ import annotations

import os
import sqlite3
import threading
from functools import reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING, TypeVar

from promptctl import __version__
from promptctl.errors import GitError, HistoryIncomplete
from promptctl.files.names import DEFAULT_PLACES
from promptctl.git.objects import is_object_id
from promptctl.versions.index_store import IndexStore, VersionRow
from promptctl.versions.line import Line, cut_at, unshallow_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from promptctl.git.kept_trees import CommitTrees
    from promptctl.git.repository import Git
    from promptctl.git.trees import CommitTree
    from promptctl.git.walk import ParentedCommit
    from promptctl.versions.lineage import Lineages

# Another version of promptctl may read more files, or fewer, than the one that built the index.
_FORMAT = f"1 {__version__}"
_COMMITS_AT_ONCE = 1000
_TRIES = 4

# Errors in reaching a file that may be perfectly sound; any other means that the file is damaged.
_UNUSABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
    }
)


_Answer = TypeVar("_Answer")


class Index:
    """The numbered versions of one repository, current for a line whenever they are asked for. Threads may share it.

    `file` keeps the index; None for nowhere. A damaged file is rebuilt. One that cannot be written is
    left alone, and what it lacks is built in memory. `notices` report changes of numbers that users know.
    """

    def __init__(self, git: Git, trees: CommitTrees, file: Path | None) -> None:
        self.git = git
        self.trees = trees
        self.notices: list[str] = []
        self._file = file
        self._store: IndexStore | None = None
        self._process_id = 0
        self._lock = threading.RLock()

    def ask(self, line: Line, question: Callable[[IndexStore], _Answer], *, is_settled: bool = False) -> _Answer:
        """Return what `question` reads from the index up to the tip of `line`, all of one moment.

        The question may be asked again if the file turns out to be damaged. With `is_settled`, the index was current
        for this line a moment ago: one that others have grown since then still is. Raises `HistoryIncomplete` if this
        clone does not hold the whole line.
        """
        with self._lock:
            for _ in range(_TRIES):
                try:
                    store = self._open()
                    with store.reading():
                        if self._is_current(store, line, is_settled=is_settled):
                            return question(store)
                    # A different process may build the index for a different line meanwhile.
                    self._bring_up(store, line)
                except sqlite3.Error as error:
                    self.close()
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNUSABLE or not self._discard():
                        break
            if self._file is not None:
                self.close()
                self._file, unusable = None, self._file
                self._store = IndexStore.in_memory(unusable)
                return self.ask(line, question)
            raise GitError("the index of versions cannot be built in memory", hint="report this as a bug")

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _open(self) -> IndexStore:
        if self._process_id != os.getpid():  # SQLite's connections are not for forked children
            self._process_id, self._store = os.getpid(), None
        if self._store is None:
            self._store = IndexStore.in_memory() if self._file is None else IndexStore.open(self._file)
        return self._store

    def _discard(self) -> bool:
        """Remove a damaged file, so that the next try begins with none; False if that cannot be."""
        if self._file is None:
            return True
        try:
            self._file.with_name(self._file.name + "-journal").unlink(missing_ok=True)
            self._file.unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _is_current(self, store: IndexStore, line: Line, *, is_settled: bool = False) -> bool:
        meta = store.meta()
        if not self._is_ours(meta):
            return False
        return meta.get("tip") == line.tip or (is_settled and store.position_of(line.tip) is not None)

    def _is_ours(self, meta: dict[str, str]) -> bool:
        return meta.get("format") == _FORMAT and meta.get("prefix") == self.git.prefix

    def _bring_up(self, store: IndexStore, line: Line) -> None:
        with store.writing():
            if self._is_current(store, line):  # a different process built it while we waited
                return
            meta = store.meta()
            if not self._grow(store, line, meta):
                self._build(store, line, meta)
            store.write_meta({"format": _FORMAT, "prefix": self.git.prefix, "tip": line.tip})

    def _grow(self, store: IndexStore, line: Line, meta: dict[str, str]) -> bool:
        """Add the commits since the indexed tip; False if it is not on the line any more, or nothing is indexed."""
        tip = meta.get("tip", "")
        if not self._is_ours(meta) or not is_object_id(tip):
            return False
        from promptctl.git.walk import first_parents
        from promptctl.versions.lineage import Lineages

        try:
            commits = first_parents(self.git, line.tip, f"^{tip}")[::-1]
        except GitError:  # the old tip is not even in the repository any more
            return False
        if not commits or commits[0][1] != tip:
            return False
        tree = self.trees.at(tip)
        lineages = Lineages(tree.places, store.states(), store.versions)
        self._walk(store, lineages, commits, tree, after=(store.position_of(tip) or 0))
        return True

    def _build(self, store: IndexStore, line: Line, meta: dict[str, str]) -> None:
        from promptctl.git.walk import first_parents
        from promptctl.versions.lineage import Lineages

        commits = first_parents(self.git, line.tip)[::-1]
        cut = cut_at(self.git, commits)
        if cut is not None:
            raise HistoryIncomplete(
                f"this clone is shallow: its history of {line.name} begins at {cut[:7]}, so versions cannot be counted",
                hint=unshallow_hint(line.remote),
            )
        before = store.all_versions() if self._is_ours(meta) else []
        fork = store.highest_of([commit for commit, _ in commits]) if before else None
        last_common = store.commits_at([fork]).get(fork) if fork else None
        store.clear()
        self._walk(store, Lineages(DEFAULT_PLACES, [], lambda _: []), commits, None, after=0)
        self._tell_changes(line, last_common, before, store.all_versions() if before else [])

    def _walk(
        self,
        store: IndexStore,
        lineages: Lineages,
        commits: list[ParentedCommit],
        start: CommitTree | None,
        *,
        after: int,
    ) -> None:
        """Take in the commits, the first of which has `start` as its parent."""
        from promptctl.counting import counted, counting
        from promptctl.versions.closures import Closures, walk_prompts

        positions = {commit: after + place for place, (commit, _) in enumerate(commits, start=1)}
        closures = Closures(self.git.objects)
        with counting("reading the history of prompts"):
            walked, places = walk_prompts(self.git, commits, lineages.places)
        if start is not None:
            lineages.files = start.prompt_blobs(reduce(or_, places.values(), lineages.places))
        steps = counted(walked, "building the index of versions", len(walked))
        while some := list(islice(steps, _COMMITS_AT_ONCE)):
            closures.read_ahead((change.path, change.after) for step in some for change in step.changes if change.after)
            for step in some:
                lineages.advance(positions[step.commit], step, closures, places.get(step.commit))
            closures.forget_contents(but=lineages.files.values())
        store.write(positions, lineages.rows, (lineages.states[id_] for id_ in sorted(lineages.touched)))

    def _tell_changes(
        self, line: Line, last_common: str | None, before: Iterable[VersionRow], now: Iterable[VersionRow]
    ) -> None:
        known = {(row.prompt, row.number): row.digest for row in now}
        changed = [row for row in before if known.get((row.prompt, row.number)) != row.digest]
        if not changed:
            return
        first: dict[str, int] = {}
        for row in changed:
            first.setdefault(row.prompt, row.number)
        shown = ", ".join(f"{prompt} from v{number}" for prompt, number in islice(first.items(), 3))
        more = f" and {len(first) - 3} more" if len(first) > 3 else ""
        since = f"after {last_common[:7]}" if last_common else "from its first commit"
        self.notices.append(
            f"the line of {line.name} was rewritten {since}: version numbers changed ({shown}{more}); "
            "commits and digests still name what they named"
        )
