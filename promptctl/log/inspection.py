"""The state of the log, as somebody who only looks finds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from promptctl.errors import LogFailure
from promptctl.log.budgets import Unknown


@dataclass(frozen=True, slots=True)
class LogState:
    """The log's file as it is found: its size with what is not yet merged into it, its schema and number of rows.

    `failure` is the reason if it cannot be read; `is_checked` is False for one that is too large to be read whole for a
    look. `unsaved` are files of records that wait for it, `rejected` those that it refused, `damaged` earlier logs that
    were put aside.
    `disabled_budgets` are names of budgets; with `unknown`, what was spent before the log began is known of those of
    `known_budgets` alone. `last_backup` is the time of the newest copy that `log backup` made.
    `has_fault` is True of a `database` that can damage a log when several processes write, `has_words` of one that can
    make the index of a search.
    """

    database: str
    has_fault: bool
    has_words: bool
    size: int = 0
    schema: int | None = None
    is_current: bool = True
    executions: int | None = None
    is_checked: bool = False
    failure: LogFailure | None = None
    unsaved: tuple[Path, ...] = ()
    rejected: tuple[Path, ...] = ()
    damaged: tuple[Path, ...] = ()
    disabled_budgets: frozenset[str] = frozenset()
    unknown: Unknown | None = None
    known_budgets: frozenset[str] = frozenset()
    last_backup: str | None = None
