"""Files of any tree, line by line, with the commits that made the lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptctl.catalogue.blamed import BlamedLine
from promptctl.errors import GitError
from promptctl.files.tree import Tree
from promptctl.git.line_history import LineChange, carried, file_lines, line_changes
from promptctl.git.trees import CommitTree
from promptctl.versions.moment import NOT_IN_GIT, Moment
from promptctl.versions.prompt_at_version import note


class BlamedFiles:
    """The lines of files with the commits that made them, of any tree; each tree's files are asked for at once."""

    def __init__(self, moment: Moment, ids: Sequence[str], notes: list[str]) -> None:
        self._moment = moment
        self._ids = ids
        self._notes = notes
        self._known: dict[tuple[str | None, str], list[BlamedLine]] = {}

    def read(self, tree: Tree, paths: Sequence[str]) -> None:
        """Read these files of a tree."""
        texts = {path: file_lines(tree.read(path)) for path in dict.fromkeys(paths)}
        try:
            changes = self._changes(tree, texts)
        except GitError as error:
            self._tell(note(error))
            changes = None
        for path, lines in texts.items():
            made = (changes or {}).get(path) or [None] * len(lines)
            self._known[tree.commit, path] = [
                BlamedLine(at + 1, text, change, is_uncommitted=change is None and changes is not None)
                for at, (text, change) in enumerate(zip(lines, made, strict=True))
            ]

    def _tell(self, why: str) -> None:
        words = f"who made the lines is not known: {why}"
        if words not in self._notes:
            self._notes.append(words)

    def of(self, tree: Tree, path: str, lines: range | None = None) -> tuple[BlamedLine, ...]:
        """Return lines of a file that was read; all of them by default."""
        known = self._known[tree.commit, path]
        return tuple(known if lines is None else known[lines.start - 1 : lines.stop - 1])

    def _changes(self, tree: Tree, texts: Mapping[str, list[str]]) -> Mapping[str, Sequence[LineChange | None]] | None:
        """Return who made the lines, by path, with None for a line that no commit has; None if nobody knows."""
        if not self._moment.is_versioned:
            self._tell(NOT_IN_GIT)
            return None
        git = self._moment.git
        if isinstance(tree, CommitTree):
            found = line_changes(git, tree.commit, map(tree.from_root, texts), self._earlier)
            return {path: found[tree.from_root(path)] for path in texts}
        if self._moment.head is None:
            return {}
        head = self._moment.tree_at(self._moment.head)
        olds = {path: path if head.blob(path) else self._earlier_here(head, path) for path in texts}
        committed = {path: head.from_root(old) for path, old in olds.items() if old is not None}
        found = line_changes(git, head.commit, committed.values(), self._earlier)
        changes: dict[str, Sequence[LineChange | None]] = {}
        for path, old in committed.items():
            before = file_lines(head.read(old.removeprefix(head.from_root(""))))
            changes[path] = [None if at is None else found[old][at] for at in carried(before, texts[path])]
        return changes

    def _earlier(self, parent: str, path: str) -> str | None:
        """Return the file, in a commit's parent, of an earlier id of the prompt whose file the commit added."""
        tree = self._moment.tree_at(parent)
        if tree.places.id(path.removeprefix(tree.from_root(""))) not in self._ids:
            return None
        found = self._earlier_here(tree, path.removeprefix(tree.from_root("")))
        return None if found is None else tree.from_root(found)

    def _earlier_here(self, tree: CommitTree, path: str) -> str | None:
        paths = (each for id_ in self._ids for each in tree.places.paths_of(id_) if each != path)
        return next((each for each in paths if tree.blob(each) is not None), None)
