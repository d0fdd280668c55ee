"""A prompt's numbered versions, with who made each, when, and what for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptctl.git.commits import read_commits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from promptctl.git.objects import Objects
    from promptctl.versions.lineage import VersionRow


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One numbered version in a prompt's history.

    `commit` is where it began on the default branch; author, date (ISO 8601) and subject are that commit's. `path` is
    the prompt's file then; `same_as` the latest earlier version of the same digest.
    """

    number: int
    commit: str
    digest: str
    author: str
    date: str
    subject: str
    same_as: int | None
    path: str


def entries(objects: Objects, rows: Sequence[VersionRow], commits: Mapping[int, str]) -> list[VersionEntry]:
    """The versions of these rows; `commits` are those at their positions."""
    about = read_commits(objects, list(dict.fromkeys(commits.values())))
    found = []
    for row in rows:
        commit = commits[row.position]
        info = about[commit]
        found.append(
            VersionEntry(row.number, commit, row.digest, info.author, info.date, info.subject, row.same_as, row.path)
        )
    return found
