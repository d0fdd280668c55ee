"""Many new commits in one go, on top of one that is there; no branch, no index and no file changes by that."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from promptctl.errors import UNSEEN, GitError
from promptctl.git.commands import refusal
from promptctl.git.objects import is_object_id
from promptctl.git.repository import Git

# Also what a terminal would obey, or nobody would see: `git log` prints names as they are.
_NOT_IN_NAMES = re.compile(rf"(?:[\x00-\x1f\x7f-\x9f<>]|{UNSEEN.pattern})+")
_FARTHEST_MINUTES = 14 * 60  # Git takes no offset beyond it
_SAYS_NOTHING = " .,:;'\""  # Git itself takes these off the ends of a name


@dataclass(frozen=True, slots=True)
class Person:
    """An author by name and address."""

    name: str
    address: str

    def __str__(self) -> str:
        name = _NOT_IN_NAMES.sub(" ", self.name).strip(_SAYS_NOTHING)
        return f"{name or 'unknown'} <{_NOT_IN_NAMES.sub('', self.address).strip()}>"


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit to be made: files that it adds or changes, by their paths from the repository's root.

    `date` is that of author and committer. An empty author is the committer.
    """

    files: Mapping[str, bytes]
    date: datetime
    message: str
    author: Person | None = None


def committer(git: Git) -> Person:
    """Return who makes commits here. Raises `GitError` if Git knows no name."""
    output = git.run(["var", "GIT_COMMITTER_IDENT"], check=False)
    name, _, rest = output.stdout.decode("utf-8", "replace").partition(" <")
    if output.status != 0 or not rest:
        hint = 'git config user.name "NAME" && git config user.email ADDRESS'
        raise GitError(
            f"a commit has the name of who makes it, and Git knows none: {refusal(output).message}", hint=hint
        )
    return Person(name, rest.partition(">")[0])


def make_commits(git: Git, commits: Sequence[NewCommit], parent: str | None) -> list[str]:
    """Make the commits, each on top of the one before, the first on `parent`; returns their ids.

    They are in the repository afterwards and nothing names them: Git's own tidying takes them away unless a branch is
    moved there. Raises `GitError`, and then too nothing has changed.
    """
    if not commits:
        return []
    ref = f"refs/promptctl/making-{secrets.token_hex(8)}"  # named while they are made, and gone at the end
    stream = b"".join(_stream(commits, parent, ref, committer(git)))
    output = git.run(["fast-import", "--quiet", "--date-format=raw", "--done"], input=stream, check=False)
    ids = output.lines()
    if output.status != 0 or len(ids) != len(commits) or not all(map(is_object_id, ids)):
        raise refusal(output)
    return ids


def _stream(commits: Iterable[NewCommit], parent: str | None, ref: str, maker: Person) -> Iterator[bytes]:
    for number, commit in enumerate(commits, 1):
        stamp = _stamp(commit.date)
        yield f"commit {ref}\nmark :{number}\nauthor {commit.author or maker} {stamp}\n".encode()
        yield f"committer {maker} {stamp}\n".encode() + _data(commit.message.encode("utf-8", "replace"))
        if number == 1 and parent is not None:
            yield f"from {parent}\n".encode()
        for path, data in commit.files.items():
            yield f"M 100644 inline {_quoted(path)}\n".encode("utf-8", "surrogateescape") + _data(data)
        yield f"\nget-mark :{number}\n".encode()
    yield f"reset {ref}\nfrom {'0' * (len(parent) if parent else 40)}\n\ndone\n".encode()


def _data(data: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(data), data)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _stamp(date: datetime) -> str:
    """Return a date as Git has it: seconds since 1970, which it cannot be before, and the offset, if it is one."""
    minutes = int((date.utcoffset() or date - date).total_seconds()) // 60
    minutes = minutes if abs(minutes) <= _FARTHEST_MINUTES else 0
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{max(0, int(date.timestamp()))} {sign}{minutes // 60:02d}{minutes % 60:02d}"
