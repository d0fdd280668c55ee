"""Files that somebody names on the command line, or that Git hands over; and the driver by which Git does so."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.files.tree import read_file

if TYPE_CHECKING:
    from promptctl.workspace import Workspace

_STREAMS = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_given(file: Path, max_bytes: int) -> bytes:
    """Return the bytes of a file that somebody names; a stream (`/dev/stdin`, a pipe) only if it is named itself.

    Kind and size are known before a regular file is read. Raises `OSError`.
    """
    if not str(file).startswith(_STREAMS) and (file.is_symlink() or not file.is_fifo()):
        return read_file(file, max_bytes, follows_links=True)
    with file.open("rb") as stream:
        data = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"it has more than {max_bytes:,} bytes")
    return data


def git_textconv(data: bytes, made_by: str | None = None) -> bytes:
    """Return a prompt file as `git diff` is to show it; `made_by` is the version that installed the driver."""
    from promptctl.catalogue.git_driver import textconv

    return textconv(data, made_by)


def install_git_driver(workspace: Workspace, program: str) -> Path:
    """Let `git diff` and `git log -p` show prompts readably in this clone; return the repository's folder.

    `program` is the shell command that starts promptctl. Nothing that is committed changes.
    """
    from promptctl.catalogue.git_driver import install

    return install(workspace.context.repository.git, program)


def remove_git_driver(workspace: Workspace) -> None:
    """Let Git show prompts as plain files again in this clone."""
    from promptctl.catalogue.git_driver import uninstall

    uninstall(workspace.context.repository.git)
