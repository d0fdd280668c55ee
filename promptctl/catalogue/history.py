"""The versions of one prompt: who made each, when, why, and which labels name it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.errors import GitError, PromptNotFound, WorkspaceError
from promptctl.git.commits import CommitInfo, read_commits
from promptctl.versions.former_ids import labels_here
from promptctl.versions.refs import Ref, parse_ref

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.labels.chains import LabelState
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.history import VersionEntry
    from promptctl.versions.resolving import Resolved
    from promptctl.versions.version import Version

_NUMBERED = re.compile(r"v(\d+)\Z")
_SHORT = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The commit that made a version: `author` is a name and address, `date` ISO 8601, `subject` its first line."""

    commit: str
    author: str
    date: str
    subject: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return {"commit": self.commit, "author": self.author, "date": self.date, "subject": self.subject}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One version in a prompt's history.

    `number` is None for what has none: uncommitted changes (`is_dirty`), or a commit beyond the default branch.
    `same_as` is the latest earlier version with the same content. `made` is None for uncommitted changes.
    """

    number: int | None
    display: str
    digest: str
    path: str
    made: Made | None = None
    same_as: int | None = None
    is_dirty: bool = False
    labels: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with stable keys."""
        return {
            "version": self.number,
            "version_display": self.display,
            "commit": self.made.commit if self.made else None,
            "digest": self.digest,
            "dirty": self.is_dirty,
            "same_as": self.same_as,
            "author": self.made.author if self.made else None,
            "date": self.made.date if self.made else None,
            "subject": self.made.subject if self.made else None,
            "path": self.path,
            "labels": list(self.labels),
        }


def history(parts: Context, ref: str) -> list[HistoryRow]:
    """Every version of a prompt, newest first, or those up to the one that the ref names.

    What the ref names stands first where it has no number: uncommitted changes, a branch. Raises `GitError` outside
    Git, `HistoryIncomplete` where this clone does not hold the whole line, and what resolving the ref raises.
    """
    repository = parts.repository
    parsed = parse_ref(ref)
    if repository.git is None:
        raise GitError(f"{parsed.prompt} has no history: the workspace is not in a Git repository", hint="git init")
    entries = repository.versions_of(parsed.prompt)
    top = _top(parts, parsed)
    if top is not None and top.version.number is not None:
        entries = [entry for entry in entries if entry.number <= (top.version.number or 0)]
    states = labels_here(parts.repository).states.values()
    own = [state for state in states if state.prompt == parsed.prompt and state.is_live]
    rows = [_numbered_row(entry, _labels_of(entry, own, entries)) for entry in reversed(entries)]
    if top is not None and top.version.number is None and top.version.commit is not None:
        rows.insert(0, _unnumbered_row(parts, top, own))
    return rows


def made_by(parts: Context, prompt: Prompt, version: Version) -> Made | None:
    """The commit that made a version, or that its uncommitted changes are based on; None where not known."""
    repository = parts.repository
    git = repository.git
    if git is None or version.commit is None:
        return None
    if version.number is not None:
        entries = repository.versions_of(prompt.id)
        entry = next((entry for entry in entries if entry.number == version.number), None)
        if entry is not None:
            return Made(commit=entry.commit, author=entry.author, date=entry.date, subject=entry.subject)
    if git.is_shallow:
        return None  # where the history is cut, one commit seems to have made everything
    paths = prompt.closure or (prompt.path,)
    found = git.run(["rev-list", "--max-count=1", version.commit, "--", *paths]).text
    info = read_commits(git.objects, [found]).get(found) if found else None
    return _made(found, info) if info is not None else None


def _top(parts: Context, ref: Ref) -> Resolved | None:
    """What the ref names; None where the prompt is no longer in the work tree, or its file there is wrong."""
    try:
        return parts.repository.resolve(ref)
    except (PromptNotFound, WorkspaceError):
        if ref.at is not None:
            raise
        return None


def _numbered_row(entry: VersionEntry, labels: Iterable[str]) -> HistoryRow:
    equal = f"(= v{entry.same_as})" if entry.same_as is not None else f"({entry.commit[:_SHORT]})"
    return HistoryRow(
        number=entry.number,
        display=f"v{entry.number} {equal}",
        digest=entry.digest,
        path=entry.path,
        made=Made(commit=entry.commit, author=entry.author, date=entry.date, subject=entry.subject),
        same_as=entry.same_as,
        labels=tuple(labels),
    )


def _unnumbered_row(parts: Context, top: Resolved, labels: Sequence[LabelState]) -> HistoryRow:
    version = top.version
    return HistoryRow(
        number=None,
        display=version.display,
        digest=version.digest,
        path=top.prompt.path,
        made=None if version.is_dirty else made_by(parts, top.prompt, version),
        is_dirty=version.is_dirty,
        labels=tuple(
            state.label for state in labels if state.digest == version.digest and not _NUMBERED.match(state.version)
        ),
    )


def _labels_of(entry: VersionEntry, labels: Sequence[LabelState], entries: Sequence[VersionEntry]) -> list[str]:
    """The labels that name a version: by the number they recorded, or by content where numbers have changed since."""
    found = []
    for state in labels:
        equal = [other.number for other in entries if other.digest == state.digest]
        recorded = _NUMBERED.match(state.version)
        number = int(recorded[1]) if recorded else None
        if equal and entry.number == (number if number in equal else equal[-1]):
            found.append(state.label)
    return found


def _made(commit: str, info: CommitInfo) -> Made:
    return Made(commit=commit, author=info.author, date=info.date, subject=info.subject)
