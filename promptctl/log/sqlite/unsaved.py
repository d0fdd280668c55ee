"""Files of records that the database did not take, beside it or, failing that, in the user's temporary folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from promptctl.log.sqlite.opening import FILE_MODE, FOLDER_MODE, sync_folder
from promptctl.log.stamps import new_id

FOLDER = "unsaved"
_SUFFIX = ".jsonl"
REJECTED = ".rejected"
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - only a folder of this user's in them is used


class Unsaved:
    """Unsaved records of one log, in files that are written whole or not at all.

    `spare` is the folder to fall back to; by default ones of this user's alone in the system's temporary folders, named
    by the log. All of them are looked through, also those of the log's `other_paths`: the first is its usual one, from
    which what is kept beside it is taken in too.
    """

    def __init__(self, log_path: Path, spare: Path | None = None, other_paths: Sequence[Path] = ()) -> None:
        self._folder = log_path.parent / FOLDER
        self._spare = spare
        self._log_paths = tuple(dict.fromkeys(str(path.absolute()) for path in (*other_paths, log_path)))
        self._usual = [path.parent / FOLDER for path in other_paths[:1]]

    def keep(self, lines: Iterable[str]) -> Path:
        """Write lines to a new file, durably, with mode 0600, and return its path.

        Raises `OSError` if no folder can be written.
        """
        text = "".join(line + "\n" for line in lines)
        *folders, last = self._folders()
        for folder in folders:
            with suppress(OSError):
                return _write(folder, text)
        return _write(last, text)

    def files(self) -> list[Path]:
        """Return every file of unsaved records, the oldest first in each folder; links and pipes are none."""
        return self._found(_SUFFIX)

    def rejected(self) -> list[Path]:
        """Return every file that the log refused for good."""
        return self._found(REJECTED)

    def _found(self, suffix: str) -> list[Path]:
        folders = dict.fromkeys(filter(_is_own_folder, (*self._folders(), *self._usual)))
        found = [path for folder in folders for path in sorted(folder.glob(f"*{suffix}"))]
        return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]

    def condition(self, path: Path) -> str:
        """Return what a later process needs to find this file, as the end of a sentence; empty if nothing."""
        place = path.parent.parent
        is_anywhere = self._spare is not None or path.parent.name == FOLDER or str(place) in _TEMPORARY
        return "" if is_anywhere else f" by a command with TMPDIR={place}"

    def _folders(self) -> list[Path]:
        return [self._folder, *([self._spare] if self._spare is not None else self._default_spares())]

    def _default_spares(self) -> tuple[Path, ...]:
        import tempfile

        try:
            temporary = tempfile.gettempdir()
        except FileNotFoundError:  # none can be written; what was kept earlier may be there to read
            temporary = _TEMPORARY[0]
        return _spares_in(temporary, self._log_paths)


@lru_cache(maxsize=16)  # asked for before everything that is read
def _spares_in(temporary: str, log_paths: tuple[str, ...]) -> tuple[Path, ...]:
    import hashlib

    names = [hashlib.sha256(os.fsencode(path)).hexdigest()[:16] for path in log_paths]
    # Fixed places first: a later process, with a different TMPDIR or none, looks there too.
    places = dict.fromkeys([*_TEMPORARY, temporary])
    return tuple(Path(place) / f"promptctl-{os.getuid()}-{name}" for name in names for place in places)


def _write(folder: Path, text: str) -> Path:
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if not _is_own_folder(folder):
        raise PermissionError(f"{folder} belongs to somebody else")
    path = folder / f"{new_id()}{_SUFFIX}"
    draft = path.with_suffix(".part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - of a descriptor
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    return path


def _is_own_folder(folder: Path) -> bool:
    """True for a real folder of this user's: in a temporary folder others could have put theirs, or a link."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
