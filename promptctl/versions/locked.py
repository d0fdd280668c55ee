"""The version that a label names by `promptctl.lock.yaml`, in a clone that has no tag of any label."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, InvalidFiles, PromptNotFound
from promptctl.files.names import LOCK
from promptctl.labels.lock import LockedLabel
from promptctl.prompts.loading import load_prompt
from promptctl.versions.prompt_at_version import PromptAtVersion, Version

if TYPE_CHECKING:
    from promptctl.versions.moment import Moment
    from promptctl.versions.refs import Ref


def at_lock(moment: Moment, ref: Ref, label: LockedLabel) -> PromptAtVersion:
    """Return the version that the lock says a label names, from its commit, or from HEAD if that has the same content.

    Raises `HistoryIncomplete` if this clone has neither, and `GitError` if the commit holds different content.
    """
    has_commit = moment.git.objects.read(label.commit, max_bytes=0) is not None
    commit = label.commit if has_commit else moment.head
    assert commit is not None, "the lock was read from one"
    tree = moment.tree_at(commit)
    with suppress(PromptNotFound, InvalidFiles):
        prompt = load_prompt(tree, ref.prompt)
        if prompt.digest == label.digest:
            number = int(label.version[1:]) if label.version[1:].isdigit() else None
            version = Version(label.digest, label.commit, number=number, label=ref.label, display=label.shown)
            return PromptAtVersion(ref, replace(prompt, id=ref.prompt), version, tree)
    if has_commit:
        words = f"{LOCK} says that {label.name} has digest {label.digest[:14]}…, and commit {label.commit[:7]} has not"
        raise GitError(words, hint="see what its tag says: promptctl label fetch && promptctl label verify")
    remote = moment.git.usual_remote() or "origin"
    words = f"{label.name} is {label.shown} by {LOCK}, and this clone does not have that commit"
    raise HistoryIncomplete(words, hint=f"git fetch --depth 1 {remote} {label.commit}")
