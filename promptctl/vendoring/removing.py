"""Prompts of other repositories taken out again, with the files that nothing else needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.catalogue.references import Reference, references_to
from promptctl.catalogue.retiring import refuse_needed
from promptctl.catalogue.shared_files import closures_of
from promptctl.context import Context
from promptctl.errors import InvalidFiles, LabelRefused, UsageError
from promptctl.files.names import PathRefused, is_dataset
from promptctl.files.proposal import Proposal
from promptctl.files.yaml_editing import RemoveItems, edit_yaml
from promptctl.formats.dataset_file import read_dataset_file
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import path_in
from promptctl.vendoring.gathering import files_named
from promptctl.vendoring.lock import LockedFile, Vendored, lock_change, read_sources, sha256, wanted_sources
from promptctl.vendoring.placing import as_proposal, here_now, prompts_folder, refuse_pulled_in
from promptctl.vendoring.reconciling import edited_here
from promptctl.versions.former_ids import live_labels

_BINDING = ("dataset", "judge", "experiment", "successor")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedPrompts:
    """Prompts that are taken out. `edited` are files among theirs that were edited here: those edits are lost."""

    prompts: tuple[str, ...]
    edited: tuple[str, ...]
    proposal: Proposal
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"prompts": list(self.prompts), "edited_here": list(self.edited), "notes": list(self.notes)}


def remove(parts: Context, names: Sequence[str]) -> RemovedPrompts:
    """Return the removal of prompts, or of all that sources of these names gave. Nothing is written.

    Raises `SourceNotFound` for a name that is none, `UsageError` for a prompt of this repository, `LabelRefused` if a
    label names a version of one, and `WorkspaceError` if something that stays needs one.
    """
    tree = parts.work_tree_for("work with prompts of another repository")
    sources = read_sources(tree)
    for id_ in names:
        if id_ not in sources and not any(id_ in each.prompts for each in sources.values()) and path_in(tree, id_):
            raise UsageError(f"`{id_}` is not from another repository", hint=f"promptctl delete {id_}")
    owners = wanted_sources(sources, names)
    gone = {id_ for each in owners for id_ in sources[each].prompts if each in names or id_ in names}
    if not gone:
        raise UsageError("no prompt is named", hint="promptctl remove ID, without a ref")
    after: dict[str, bytes | None] = {}
    left = dict(sources)
    edited: list[str] = []
    for name in owners:
        staying = {id_: each for id_, each in sources[name].prompts.items() if id_ not in gone}
        kept = dict(_kept(tree, sources[name], staying))
        changed_here = edited_here(tree, sources[name])
        for path in sources[name].files:
            if path not in kept:
                after[path] = None
                edited += [path] if changed_here.get(path) is not None else []
            elif (data := kept[path]) is not None:
                after[path] = data
        files = {path: _locked(sources[name].files[path], kept[path], changed_here, path) for path in kept}
        left[name] = replace(sources[name], prompts=staying, files=files)
        if not staying:
            del left[name]
    _refuse_needed(parts, tree, gone, after)
    return RemovedPrompts(
        prompts=tuple(sorted(gone)),
        edited=tuple(edited),
        proposal=as_proposal(tree, after, lock_change(tree, left)),
        notes=tuple(_notes(tree, gone)),
    )


def _locked(file: LockedFile, data: bytes | None, changed_here: Mapping[str, Any], path: str) -> LockedFile:
    """Return a file as it is locked from now on; one that was edited here still differs from that."""
    return file if data is None or path in changed_here else replace(file, sha256=sha256(data))


def _kept(tree: WorkTree, source: Vendored, staying: Mapping[str, Any]) -> Iterator[tuple[str, bytes | None]]:
    """Yield the files of a source that prompts which stay need: with other bytes if they name one that goes."""
    if not staying:
        return
    paths = [path for id_ in staying if (path := path_in(tree, id_)) is not None]
    needed = {path for closure in closures_of(tree, paths).values() for path in closure.paths}
    start = f"{prompts_folder(tree)}/"
    needed |= source.licences.keys()
    found: dict[str, bytes | None] = {path: None for path in source.files if path in needed}
    for path in source.files:
        if path.startswith(start) or not is_dataset(path):
            continue
        try:
            data = here_now(tree, path)
            dataset = read_dataset_file(data or b"", path)
            named = files_named(tree, dataset)
        except (InvalidFiles, PathRefused, FileNotFoundError):
            continue
        tested = dataset.header.get("prompts", [])
        others = tuple(index for index, id_ in enumerate(tested) if id_ not in staying)
        if len(others) == len(tested):
            continue
        found[path] = edit_yaml(data or b"", path, [RemoveItems(("prompts",), others)]) if others else None
        found |= {each: None for each in named if each in source.files}
    yield from sorted(found.items())


def _refuse_needed(parts: Context, tree: WorkTree, gone: set[str], after: Mapping[str, bytes | None]) -> None:
    """Raise an error that names who still uses one of the prompts or of their files."""
    for id_ in sorted(gone):
        refuse_needed(id_, [each for each in references_to(tree, id_) if _binds(each) and not _goes(each, after)])
    refuse_pulled_in(tree, after)
    moment = parts.now()
    if moment.is_versioned:
        live = {id_: states for id_, states in live_labels(moment, parts.warn).items() if id_ in gone and states}
        for id_, states in sorted(live.items()):
            named = f"{id_}@{states[0].label}"
            raise LabelRefused(f"{named} names a version of it", hint=f'promptctl label remove {named} --reason "…"')


def _goes(reference: Reference, after: Mapping[str, bytes | None]) -> bool:
    """Return True if a place that names a prompt goes with it: its file does, or the dataset's list lets go of it."""
    return reference.path in after and (after[reference.path] is None or reference.kind == "dataset")


def _binds(reference: Reference) -> bool:
    return reference.kind in _BINDING and not reference.is_glob


def _notes(tree: WorkTree, gone: set[str]) -> Iterator[str]:
    for id_ in sorted(gone):
        for each in references_to(tree, id_):
            if each.kind in ("log", "budget", "lint", "copy") and not each.is_glob:
                yield f"{each.words} still names `{id_}`: {each.place}"
