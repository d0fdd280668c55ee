"""Pruning as values: what to delete from the log, and how much that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Limits for pruning: contents of calls that began before one moment, whole rows of calls before another.

    Moments are UTC, ISO 8601 as stored; None keeps everything. `prompt`, an id or a glob, limits it to these prompts;
    `renames` maps earlier ids to the current ones, as a `Filter` does.
    Feedback goes with its row, and its words with the contents of the row.
    Totals are never pruned. Outputs of evaluations stay, or comparing them would fail: delete those by evaluation.
    """

    content_before: str | None = None
    rows_before: str | None = None
    prompt: str = "*"
    renames: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The amounts pruned, or to be pruned: contents of rows and of latest calls, whole rows, and stored texts.

    `feedback` is the number of scores, comments and corrections that went with them.
    """

    contents: int
    latest_calls: int
    rows: int
    payloads: int
    payload_bytes: int
    feedback: int = 0
