"""The folders that are workspaces, and which files belong to one."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

from promptctl.errors import WorkspaceError, quote
from promptctl.files.names import DATASETS, DEFAULT_PLACES, LOCK, SETTINGS, STATE_FOLDER, PromptPlaces
from promptctl.files.tree import places_in, read_file


def places_at(root: Path) -> PromptPlaces:
    """Return the places of prompts that the `promptctl.yaml` of a folder names; `prompts/` if it cannot be read."""
    try:
        return places_in(read_file(root / SETTINGS))
    except OSError:
        return DEFAULT_PLACES


def root_around(file: Path) -> Path | None:
    """Return the workspace that a file or folder lies in, looked for from its folder upwards; None if there is none."""
    nearest = next((folder for folder in file.parents if (folder / SETTINGS).is_file()), None)
    return nearest and (owner_of(nearest) or nearest)


def is_part_of(root: Path, path: str) -> bool:
    """Return True for a path of settings, state, prompts or datasets of the workspace at `root`."""
    is_top = path in (SETTINGS, LOCK) or path.startswith((f"{STATE_FOLDER}/", f"{DATASETS}/"))
    return is_top or places_at(root).folder_of(path) is not None


def owner_of(root: Path) -> Path | None:
    """Return the workspace of the same repository among whose own files a folder lies; None if there is none.

    A branch brings files there, so a `promptctl.yaml` among them is no workspace. A repository of its own, such as a
    submodule, may be one.
    """
    settings, owner = Path(os.path.realpath(root)) / SETTINGS, None
    for inner, outer in pairwise(settings.parents):
        if os.path.lexists(inner / ".git"):
            break
        if (outer / SETTINGS).is_file() and is_part_of(outer, settings.relative_to(outer).as_posix()):
            owner = outer
    return owner


def refuse_inside(root: Path) -> None:
    """Raise `WorkspaceError` if a workspace at `root` lies among the prompts or datasets of another."""
    if (owner := owner_of(root)) is not None:
        raise WorkspaceError(
            f"{root / SETTINGS}: a workspace cannot lie among the prompts or datasets of another one, here {owner}",
            hint=f"remove it, or move it to a folder of its own; for the other one: promptctl -C {quote(str(owner))}",
        )
