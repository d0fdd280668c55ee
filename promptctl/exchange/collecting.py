"""The files that an import is asked for: those that are named, and those below a folder that may be prompts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from promptctl.errors import UsageError, WorkspaceError, printable
from promptctl.exchange.source import MAX_BYTES, Source
from promptctl.files.names import STATE_FOLDER
from promptctl.git.trees import WorkTree

# Below a folder, only files whose names end so are looked at; a file that is named by itself may have any name.
_ENDINGS = (".yaml", ".yml", ".json", ".jsonl", ".prompt", ".prompty", ".md")
_LEFT_OUT = frozenset(
    (".git", ".hg", ".svn", ".tox", ".venv", "venv", "node_modules", "__pycache__", "build", "dist", STATE_FOLDER)
)
_MOST_FILES = 20_000


def sources(paths: Sequence[str | os.PathLike[str]], start: Path) -> Iterator[tuple[Source, bool]]:
    """Yield each file at or below the paths, which are relative to the folder `start`; True if it was named itself.

    Raises `UsageError` for a path that is not there, and `WorkspaceError` for a named file that cannot be read.
    """
    together: list[Source] = []
    for path in paths:
        found = start / path
        if found.is_dir():
            yield from ((each, False) for each in _below(found, os.fspath(path), together))
        elif os.path.lexists(found):
            prefix = os.fspath(path)[: -len(found.name)]
            yield _read(WorkTree(found.parent), found.name, prefix, set(), together), True
        else:
            raise UsageError(
                f"there is no file or folder `{printable(os.fspath(path))}`", hint="name one that is there"
            )


def _below(folder: Path, shown: str, together: list[Source]) -> Iterator[Source]:
    tree, prefix = WorkTree(folder), "" if shown in (".", "./") else shown.rstrip("/") + "/"
    named: set[str] = set()
    paths = sorted(_paths(folder))
    if len(paths) > _MOST_FILES:
        hint = "import its folders one by one"
        raise UsageError(f"{printable(shown)} holds more than {_MOST_FILES:,} files that may be prompts", hint=hint)
    for path in paths:
        found = (folder / path).lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
            yield _read(tree, path, prefix, named, together)


def _paths(folder: Path) -> Iterator[str]:
    for inside, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        below = os.path.relpath(inside, folder)
        start = "" if below == "." else below.replace(os.sep, "/") + "/"
        yield from (start + name for name in files if name.endswith(_ENDINGS))


def _read(tree: WorkTree, path: str, prefix: str, named: set[str], together: list[Source]) -> Source:
    try:
        source = Source(path, tree.read(path, max_bytes=MAX_BYTES), tree, prefix, named, together)
    except FileNotFoundError:
        raise WorkspaceError(f"{printable(prefix + path)} was removed meanwhile") from None
    together.append(source)
    return source
