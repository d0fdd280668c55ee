"""The history of one prompt: its versions, the commits that made them, and the labels that name them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from promptctl.context import Context
from promptctl.errors import GitError, WorkspaceError
from promptctl.git.commits import CommitInfo, read_commits
from promptctl.labels.chains import LabelState
from promptctl.versions.former_ids import live_labels
from promptctl.versions.history import VersionEntry
from promptctl.versions.moment import Moment
from promptctl.versions.prompt_at_version import PromptAtVersion, Ref, parse_ref

_NUMBERED = re.compile(r"v(\d+)\Z")


def history(parts: Context, ref: str) -> list[VersionEntry]:
    """Return every version of a prompt, newest first, or those up to the one that the ref names.

    What the ref names comes first if it has no number: uncommitted changes, a branch. Raises `GitError` outside
    Git, `HistoryIncomplete` if this clone does not hold the whole line, and what resolving the ref raises.
    """
    parsed = parse_ref(ref)
    moment = parts.now()
    if not moment.is_versioned:
        parts.prompt(ref)  # raises for a prompt that is not there
        raise GitError(f"`{parsed.prompt}` has no history: the workspace is not in a Git repository", hint="git init")
    top = parts.repository.resolve(parsed, moment=moment) if parsed.at is not None else None
    entries = parts.repository.versions_of(parsed.prompt, moment, top)
    top = top or _here(parts, parsed, moment, has_versions=bool(entries))
    if top is not None and top.version.number is not None:
        entries = entries[: top.version.number]
    if top is not None and not entries and top.version.commit is None and top.version.note:
        raise GitError(f"`{parsed.prompt}` has no history here: {top.version.note}")
    own = live_labels(moment, parts.warn).get(parsed.prompt, [])
    rows = [replace(entry, labels=_labels_of(entry, own, entries)) for entry in reversed(entries)]
    if top is not None and top.version.number is None and top.version.commit is not None:
        rows.insert(0, _unnumbered(parts, top, own, moment))
    if rows and top is not None:
        rows[-1] = replace(rows[-1], copied_from=top.prompt.copied_from)
    return rows


def made_by(parts: Context, at_version: PromptAtVersion, moment: Moment) -> CommitInfo | None:
    """Return the commit that made a version, or that its uncommitted changes are based on; None if not known."""
    prompt, version = at_version.prompt, at_version.version
    if not moment.is_versioned or version.commit is None:
        return None
    if version.number is not None:
        entries = parts.repository.versions_of(prompt.id, moment, at_version)
        entry = next((entry for entry in entries if entry.number == version.number), None)
        if entry is not None:
            return entry.made
    if moment.is_shallow:
        return None  # where the history is cut, one commit seems to have made everything
    git = moment.git
    found = git.run(["rev-list", "--max-count=1", version.commit, "--", *(prompt.closure or (prompt.path,))]).text
    return read_commits(git.objects, [found]).get(found) if found else None


def _here(parts: Context, ref: Ref, moment: Moment, *, has_versions: bool) -> PromptAtVersion | None:
    """Resolve a prompt here; None if it has versions and is gone from the work tree, or its file there is wrong."""
    try:
        return parts.repository.resolve(ref, moment=moment)
    except WorkspaceError:
        if not has_versions:
            raise
        return None


def _unnumbered(parts: Context, top: PromptAtVersion, labels: Sequence[LabelState], moment: Moment) -> VersionEntry:
    version = top.version
    return VersionEntry(
        number=None,
        display=version.display,
        digest=version.digest,
        path=top.prompt.path,
        made=None if version.is_dirty else made_by(parts, top, moment),
        is_dirty=version.is_dirty,
        labels=tuple(
            state.label for state in labels if state.digest == version.digest and not _NUMBERED.match(state.version)
        ),
    )


def _labels_of(entry: VersionEntry, labels: Sequence[LabelState], entries: Sequence[VersionEntry]) -> tuple[str, ...]:
    """Return the labels that name a version: by the number recorded, or by content if numbers changed since."""
    found = []
    for state in labels:
        equal = [other.number for other in entries if other.digest == state.digest]
        recorded = _NUMBERED.match(state.version)
        number = int(recorded[1]) if recorded else None
        if equal and entry.number == (number if number in equal else equal[-1]):
            found.append(state.label)
    return tuple(found)
