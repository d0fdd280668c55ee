"""Files without what the rules found, as far as that is safe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from promptctl.errors import InvalidFiles, Problem, WorkspaceError
from promptctl.files.document import Key
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.files.tree import Tree
from promptctl.files.yaml_editing import Remove, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.linting.rules import LintFinding
from promptctl.linting.silencing import without_needless


def mended(tree: Tree, found: Iterable[Problem]) -> Proposal:
    """Return the files without what these findings are about, as far as that is safe. Others stay as they are."""
    by_path: dict[str, list[LintFinding]] = {}
    for each in found:
        if isinstance(each, LintFinding) and each.place is not None and (each.removes or each.needless):
            by_path.setdefault(each.place.path, []).append(each)
    return Proposal(tuple(_edits(tree, by_path)))


def _edits(tree: Tree, by_path: dict[str, list[LintFinding]]) -> Iterator[FileEdit]:
    for path, found in by_path.items():
        with suppress(InvalidFiles, WorkspaceError):
            before = tree.read(path)
            # First the comments: their lines are those of the file as it is.
            after = without_needless(before.decode(), found).encode()
            for keys in _without_empty(dict.fromkeys(keys for each in found for keys in each.removes), before, path):
                with suppress(WorkspaceError):
                    after = edit_yaml(after, path, [Remove(keys)])
            yield FileEdit(path, before, after)


def _without_empty(removes: Iterable[tuple[Key, ...]], data: bytes, path: str) -> list[tuple[Key, ...]]:
    """Return what is removed, a mapping as a whole if nothing would be left in it."""
    removes = list(removes)
    for parent in {keys[:-1] for keys in removes}:
        own = [keys for keys in removes if keys[:-1] == parent]
        if len(own) == len(read_yaml(data, path).part(*parent).data):
            removes = [*(keys for keys in removes if keys not in own), parent]
    return removes
