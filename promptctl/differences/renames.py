"""The one answer to which prompt a new one was until now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from promptctl.errors import GitError
from promptctl.files.names import PromptPlaces
from promptctl.git.trees import CommitTree
from promptctl.git.walk import list_commits, walk


@dataclass(frozen=True, slots=True)
class Named:
    """A prompt under one id, before a change or after it.

    `blobs` are the ids of its files' bytes. `digest` is None for an unsound file. `formerly` are the ids that it says
    it had. `last` orders prompts that are gone: of several that a new one names, it was the greatest.
    """

    id: str
    blobs: frozenset[str] = frozenset()
    digest: str | None = None
    formerly: tuple[str, ...] = ()
    last: tuple[int, ...] = ()


def source_of(new: Named, gone: Sequence[Named]) -> Named | None:
    """Return the prompt that a new one was until now: the one it names, or has the bytes or the digest of."""
    named = [old for id_ in new.formerly for old in gone if old.id == id_]
    if named:
        return max(named, key=lambda old: old.last)
    same_bytes = (old for old in gone if old.blobs & new.blobs)
    same_digest = (old for old in gone if old.digest is not None and old.digest == new.digest)
    return next(same_bytes, None) or next(same_digest, None)


def sources_of(new: Sequence[Named], gone: Sequence[Named]) -> dict[str, str]:
    """Return the earlier ids of new prompts by their ids. One prompt becomes one other."""
    left = list(gone)
    found: dict[str, str] = {}
    for each in new:
        source = source_of(each, left)
        if source is not None:
            found[each.id] = source.id
            left.remove(source)
    return found


def renames_between(base: CommitTree, head: CommitTree) -> dict[str, str]:
    """Return the ids that prompts had at `base` by the ids at `head`, of files that a commit in between only moved.

    A file that was moved twice is followed. If the commits are not here (a shallow clone), nothing is found.
    """
    former: dict[str, str] = {}
    with suppress(GitError):
        limits = ("--topo-order", "--reverse", "--no-merges", head.commit, f"^{base.commit}")
        for step in walk(head.git, list_commits(head.git, *limits), *(base.places | head.places).pathspecs):
            before = {change.path: change.before for change in step.changes if change.before}
            after = {change.path: change.after for change in step.changes if change.after}
            for id_, was in moved_files(before, after, base.places, head.places).items():
                former[id_] = former.pop(was, was)
    return former


def moved_files(
    before: Mapping[str, str], after: Mapping[str, str], was: PromptPlaces, now: PromptPlaces
) -> dict[str, str]:
    """Return the ids that prompts had, by those they have, of files that only moved: given as path to blob id."""
    gone, new = (
        [
            Named(id_, frozenset([blob]))
            for path, blob in files.items()
            if path not in others and (id_ := places.id(path)) is not None
        ]
        for files, others, places in ((before, after, was), (after, before, now))
    )
    return sources_of(new, gone)
