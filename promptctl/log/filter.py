"""A choice of executions, as a value, and a stretch of what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from promptctl.errors import UsageError
from promptctl.files.wording import check_text
from promptctl.log.records import Execution, Source, Status

if TYPE_CHECKING:
    from promptctl.log.search import FoundCall

_GLOB = frozenset("*?[")
_NO_TEXTS = frozenset(("prompts", "renames", "hashes", "live", "limit"))
_TOO_LARGE = 10**18  # SQLite keeps numbers up to 9.2e18


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A choice of executions; all that is given must hold.

    `prompt`, `model` and `experiment` may be globs (`support/*`; `*` also matches `/`), `prompts` are several, of which
    one must match. `renames` maps earlier prompt ids to the
    current ones: rows of an earlier id count as the current prompt's. `hashes` maps the user and the session to what
    stands for them in rows of calls whose sensitive inputs hold these names. `version` is a number and never matches
    uncommitted changes. `since` and `until` are UTC, ISO 8601 (see `promptctl.parse_moment`), `until`
    excluded. The source `app` is every call but those of evaluations. `search` finds a text, in any case, in contents
    that are kept and in messages of errors. `feedback` is a condition on a call's scores: `<0.5` on those of any name,
    `helpful<0.5` on those of one, `helpful` that there is feedback of that name. An `arm` may be of any `experiment`.
    `error_type` is the class of an error, such as `BudgetReached`. `limit` keeps the newest executions; totals know no
    limit. `before` is the id of an execution: only those that come after it in the list, so are older. `Workspace.log`
    also takes what follows `@` in a ref for `version`, and ages such as `7d` for the moments.
    """

    prompt: str | None = None
    prompts: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: int | str | None = None
    digest: str | None = None
    label: str | None = None
    status: Status | None = None
    error_type: str | None = None
    since: str | None = None
    until: str | None = None
    user: str | None = None
    session: str | None = None
    source: Source | Literal["app"] | None = None
    model: str | None = None
    evaluation_id: str | None = None
    call_id: str | None = None
    search: str | None = None
    feedback: str | None = None
    experiment: str | None = None
    arm: str | None = None
    live_at: str | None = None
    live: tuple[tuple[str, str], ...] | None = None
    before: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for a text or a number that none is, or that no log can hold."""
        texts = {name: getattr(self, name) for name in self.__slots__ if name not in _NO_TEXTS}
        for name, value in (*texts.items(), *(("prompts", each) for each in self.prompts)):
            if value is not None and not (name == "version" and isinstance(value, int)):
                check_text(f"`{name}`", value)
        if any(isinstance(each, int) and abs(each) >= _TOO_LARGE for each in (self.version, self.limit)):
            raise UsageError("`version` and `limit` are numbers of at most 18 digits")

    @property
    def given(self) -> frozenset[str]:
        """Names of the fields that are given; an empty text is: it means what has one. Nothing live is given, too."""
        blank = Filter()
        return frozenset(name for name in self.__slots__ if getattr(self, name) != getattr(blank, name))

    def current_id(self, prompt: str) -> str:
        """Return the id that a prompt has now; an id may have been renamed more than once."""
        seen = {prompt}
        while (renamed := self.renames.get(prompt)) is not None and renamed not in seen:
            seen.add(renamed)
            prompt = renamed
        return prompt

    def earlier_ids(self, pattern: str) -> list[str]:
        """Return the earlier ids of the prompts that an id or a glob means, sorted."""
        return sorted(old for old in self.renames if _matches(self.current_id(old), pattern))


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """A stretch of the executions that a filter means, newest first.

    `older` is what to give as the filter's `before` for the next stretch, None at the end. `attempts` is the number of
    all that the filter means, None if counting them takes long. With `is_cut`, reading ended early, as few rows match:
    older executions were not looked at. `found` says where the words of a search are, for each of the executions, and
    `indexed` which share of the log was searched, as the first searches make an index.
    """

    executions: tuple[Execution, ...] = ()
    older: str | None = None
    attempts: int | None = None
    is_cut: bool = False
    found: tuple[FoundCall, ...] = ()
    indexed: float = 1.0


def is_glob(text: str) -> bool:
    """Return True for a pattern; ids and models have none of its characters."""
    return not _GLOB.isdisjoint(text)


def _matches(name: str, pattern: str) -> bool:
    if not is_glob(pattern):
        return name == pattern
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)
