"""The tree of exceptions, and the exit codes with which they end a command.

    PromptctlError                      70  a bug when nothing more exact is raised
    ├── UsageError                       2  a wrong argument or option
    │   ├── InputError                   2  inputs missing, extra, or not of their schema
    │   ├── NothingLeft                  2  all that was asked for is done; the command says so, and ends with 0
    │   └── ExperimentKeyMissing         2  a call of an experiment without what it is drawn by
    ├── CheckFailed                      1  something was checked and is not good
    │   └── InvalidOutput                1  the reply does not fit the prompt's output schema
    │       ├── ReplyCut                 1  it ended before it was whole, as at `max_tokens`
    │       └── ReplyWithheld            1  the provider's filter kept it back, or the model refused
    ├── WorkspaceError                   3  the user's files, workspace or repository
    │   ├── WorkspaceNotFound            3  no promptctl.yaml here or above
    │   ├── InvalidFiles                 3  one or more problems in files; `.problems` has all of them
    │   ├── PromptNotFound               3  no prompt of that id in that tree
    │   ├── DatasetNotFound              3  no dataset of that name
    │   ├── CaseNotFound                 3  no case of that id, or none with that tag
    │   ├── BudgetNotFound               3  no budget of that name
    │   ├── ExperimentNotFound           3  no experiment of that name
    │   ├── SourceNotFound               3  nothing of that name is from another repository
    │   ├── PromptInactive               3  `status: inactive` refuses to run
    │   ├── RenderError                  3  a template failed
    │   │   ├── RenderLimitExceeded      3  a template took too long or grew too large
    │   │   └── RenderingTimeSpent       3  the cases of a command together took too long to render
    │   ├── GitError                     3  Git refused or is missing
    │   │   ├── RevisionNotFound         3  no such revision, version or label
    │   │   ├── HistoryIncomplete        3  this clone cannot know; `.hint` is the command that finds out
    │   │   └── LabelRefused             3  a rule, a race or a broken chain stopped a label or its move
    │   └── LogError                     3  the log cannot be read or written
    │       └── LogFailure               3  its database failed; `.reason` is a word for how
    ├── ModelError                       4  the model or its provider
    │   ├── ModelConfigurationError      4  unknown model, no key, endpoint not set up: no request was sent
    │   │   └── MissingKey               4  the variable that holds the model's key is not set
    │   ├── AuthenticationFailed         4  401; 403 or 400 of the key or the account
    │   ├── RequestRejected              4  400, 403, 404, 413, 422: asking again would not help
    │   │   ├── ContentFiltered          4  the provider's filter refused the prompt
    │   │   └── ReplyNotRecorded         4  `replay/…` has no reply for this request
    │   ├── RateLimited                  4  429; `.retry_after_s` if the provider said
    │   │   └── OutOfQuota               4  402, or 400, 403, 429 of a spent account: asking again would not help
    │   ├── ProviderFailed               4  5xx, or a reply that is not the protocol's
    │   ├── ProviderUnreachable          4  connection refused, reset or closed early
    │   └── ModelTimeout                 4  our own deadline passed
    ├── Incomplete                       5  stopped before the end; can be resumed
    │   └── CostLimitReached             5  too little is left for one more request, which was not sent
    │       └── BudgetReached            5  a budget of promptctl.yaml does not admit it; `.place` is the rule's
    └── Cancelled                      130  the user pressed Ctrl-C

An error says what happened, where (`place`) and what to do next (`hint`). It is raised where the cause is known,
translated at the seam of the library that raised it, and printed in one place (`promptctl.cli.boundary`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

# A number outside backticks; the group keeps what is inside: a name, such as `q1`.
_NUMBER = re.compile(r"(`[^`]*`)|\d+")
# What has no shape of its own: fillers, marks of direction, tags, selectors of variants. Joiners stay where words and
# pictures need them, after a letter of such a script or a picture, and so does a picture's selector.
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
    "|(?<![\u0600-\u1cff\u203c-\u3299\ua840-\uabff\ufb50-\ufdff\ufe0f\ufe70-\ufefc\U00010a00-\U00011fff\U0001f000-\U0001faff])"
    "[\u200c\u200d]"
    "|(?<![#*0-9\u00a9\u00ae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f]"
)
# What acts on a terminal or in a page, and what nobody sees; browsers read it, too.
HIDDEN = re.compile(rf"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|{UNSEEN.pattern}")
_BARE_WORD = re.compile(r"[\w@:,./+-][\w@%+=:,./-]*", re.ASCII)
OK = 0
CHECK_FAILED = 1
USAGE = 2
WORKSPACE = 3
MODEL = 4
INCOMPLETE = 5
BUG = 70
INTERRUPTED = 130
BROKEN_PIPE = 141


def printable(name: str) -> str:
    """Return the name of a file with what cannot be printed, or nobody sees, escaped, line ends among them.

    >>> printable("a\\nb")
    'a\\\\nb'
    """
    if name.isprintable() and name.isascii():
        return name
    name = UNSEEN.sub(lambda found: escaped(found[0]), name)
    return "".join(c if c.isprintable() else escaped(c) for c in name)


def code_point(character: str) -> str:
    """Return the code of a character, as Unicode writes it: `U+202E`."""
    return f"U+{ord(character):04X}"


def escaped(character: str) -> str:
    """Return a character as the escape that Python writes it with."""
    return character.encode("unicode_escape").decode("ascii")


def quote(word: str) -> str:
    """Return a word of a command to copy, as sh, bash, zsh and fish all read it.

    In fish a backslash within single quotes is an escape: it stands outside of them.

    >>> print(quote("it's"), quote("a\\\\b"), quote("v7"))
    'it'"'"'s' 'a'\\\\'b' v7
    """
    if _BARE_WORD.fullmatch(word):
        return word
    pieces = ("'{}'".format(piece.replace("'", "'\"'\"'")) if piece else "" for piece in word.split("\\"))
    return "\\\\".join(pieces) or "''"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the user's files: a path relative to the workspace, with line and column counted from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (printable(self.path), self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file: the message, the place and what to do next.

    `code` is a stable kebab-case name (`unknown-key`, `missing-partial`) for `--json` and for tests.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    code: str = "invalid"
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """JSON-able, with stable keys; `path`, `line` and `column` are null if there is no place."""
        place = self.place
        return {
            "severity": self.severity,
            "code": self.code,
            "path": place.path if place else None,
            "line": place.line if place else None,
            "column": place.column if place else None,
            "message": self.message,
            "hint": self.hint,
        }


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems as one meets them in the files; those of one place keep their order."""
    return sorted(problems, key=_reading_position)


