"""The prompts that a user names of a library: by id, by path, by folder or by glob; and what it offers at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from functools import lru_cache

from promptctl.errors import PromptNotFound, UsageError, WorkspaceError, printable
from promptctl.files.names import PROMPT_SUFFIXES, did_you_mean, id_problem
from promptctl.files.wording import count, name_some
from promptctl.prompts.loading import prompt_paths
from promptctl.vendoring.library import Library, LibraryTree, plain_places, share_of


@dataclass(frozen=True, slots=True)
class ChosenPrompts:
    """Prompts of one workspace of a library: path by id as it is there. `kept_back` are ids that are not offered.

    `is_one` says that one prompt was named, not a folder. `elsewhere` are folders with prompts of a repository that is
    no workspace, if all of it was meant.
    """

    tree: LibraryTree
    prompts: Mapping[str, str]
    kept_back: tuple[str, ...] = ()
    is_one: bool = False
    elsewhere: tuple[str, ...] = ()


def choose(library: Library, wanted: str) -> ChosenPrompts:
    """Return the prompts that a path, an id, a folder or a glob of ids means.

    Raises `PromptNotFound`, and `WorkspaceError` for what the library does not offer.
    """
    folder = _workspace(library, wanted)
    if folder is None:
        tree = library.tree("", plain_places(library.paths(), wanted))
        inside = wanted
    else:
        tree = library.tree(folder)
        inside = wanted.removeprefix(folder) if f"{wanted}/" != folder else ""
    known = prompt_paths(tree)
    found, is_one = _named(known, inside)
    if not found:
        raise _not_there(library, tree, known, inside)
    share = share_of(tree)
    kept_back = [id_ for id_ in found if not is_offered(id_, share)]
    if len(kept_back) == len(found):
        message = f"{library.outside.shown} does not offer {name_some(kept_back)} to others"
        offered = [id_ for id_ in known if is_offered(id_, share)]
        hint = f"it offers {name_some(offered)}" if offered else "its `share` in promptctl.yaml is empty"
        raise WorkspaceError(message, hint=hint)
    chosen = {id_: path for id_, path in found.items() if id_ not in kept_back}
    elsewhere = _elsewhere(library, known) if folder is None and inside in ("", "*") else ()
    return ChosenPrompts(tree, chosen, tuple(kept_back), is_one, tuple(elsewhere))


def is_offered(id_: str, share: tuple[str, ...] | None) -> bool:
    """Return True if one of the globs is for the prompt; None offers everything."""
    return share is None or _any_of(share).match(id_) is not None


@lru_cache(maxsize=8)
def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)")


def _workspace(library: Library, wanted: str) -> str | None:
    """Return the folder of the workspace that a path is in; None in a repository that is none."""
    workspaces = library.workspaces
    around = [folder for folder in workspaces if f"{wanted}/".startswith(folder)]
    if around:
        return max(around, key=len)
    is_path = any(path == wanted or path.startswith(f"{wanted}/") for path in library.paths())
    if len(workspaces) == 1 and not is_path:
        return workspaces[0]
    if workspaces and not is_path:
        named = name_some([folder.rstrip("/") for folder in workspaces])
        message = f"{library.outside.shown} has several workspaces: {named}"
        raise UsageError(message, hint=f"name one first: //{workspaces[0]}{printable(wanted)}")
    return None


def _named(known: Mapping[str, str], wanted: str) -> tuple[dict[str, str], bool]:
    """Return those of the known prompts that are meant, and True if just one was named."""
    for id_, path in known.items():
        if wanted in (id_, path):
            return {id_: path}, True
    if any(sign in wanted for sign in "*?["):
        return {id_: path for id_, path in known.items() if fnmatchcase(id_, wanted)}, False
    start = f"{wanted}/" if wanted else ""
    return {id_: path for id_, path in known.items() if id_.startswith(start) or path.startswith(start)}, False


def _not_there(library: Library, tree: LibraryTree, known: Mapping[str, str], wanted: str) -> Exception:
    path = tree.folder + wanted
    shown = library.outside.shown
    if wanted in tree.refused:
        return WorkspaceError(f"the file {tree.refused[wanted]}", place=tree.place(wanted), hint="it is not taken")
    if wanted in tree.blobs and wanted.endswith(PROMPT_SUFFIXES):
        stem = wanted.rpartition("/")[2].partition(".prompt.")[0]
        hint = "its owners can rename it"
        return WorkspaceError(
            f"`{stem}` cannot be a prompt's id: {id_problem(stem)}", place=tree.place(path), hint=hint
        )
    at = f"{shown} at {library.revision}"
    if not known:
        others = _elsewhere(library, known)
        hint = "prompts are files named <id>.prompt.yaml or .yml"
        hint = f"it has some in {name_some(others)}: name that folder" if others else hint
        return PromptNotFound(f"there is no prompt in {at}", hint=hint)
    share = share_of(tree)
    offered = [id_ for id_ in known if is_offered(id_, share)]
    hint = did_you_mean(wanted, [*offered, *(known[id_] for id_ in offered)])
    hint = hint or f"it offers {count(len(offered), 'prompt')}: {name_some(offered)}"
    if not library.workspaces and (others := _elsewhere(library, known)):
        hint += f"; it has others in {name_some(others)}: name that folder"
    return PromptNotFound(f"there is no prompt `{printable(wanted)}` in {at}", hint=hint)


def _elsewhere(library: Library, known: Mapping[str, str]) -> list[str]:
    """Return the folders of a repository with prompts that are none of the known."""
    paths = {path for path in library.paths() if path.endswith(PROMPT_SUFFIXES)} - set(known.values())
    return sorted({path.rpartition("/")[0] for path in paths})
