"""The files of a workspace that differ between a commit and a different commit, or the work tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import BinaryIO

from promptctl.files.names import DATASETS, SETTINGS, PromptPlaces
from promptctl.files.tree import MAX_BYTES, prompt_files
from promptctl.git.index import as_stored, ignored
from promptctl.git.trees import CommitTree, WorkTree, blob_id, blob_of
from promptctl.git.walk import FileChange


def changed_files(base: CommitTree, head: CommitTree | WorkTree) -> list[FileChange]:
    """List every file in the places of prompts and below `datasets/`, and `promptctl.yaml`, that differs; by path.

    A file of the work tree is compared as Git would store it. One that Git ignores, or that a submodule holds, is no
    change.
    """
    places = base.places | head.places
    before, after = _files(base, base, places), _files(head, base, places)
    differ = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    new = [path for path in differ if path not in before] if isinstance(head, WorkTree) else []
    left_alone = ignored(base.git, [*places.pathspecs, DATASETS]) if new else set()
    left_alone |= set(filter(head.repository_inside, new))
    return [FileChange(path, before.get(path), after.get(path)) for path in differ if path not in left_alone]


class CleanTree:
    """A commit's files; those that are clean in the work tree as they are there, as Git's filters made them."""

    def __init__(self, committed: CommitTree, here: CommitTree | WorkTree) -> None:
        self.commit = committed.commit
        self.places = committed.places
        self._committed = committed
        self._here = here

    def read(self, path: str, *, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the file's bytes; see `promptctl.files.tree.Tree.read`."""
        return self._tree(path).read(path, max_bytes=max_bytes)

    def open(self, path: str) -> BinaryIO:
        """Open the file as a stream; see `promptctl.files.tree.StreamedTree.open`."""
        return self._tree(path).open(path)

    def paths(self, prefix: str) -> list[str]:
        """Return every file below `prefix` of the commit, sorted."""
        return self._committed.paths(prefix)

    def top_files(self) -> list[str]:
        """Return the files at the top of the commit, sorted."""
        return self._committed.top_files()

    def _tree(self, path: str) -> CommitTree | WorkTree:
        is_here = self._committed.blob(path) is not None and not is_changed(self._committed, self._here, path)
        return self._here if is_here and path not in self._here.not_checked_out() else self._committed


def new_links(base: CommitTree, head: CommitTree | WorkTree) -> list[str]:
    """List the symbolic links and submodules below folders of prompts and `datasets/` that base lacks; sorted."""
    folders = [*(base.places | head.places).folders, DATASETS]
    before, after = _links(base, base.commit, folders), _links(head, base.commit, folders)
    return sorted(path for path, target in after.items() if before.get(path) != target)


def new_workspaces(base: CommitTree, head: CommitTree | WorkTree) -> list[str]:
    """List the folders below that are workspaces in head, for a work tree in its index, and not in base; sorted."""
    command = ("diff-index",) if head.commit is None else ("diff-tree", "-r")
    sides = filter(None, (base.commit, head.commit))
    only = ("--name-only", "-z", "--diff-filter=A", "--no-renames", "--relative")
    found = base.git.run([*command, *only, *sides, "--", f":(glob)*/**/{SETTINGS}"], has_globs=True)
    paths = found.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
    others = [path for path in paths if head.places.folder_of(path) is None and not path.startswith(f"{DATASETS}/")]
    return sorted(path.removesuffix(f"/{SETTINGS}") for path in others)


def is_changed(base: CommitTree, head: CommitTree | WorkTree, path: str) -> bool:
    """Return True if one file differs."""
    return base.blob(path) != blob_at(head, path, base)


def blob_at(tree: CommitTree | WorkTree, path: str, beside: CommitTree) -> str | None:
    """Return the blob id of a file as Git would store it, in the repository of the commit `beside`; None if none."""
    if isinstance(tree, CommitTree):
        return tree.blob(path)
    plain = blob_of(tree, path, beside.commit)
    if plain is None or plain == beside.blob(path):
        return plain
    return as_stored(beside.git, {path: plain})[path]


def prompt_blobs_of(tree: CommitTree | WorkTree, beside: CommitTree) -> dict[str, str]:
    """Return the blob id of each file in a tree's places of prompts, by path, as Git stores it; see `blobs_of`."""
    if isinstance(tree, CommitTree):
        return tree.prompt_blobs()
    plain = _plain(tree, prompt_files(tree), beside.commit)
    stored = as_stored(beside.git, plain)
    return {path: id_ for path, id_ in stored.items() if tree.places.folder_of(path) is not None}


def blobs_of(tree: CommitTree | WorkTree, folder: str, beside: CommitTree) -> dict[str, str]:
    """Return the blob id of each file below a folder, by path, as Git stores it in the repository of `beside`."""
    if isinstance(tree, CommitTree):
        return tree.blobs(folder)
    stored = as_stored(beside.git, _plain(tree, tree.paths(folder), beside.commit))
    return {path: id_ for path, id_ in stored.items() if path.startswith(f"{folder}/")}


def _plain(tree: WorkTree, paths: Iterable[str], like: str) -> dict[str, str]:
    """Return the blob ids of the bytes of files, by path."""
    return {path: id_ for path in paths if (id_ := blob_of(tree, path, like)) is not None}


def _links(tree: CommitTree | WorkTree, like: str, folders: Iterable[str]) -> dict[str, str]:
    """Return the id of each link's target, by path."""
    if isinstance(tree, CommitTree):
        return {path: id_ for folder in folders for path, id_ in tree.links(folder).items()}
    paths = [path for folder in folders for path in tree.links(folder)]
    return {path: blob_id(os.fsencode((tree.root / path).readlink()), like) for path in paths}


def _files(tree: CommitTree | WorkTree, beside: CommitTree, places: PromptPlaces) -> dict[str, str]:
    """Return the blob id of each file by path. A link is no file, in either kind of tree."""
    links = {path for folder in (*places.folders, DATASETS) for path in tree.links(folder)}
    if isinstance(tree, CommitTree):
        files = tree.prompt_blobs(places) | tree.blobs(DATASETS)
    else:
        placed = prompt_files(tree, places)
        links |= {path for path in placed if "/" not in path and (tree.root / path).is_symlink()}
        files = _plain(tree, [*placed, *tree.paths(DATASETS)], beside.commit)
    settings = tree.blob(SETTINGS) if isinstance(tree, CommitTree) else blob_of(tree, SETTINGS, beside.commit)
    files |= {SETTINGS: settings} if settings is not None else {}
    files = {path: id_ for path, id_ in files.items() if path not in links}
    if isinstance(tree, CommitTree):
        return files
    stored = as_stored(beside.git, files)
    ours = (f"{DATASETS}/", SETTINGS)
    return {path: id_ for path, id_ in stored.items() if path.startswith(ours) or places.folder_of(path) is not None}
