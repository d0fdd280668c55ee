"""Which executions are meant, as a value, and as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.log.records import Source, Status

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which executions; all that is given must hold.

    `prompt` and `model` may be globs (`support/*`; `*` also matches `/`). `renames` maps earlier prompt ids to the
    current ones: rows of an earlier id count as the current prompt's. `version` is a number and never matches
    uncommitted changes. `since` and `until` are UTC, ISO 8601 (see `promptctl.log.times.parse_moment`), `until`
    excluded. `limit` keeps the newest executions; totals know no limit.
    """

    prompt: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    digest: str | None = None
    label: str | None = None
    status: Status | None = None
    since: str | None = None
    until: str | None = None
    user: str | None = None
    session: str | None = None
    source: Source | None = None
    model: str | None = None
    evaluation_id: str | None = None
    call_id: str | None = None
    limit: int | None = None

    def where(self) -> tuple[str, list[Any]]:
        """The condition on `executions` as SQL (beginning with WHERE, or empty) and its parameters."""
        conditions: list[str] = []
        parameters: list[Any] = []

        def add(condition: str, *values: Any) -> None:
            conditions.append(condition)
            parameters.extend(values)

        self._add_prompt(conditions, parameters)
        if self.version is not None:
            add("version = ? AND is_dirty = 0", self.version)
        if self.model is not None:
            add(f"model {'GLOB' if is_glob(self.model) else '='} ?", sqlite_glob(self.model))
        if self.status is not None:
            # the second half is what lets SQLite use the small index of all that is not ok
            add("status = ?" if self.status == "ok" else "status = ? AND status <> 'ok'", self.status)
        if self.since is not None:
            add("started_at >= ?", self.since)
        if self.until is not None:
            add("started_at < ?", self.until)
        for column in ("digest", "label", "user", "session", "source", "evaluation_id", "call_id"):
            if (value := getattr(self, column)) is not None:
                add(f"{column} = ?", value)
        return ("WHERE " + " AND ".join(conditions) if conditions else ""), parameters

    def stats_where(self) -> tuple[str, list[Any]] | None:
        """The same condition on `prompt_stats`; None where that table cannot tell."""
        beyond = ("label", "status", "since", "until", "user", "session", "model", "evaluation_id", "call_id")
        if any(getattr(self, name) is not None for name in beyond):
            return None
        conditions: list[str] = []
        parameters: list[Any] = []
        self._add_prompt(conditions, parameters)
        for column in ("version", "digest", "source"):
            if (value := getattr(self, column)) is not None:
                conditions.append(f"{column} = ?")
                parameters.append(value)
        return ("WHERE " + " AND ".join(conditions) if conditions else ""), parameters

    def current_id(self, prompt: str) -> str:
        """The id that a prompt has now; an id may have been renamed more than once."""
        seen = {prompt}
        while (renamed := self.renames.get(prompt)) is not None and renamed not in seen:
            seen.add(renamed)
            prompt = renamed
        return prompt

    def _add_prompt(self, conditions: list[str], parameters: list[Any]) -> None:
        if self.prompt is None:
            return
        earlier = sorted(old for old in self.renames if _matches(self.current_id(old), self.prompt))
        comparison = "GLOB" if is_glob(self.prompt) else "="
        alternatives = [f"prompt {comparison} ?"] + ([f"prompt IN ({_marks(earlier)})"] if earlier else [])
        conditions.append(alternatives[0] if len(alternatives) == 1 else f"({' OR '.join(alternatives)})")
        parameters.extend([sqlite_glob(self.prompt), *earlier])


def is_glob(text: str) -> bool:
    """Whether a name is a pattern; ids and models have none of these characters."""
    return not _GLOB.isdisjoint(text)


def sqlite_glob(pattern: str) -> str:
    """The pattern in SQLite's spelling, which differs in how a set is negated."""
    return pattern.replace("[!", "[^")


def _matches(name: str, pattern: str) -> bool:
    if not is_glob(pattern):
        return name == pattern
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
