"""Labels, read: which version a label names now, which it named, and who moved it when and why.

`current` is the way of every `REF@label`: it reads this clone alone. `Labels` is what the label commands use; it asks
the remote first, where the workspace names one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, RevisionNotFound
from promptctl.files.names import did_you_mean
from promptctl.labels.audit import DigestOf, verify
from promptctl.labels.chains import (
    History,
    LabelState,
    Listing,
    current,
    history,
    listing,
    recorded_otherwise,
)
from promptctl.labels.remote import Fetched, Remote, RemoteUnreachable, last_fetch, remote_names
from promptctl.labels.tags import LabelEvent
from promptctl.labels.times import LiveAt, live_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from promptctl.errors import Problem
    from promptctl.git.repository import Git

__all__ = [
    "Fetched",
    "History",
    "LabelEvent",
    "LabelState",
    "Labels",
    "Listing",
    "LiveAt",
    "current",
    "recorded_otherwise",
]


class Labels:
    """The labels of a repository. `remote` is the one that holds them for everyone, None where they are local."""

    def __init__(self, git: Git, remote: str | None = None) -> None:
        self._git = git
        self._remote = remote

    def fetch(self, remote: str | None = None) -> Fetched:
        """Bring every label of the remote, or of another configured one. Raises `RemoteUnreachable`."""
        name = remote or self._remote
        if name is None:
            names = remote_names(self._git)
            raise GitError(
                "promptctl.yaml names no remote for labels",
                hint=f"promptctl label fetch --remote {names[0]}" if names else "git remote add NAME ADDRESS",
            )
        return Remote(self._git, name).fetch()

    def refresh(self) -> str | None:
        """Fetch where a remote is named; returns a note for people where that was not possible, or tags differ.

        Raises `HistoryIncomplete` where labels never came from that remote: nothing here could be trusted then.
        """
        if self._remote is None:
            return None
        try:
            fetched = Remote(self._git, self._remote).fetch()
        except RemoteUnreachable as error:
            last = last_fetch(self._git, self._remote)
            if last is None:
                raise HistoryIncomplete(
                    f"labels were never fetched here, and {error.message}", hint="promptctl label fetch"
                ) from error
            return f"{error.message}; labels are as of {last:%Y-%m-%d %H:%M} UTC"
        if fetched.conflicts:
            return f"{len(fetched.conflicts)} tags differ between here and {self._remote}: see promptctl label verify"
        return None

    def all(self, formerly: Mapping[str, Sequence[str]] | None = None) -> Listing:
        """Where every label stands, by prompt id and label; `formerly` maps an id to the prompt's earlier ids."""
        return listing(self._git, formerly)

    def log(self, prompt_id: str, label: str, formerly: Sequence[str] = ()) -> History:
        """Every event of a label, oldest first. Raises as `unknown` says where there is none."""
        found = history(self._git, prompt_id, label, formerly)
        if not found.events and not found.problems:
            raise self.unknown(prompt_id, label, formerly)
        return found

    def at(self, prompt_id: str, label: str, moment: datetime, formerly: Sequence[str] = ()) -> LiveAt:
        """What a label named at a time (with a time zone)."""
        return live_at(self.log(prompt_id, label, formerly).events, moment)

    def verify(self, digest_of: DigestOf | None = None) -> list[Problem]:
        """Everything that is wrong with the labels here and at the remote; `refresh` comes before."""
        return verify(self._git, Remote(self._git, self._remote) if self._remote else None, digest_of)

    def unknown(self, prompt_id: str, label: str, formerly: Sequence[str] = ()) -> GitError:
        """The error for a label that has no event here, to be raised by whoever was asked for it.

        `HistoryIncomplete` where this clone never fetched labels and so cannot know, else `RevisionNotFound`.
        """
        states = self.all({prompt_id: formerly}).states
        known = [name for prompt, name in states if prompt == prompt_id]
        names = f"its labels are {', '.join(known)}" if known else "it has none"
        remotes = [self._remote] if self._remote else remote_names(self._git)
        if remotes and not any(last_fetch(self._git, remote) for remote in remotes):
            return HistoryIncomplete(
                f"this clone knows no label {label} of {prompt_id}, and has never fetched labels from {remotes[0]}",
                hint="promptctl label fetch" if self._remote else f"promptctl label fetch --remote {remotes[0]}",
            )
        return RevisionNotFound(
            f"{prompt_id} has no label {label!r}; {names}",
            hint=did_you_mean(label, known, f"{prompt_id}@{{}}") or f"promptctl label set {prompt_id}@{label} VERSION",
        )
