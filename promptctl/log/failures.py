"""Failures of the log, each with a reason that a program can act on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptctl.errors import LogError

Reason = Literal["locked", "read-only", "full", "corrupt", "newer", "foreign", "refused", "unusable"]


class LogFailure(LogError):
    """The database did not take a record or return one; `reason` says why."""

    def __init__(self, message: str, *, reason: Reason, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LogWarning:
    """A report on records that the log did not simply take. `kept_in` is the file that holds them now, if any.

    With `has_new_log` a damaged log was put aside and a new one begun, which has taken them.
    """

    message: str
    reason: Reason
    kept_in: Path | None = None
    hint: str | None = None
    has_new_log: bool = False

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message