def one_of_each_kind(problems: Iterable[Problem]) -> list[Problem]:
    """Return the first problem of each kind and file, with how many more there are and where they end.

    Of one kind are those whose words differ in numbers alone, such as the index of a row; not in a name in backticks.
    """
    kinds: dict[Any, list[Problem]] = {}
    for problem in problems:
        path = problem.place.path if problem.place else None
        kinds.setdefault((path, problem.code, problem.severity, _NUMBER.sub(r"\1", problem.message)), []).append(
            problem
        )
    return [with_count(found[0], len(found) - 1, found[-1].place) for found in kinds.values()]


def with_count(problem: Problem, more: int, last: Place | None) -> Problem:
    """Return the problem with how many more of its kind there are, and the line of the last."""
    if not more:
        return problem
    until = f", the last on line {last.line}" if last is not None and last.line else ""
    return replace(problem, message=f"{problem.message} (and {more:,} more like this{until})")


def _reading_position(problem: Problem) -> tuple[str, int, int]:
    place = problem.place
    return (place.path, place.line or 0, place.column or 0) if place else ("", 0, 0)


class PromptctlError(Exception):
    """Base of every error this package raises on purpose.

    `execution` is the log's record of the call that failed, if a call was made or refused.
    """

    exit_code: ClassVar[int] = BUG
    _hint: str | None = None

    def __init__(self, message: str, *, place: Place | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint
        self.execution: Any = None

    @property
    def hint(self) -> str | None:
        """The next action; a traceback ends with it."""
        return self._hint

    @hint.setter
    def hint(self, hint: str | None) -> None:
        of_others = [note for note in getattr(self, "__notes__", ()) if note != f"hint: {self._hint}"]
        self._hint, self.__notes__ = hint, [*of_others, f"hint: {hint}"] if hint else of_others

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy is made without __init__, which may ask for more than the message.
        return type(self).__new__, (type(self), *self.args), self.__dict__ | {"__notes__": [*self.__notes__]}

    def hide(self, hidden: Callable[[str], str]) -> None:
        """Put what `hidden` makes of each text that may quote inputs in its place."""
        self.message = hidden(self.message)
        self.args = (self.message, *self.args[1:])

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.message}"


