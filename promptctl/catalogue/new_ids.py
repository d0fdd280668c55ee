"""The path of a prompt that is yet to be written, if its id can be one and nothing is there."""

from __future__ import annotations

import os

from promptctl.errors import UsageError, WorkspaceError
from promptctl.files.names import DEFAULT_PLACES, PROMPT_SUFFIXES
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import declared_ids, prompt_paths
from promptctl.versions.prompt_at_version import check_id


def new_prompt_path(
    tree: WorkTree, new_id: str, folder: str | None = None, suffix: str = PROMPT_SUFFIXES[0], *, own: str = ""
) -> str:
    """Return the path for a new prompt: its id in that place of prompts, by default the first, with the suffix.

    `own` is the id of a prompt that is renamed: the new one can be an earlier id of it. Raises `UsageError` for an id
    that is none or is taken, and `WorkspaceError` for a path through a link or into another repository.
    """
    places = tree.places
    path = places.new_path(new_id, folder, suffix)
    if (stem := places.stem(new_id) or places.stem(path.removesuffix(suffix))) is not None:  # the name of a file
        check_id(DEFAULT_PLACES.paths_of(stem)[0])
    check_id(new_id)
    for id_ in prompt_paths(tree):
        if id_ not in (new_id, own) and id_.casefold() == new_id.casefold():
            message = f"there is a prompt `{id_}` already, and on many file systems `{new_id}` is the same file"
            raise UsageError(message, hint="choose a different id")
        if id_ not in (new_id, own) and new_id in declared_ids(tree, id_):
            message = f"`{new_id}` is what `{id_}` was named before: its labels and calls go by that name, too"
            raise UsageError(message, hint="choose a different id")
    for taken in places.paths_of(new_id):
        if os.path.lexists(tree.root / taken):
            raise UsageError(
                f"there is a prompt `{new_id}` already: {taken}", hint="choose a different id, or remove it"
            )
    if places.folder_of(path) is None:
        raise UsageError(f"`prompt_paths` names no folder for `{new_id}`", hint="choose an id without `/`")
    refuse_link(tree, path)
    refuse_other_repository(tree, path)
    return path


def refuse_link(tree: WorkTree, path: str) -> None:
    """Raise `WorkspaceError` for a path whose folder is reached through a link."""
    folder = (tree.root / path).parent
    if os.path.realpath(folder) != str(folder):
        raise WorkspaceError(f"{path} would be reached through a symbolic link", hint="choose a different id")


def refuse_other_repository(tree: WorkTree, path: str) -> None:
    """Raise `WorkspaceError` for the file of a prompt that a submodule keeps, or any repository inside this one."""
    if (inside := tree.repository_inside(path)) is not None:
        message = f"{path} lies in a repository of its own, {inside}, as a submodule does: its commits keep that file"
        raise WorkspaceError(message, hint="make the change in the workspace of that repository, and commit it there")
