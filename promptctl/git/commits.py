"""Who made a commit, when, and what for, from the commit's own bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from promptctl.git.objects import Objects


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """`author` is a name and address, `date` ISO 8601 with the author's offset, `subject` the message's first line."""

    author: str
    date: str
    subject: str


def read_commits(objects: Objects, ids: Sequence[str]) -> Mapping[str, CommitInfo]:
    """What these commits say of themselves, by id; those that are not in the repository are left out."""
    found = objects.read_all(ids)
    return {item.id: parse_commit(item.data) for item in found if item is not None and item.data is not None}


def parse_commit(data: bytes) -> CommitInfo:
    """Read a commit object, whatever its encoding."""
    header, _, message = data.partition(b"\n\n")
    fields = dict(line.partition(b" ")[::2] for line in reversed(header.split(b"\n")) if not line.startswith(b" "))
    encoding = fields.get(b"encoding", b"utf-8").decode("ascii", "replace")
    author, _, stamp = _text(fields.get(b"author", b""), encoding).rpartition("> ")
    subject = next((line for line in _text(message, encoding).splitlines() if line.strip()), "")
    return CommitInfo(f"{author}>" if author else "", _date(stamp), subject.strip())


def _text(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def _date(stamp: str) -> str:
    """ISO 8601 of Git's `<seconds> <+hhmm>`; empty where that names no time."""
    seconds, _, offset = stamp.partition(" ")
    try:
        minutes = int(offset[1:3]) * 60 + int(offset[3:5])
        zone = timezone(timedelta(minutes=-minutes if offset.startswith("-") else minutes)) if minutes else UTC
        return datetime.fromtimestamp(int(seconds), zone).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
