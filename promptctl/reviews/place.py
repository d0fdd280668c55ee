"""The workspace under review, which BASE decides on: HEAD cannot move it, nor put a nearer one in its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import Place, WorkspaceError
from promptctl.files.names import DATASETS, SETTINGS
from promptctl.files.wording import name_some
from promptctl.git.trees import CommitTree, WorkTree
from promptctl.versions.committed_settings import settings_files

if TYPE_CHECKING:
    from promptctl.git.repository import Git


def check_place(git: Git, start: Path, tip: CommitTree, base: CommitTree, head: CommitTree | WorkTree) -> None:
    """Raise `WorkspaceError` unless the workspace that was opened is the one that BASE has, found from `start`.

    One that HEAD brings where BASE has none is new, unless HEAD moved or removed another since `base`.
    """
    _refuse_links(git, start)
    for name in dict.fromkeys((*base.places.folders, *head.places.folders, DATASETS)):
        if _is_no_folder(head, name):
            raise WorkspaceError(
                "HEAD puts a link, a submodule or a file where a folder belongs",
                place=Place(name),
                hint="put the folder itself there: nothing is read through it",
            )
    below = os.path.relpath(os.path.realpath(start), git.root)
    folder = Path(below)
    whole = CommitTree(git, tip.commit, "")
    here = [each.as_posix() for each in (folder, *folder.parents)]
    found = next((each for each in here if whole.blob(f"{each}/{SETTINGS}".removeprefix("./")) is not None), None)
    own = git.prefix.rstrip("/") or "."
    if found is None:
        before = settings_files(git, base.commit)
        if f"{own}/{SETTINGS}".removeprefix("./") in before:
            raise WorkspaceError(f"BASE moved or removed the workspace in {own}", hint="bring HEAD up to date first")
        after: CommitTree | WorkTree
        after = CommitTree(git, head.commit, "") if isinstance(head, CommitTree) else WorkTree(Path(git.root))
        out = after.not_checked_out() if before and isinstance(after, WorkTree) else {}
        if gone := sorted(str(Path(path).parent) for path in before if path not in out and not _is_file(after, path)):
            raise WorkspaceError(
                f"BASE has no workspace in {below} or above it, and HEAD moves or removes {name_some(gone)}",
                hint="leave them in their place, or give the command in a workspace that BASE has",
            )
        return
    if found != own:
        raise WorkspaceError(
            f"the workspace of BASE is {found}, and HEAD puts the one in {own} in its place",
            hint="give the command in the workspace of BASE; if BASE moved it, bring HEAD up to date first",
        )
    if not _is_file(head, SETTINGS):
        raise WorkspaceError(f"HEAD has no file {SETTINGS} in {own}, where BASE has it", hint="put it back")


def _refuse_links(git: Git, start: Path) -> None:
    """Raise if a folder on the way from the repository to `start` is a link, which HEAD may have put there."""
    top = next((each for each in (start, *start.parents) if os.path.realpath(each) == str(git.root)), start)
    way = start
    while way != top:
        if way.is_symlink():
            raise WorkspaceError(
                f"the way to the workspace leads through the link {way}",
                hint=f"name the folder itself: {os.path.realpath(way)}",
            )
        way = way.parent


def _is_file(tree: CommitTree | WorkTree, path: str) -> bool:
    if isinstance(tree, CommitTree):
        return tree.blob(path) is not None
    return (tree.root / path).is_file() and not (tree.root / path).is_symlink()


def _is_no_folder(tree: CommitTree | WorkTree, name: str) -> bool:
    if isinstance(tree, CommitTree):
        return tree.blob(name) is not None or name in tree.links(name)
    folder = tree.root / name
    return folder.is_symlink() or (folder / ".git").exists() or (folder.exists() and not folder.is_dir())
