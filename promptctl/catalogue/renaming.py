"""A prompt moved to a new id, or a shared file to a new path, with everything in the files that names it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from promptctl.calls.shipped import is_shipped
from promptctl.catalogue.copying import KEYS_BELOW, moved_text, not_rewritable, reference_to, with_references
from promptctl.catalogue.new_ids import new_prompt_path, refuse_link, refuse_other_repository
from promptctl.catalogue.references import Reference, edited_file, references_to
from promptctl.catalogue.shared_files import closures_of, named_places, shared_file
from promptctl.context import Context
from promptctl.errors import InvalidFiles, Place, UsageError, WorkspaceError
from promptctl.files.names import PROMPT_SUFFIXES, SCHEMA_SUFFIXES, PathRefused, resolve_path
from promptctl.files.plain import record_data
from promptctl.files.proposal import FileEdit, Proposal, change_of
from promptctl.files.tree import prompt_files
from promptctl.files.yaml_editing import Edit, Remove, Set, edit_yaml
from promptctl.formats.calibration_file import calibration_path, own_calibration
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt_file, prompt_paths
from promptctl.prompts.prompt import Prompt
from promptctl.versions.former_ids import former_ids, live_labels
from promptctl.versions.prompt_at_version import check_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """A prompt under a new id, as it is proposed.

    `references` are the places that name it and are edited, `rewritten` its own references to files beside it.
    `is_same` says that its content, and so its version, stays what it is. `notes` are for people: what is not edited.
    """

    old: str
    prompt: str
    path: str
    proposal: Proposal
    references: tuple[Reference, ...] = ()
    rewritten: tuple[str, ...] = ()
    is_same: bool = True
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        without = ("old", "proposal", "is_same")
        return record_data(self, without=without, formerly=self.old, same_version=self.is_same)


def rename(parts: Context, old: str, new: str) -> Renamed:
    """Return the rename of a prompt of the work tree, with the files that name it. Nothing is written.

    Its versions, labels, totals and rules follow, as the file says under `formerly` what it was named. Raises
    `PromptNotFound`, `InvalidFiles`, `UsageError` for a wrong or taken id, and `WorkspaceError` for a file that cannot
    be edited in place.
    """
    tree = parts.work_tree_for("a rename")
    check_id(old)
    prompt = parts.prompt(old).prompt
    refuse_other_repository(tree, prompt.path)
    if new == old:
        raise UsageError(f"`{old}` is its name already", hint="choose a different id")
    suffix = next(suffix for suffix in PROMPT_SUFFIXES if prompt.path.endswith(suffix))
    path = new_prompt_path(tree, new, prompt.base, suffix, own=old)
    if not tree.places.folder_of(prompt.path) and "/" not in new:
        path = new + suffix  # it stays at the top
    moved = moved_text(tree.read(prompt.path), prompt, path)
    moment = parts.now()
    edits = _formerly(prompt, [*former_ids(moment, old)[::-1], old], new)
    data = edit_yaml(moved.data, path, edits) if prompt.dialect == "native" else moved.data
    broken: list[str] = []
    found = references_to(tree, old, broken=broken)
    exact = [each for each in found if not each.is_glob and each.path != prompt.path and each.kind != "copy"]
    changes = [FileEdit(path, tree.read(prompt.path), data, prompt.path)]
    for file in dict.fromkeys(each.path for each in exact):
        after = edited_file(tree, file, [each for each in exact if each.path == file], old, new)
        changes.append(change_of(tree, file, after))
    changes += _calibration(tree, old, new)
    proposal = Proposal(tuple(changes))
    after_rename = _loaded(proposal, tree, prompt, path)
    is_same = after_rename.digest == prompt.digest
    live = live_labels(moment, parts.warn).get(old, [])
    labels = [state.label for state in live]
    return Renamed(
        old=old,
        prompt=new,
        path=path,
        proposal=proposal,
        references=tuple(exact),
        rewritten=moved.rewritten,
        is_same=is_same,
        notes=(*_notes(parts, prompt, new, found, labels, is_same=is_same), *not_read(broken, old)),
    )


def _formerly(prompt: Prompt, ids: Sequence[str], new: str) -> list[Edit]:
    """Return the edits that let the file say every id that it had, oldest first."""
    named = [id_ for id_ in dict.fromkeys((*prompt.formerly, *ids)) if id_ != new]
    if not prompt.formerly:
        return [Set(("formerly",), named, before=("copied_from", *KEYS_BELOW))]
    added = [id_ for id_ in named if id_ not in prompt.formerly]
    edits: list[Edit] = [Set(("formerly", len(prompt.formerly) + n), id_) for n, id_ in enumerate(added)]
    if new in prompt.formerly:
        edits.append(Remove(("formerly", prompt.formerly.index(new))))
    return edits


def _calibration(tree: WorkTree, old: str, new: str) -> Iterator[FileEdit]:
    """Yield the move of the file with a judge's calibrations, if there is one."""
    path = own_calibration(tree, old)
    if path is not None:
        data = tree.read(path)
        written = re.compile(rb'("judge"\s*:\s*)' + re.escape(json.dumps(old).encode()))
        after = written.sub(lambda found: found[1] + json.dumps(new).encode(), data, count=1)
        moved = calibration_path(new)
        yield FileEdit(moved, data, after, path if path != moved else None)


