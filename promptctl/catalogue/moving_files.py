"""A partial, a schema or a file of tools moved to a different path, with the files that name it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from promptctl.catalogue.copying import reference_to, with_references
from promptctl.catalogue.new_ids import refuse_link
from promptctl.catalogue.references import Reference
from promptctl.catalogue.renaming import Renamed
from promptctl.catalogue.shared_files import closures_of, named_places, shared_file
from promptctl.errors import Place, UsageError, WorkspaceError
from promptctl.files.names import SCHEMA_SUFFIXES, PathRefused, resolve_path
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import prompt_files
from promptctl.prompts.loading import prompt_paths

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.git.trees import WorkTree


def move_file(parts: Context, old: str, new: str) -> Renamed:
    """Return the move of a file that prompts share, with each reference to it. Nothing is written.

    Raises `PromptNotFound` if there is no such file, `UsageError` for a new path that is wrong or taken, and
    `WorkspaceError` if a reference cannot be rewritten.
    """
    tree = parts.work_tree_for("a rename")
    path = shared_file(parts, old).path
    target = _new_path(tree, path, new)
    references = []
    changes = [FileEdit(target, tree.read(path), tree.read(path), path)]
    for holder in prompt_files(tree):
        found = [
            (reference, wanted, line)
            for reference, _, line in dict.fromkeys(named_places(tree, holder))
            if (wanted := _written(tree, holder, reference, path, target)) is not None
        ]
        if not found:
            continue
        references += [Reference("file", Place(holder, line)) for _, _, line in found]
        data = with_references(tree.read(holder), found)
        if holder == path:
            changes[0] = FileEdit(target, changes[0].before, data, path)
        else:
            changes.append(change_of(tree, holder, data))
    proposal = Proposal(tuple(changes))
    others = _changed_prompts(tree, proposal, path, target)
    notes = (f"it begins a new version of {', '.join(others)}",) if others else ()
    return Renamed(
        old=path,
        prompt=target,
        path=target,
        proposal=proposal,
        references=tuple(each for each in references if each.path != path),
        is_same=not others,
        notes=notes,
    )


def _new_path(tree: WorkTree, path: str, new: str) -> str:
    base = tree.places.base(path)
    new = new.removeprefix(f"{base}/")
    try:
        target = resolve_path(new, f"{base}/", base)
    except PathRefused as refused:
        raise UsageError(refused.message, hint=refused.hint) from refused
    kinds = [_kind(path), _kind(target)]
    if kinds[0] != kinds[1]:
        raise UsageError(f"`{new}` would be a file of a different kind", hint=f"let its name end in {kinds[0]}")
    if os.path.lexists(tree.root / target):
        raise UsageError(f"there is a file {target} already", hint="choose a different name")
    refuse_link(tree, target)
    return target


def _kind(path: str) -> str:
    return next((each for each in SCHEMA_SUFFIXES if path.endswith(each)), path[path.rfind(".") :])


def _written(tree: WorkTree, holder: str, reference: str, path: str, target: str) -> str | None:
    """Return a reference as it is to be written, once `path` is `target`; None if it stays as it is."""
    base = tree.places.base(holder)
    named = resolve_path(reference.partition("#")[0], holder, base)
    if named == path:
        return reference_to(target, reference, target if holder == path else holder, base)
    return reference_to(named, reference, target, base) if holder == path and reference.startswith("./") else None


def _changed_prompts(tree: WorkTree, proposal: Proposal, path: str, target: str) -> list[str]:
    """Return the prompts whose digest changes. Raises `WorkspaceError` if one would not name the same files."""
    ids = {file: id_ for id_, file in prompt_paths(tree).items()}
    before, after = closures_of(tree, ids), closures_of(proposal.over(tree), ids)
    changed = []
    for file, closure in before.items():
        moved = {target if each == path else each for each in closure.paths}
        if moved != set(after[file].paths) or (closure.digest is None) != (after[file].digest is None):
            message = f"{path} cannot be moved: a reference to it that {file} reaches cannot be rewritten"
            raise WorkspaceError(message, place=Place(file), hint="write the reference on one line")
        if closure.digest != after[file].digest:
            changed.append(ids[file])
    return changed
