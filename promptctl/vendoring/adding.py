"""Prompts of another repository taken into the workspace, with all that they pull in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from promptctl.context import Context
from promptctl.errors import InvalidFiles, UsageError, printable
from promptctl.files.free_names import plain_letters
from promptctl.files.names import id_problem
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal
from promptctl.files.wording import count, name_some
from promptctl.git.outside import Received
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import prompt_paths
from promptctl.vendoring.address import FORM, LibraryAddress, NamedPrompts, read_named
from promptctl.vendoring.choosing import ChosenPrompts, choose
from promptctl.vendoring.gathering import GatheredFiles, gather
from promptctl.vendoring.library import Library, Revision, asking, find_revision, rewritten
from promptctl.vendoring.lock import Sources, Vendored, lock_change, read_sources
from promptctl.vendoring.originals import files_of
from promptctl.vendoring.placing import Placed, as_proposal, place, prompts_folder, refuse_taken
from promptctl.vendoring.reconciling import reconcile

# Names of repositories that say nothing of whose prompts they are.
_GENERIC = ("prompts", "prompt", "prompt-library", "prompts-library", "library")


@dataclass(frozen=True, slots=True)
class AddRequest:
    """A request for prompts: `URL//PATH@REF`, the name they get, with or without the datasets that test them."""

    address: str
    name: str | None = None
    with_datasets: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedPrompts:
    """Prompts of another repository as they would be here: `name` is that of their source in the lock.

    `prompts` are the new ones, by their ids here with those there. `notes` are for people.
    """

    name: str
    source: Vendored
    prompts: Mapping[str, str]
    proposal: Proposal
    received: Received
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        prompts = [{"prompt": ours, "source": theirs} for ours, theirs in self.prompts.items()]
        return record_data(self, without=("proposal",), prompts=prompts)


def add(parts: Context, request: AddRequest) -> AddedPrompts:
    """Return the prompts that a request means as files of the work tree, with the lock. Nothing is written.

    Raises `UsageError`, `GitError`, `PromptNotFound`, `InvalidFiles`, and `WorkspaceError` for what the other
    repository does not offer.
    """
    tree = parts.work_tree_for("work with prompts of another repository")
    prompts_folder(tree)
    sources = read_sources(tree)
    named = read_named(request.address, parts.root, parts.start)
    if not named.path:
        raise UsageError("no prompt is named", hint=f'write {FORM}; all of them are "URL//*@REF"')
    if request.name is not None and (why := id_problem(request.name)) is not None:
        raise UsageError(f"`{printable(request.name)}` cannot be a name: {why}")
    with asking(parts, named.address) as outside:
        known = _known(sources, named, request)
        revision = find_revision(outside, named.ref or (sources[known].ref if known is not None else None))
        if known is not None:
            revision = _as_locked(known, sources[known], revision)
        library = Library(outside, named.address.url, revision)
        chosen = choose(library, named.path)
        name = known or request.name or _default_name(named.address)
        return _added(tree, sources, chosen, name, request, revision, known)


def _added(
    tree: WorkTree,
    sources: Sources,
    chosen: ChosenPrompts,
    name: str,
    request: AddRequest,
    revision: Revision,
    known: str | None,
) -> AddedPrompts:
    before = sources.get(name)
    if before is not None and known is None:
        raise UsageError(
            f"`{name}` is the name of prompts of {before.url}", hint=f"choose a different one: --as {name}-2"
        )
    own_ids = dict.fromkeys(chosen.prompts, request.name) if chosen.is_one and request.name is not None else {}
    all_of_it = {**_known_there(name, before, chosen), **chosen.prompts} if before is not None else chosen.prompts
    has_datasets = request.with_datasets if before is None else before.has_datasets
    if has_datasets and not request.with_datasets:
        raise UsageError(f"`{name}` comes with its datasets", hint=f"take these beside, without: --as {name}-2")
    gathered = gather(chosen.tree, all_of_it, with_datasets=has_datasets)
    placed = place(tree, gathered, name, before, revision, with_datasets=has_datasets, own_ids=own_ids)
    refuse_taken(tree, placed, name, before.files if before else ())
    new = {
        ours: each.id for ours, each in placed.source.prompts.items() if before is None or ours not in before.prompts
    }
    after: Mapping[str, bytes | None] = placed.files
    if before is not None:
        found = reconcile(
            tree, before, placed, lambda: dict(files_of(chosen.tree.library, before, prompts_folder(tree))), None
        )
        if found.conflicts:
            raise InvalidFiles(found.conflicts)
        after = found.after
    lock = lock_change(tree, {**sources, name: placed.source})
    return AddedPrompts(
        name=name,
        source=placed.source,
        prompts=new,
        proposal=as_proposal(tree, after, lock),
        received=chosen.tree.library.outside.received,
        notes=tuple(_notes(chosen, gathered, placed, request)),
    )


def _known_there(name: str, before: Vendored, chosen: ChosenPrompts) -> dict[str, str]:
    """Return the prompts that a source has already, path by id there.

    Raises `UsageError` if the new ones are of a different workspace or folder, whose ids are not of one kind.
    """
    known = prompt_paths(chosen.tree)
    theirs = [each.id for each in before.prompts.values()]
    if before.folder != chosen.tree.folder or not known.keys() >= set(theirs):
        message = f"`{name}` is a different folder of {before.url}, with ids of its own"
        raise UsageError(message, hint=f"take this one beside: --as {name}-2")
    return {id_: known[id_] for id_ in theirs}


def _known(sources: Sources, named: NamedPrompts, request: AddRequest) -> str | None:
    """Return the name of the source that more prompts of the same repository join; None for a new one."""
    wanted = request.name or _default_name(named.address)
    found = sources.get(wanted)
    return wanted if found is not None and found.url == named.address.url else None


def _as_locked(name: str, source: Vendored, revision: Revision) -> Revision:
    """Return the commit that is locked, which prompts that join a source are taken from.

    Raises `UsageError` for a ref that names a different one, and `GitError` for a tag that does by now.
    """
    if revision.asked == source.ref and revision.is_tag and revision.commit != source.commit:
        raise rewritten(name, source, revision.commit)
    if revision.asked != source.ref and revision.commit != source.commit:
        raise UsageError(
            f"`{name}` is at {source.at}, not at {revision}: what comes from one repository has one commit",
            hint=f"promptctl update {name}@{revision.asked}, then add; or take it beside: --as {name}-2",
        )
    return Revision(source.ref, source.name, source.commit)


def _default_name(address: LibraryAddress) -> str:
    """Return the name of the repository, or of its owner if that says nothing, as the segment of an id."""
    words = [re.sub(r"[^A-Za-z0-9_-]+", "-", plain_letters(each)).strip("-_") for each in address.words]
    words = [each for each in words if each] or ["library"]
    return next((each for each in words[:2] if each.casefold() not in _GENERIC), words[0])


def _notes(chosen: ChosenPrompts, gathered: GatheredFiles, placed: Placed, request: AddRequest) -> Iterator[str]:
    source = placed.source
    sizes = f"{count(len(source.prompts), 'prompt')} and {count(len(source.files), 'file')}"
    yield f"{sizes} of {source.url} at {source.at}"
    if gathered.licence is None:
        yield f"{source.url} has no licence file: ask its owners whether you may use it"
    elif source.spdx is None:
        yield f"its licence is in {name_some(gathered.licence.paths)}: read it"
    else:
        yield f"its licence is {source.spdx} ({source.licence})"
    if chosen.elsewhere:
        yield f"prompts in {name_some(chosen.elsewhere)} are left out: name that folder for them"
    if chosen.kept_back:
        yield f"{count(len(chosen.kept_back), 'prompt')} of it is not offered to others: {name_some(chosen.kept_back)}"
    if request.with_datasets and not source.has_datasets:
        yield "datasets are left out, as with the first prompts of it"
    yield from gathered.notes
