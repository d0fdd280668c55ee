"""A prompt's versions, each with the commit that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from promptctl.errors import GitError
from promptctl.files.plain import record_data
from promptctl.git.commands import REFETCH
from promptctl.git.commits import CommitInfo, read_commits
from promptctl.git.objects import Objects
from promptctl.versions.index_store import IndexStore
from promptctl.versions.numbering import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEntry:
    """One version in a prompt's history.

    `number` is None for uncommitted changes (`is_dirty`) and for a commit beyond the default branch. `path` is the
    prompt's file then. `same_as` is the latest earlier version with the same content. `made` is the commit where a
    numbered version began on the default branch, None for uncommitted changes. `labels` are those that name it.
    `copied_from` is said of the oldest one, if the file says which prompt it was copied from.
    """

    number: int | None
    display: str
    digest: str
    path: str
    made: CommitInfo | None = None
    same_as: int | None = None
    is_dirty: bool = False
    labels: tuple[str, ...] = ()
    copied_from: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able, with stable keys."""
        made = self.made.as_dict() if self.made else dict.fromkeys(("commit", "author", "date", "subject"))
        names = {"version": self.number, "version_display": self.display}
        return {**names, **made, **record_data(self, without=("number", "display", "made"))}


def numbered_versions(objects: Objects, store: IndexStore, prompt: str) -> list[VersionEntry]:
    """Return a prompt's numbered versions, oldest first."""
    rows = store.versions(prompt)
    commits = store.commits_at([row.position for row in rows])
    about = read_commits(objects, list(dict.fromkeys(commits.values())))
    for commit in commits.values():
        if commit not in about:
            raise GitError(f"commit {commit} is not in the repository", hint=REFETCH)
    return [
        VersionEntry(
            number=row.number,
            display=shown(row, commits[row.position]),
            digest=row.digest,
            path=row.path,
            made=about[commits[row.position]],
            same_as=row.same_as,
        )
        for row in rows
    ]
