"""Files that a user names for a report or an export: none takes the place of a part of a repository or workspace."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from promptctl.errors import WorkspaceError
from promptctl.files.roots import is_part_of, root_around
from promptctl.files.writing import NEW_FILE_MODE, replace_file
from promptctl.git.commands import Commands

_UNTRACKED = 1


def replace_output(
    file: Path, parts: Iterable[bytes], *, new_mode: int = NEW_FILE_MODE, keeps_mode: bool = True
) -> None:
    """Put the parts in the place of a file that the user named for a report, an export or a snapshot.

    Raises `WorkspaceError` for a file that `check_output` refuses, and what `replace_file` raises.
    """
    check_output(file)
    replace_file(file, parts, new_mode=new_mode, keeps_mode=keeps_mode)


def check_output(file: Path) -> None:
    """Raise `WorkspaceError` for a file of Git's, or one that a workspace is made of: no output takes its place.

    So it does if the way there leaves a repository through a link that Git tracks, which a stranger's branch can bring.
    """
    real = Path(os.path.realpath(file.parent)) / file.name
    hint = "name a different file"
    try:
        link = next(filter(_leads_out, file.absolute().parents), None)
        is_of_git = any(each.name.casefold() == ".git" or _is_git_folder(each) for each in (real, *real.parents))
    except OSError as error:
        raise WorkspaceError(f"cannot write {file}: {error.strerror}", hint=hint) from error
    if is_of_git:
        raise WorkspaceError(f"cannot write {file}: it is in a folder of Git's own", hint=hint)
    if link is not None:
        hint = f"name the folder itself: {os.path.realpath(file.parent)}"
        raise WorkspaceError(f"cannot write {file}: the link {link} leads out of the repository", hint=hint)
    root = root_around(real)
    if root is not None and os.path.lexists(real) and is_part_of(root, real.relative_to(root).as_posix()):
        raise WorkspaceError(f"cannot write {file}: it is a file of the workspace itself", hint=hint)


def _leads_out(folder: Path) -> bool:
    """Return True for a link to a folder outside of its repository, if Git tracks it or one that it leads over."""
    own = Path(os.path.realpath(folder.parent)) / folder.name
    top = next((each for each in own.parents if os.path.lexists(each / ".git")), None) if own.is_symlink() else None
    if top is None or Path(os.path.realpath(own)).is_relative_to(top):
        return False
    listed = ["ls-files", "--error-unmatch", "--", f":(icase){own.name}"]  # to a file system, case may mean nothing
    is_own = Commands(own.parent).run(listed, check=False, has_globs=True).status == _UNTRACKED
    target = own.parent / own.readlink()
    return not is_own or any(map(_leads_out, (target, *target.parents)))


def _is_git_folder(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir()
