"""The commit that a label names by `promptctl.lock.yaml`, in a clone that has no tag of any label."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from promptctl.errors import HistoryIncomplete, InvalidFiles, LabelRefused, PromptNotFound
from promptctl.files.names import LOCK
from promptctl.labels.lock import LockedLabel, LockHere
from promptctl.prompts.loading import load_prompt

if TYPE_CHECKING:
    from promptctl.versions.moment import Moment
    from promptctl.versions.refs import Ref


def commit_by_lock(moment: Moment, ref: Ref, lock: LockHere, label: LockedLabel) -> str:
    """Return a commit here that holds the content which the lock says a label names: its own, or a newer one.

    Raises `HistoryIncomplete` if there is none or the lock is not believed, and `LabelRefused` if the commit holds
    different content.
    """
    if lock.doubt:
        words = f"what {label.name} names is not known in this clone, which has no tags of labels: {lock.doubt}"
        raise HistoryIncomplete(words, hint="promptctl label fetch")
    has_commit = moment.git.objects.read(label.commit, max_bytes=0) is not None
    for commit in (label.commit,) if has_commit else (lock.commit, moment.head or lock.commit):
        with suppress(PromptNotFound, InvalidFiles):
            if load_prompt(moment.tree_at(commit), ref.prompt).digest == label.digest:
                return commit
    if has_commit:
        words = f"{LOCK} says that {label.name} has digest {label.digest[:14]}…, and commit {label.commit[:7]} has not"
        raise LabelRefused(words, hint="see what its tag says: promptctl label fetch && promptctl label verify")
    remote = moment.git.usual_remote() or "origin"
    words = f"{label.name} is {label.shown} by {LOCK}, and this clone does not have that commit"
    raise HistoryIncomplete(words, hint=f"git fetch --depth 1 {remote} {label.commit}")
