"""The trees and the small files that were read last, kept for who reads them again, or read ahead of whoever will."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from promptctl.files.tree import MAX_BYTES, is_lfs_pointer
from promptctl.git.objects import FolderEntry, GitObject
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
        self._kept: OrderedDict[tuple[str, str], CommitTree] = OrderedDict()
        self._recent = RecentFiles()
        self._lock = threading.Lock()

    def at(self, commit: str, prefix: str | None = None) -> CommitTree:
        """Return the workspace at a commit, given by its full id; `prefix` is as in `CommitTree`."""
        key = commit, self._git.prefix if prefix is None else prefix
        with self._lock:
            tree = self._kept.pop(key, None) or CommitTree(self._git, *key, recent=self._recent)
            self._kept[key] = tree
            if len(self._kept) > TREES_KEPT:
                self._kept.popitem(last=False)
            return tree

    def read_ahead(self, wanted: Sequence[tuple[CommitTree, str]]) -> None:
        """Read a file of each of a few trees and the folders on the way to it, those of one depth in one go.

        Paths are from the repository's root. What is missing is left to who asks for it.
        """
        ways = [(tree, path.split("/")) for tree, path in wanted]
        commits = self._git.objects.read_all([tree.commit for tree, _ in ways])
        ids = [each.data[5 : 5 + len(each.id)].decode() if each and each.data else None for each in commits]
        for depth in range(max((len(way) for _, way in ways), default=-1) + 1):
            asked = {}
            for n, (tree, way) in enumerate(ways):
                folder = tree.kept_folder("/".join(way[:depth]))
                if folder is not None:
                    ids[n] = _next(folder, way, depth)
                elif (id_ := ids[n]) is not None:
                    asked[n] = id_
            found = self._git.objects.read_all(asked.values(), max_bytes=MAX_BYTES)
            for n, each in zip(asked, found, strict=True):
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
            return _next(tree.keep_folder("/".join(way[:depth]), found.data), way, depth)
        except ValueError:  # it is damaged
            return None


def _next(folder: Mapping[str, FolderEntry], way: Sequence[str], depth: int) -> str | None:
    return folder[way[depth]].id if depth < len(way) and way[depth] in folder else None
