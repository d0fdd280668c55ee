"""The files of a source as its repository gives them at a commit, written as they are written here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptctl.errors import UsageError, WorkspaceError
from promptctl.files.names import PROMPT_SUFFIXES, SETTINGS, PromptPlaces
from promptctl.vendoring.address import read_address
from promptctl.vendoring.library import MAX_ROWS_BYTES, Library, LibraryTree, asking
from promptctl.vendoring.lock import Vendored
from promptctl.vendoring.moving import Moves, moved

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.git.outside import OutsideRepository


@contextmanager
def asking_source(parts: Context, source: Vendored) -> Iterator[OutsideRepository]:
    """Open the repository of a source; what fails has the place of the lock that names it."""
    try:
        with asking(parts, read_address(source.url, parts.root)) as outside:
            yield outside
    except (WorkspaceError, UsageError) as error:
        error.place = error.place or source.place
        raise


def tree_of(library: Library, source: Vendored) -> LibraryTree:
    """Return the workspace that a source is of; of a repository that is none, with the places that its prompts had."""
    if library.blob(source.folder + SETTINGS) is not None:
        return library.tree(source.folder)
    places = set()
    for ours, each in source.prompts.items():
        for path, file in source.files.items():
            for suffix in PROMPT_SUFFIXES:
                if path.endswith(f"/{ours}{suffix}") and file.source.endswith(f"{each.id}{suffix}"):
                    places.add(file.source.removesuffix(f"{each.id}{suffix}").rstrip("/"))
    folders = tuple(sorted(places - {""}))
    return library.tree(source.folder, PromptPlaces(folders, PROMPT_SUFFIXES if "" in places else ()))


def files_of(library: Library, source: Vendored, base: str) -> Iterator[tuple[str, bytes]]:
    """Yield each file of a source as it is written here, with its path, from the repository at that commit."""
    there = tree_of(library, source)
    size = len(source.folder)
    inside = {path: each.source for path, each in source.files.items() if each.source.startswith(source.folder)}
    moves = Moves(
        base,
        {each[size:]: path for path, each in inside.items()},
        {each.id: ours for ours, each in source.prompts.items()},
    )
    library.outside.bring([blob for each in source.files.values() if (blob := library.blob(each.source)) is not None])
    for path, each in source.files.items():
        blob = library.blob(each.source)
        data = library.outside.read(blob, MAX_ROWS_BYTES) if blob is not None else None
        if isinstance(data, bytes):
            is_licence = path not in inside or path in source.licences
            yield path, data if is_licence else moved(there, each.source[size:], moves, data)
