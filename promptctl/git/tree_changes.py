"""Which files of a workspace differ between a commit and another, or the work tree."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.errors import WorkspaceError
from promptctl.files.names import DATASETS, PROMPTS, SETTINGS, prompt_id
from promptctl.git.objects import is_object_id
from promptctl.git.trees import CommitTree, WorkTree, blob_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptctl.git.repository import Git

_FOLDERS = (PROMPTS, DATASETS)
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that differs. `before` and `after` are its blob ids, None where there is no such file."""

    path: str
    before: str | None
    after: str | None


def changed_files(base: CommitTree, head: CommitTree | WorkTree) -> list[FileChange]:
    """Every file below `prompts/` and `datasets/`, and `promptctl.yaml`, that differs; sorted by path."""
    before, after = _files(base, like=base.commit), _files(head, like=base.commit)
    return [
        FileChange(path, before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def new_links(base: CommitTree, head: CommitTree | WorkTree) -> list[str]:
    """The symbolic links and submodules below `prompts/` and `datasets/` that base does not have so; sorted by path."""
    before, after = _links(base, base.commit), _links(head, base.commit)
    return sorted(path for path, target in after.items() if before.get(path) != target)


def _links(tree: CommitTree | WorkTree, like: str) -> dict[str, str]:
    """Path to the id of what the link says."""
    if isinstance(tree, CommitTree):
        return {path: id_ for folder in _FOLDERS for path, id_ in tree.links(folder).items()}
    return {
        path: blob_id(os.fsencode((tree.root / path).readlink()), like)
        for folder in _FOLDERS
        for path in tree.links(folder)
    }


def is_changed(base: CommitTree, head: CommitTree | WorkTree, path: str) -> bool:
    """Whether one file differs."""
    after = head.blob(path) if isinstance(head, CommitTree) else _id_on_disk(head, path, base.commit)
    return base.blob(path) != after


def _files(tree: CommitTree | WorkTree, like: str) -> dict[str, str]:
    """Path to blob id."""
    if isinstance(tree, CommitTree):
        found = {path: id_ for folder in _FOLDERS for path, id_ in tree.blobs(folder).items()}
        settings = tree.blob(SETTINGS)
        return found | ({SETTINGS: settings} if settings else {})
    paths = [path for folder in _FOLDERS for path in tree.paths(folder)]
    # A link is no file, in either kind of tree.
    own = [path for path in paths if not (tree.root / path).is_symlink()]
    return {path: id_ for path in (*own, SETTINGS) if (id_ := _id_on_disk(tree, path, like)) is not None}


def _id_on_disk(tree: WorkTree, path: str, like: str) -> str | None:
    """The blob id that Git would give to a file as it is; what cannot be read has an id that no blob has."""
    new = hashlib.sha1 if len(like) == 40 else hashlib.sha256
    try:
        with tree.open(path) as opened:
            size = os.fstat(opened.fileno()).st_size
            made = new(b"blob %d\0" % size, usedforsecurity=False)
            while part := opened.read(_READ_BYTES):
                made.update(part)
    except FileNotFoundError:
        return None
    except (OSError, WorkspaceError):
        return ""
    return made.hexdigest()


def renamed_prompts(git: Git, base: str, head: str) -> dict[str, str]:
    """Prompt ids by the id that they had before: files that one of the commits in between moved as they were.

    A file that was moved twice is followed. Where the commits are not here (a shallow clone), nothing is found.
    """
    listed = git.run(["rev-list", "--topo-order", "--reverse", "--no-merges", head, f"^{base}", "--"], check=False)
    if listed.status != 0 or not listed.lines():
        return {}
    args = ("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-renames", "--no-abbrev", "--", PROMPTS)
    output = git.run(args, input="".join(f"{commit}\n" for commit in listed.lines()).encode(), check=False)
    former: dict[str, str] = {}
    for changes in _steps(output.stdout, len(git.prefix)):
        gone = {change.before: id_ for change in changes if (id_ := prompt_id(change.path)) and change.after is None}
        for change in changes:
            id_ = prompt_id(change.path)
            if id_ is not None and change.before is None and change.after in gone:
                before = gone[change.after]
                former[id_] = former.pop(before, before)
    return former


def _steps(raw: bytes, prefix_length: int) -> list[list[FileChange]]:
    steps: list[list[FileChange]] = []
    fields = iter(raw.decode("utf-8", "surrogateescape").split("\0"))
    for field in fields:
        if field.startswith(":"):
            _, _, before, after, kind = field.split(" ")
            path = next(fields)[prefix_length:]
            steps[-1].append(FileChange(path, None if kind == "A" else before, None if kind == "D" else after))
        elif is_object_id(field):
            steps.append([])
    return steps


def blobs_of(tree: CommitTree | WorkTree, folder: str, like: str) -> Mapping[str, str]:
    """Path to blob id of the files below a folder."""
    if isinstance(tree, CommitTree):
        return {path: id_ for path in tree.paths(folder) if (id_ := tree.blob(path)) is not None}
    return {path: id_ for path in tree.paths(folder) if (id_ := _id_on_disk(tree, path, like)) is not None}
