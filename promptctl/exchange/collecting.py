"""The files that an import is asked for: those that are named, and those below a folder that may be prompts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import Place, UsageError, WorkspaceError, printable
from promptctl.exchange.drafts import MAX_BYTES, Source, Together
from promptctl.files.names import MADE_ELSEWHERE
from promptctl.git.trees import WorkTree

# Below a folder, only files whose names end so are looked at; a file that is named by itself may have any name.
_ENDINGS = (".yaml", ".yml", ".json", ".jsonl", ".prompt", ".prompty", ".md")
_MOST_FILES = 20_000


@dataclass(frozen=True)
class FoundFile:
    """A file that an import looks at; `is_named` if it was named itself, and not only its folder."""

    tree: WorkTree
    path: str
    prefix: str
    named: set[str]
    together: Together
    is_named: bool = False

    def read(self) -> Source:
        """Return the file with its bytes. Raises `WorkspaceError` if it cannot be read."""
        try:
            data = self.tree.read(self.path, max_bytes=MAX_BYTES)
        except FileNotFoundError:
            raise WorkspaceError(f"{printable(self.prefix + self.path)} was removed meanwhile") from None
        except WorkspaceError as error:
            place = Place(self.prefix + self.path)
            raise WorkspaceError(error.message, place=place, hint=error.hint or "name a file") from None
        return Source(self.path, data, self.tree, self.prefix, self.named, self.together)


def found_files(paths: Sequence[str | os.PathLike[str]], start: Path) -> list[FoundFile]:
    """Return each file at or below the paths, which are relative to the folder `start`; none of them is read yet.

    Raises `UsageError` for a path that is not there.
    """
    together = Together()
    found: list[FoundFile] = []
    for given in paths:
        path = os.fspath(given)
        file = start / path
        if file.is_dir():
            found += _below(file, path, together)
        elif os.path.lexists(file):
            prefix = path[: -len(file.name)]
            found.append(FoundFile(WorkTree(file.parent), file.name, prefix, set(), together, is_named=True))
        else:
            is_address = "://" in path
            hint = "nothing is fetched: save it as a file, and import that" if is_address else "name one that is there"
            raise UsageError(f"there is no file or folder `{printable(path)}`", hint=hint)
    together.files += [each.read for each in found]
    return found


def _below(folder: Path, shown: str, together: Together) -> Iterator[FoundFile]:
    tree, prefix = WorkTree(folder), "" if shown in (".", "./") else shown.rstrip("/") + "/"
    named: set[str] = set()
    paths = sorted(_paths(folder))
    if len(paths) > _MOST_FILES:
        hint = "import its folders one by one"
        raise UsageError(f"{printable(shown)} holds more than {_MOST_FILES:,} files that may be prompts", hint=hint)
    for path in paths:
        found = (folder / path).lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
            yield FoundFile(tree, path, prefix, named, together)


def _paths(folder: Path) -> Iterator[str]:
    for inside, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in MADE_ELSEWHERE]
        below = os.path.relpath(inside, folder)
        start = "" if below == "." else below.replace(os.sep, "/") + "/"
        yield from (start + name for name in files if name.endswith(_ENDINGS))
