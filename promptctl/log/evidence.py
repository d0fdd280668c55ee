"""The log as evidence, as values: events on record, what a check of the chain found, what was erased or merged."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

EventKind = Literal["prune", "redact", "merge", "reprice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The person behind an event, and the reason; by default the user of the operating system."""

    by: str = ""
    reason: str | None = None

    @property
    def actor(self) -> str:
        """The person's name."""
        if self.by:
            return self.by
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the log's care: a row of `events`, a link of the chain."""

    id: str
    at: str
    kind: str
    by: str
    reason: str | None
    detail: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "event": self.id,
            "at": self.at,
            "kind": self.kind,
            "by": self.by,
            "reason": self.reason,
            "detail": dict(self.detail),
        }


ProblemKind = Literal[
    "file", "changed", "missing", "unchained", "chain", "event", "content", "orphan", "totals", "head"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProblem:
    """One thing that is wrong with a log. `subject` is the id, hash or name of what is meant, if one is."""

    kind: ProblemKind
    subject: str | None
    message: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {"kind": self.kind, "subject": self.subject, "message": self.message}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The outcome of checking a log: its head, and everything that is wrong with it.

    `rows` are executions, `links` the length of the chain, `unchained` the rows from before it began. `head` is its
    last link in hex, None if it is empty. `expected_head` is the head that was asked for, and `expected_link` its
    number in the chain, None if it is not in it. `left_out` is the number of problems beyond those listed.
    """

    rows: int
    links: int
    contents: int
    unchained: int
    head: str | None
    events: Sequence[Event]
    problems: Sequence[LogProblem]
    left_out: int = 0
    expected_head: str | None = None
    expected_link: int | None = None

    @property
    def is_sound(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "sound": self.is_sound,
            "head": self.head,
            "links": self.links,
            "rows": self.rows,
            "contents": self.contents,
            "unchained": self.unchained,
            "expected_head": self.expected_head,
            "expected_link": self.expected_link,
            "problems": [each.as_dict() for each in self.problems],
            "problems_left_out": self.left_out,
            "events": [each.as_dict() for each in self.events],
        }
