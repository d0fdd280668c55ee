"""The trees and the small files that were read last, kept for who reads them again, or read ahead of whoever will."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from promptctl.files.tree import MAX_BYTES, is_lfs_pointer
from promptctl.git.objects import GitObject
from promptctl.git.repository import Git
from promptctl.git.trees import CommitTree

TREES_KEPT = 8
_FILES_KEPT, _FILE_KEPT_BYTES = 64, 64 << 10


class RecentFiles(dict[str, bytes]):
    """Small files by blob id, at most 4 MiB of them: many commits have the same. Threads may share it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def __setitem__(self, id_: str, data: bytes) -> None:
        """Keep a small file in place of the one that has been here longest; a large one is not kept."""
        if len(data) > _FILE_KEPT_BYTES:
            return
        with self._lock:
            if len(self) >= _FILES_KEPT and id_ not in self:
                del self[next(iter(self))]
            super().__setitem__(id_, data)


class CommitTrees:
    """The trees of one repository's commits, the latest few kept. Threads may share it."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._kept: OrderedDict[str, CommitTree] = OrderedDict()
        self._recent = RecentFiles()
        self._lock = threading.Lock()

    def at(self, commit: str) -> CommitTree:
        """Return the workspace at a commit, given by its full id."""
        with self._lock:
            tree = self._kept.pop(commit, None) or CommitTree(self._git, commit, recent=self._recent)
            self._kept[commit] = tree
            if len(self._kept) > TREES_KEPT:
                self._kept.popitem(last=False)
            return tree

    def read_ahead(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Read a file of each of a few commits and the folders on the way to it, those of one depth in one go.

        `wanted` are commits and paths from the repository's root. What is missing is left to who asks for it.
        """
        ways = [(self.at(commit), path.split("/")) for commit, path in wanted[:TREES_KEPT]]
        commits = self._git.objects.read_all([tree.commit for tree, _ in ways])
        ids = [each.data[5 : 5 + len(each.id)].decode() if each and each.data else None for each in commits]
        for depth in range(max((len(way) for _, way in ways), default=-1) + 1):
            there = [n for n, id_ in enumerate(ids) if id_ is not None]
            found = self._git.objects.read_all([ids[n] or "" for n in there], max_bytes=MAX_BYTES)
            for n, each in zip(there, found, strict=True):
                ids[n] = self._keep(*ways[n], depth, each)

    def _keep(self, tree: CommitTree, way: Sequence[str], depth: int, found: GitObject | None) -> str | None:
        """Keep what is at a depth of the way to a file; return the id of what is next, None at the end."""
        if found is None or found.data is None:
            return None
        if found.kind == "blob" and depth == len(way) and not is_lfs_pointer(found.data):
            self._recent[found.id] = found.data
        if found.kind != "tree":
            return None
        try:
            entries = tree.keep_folder("/".join(way[:depth]), found.data)
        except ValueError:  # it is damaged
            return None
        return entries[way[depth]].id if depth < len(way) and way[depth] in entries else None
