"""The log as evidence, as values: events on record, what a check of the chain found, what was erased or merged."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.files.plain import record_data

EventKind = Literal["prune", "redact", "merge", "reprice", "backup"]


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
        same = {name: getattr(self, name) for name in ("at", "kind", "by", "reason")}
        return {"event": self.id, **same, "detail": dict(self.detail)}


ProblemKind = Literal[
    "file", "changed", "missing", "unchained", "chain", "event", "content", "orphan", "totals", "head", "feedback"
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

    head: str | None
    rows: int
    links: int
    contents: int
    unchained: int
    expected_head: str | None = None
    expected_link: int | None = None
    events: Sequence[Event]
    problems: Sequence[LogProblem]
    left_out: int = 0

    @property
    def is_sound(self) -> bool:
        """True if nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        found = record_data(self, without=("left_out",), problems_left_out=self.left_out)
        return {"sound": self.is_sound, **found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Calls to erase: those with a text, for a user, of a session, or one execution; one of them is given."""

    text: str | None = None
    user: str | None = None
    session: str | None = None
    execution: str | None = None

    @property
    def kind(self) -> str:
        """The one that is given."""
        return next(name for name in ("text", "user", "session", "execution") if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The amounts erased, or to be erased. `marker` stands in the log where a user or session was.

    `feedback` is the number of comments, corrections and names of people.
    `evaluated` is the number of the executions that are an evaluation's, `others` that of rows of budgets, totals and
    evaluations with such a name or text. `left` are files that hold it, or may do, and were not changed.
    `shared_sessions` is the number of the user's sessions with calls of others, which keep its name.
    """

    executions: int = 0
    evaluated: int = 0
    latest_calls: int = 0
    results: int = 0
    contents: int = 0
    others: int = 0
    feedback: int = 0
    is_cache_dropped: bool = False
    marker: str | None = None
    shared_sessions: int = 0
    left: Sequence[str] = ()

    @property
    def is_nothing(self) -> bool:
        """True if the log holds nothing of the kind."""
        return not (self.executions or self.latest_calls or self.results or self.others or self.feedback)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The amounts taken in from another log, or to be taken in, whose chain had this head.

    `known` rows were here before, and `kept_out` ones had been deleted here.
    """

    file: str
    head: str | None
    rows: int
    known: int
    kept_out: int
    evaluations: int
    results: int
    feedback: int = 0
