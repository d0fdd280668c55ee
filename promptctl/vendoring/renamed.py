"""The lock after a prompt or a file of another repository was moved here, which is no edit of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.errors import InvalidFiles, PromptNotFound
from promptctl.files.names import LOCK
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.labels.lock import MAX_LOCK
from promptctl.prompts.loading import load_prompt
from promptctl.vendoring.lock import LockedFile, LockedPrompt, lock_change, read_sources, sha256
from promptctl.vendoring.moving import without_former_ids

if TYPE_CHECKING:
    from promptctl.catalogue.renaming import Renamed
    from promptctl.files.tree import Tree
    from promptctl.git.trees import WorkTree


def with_lock(tree: WorkTree, renamed: Renamed) -> Renamed:
    """Return a rename whose lock has the paths and hashes of what it writes. One that was edited before stays so."""
    edits = {each.moved_from or each.path: each for each in renamed.proposal.changes}
    lock = edits.pop(LOCK, None)
    try:
        before = tree.read(LOCK, max_bytes=MAX_LOCK)
    except FileNotFoundError:
        return renamed
    if not any(path.encode() in before for path in edits):
        return renamed
    after = renamed.proposal.over(tree)
    sources = read_sources(tree)
    for name, source in sources.items():
        files = dict(_moved_file(path, file, edits.get(path)) for path, file in source.files.items())
        prompts = source.prompts
        if files != source.files:
            prompts = dict(_moved_prompt(tree, after, id_, each, renamed) for id_, each in prompts.items())
        sources[name] = replace(source, prompts=prompts, files=files)
    change = replace(lock_change(after, sources), before=lock.before if lock is not None else before)
    return replace(renamed, proposal=Proposal((*edits.values(), change)))


def _moved_file(path: str, file: LockedFile, edit: FileEdit | None) -> tuple[str, LockedFile]:
    if edit is None or edit.before is None or edit.after is None:
        return path, file
    before, after = (sha256(without_former_ids(each, edit.path)) for each in (edit.before, edit.after))
    return edit.path, replace(file, sha256=after) if before == file.sha256 else file


def _moved_prompt(
    tree: WorkTree, after: Tree, id_: str, locked: LockedPrompt, renamed: Renamed
) -> tuple[str, LockedPrompt]:
    now = renamed.prompt if id_ == renamed.old else id_
    with suppress(InvalidFiles, PromptNotFound):
        if load_prompt(tree, id_).digest == locked.digest:
            return now, replace(locked, digest=load_prompt(after, now).digest)
    return now, locked
