"""Writes a file whole or not at all: what was there stays until the new text is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from promptctl.errors import WorkspaceError

_NEW_FILE_MODE = 0o644


def replace_file(file: Path, parts: Iterable[bytes]) -> None:
    """Put the parts, one after another, in the place of the file, which keeps its mode.

    Folders on the way are made. Raises `WorkspaceError` if it cannot be written; then, as after whatever `parts`
    raises, the old file is as it was and nothing is left beside it.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else _NEW_FILE_MODE
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.writelines(parts)
            temporary.chmod(mode)
            temporary.replace(file)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WorkspaceError(f"cannot write {file}: {error.strerror}") from error
