"""Attempts of calls in numbers, without contents: what was paid for, and what it was asked with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Attempt(NamedTuple):
    """One attempt of a call. The cost is the one that holds, None if unknown; `parameters` are JSON.

    The hash is of messages that are kept: equal ones have equal hashes. `inputs_bytes` is the size of the inputs.
    """

    call_id: str
    started_at: str
    prompt: str
    digest: str
    commit: str | None
    version_display: str | None
    model: str
    status: str
    error_type: str | None
    finish_reason: str | None
    reply_source: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost_nano_usd: int | None
    latency_ms: float | None
    parameters: str
    messages_hash: Any
    inputs_bytes: int | None


def calls_of(attempts: Sequence[Attempt]) -> list[list[Attempt]]:
    """Return the calls that some attempts, the newest first, are of: the oldest first, and each one's attempts too."""
    calls: dict[str, list[Attempt]] = {}
    for each in reversed(attempts):
        calls.setdefault(each.call_id, []).append(each)
    return list(calls.values())