def not_read(broken: Sequence[str], prompt_id: str) -> Iterator[str]:
    """Yield words on the files that could not be searched for what names a prompt."""
    for path in broken:
        yield f"{path} cannot be read: what it says of `{prompt_id}` is left as it is (promptctl validate)"


def _loaded(proposal: Proposal, tree: WorkTree, prompt: Prompt, path: str) -> Prompt:
    """Return the prompt as it would be. Raises `WorkspaceError` if it would not name the same files."""
    refused = not_rewritable(f"`{prompt.id}` cannot be renamed", prompt.base)
    try:
        found = load_prompt_file(proposal.over(tree), path)
    except InvalidFiles as error:
        raise refused from error
    if set(found.closure[1:]) != set(prompt.closure[1:]):
        raise refused
    return found


def _notes(
    parts: Context, prompt: Prompt, new: str, found: Sequence[Reference], labels: Sequence[str], *, is_same: bool
) -> Iterator[str]:
    """Yield what a person should know: what was left as it is, and what it means from now on."""
    old = prompt.id
    for each in found:
        if each.is_glob and not fnmatchcase(new, each.glob):
            is_followed = each.kind != "lint" and prompt.dialect != "github"
            holds = "; it still holds, by the earlier id" if is_followed else " and holds no more"
            yield f"`{each.glob}` of {each.words} ({each.place}) does not match `{new}`{holds}"
    settings = parts.settings
    globs = [(rule.prompts, "a log rule", rule.place) for rule in settings.log]
    globs += [(glob, f"the budget `{rule.name}`", rule.place) for rule in settings.budgets for glob in rule.prompts]
    for glob, what, place in globs:
        if fnmatchcase(new, glob) and not fnmatchcase(old, glob):
            yield f"`{glob}` of {what} ({place}) matches it from now on"
    if prompt.dialect == "github":
        yield "a file of GitHub's dialect cannot say what it was named: commit the move before its text is changed"
    elif not is_same:
        yield "its text changes with what it names, so this begins a new version"
        if own_calibration(parts.tree, old):
            yield "its calibrations are of the text before: measure them again with promptctl judge calibrate"
    if labels:
        named = ", ".join(f"`{old}@{label}`" for label in labels)
        yield f"its labels follow, also by {named}; `{old}` without a label is an error that names `{new}`"
    if is_shipped(old):
        yield f"`{old}` stood before the prompt of that name that ships, which is asked from now on"


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
