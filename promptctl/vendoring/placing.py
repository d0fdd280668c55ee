"""Gathered files at the paths that they get here, rewritten, checked and compared with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from promptctl.catalogue.new_ids import new_prompt_path
from promptctl.catalogue.shared_files import closures_of
from promptctl.errors import InvalidFiles, Place, UsageError, WorkspaceError
from promptctl.files.free_names import first_free
from promptctl.files.look_alikes import folded_path
from promptctl.files.names import DATASETS, PROMPT_SUFFIXES
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.strangers import unsafe, unwelcome
from promptctl.files.tree import Overlay, Tree
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt_file, prompt_paths
from promptctl.vendoring.gathering import GatheredFiles
from promptctl.vendoring.library import Revision
from promptctl.vendoring.lock import LockedFile, LockedPrompt, Vendored, sha256
from promptctl.vendoring.moving import Moves, moved

_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Placed:
    """A source as its repository would have it here: the bytes of each file by path, and its entry in the lock."""

    files: Mapping[str, bytes]
    source: Vendored


def place(
    tree: WorkTree,
    gathered: GatheredFiles,
    name: str,
    before: Vendored | None,
    revision: Revision,
    *,
    with_datasets: bool,
    own_ids: Mapping[str, str] = MappingProxyType({}),
) -> Placed:
    """Return the files of a source by the paths that they get here: those that it has `before`, else below `name`.

    `own_ids` are ids here by those there, for prompts that are new. Raises `WorkspaceError` if references cannot be
    rewritten.
    """
    base = prompts_folder(tree)
    ids = {**({each.id: ours for ours, each in before.prompts.items()} if before else {}), **own_ids}
    ours = {id_: ids.get(id_, f"{name}/{id_}") for id_ in gathered.prompts}
    paths = _paths(
        gathered, name, ours, base, {each.source: path for path, each in before.files.items()} if before else {}
    )
    moves = Moves(base, paths, ours)
    files = {paths[path]: moved(gathered.tree, path, moves, data) for path, data in gathered.files.items()}
    there = gathered.tree.folder
    library = gathered.tree.library
    sources = {here: there + path for path, here in paths.items()}
    for path, data in gathered.licence.files.items() if gathered.licence else ():
        own = f"{base}/{name}/{path.rpartition('/')[2]}"
        if own not in files:
            files[own], sources[own] = data, path
    for path in files:
        if (why := unsafe(path)) is not None:
            raise WorkspaceError(f"`{path}` {why}", hint="choose a different id: --as ID")
        # The folder of prompts is the user's own, as `.github/prompts`.
        if (why := unwelcome(path.removeprefix(f"{tree.places.base(path)}/"))) is not None:
            raise WorkspaceError(f"`{path}` {why}", hint="its owners can rename it there")
    digests = _digests(tree, gathered, paths, files)
    source = Vendored(
        url=library.url,
        ref=revision.asked,
        name=revision.name,
        commit=revision.commit,
        folder=there,
        licence=gathered.licence.paths[0] if gathered.licence else None,
        spdx=gathered.licence.spdx if gathered.licence else None,
        has_datasets=with_datasets,
        prompts={ours[id_]: LockedPrompt(id_, digests[id_]) for id_ in gathered.prompts},
        files={
            here: LockedFile(sources[here], library.blob(sources[here]) or "", sha256(data))
            for here, data in files.items()
        },
    )
    return Placed(files, source)


def prompts_folder(tree: Tree) -> str:
    """Return the folder that prompts of others are written to. Raises `UsageError` if there is none."""
    if not tree.places.folders:
        message = "`prompt_paths` names no folder, so prompts of another repository have no place"
        raise UsageError(message, hint="add `prompts` to `prompt_paths` in promptctl.yaml")
    return tree.places.first


def _paths(
    gathered: GatheredFiles, name: str, ours: Mapping[str, str], base: str, known: Mapping[str, str]
) -> dict[str, str]:
    """Return the path here of each file, by its path there. Raises `WorkspaceError` if two get the same one.

    `known` are those that have one already, by their paths in the repository.
    """
    found: dict[str, str] = {}
    by_path = {path: id_ for id_, path in gathered.prompts.items()}
    for path in gathered.files:
        if path in by_path:
            suffix = next(each for each in PROMPT_SUFFIXES if path.endswith(each))
            found[path] = f"{base}/{ours[by_path[path]]}{suffix}"
        elif (here := known.get(gathered.tree.folder + path)) is not None:
            found[path] = here
        elif path.startswith(f"{DATASETS}/"):
            found[path] = f"{DATASETS}/{name}/{path.removeprefix(f'{DATASETS}/')}"
        else:
            found[path] = f"{base}/{name}/{path.removeprefix(f'{gathered.tree.places.base(path)}/')}"
    taken: dict[str, str] = {}
    for path, here in found.items():
        if (other := taken.setdefault(folded_path(here), path)) != path:
            raise WorkspaceError(f"{other} and {path} would both be {here}", hint="take one of them, with --as ID")
    return found


def _digests(
    tree: Tree, gathered: GatheredFiles, paths: Mapping[str, str], files: Mapping[str, bytes]
) -> dict[str, str]:
    """Return the digest of each prompt as it would be here, by its id there.

    Raises `WorkspaceError` for one that would not name the same files.
    """
    here = Overlay(tree, files)
    found = {}
    for id_, path in gathered.prompts.items():
        wanted = {paths.get(each, each) for each in load_prompt_file(gathered.tree, path).closure}
        place_there = gathered.tree.place(path)
        try:
            prompt = load_prompt_file(here, paths[path])
        except InvalidFiles as error:
            raise _not_rewritable(place_there) from error
        if set(prompt.closure) != wanted:
            raise _not_rewritable(place_there)
        found[id_] = prompt.digest
    return found


def _not_rewritable(at: Place) -> WorkspaceError:
    hint = "its owners can write each reference on one line, relative to the file with a leading ./"
    return WorkspaceError("the prompt cannot be taken: a reference in it cannot be rewritten", place=at, hint=hint)


def here_now(tree: WorkTree, path: str) -> bytes | None:
    """Return the bytes of a file of the workspace; None if there is none."""
    try:
        return tree.read(path, max_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None


def refuse_taken(tree: WorkTree, placed: Placed, name: str, owned: Iterable[str], hint: str = "") -> None:
    """Raise `UsageError` for a new file whose id or path something else has here, with `hint`, or a name that is free.

    `owned` are the paths that the source has by the lock. A file with the very bytes is no other: an earlier try that
    was killed left it.
    """
    owned = set(owned)
    base = prompts_folder(tree)
    new = {path: data for path, data in placed.files.items() if path not in owned and here_now(tree, path) != data}
    try:
        for path, data in new.items():
            if (id_ := tree.places.id(path)) is not None:
                suffix = next(each for each in PROMPT_SUFFIXES if path.endswith(each))
                new_prompt_path(tree, id_, base, suffix)
            elif here_now(tree, path) not in (None, data):
                raise UsageError(f"there is a file {path} already")
        known = {folded_path(path): path for folder in (base, DATASETS) for path in tree.paths(folder)}
        for path in new:
            if (other := known.get(folded_path(path), path)) != path:
                raise UsageError(f"{other} and {path} are the same file on many file systems")
    except UsageError as error:
        hint = hint or f"choose a name that is free: --as {free_name(tree, name)}"
        raise UsageError(error.message, hint=hint) from error


def free_name(tree: WorkTree, name: str) -> str:
    """Return the name with the first number behind it under which nothing is here."""
    folders = (prompts_folder(tree), DATASETS)
    known = {folded_path(path) for folder in folders for path in tree.paths(folder)}

    def is_taken(wished: str) -> bool:
        starts = tuple(folded_path(f"{folder}/{wished}") for folder in folders)
        return wished == name or any(path.startswith(starts) for path in known)

    return first_free(name, is_taken)


def as_proposal(tree: WorkTree, after: Mapping[str, bytes | None], lock: FileEdit) -> Proposal:
    """Return the changes of files, the lock's last: whoever is killed in between can begin anew."""
    changes = [change_of(tree, path, data) for path, data in sorted(after.items())]
    return Proposal((*changes, lock))


def refuse_pulled_in(tree: WorkTree, after: Mapping[str, bytes | None]) -> None:
    """Raise `WorkspaceError` if a prompt, as it is after these changes, pulls in one of the files that go."""
    going = {path for path, data in after.items() if data is None}
    others = {path: id_ for id_, path in prompt_paths(tree).items() if path not in going}
    staying = Overlay(tree, {path: data for path, data in after.items() if data is not None})
    for path, closure in closures_of(staying, others).items() if going else ():
        if used := [each for each in closure.paths if each in going]:
            message = f"{used[0]} is needed: `{others[path]}` pulls it in"
            raise WorkspaceError(message, hint="copy it to a different place, and let the prompt name that")
