"""The lock after a prompt of another repository was renamed here, which is no edit of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.files.names import LOCK
from promptctl.files.proposal import FileEdit, Proposal
from promptctl.prompts.loading import load_prompt
from promptctl.vendoring.lock import LockedFile, lock_change, read_sources, sha256
from promptctl.vendoring.moving import without_former_ids

if TYPE_CHECKING:
    from promptctl.catalogue.renaming import Renamed
    from promptctl.git.trees import WorkTree


def with_lock(tree: WorkTree, renamed: Renamed) -> Renamed:
    """Return a rename whose lock has the hashes of the files that it writes. One that was edited before stays so."""
    if not any(each.kind == "vendored" for each in renamed.references):
        return renamed
    after = renamed.proposal.over(tree)
    edits = {each.path: each for each in renamed.proposal.changes}
    sources = read_sources(after)
    for name, source in sources.items():
        prompts = dict(source.prompts)
        ours = prompts.get(renamed.prompt)
        if ours is not None and load_prompt(tree, renamed.old).digest == ours.digest:
            prompts[renamed.prompt] = replace(ours, digest=load_prompt(after, renamed.prompt).digest)
        files = {path: _locked(file, edits.get(path)) for path, file in source.files.items()}
        sources[name] = replace(source, prompts=prompts, files=files)
    lock = replace(lock_change(after, sources), before=edits[LOCK].before)
    return replace(renamed, proposal=Proposal((*(each for each in edits.values() if each.path != LOCK), lock)))


def _locked(file: LockedFile, edit: FileEdit | None) -> LockedFile:
    if edit is None or edit.before is None or edit.after is None:
        return file
    before, after = (sha256(without_former_ids(each, edit.path)) for each in (edit.before, edit.after))
    return replace(file, sha256=after) if before == file.sha256 else file
