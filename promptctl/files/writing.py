"""Writes a file whole or not at all: what was there stays until the new text is complete. And locks of files."""

from __future__ import annotations

import fcntl
import glob
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from promptctl.errors import WorkspaceError
from promptctl.files.names import DRAFTS, STATE_FOLDER, STATE_IGNORE

NEW_FILE_MODE = 0o644
_SUFFIX = ".promptctl-draft"
_LEFT_S = 60.0
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_LONGEST_NAME = 200  # bytes of a draft's name that are the file's; a file system takes 255 in all


def replace_file(
    file: Path,
    parts: Iterable[bytes],
    *,
    is_new: bool = False,
    new_mode: int = NEW_FILE_MODE,
    keeps_mode: bool = True,
) -> None:
    """Put the parts, one after another, in the place of the file, which keeps its mode if `keeps_mode`.

    A new file has `new_mode`. Folders on the way are made. With `is_new` a file that is there is an error. Raises
    `WorkspaceError` if it cannot be written; then, as after whatever `parts` raises, the old file is as it was and
    nothing is left beside it.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():
            raise WorkspaceError(f"cannot write {file}: it is no file, but a folder, a pipe or a device")
        mode = file.stat().st_mode & 0o777 if keeps_mode and file.exists() else new_mode
        with _draft(file) as (opened, draft):
            opened.writelines(parts)
            opened.flush()
            os.fchmod(opened.fileno(), mode)
            if is_new:
                os.link(draft, file)
            else:
                draft.replace(file)
    except OSError as error:
        raise WorkspaceError(f"cannot write {file}: {error.strerror}") from error


def make_state_folder(folder: Path) -> None:
    """Make `.promptctl/` with its own .gitignore, and clear away what killed processes left there.

    Raises `OSError` if it cannot be made, or is reached through a link: a branch can bring one that leads anywhere.
    """
    ignore, drafts = folder / ".gitignore", folder / DRAFTS
    if folder.is_symlink() or drafts.is_symlink():
        raise NotADirectoryError(f"{folder} is reached through a symbolic link")
    drafts.mkdir(parents=True, exist_ok=True)
    if not ignore.exists() or ignore.stat().st_size == 0:
        with _open_draft(drafts, ignore.name) as (opened, draft):
            opened.write(STATE_IGNORE.encode())
            opened.flush()
            os.fchmod(opened.fileno(), NEW_FILE_MODE)
            draft.replace(ignore)
    _remove_left(drafts, "*")


@contextmanager
def _draft(file: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a draft of a file, on the same file system: in the state folder of its workspace, or else beside it."""
    from promptctl.files.roots import root_around

    root = root_around(file.absolute())
    drafts = file.parent
    if root is not None:
        state = root / STATE_FOLDER
        with suppress(OSError):
            make_state_folder(state)
            is_near = (state / DRAFTS).stat().st_dev == file.parent.stat().st_dev
            drafts = state / DRAFTS if is_near and os.access(state / DRAFTS, os.W_OK) else drafts
    name = file.name.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore")
    _remove_left(drafts, glob.escape(name))
    with _open_draft(drafts, name) as found:
        yield found


@contextmanager
def _open_draft(folder: Path, name: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file that is locked for as long as it is written, and gone afterwards."""
    import tempfile

    while True:
        descriptor, path = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=_SUFFIX)
        draft = Path(path)
        opened = os.fdopen(descriptor, "wb")
        wait_for_lock(opened)
        if draft.exists():  # else it was taken for one that a killed process left, before it was locked
            break
        opened.close()
    try:
        with opened:
            yield opened, draft
    finally:
        draft.unlink(missing_ok=True)


def _remove_left(drafts: Path, name: str) -> None:
    """Remove the drafts of files with such a name that no process is writing; whatever else is there is not ours."""
    for draft in drafts.glob(f".{name}.????????{_SUFFIX}"):
        with suppress(OSError), draft.open("rb") as opened:
            if try_lock(opened):
                draft.unlink()


@contextmanager
def temporary_folder(name: str, within: Path | None = None) -> Iterator[Path]:
    """Make a folder of this user's alone, gone afterwards, and remove those of killed processes.

    It lies in the system's place for such folders, or `within` a folder. Raises `WorkspaceError` if it cannot be made.
    """
    import tempfile

    prefix = f"promptctl-{name}-"
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix, dir=within, ignore_cleanup_errors=True)
    except OSError as error:
        message = f"no temporary folder can be written{f' in {within}' if within else ''}: {error.strerror}"
        raise WorkspaceError(message, hint=None if within else "name one that can: TMPDIR=FOLDER") from error
    with made as folder, descriptor_of(folder, _FOLDER) as opened:
        try_lock(opened)
        _remove_left_folders(Path(folder).parent, prefix)
        yield Path(folder)


@cache  # once is enough, and there may be many files
def _remove_left_folders(within: Path, prefix: str) -> None:
    """Remove folders of this user that no process holds, nor is about to: of that age they would be locked by now."""
    import shutil

    for folder in within.glob(f"{prefix}????????"):
        with suppress(OSError), descriptor_of(folder, _FOLDER) as opened:
            found = os.fstat(opened)
            if found.st_uid == os.getuid() and found.st_mtime < time.time() - _LEFT_S and try_lock(opened):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def descriptor_of(path: Path | str, flags: int, mode: int = 0) -> Iterator[int]:
    """Open a file or a folder by the system's own flags, and give its descriptor."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for_lock(opened: BinaryIO | int) -> None:
    """Lock an open file as soon as no process holds it; a file system without locks goes without."""
    with suppress(OSError):
        fcntl.flock(opened, fcntl.LOCK_EX)


def try_lock(opened: BinaryIO | int) -> bool | None:
    """Lock an open file; False if a process holds it, None if nobody can know, as on a file system without locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
