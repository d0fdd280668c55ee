"""Prompts of other repositories brought to what their refs name now; edits that were made here stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from promptctl.context import Context
from promptctl.errors import GitError, InvalidFiles, Problem, PromptNotFound, UsageError, WorkspaceError
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal
from promptctl.files.strangers import is_notice
from promptctl.files.wording import name_some
from promptctl.formats.prompt_file import read_prompt_file
from promptctl.git.outside import OutsideRepository
from promptctl.git.trees import WorkTree
from promptctl.prompts.loading import load_prompt, prompt_paths
from promptctl.vendoring.choosing import is_offered
from promptctl.vendoring.gathering import GatheredFiles, gather
from promptctl.vendoring.library import TAG, Library, LibraryTree, Revision, find_revision, rewritten, share_of
from promptctl.vendoring.lock import LockedFile, Vendored, lock_change, read_sources, wanted_sources
from promptctl.vendoring.originals import asking_source, files_of, tree_of
from promptctl.vendoring.outdated import newer_tags
from promptctl.vendoring.placing import as_proposal, place, prompts_folder, refuse_pulled_in, refuse_taken
from promptctl.vendoring.reconciling import Reconciled, Side, edited_here, reconcile

_ASIDE = "move yours aside with git mv, a prompt with promptctl rename, and update again"


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """A request to update: `names` of sources or prompts, each with `@REF` after it to move to that; all without any.

    `side` is taken wherever both sides changed a file; `theirs` drops the edits of a source that has not moved.
    """

    names: Sequence[str] = ()
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUpdate:
    """One source before and after. `changed` are files that differ, `edits` a patch of the local edits that stay.

    `newer` are tags of higher versions than the one that it stays at, the highest first.
    """

    name: str
    before: Vendored
    after: Vendored
    changed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    edits: str = ""
    newer: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """True if it is at that commit already."""
        return self.before.commit == self.after.commit

    @property
    def renamed(self) -> Mapping[str, str]:
        """Ids that prompts no longer have there, by their ids here."""
        after = self.after.prompts
        return {ours: each.id for ours, each in self.before.prompts.items() if after[ours].id != each.id}

    @property
    def licence_change(self) -> str | None:
        """Words on a licence that is not what it was; None if it is the same text."""
        sides = (self.before, self.after)
        old, new = ({each.sha256 for path, each in side.licences.items() if not is_notice(path)} for side in sides)
        if old == new:
            return None
        if old and old < new:  # a lock has one alone where its second was not taken
            further = sorted(each.source for path, each in self.after.licences.items() if each.sha256 in new - old)
            return f"a licence came along that was not here: {name_some(further)}"
        was, now = (side.licence_words or "none" for side in sides)
        return f"its licence changed: it was {was}, and is {now}" if was != now else f"the text of {now} changed"

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return record_data(
            self,
            without=("before", "after", "edited", "newer"),
            **{name: getattr(self.after, name) for name in ("url", "ref", "commit")},
            commit_before=self.before.commit,
            prompts=list(self.after.prompts),
            edited_here=self.edited,
            licence_change=self.licence_change,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The sources that were asked about, and the changes of files. `failed` are the errors of sources that stay."""

    updates: tuple[SourceUpdate, ...]
    proposal: Proposal
    failed: tuple[WorkspaceError | UsageError, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        return {"sources": [each.as_dict() for each in self.updates]}


def update(parts: Context, request: UpdateRequest) -> Updated:
    """Return what sources are once they are what their refs name now. Nothing is written.

    Raises `SourceNotFound` for a name that is none, `GitError` for a tag that was rewritten, `PromptNotFound` for a
    prompt that is gone there, and `InvalidFiles` with every place that both sides changed. If there are several
    sources, one that cannot be asked or taken stays as it is, and the others are updated.
    """
    tree = parts.work_tree_for("work with prompts of another repository")
    sources = read_sources(tree)
    updates: list[SourceUpdate] = []
    found = Reconciled()
    failed: list[WorkspaceError | UsageError] = []
    wanted = wanted_sources(sources, request.names)
    for name, ref in wanted.items():
        try:
            with asking_source(parts, sources[name]) as outside:
                done, changes = _updated(tree, outside, name, sources[name], ref, request.side)
        except (WorkspaceError, UsageError) as error:
            if len(wanted) == 1:
                raise
            failed.append(error)
            continue
        updates.append(done)
        found.after |= changes.after
        found.conflicts += changes.conflicts
    if found.conflicts:
        others = [Problem(each.message, each.place, each.hint, "vendored-failed") for each in failed]
        raise InvalidFiles(found.conflicts + others)
    refuse_pulled_in(tree, found.after)
    lock = lock_change(tree, {**sources, **{each.name: each.after for each in updates}})
    proposal = as_proposal(tree, found.after, lock)
    _check(tree, proposal, updates)
    return Updated(updates=tuple(updates), proposal=proposal, failed=tuple(failed))


def _updated(
    tree: WorkTree, outside: OutsideRepository, name: str, before: Vendored, ref: str | None, side: Side | None
) -> tuple[SourceUpdate, Reconciled]:
    revision = _revision(outside, name, before, ref)
    is_same = revision.commit == before.commit and revision.asked == before.ref
    if is_same and not (side == "theirs" and edited_here(tree, before)):
        tags = [each.removeprefix(TAG) for each in outside.refs(f"{TAG}*")] if revision.is_tag else []
        return SourceUpdate(name=name, before=before, after=before, newer=newer_tags(before.ref, tags)), Reconciled()
    library = Library(outside, before.url, revision)
    there = tree_of(library, before)
    renamed = _with_new_ids(there, before)
    gathered = gather(there, _prompts(there, renamed), with_datasets=before.has_datasets)
    renamed = replace(renamed, files=_with_new_paths(gathered, before, edited_here(tree, before)))
    placed = place(tree, gathered, name, renamed, revision, with_datasets=before.has_datasets)
    refuse_taken(tree, placed, name, before.files, _ASIDE)

    @cache
    def base_of() -> Mapping[str, bytes]:
        return _base(outside, name, before, prompts_folder(tree))

    found = reconcile(tree, before, placed, base_of, side)
    done = SourceUpdate(
        name=name,
        before=before,
        after=placed.source,
        changed=tuple(sorted(found.after)),
        edited=tuple(each.path for each in found.edits),
        edits=found.edits_diff,
    )
    return done, found


def _revision(outside: OutsideRepository, name: str, before: Vendored, ref: str | None) -> Revision:
    """Return what a source is to be at. Raises `GitError` for a tag that names a different commit than it did."""
    if ref is None and before.name is None:
        return Revision(before.ref, None, before.commit)
    found = find_revision(outside, ref or before.ref)
    if (ref or before.ref) != before.ref:
        return found
    if found.name != before.name:
        message = f"`{before.ref}` of {before.url} was {before.name}, and is {found.name} now"
        raise GitError(message, hint=f"choose what is meant: promptctl update {name}@{found.name}")
    if found.is_tag and found.commit != before.commit:
        raise rewritten(name, before, found.commit)
    return found


def _with_new_ids(there: LibraryTree, before: Vendored) -> Vendored:
    """Return a source with the ids that its prompts have there now, if those say by `formerly` which they had."""
    known = prompt_paths(there)
    had = {each.id for each in before.prompts.values()}
    if had <= known.keys():
        return before
    there.bring(known.values())
    now: dict[str, list[str]] = {}
    for id_ in known.keys() - had:
        for former in _former_ids(there, known[id_]):
            now.setdefault(former, []).append(id_)
    ids = {former: found[0] for former, found in now.items() if len(found) == 1 and former not in known}
    prompts = {ours: replace(each, id=ids.get(each.id, each.id)) for ours, each in before.prompts.items()}
    is_one_each = len({each.id for each in prompts.values()}) == len(had)
    return replace(before, prompts=prompts) if is_one_each else before


def _with_new_paths(gathered: GatheredFiles, before: Vendored, edited: Iterable[str]) -> dict[str, LockedFile]:
    """Return the files of a source; one that was edited here and moved there, unchanged, with its path there now.

    Of several files with the same bytes nobody knows which is which: these are not followed.
    """
    taken = {gathered.tree.folder + path: path for path in gathered.files}
    had = {each.source for each in before.files.values()}
    moved = {source: gathered.tree.blobs[path] for source, path in taken.items() if source not in had}
    gone = {path: each.blob for path, each in before.files.items() if each.source not in taken}
    certain = _once(moved.values()) & _once(gone.values())
    sources = {blob: source for source, blob in moved.items() if blob in certain}
    files = dict(before.files)
    for path in edited:
        if source := sources.get(gone.get(path, "")):
            files[path] = replace(files[path], source=source)
    return files


def _once(values: Iterable[str]) -> set[str]:
    return {each for each, count in Counter(values).items() if count == 1}


def _former_ids(there: LibraryTree, path: str) -> Sequence[str]:
    with suppress(WorkspaceError):
        data = there.read(path)
        if b"formerly" in data:
            return tuple(read_prompt_file(data, path).data.get("formerly", ()))
    return ()


def _prompts(there: LibraryTree, before: Vendored) -> dict[str, str]:
    """Return the prompts of a source, path by id, as they are there now. Raises `PromptNotFound` for a lost one."""
    known, share = prompt_paths(there), share_of(there)
    found = {}
    for ours, each in before.prompts.items():
        if each.id not in known:
            shown = f"{before.url} at {there.library.revision}"
            hint = f"promptctl remove {ours}, or stay where it is; git revert takes back an update"
            raise PromptNotFound(f"`{each.id}`, which is `{ours}` here, is not in {shown}", hint=hint)
        if not is_offered(each.id, share):
            raise WorkspaceError(f"{before.url} does not offer `{each.id}` any more", hint=f"it is `{ours}` here")
        found[each.id] = known[each.id]
    return found


def _base(outside: OutsideRepository, name: str, before: Vendored, base: str) -> Mapping[str, bytes]:
    """Return the files of a source as they were when they were locked, by their paths here."""
    try:
        library = Library(outside, before.url, Revision(before.ref, None, before.commit))
    except GitError as error:
        message = f"{before.url} does not give {before.commit[:12]} any more, which the edits here began from"
        hint = f"promptctl update {name} --ours keeps the files that were edited here, --theirs drops the edits"
        raise GitError(message, hint=hint) from error
    return dict(files_of(library, before, base))


def _check(tree: WorkTree, proposal: Proposal, updates: Sequence[SourceUpdate]) -> None:
    """Raise `InvalidFiles` if a prompt could not be loaded any more: lines were merged that do not go together."""
    after = proposal.over(tree)
    problems: list[Problem] = []
    for each in updates:
        for id_ in each.after.prompts if each.edited else ():
            try:
                load_prompt(after, id_)
            except InvalidFiles as error:
                problems += error.problems
            except PromptNotFound:  # it was deleted here
                continue
    if problems:
        raise InvalidFiles(problems)
