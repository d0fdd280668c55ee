"""The labels of a repository, read and checked: the remote is asked first, if one is named."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from promptctl.errors import GitError, HistoryIncomplete, RevisionNotFound, quote
from promptctl.files.names import did_you_mean
from promptctl.files.wording import count
from promptctl.git.repository import Git
from promptctl.labels.chains import History, LabelTags, Unasked, history, refuse_other_workspace
from promptctl.labels.remote import Fetched, Remote, RemoteUnreachable, last_fetch, remote_meant, short
from promptctl.labels.tags import LabelName
from promptctl.labels.times import LiveAt, live_at
from promptctl.labels.trust import LabelTrust

if TYPE_CHECKING:
    from promptctl.labels.audit import Audit


class Labels:
    """The labels of a repository; the remote of `trust` holds them for everyone, None if they are local.

    The past of a label holds unsigned events too, as far as they were `unasked`.
    """

    def __init__(self, git: Git, trust: LabelTrust, unasked: Unasked | None = None) -> None:
        self._git = git
        self._trust = trust
        self._unasked = unasked
        self._remote = trust.remote

    def fetch(self, remote: str | None = None) -> Fetched:
        """Bring every label of the remote, or of a different configured one.

        Raises `RemoteUnreachable`, and `GitError` if some could not be stored here: the others are.
        """
        named = remote_meant(self._git, remote or self._remote, "promptctl label fetch")
        found = Remote(self._git, named).fetch(tags_count=self._remote is None)
        for ref, words in found.refused.items():
            others = f"{count(len(found.added), 'new move')} of others came"
            said = f"{len(found.refused)} labels of {named} could not be stored here, {short(ref)}: {words}; {others}"
            raise GitError(said, hint=f"if it is damaged: git push {named} --delete {quote(ref)}")
        return found

    def refresh(self) -> str | None:
        """Fetch if a remote is named; return a note for people if that was not possible, or tags differ.

        Raises `HistoryIncomplete` if labels never came from that remote: nothing here could be trusted then.
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
        for ref, words in fetched.refused.items():
            return (
                f"{count(len(fetched.refused), 'tag')} of {self._remote} cannot be stored here, {short(ref)}: {words}"
            )
        if fetched.conflicts:
            return f"{len(fetched.conflicts)} tags differ between here and {self._remote}: see promptctl label verify"
        return None

    def log(self, label: LabelName) -> History:
        """Return every event of a label, oldest first. Raises as `unknown` says if there is none."""
        found = history(self._git, self._trust, label, self._unasked)
        if not found.events and not found.problems:
            raise self.unknown(label)
        for event in found.events[-1:]:
            refuse_other_workspace(self._git, label, event)
        return found

    def at(self, label: LabelName, moment: datetime) -> LiveAt:
        """Return what a label named at a time (with a time zone)."""
        return live_at(self.log(label).events, moment)

    def verify(self) -> Audit:
        """Return everything that is wrong with the labels here and at the remote; `refresh` comes before."""
        from promptctl.labels.audit import verify

        return verify(self._git, self._trust, Remote(self._git, self._remote) if self._remote else None)

    def unknown(self, label: LabelName) -> GitError:
        """Return the error for a label that has no event here, to be raised by the caller.

        `HistoryIncomplete` if this clone never fetched labels and so cannot know, else `RevisionNotFound`.
        """
        tags = LabelTags.read(self._git, self._trust)
        known = list(dict.fromkeys(name for id_ in (label.prompt, *label.formerly) for name in tags.labels_of(id_)))
        near = did_you_mean(label.label, known, f"{label.prompt}@{{}}")
        remotes = [self._remote] if self._remote else self._git.remotes()
        if remotes and not any(last_fetch(self._git, remote) for remote in remotes):
            fetch = "promptctl label fetch" + (f" --remote {remotes[0]}" if len(remotes) > 1 else "")
            return HistoryIncomplete(
                f"this clone knows no label `{label.label}` of `{label.prompt}`, and has never fetched labels from "
                f"{remotes[0]}",
                hint=f"{near}\n{fetch}" if near else fetch,
            )
        names = f"its labels are {', '.join(known)}" if known else "it has none"
        words = f"`{label.prompt}` has no label `{label.label}`; {names}"
        return RevisionNotFound(words, hint=near or f"promptctl label set {label} VERSION")
