"""A commit's author, time and subject, read from the commit's own bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from promptctl.files.plain import utc
from promptctl.git.objects import Objects
from promptctl.git.repository import Git

LONGEST = 1 << 16  # of an author, or of the lines that a subject is looked for in


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit as it describes itself.

    `commit` is its full id, `author` a name and address, `date` ISO 8601 with the author's offset, `subject` the
    message's first line. `parents` are full ids: a shallow clone need not have them. `committed_at` is in seconds since
    1970, 0 if unknown.
    """

    commit: str
    author: str
    date: str
    subject: str
    parents: tuple[str, ...] = ()
    committed_at: int = 0

    def as_dict(self) -> dict[str, str]:
        """Return what people ask of a commit, JSON-able, with stable keys."""
        return {"commit": self.commit, "author": self.author, "date": self.utc_date, "subject": self.subject}

    @property
    def utc_date(self) -> str:
        """The date in UTC, whatever the author's zone; empty if unknown."""
        return utc(datetime.fromisoformat(self.date)) if self.date else ""


def read_commits(objects: Objects, ids: Sequence[str]) -> Mapping[str, CommitInfo]:
    """Read commits, by id; those that are not in the repository are left out."""
    found = objects.read_all(ids)
    return {item.id: parse_commit(item.id, item.data) for item in found if item is not None and item.data is not None}


def fork_point(git: Git, tip: str, end: str, *, is_work_tree: bool = False) -> str | None:
    """Return the commit at which `end` left the history of `tip`, both full ids; None if this clone holds none.

    If the work tree on `end` is meant, what is being merged into it is taken for merged.
    """
    merged = git.run(["rev-parse", "--verify", "--quiet", "MERGE_HEAD"], check=False).lines() if is_work_tree else ()
    found = git.run(["merge-base", tip, end, *merged], check=False)
    if found.status == 0:
        return found.text.split("\n")[0]
    # The commit itself names its parents, also where a shallow clone does not have them.
    return tip if any(tip in info.parents for info in read_commits(git.objects, [end]).values()) else None


def parse_commit(commit: str, data: bytes) -> CommitInfo:
    """Read a commit object, whatever its encoding."""
    header, _, message = data.partition(b"\n\n")
    lines = [line.partition(b" ")[::2] for line in header.split(b"\n") if not line.startswith(b" ")]
    fields = dict(reversed(lines))
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
    author, _, stamp = _text(fields.get(b"author", b""), encoding).rpartition("> ")
    committed = fields.get(b"committer", b"").rpartition(b"> ")[2].partition(b" ")[0]
    made = time_of(stamp)
    subject = next((line for line in _text(message, encoding).splitlines() if line.strip()), "")
    return CommitInfo(
        commit,
        f"{author}>" if author else "",
        made.isoformat() if made else "",
        subject.strip(),
        tuple(value.decode("ascii", "replace") for key, value in lines if key == b"parent"),
        int(committed) if committed.isdigit() and len(committed) < 20 else 0,
    )


def _text(data: bytes, encoding: str) -> str:
    try:
        return data[:LONGEST].decode(encoding, "replace")
    except (LookupError, ValueError):  # an encoding that is none, or that refuses what it cannot read
        return data[:LONGEST].decode("utf-8", "replace")


def time_of(stamp: str) -> datetime | None:
    """Return the time that Git writes as `<seconds> <+hhmm>`, in that zone; None if it is no time."""
    seconds, _, offset = stamp.partition(" ")
    try:
        minutes = int(offset[1:3]) * 60 + int(offset[3:5])
        zone = timezone(timedelta(minutes=-minutes if offset.startswith("-") else minutes))
        return datetime.fromtimestamp(int(seconds), zone)
    except (ValueError, OverflowError, OSError):
        return None