class UsageError(PromptctlError):
    """A wrong argument or option."""

    exit_code = USAGE


class InputError(UsageError):
    """Inputs that are missing, not declared, or not of their schema; nothing was rendered or sent.

    `names` are those of all inputs that something is wrong with, `missing` of those that were not given.
    """

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        names: Sequence[str] = (),
        missing: Sequence[str] = (),
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.names = tuple(names)
        self.missing = tuple(missing)


class NothingLeft(UsageError):
    """All that was asked for is done already: no case failed, or no evaluation is unfinished."""


class ExperimentKeyMissing(UsageError):
    """A call of an experiment without a key, or the user or session that its arm is drawn by."""


class CheckFailed(PromptctlError):
    """Something was checked and is not good."""

    exit_code = CHECK_FAILED


class InvalidOutput(CheckFailed):
    """The model's reply does not fit the prompt's output schema, after every retry.

    `problems` are what does not fit; a reply that was never whole has none.
    """

    def __init__(
        self, message: str, *, place: Place | None = None, hint: str | None = None, problems: Sequence[str] = ()
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.problems = tuple(problems)

    def hide(self, hidden: Callable[[str], str]) -> None:
        """The same, also of the problems."""
        super().hide(hidden)
        self.problems = tuple(map(hidden, self.problems))


class ReplyCut(InvalidOutput):
    """The reply ended before it was whole: at `max_tokens`, or because the provider broke it off."""


class ReplyWithheld(InvalidOutput):
    """The provider's filter kept the reply back, or the model refused to give one."""


class WorkspaceError(PromptctlError):
    """The user's files, workspace or repository."""

    exit_code = WORKSPACE

    def problems_of(self, path: str) -> Sequence[Problem]:
        """Return it as the problem of a file that cannot be used, at its own place if it has one."""
        return [Problem(self.message, self.place or Place(path), self.hint, "unreadable")]


class WorkspaceNotFound(WorkspaceError):
    """There is no promptctl.yaml here or in any folder above."""


class InvalidFiles(WorkspaceError):
    """One or more problems in the user's files; `problems` holds all of them, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = next((p for p in problems if p.severity == "error"), problems[0])
        more = sum(p.severity == "error" for p in problems) - 1
        message = first.message + (f" (and {more} more problem{'s' if more > 1 else ''})" if more > 0 else "")
        super().__init__(message, place=first.place, hint=first.hint)
        self.problems = tuple(problems)

    def problems_of(self, path: str) -> Sequence[Problem]:  # noqa: ARG002 - they have places
        """Return its problems."""
        return self.problems


class PromptNotFound(WorkspaceError):
    """No prompt of that id in that tree; `hint` names the nearest ids."""


class DatasetNotFound(WorkspaceError):
    """No dataset of that name in that tree; `hint` names the nearest."""


class CaseNotFound(WorkspaceError):
    """No case of that id, or none with that tag, in the datasets of the command; `hint` names the nearest."""


class BudgetNotFound(WorkspaceError):
    """No budget of that name in the settings or the log; `hint` names the nearest."""


class ExperimentNotFound(WorkspaceError):
    """No experiment of that name in the settings; `hint` names the nearest."""


class SourceNotFound(WorkspaceError):
    """No prompt of that id, nor all of that name, is from another repository; `hint` names the nearest."""


class PromptInactive(WorkspaceError):
    """The prompt's file says `status: inactive`."""


class RenderError(WorkspaceError):
    """A template failed; `place` is the template's line."""


class RenderLimitExceeded(RenderError):
    """A template took longer, looped more, or grew larger than allowed."""


class RenderingTimeSpent(RenderError):
    """The cases of one command took longer to render than all of them may; by itself this one might not have."""


class GitError(WorkspaceError):
    """Git refused, or is not installed; the message carries Git's own words and remedy."""


class RevisionNotFound(GitError):
    """No such revision, version or label; `hint` names the nearest."""


class HistoryIncomplete(GitError):
    """This clone does not hold what the answer needs; `hint` is the exact command that would fetch it."""


class LabelRefused(GitError):
    """A label was not moved, or is not gone by: a rule, a lost race or a broken chain. Nothing changed here."""


class LogError(WorkspaceError):
    """The execution log cannot be read or written."""


FailureReason = Literal["locked", "read-only", "full", "corrupt", "newer", "foreign", "refused", "unusable"]


class LogFailure(LogError):
    """The log's database did not take a record or return one; `reason` is a word that a program can act on."""

    def __init__(self, message: str, *, reason: FailureReason, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class ModelError(PromptctlError):
    """The model or its provider failed.

    `is_retryable` is True if asking again can help; `status` is the HTTP status, if there was one;
    `retry_after_s` is what the provider asked for, in seconds; `partial` is the `Reply` that had arrived when a
    stream broke off. `detail` is the part of the message that is the provider's own words, which may quote the request.
    `asked_at` is the `time.perf_counter()` at which the request was sent, if the lane had to prepare for long.
    `was_sent` is False if no connection was made.
    """

    exit_code = MODEL
    is_retryable: ClassVar[bool] = False
    was_sent = True

    def __init__(
        self,
        message: str,
        *,
        place: Place | None = None,
        hint: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s
        self.partial: Any = None
        self.detail: str | None = None
        self.asked_at: float | None = None

    def hide(self, hidden: Callable[[str], str]) -> None:
        """The same, also of the provider's words."""
        super().hide(hidden)
        self.detail = self.detail and hidden(self.detail)

    @property
    def is_lasting(self) -> bool:
        """True if each request to the model would fail in this way: the key, the account or the model is not good."""
        return isinstance(self, AuthenticationFailed | OutOfQuota | MissingKey) or (
            self.status == 404 and isinstance(self, RequestRejected)
        )

    @property
    def is_unbilled(self) -> bool:
        """True if the request certainly cost nothing: it was not sent, or the provider refused it.

        A server that failed, or gave up waiting for itself (408), may have done the work. Some bill what their filter
        read.
        """
        is_refused = self.status is not None and 300 <= self.status < 500 and self.status != 408
        return not self.was_sent or (is_refused and not isinstance(self, ContentFiltered))


class ModelConfigurationError(ModelError):
    """Unknown model, missing key or endpoint: no request was sent."""

    was_sent = False


class MissingKey(ModelConfigurationError):
    """The variable that holds the model's key is not set; `hint` names it."""


class AuthenticationFailed(ModelError):
    """The provider refused the key (401, or 403 and 400 with words of the key, a permission or the account)."""


class RequestRejected(ModelError):
    """The provider refused the request itself (400, 403, 404, 413, 422): asking again would not help."""


class ContentFiltered(RequestRejected):
    """The provider's filter refused the prompt, so that there is no reply."""


class ReplyNotRecorded(RequestRejected):
    """`replay/…` holds no reply for this request; `hint` is the command that records one."""

    was_sent = False


class RateLimited(ModelError):
    """429: too many requests, or out of quota."""

    is_retryable = True


class OutOfQuota(RateLimited):
    """402, or 400, 403 and 429 with the words of a spent account: asking again would not help."""

    is_retryable = False


class ProviderFailed(ModelError):
    """5xx, or an answer that is not the protocol's (HTML, malformed JSON, no choices)."""

    is_retryable = True


class ProviderUnreachable(ModelError):
    """Connection refused, reset, or closed before the reply was whole."""

    is_retryable = True


class ModelTimeout(ModelError):
    """Our own deadline passed before the reply was whole."""

    is_retryable = True


class Incomplete(PromptctlError):
    """Stopped before the end by errors, a budget or the user; what was done is kept and can be resumed.

    `spent_nano_usd` is what the requests of a case before it have cost, None if nobody can say.
    """

    exit_code = INCOMPLETE
    spent_nano_usd: int | None = 0


class CostLimitReached(Incomplete):
    """Too little is left of the limit on the cost for one more request, which was not sent.

    `execution` is the reply that was paid for before, if only asking again was refused.
    """


class BudgetReached(CostLimitReached):
    """A budget does not admit a request, which was not sent.

    `budget` is its name, `until` when its window ends (UTC).
    """

    def __init__(
        self,
        message: str,
        *,
        budget: str = "",
        place: Place | None = None,
        hint: str | None = None,
        until: str | None = None,
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.budget = budget
        self.until = until


class Cancelled(PromptctlError):
    """The user pressed Ctrl-C."""

    exit_code = INTERRUPTED
