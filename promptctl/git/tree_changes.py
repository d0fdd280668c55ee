"""The files of a workspace that differ between a commit and a different commit, or the work tree."""

from __future__ import annotations

import os

from promptctl.files.names import DATASETS, PROMPTS, SETTINGS
from promptctl.git.trees import CommitTree, WorkTree, blob_id, blob_of
from promptctl.git.walk import FileChange

_FOLDERS = (PROMPTS, DATASETS)


def changed_files(base: CommitTree, head: CommitTree | WorkTree) -> list[FileChange]:
    """List every file below `prompts/` and `datasets/`, and `promptctl.yaml`, that differs; sorted by path."""
    before, after = _files(base, like=base.commit), _files(head, like=base.commit)
    return [
        FileChange(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def new_links(base: CommitTree, head: CommitTree | WorkTree) -> list[str]:
    """List the symbolic links and submodules below `prompts/` and `datasets/` that base does not have; sorted."""
    before, after = _links(base, base.commit), _links(head, base.commit)
    return sorted(path for path, target in after.items() if before.get(path) != target)


def is_changed(base: CommitTree, head: CommitTree | WorkTree, path: str) -> bool:
    """Return True if one file differs."""
    return base.blob(path) != blob_of(head, path, like=base.commit)


def blobs_of(tree: CommitTree | WorkTree, folder: str, like: str) -> dict[str, str]:
    """Return the blob id of each file below a folder, by path."""
    if isinstance(tree, CommitTree):
        return tree.blobs(folder)
    return {path: id_ for path in tree.paths(folder) if (id_ := blob_of(tree, path, like)) is not None}


def _links(tree: CommitTree | WorkTree, like: str) -> dict[str, str]:
    """Return the id of each link's target, by path."""
    if isinstance(tree, CommitTree):
        return {path: id_ for folder in _FOLDERS for path, id_ in tree.links(folder).items()}
    paths = [path for folder in _FOLDERS for path in tree.links(folder)]
    return {path: blob_id(os.fsencode((tree.root / path).readlink()), like) for path in paths}


def _files(tree: CommitTree | WorkTree, like: str) -> dict[str, str]:
    """Return the blob id of each file by path. A link is no file, in either kind of tree."""
    links = {path for folder in _FOLDERS for path in tree.links(folder)}
    settings = blob_of(tree, SETTINGS, like)
    files = {SETTINGS: settings} if settings is not None else {}
    for folder in _FOLDERS:
        files |= {path: id_ for path, id_ in blobs_of(tree, folder, like).items() if path not in links}
    return files
