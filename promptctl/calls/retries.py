"""Decides whether a failed attempt is made again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from promptctl.errors import ModelError, RateLimited

if TYPE_CHECKING:
    from promptctl.models.model_settings import RetryPolicy


def decide(
    error: ModelError,
    attempt: int,
    policy: RetryPolicy,
    *,
    waited_s: float = 0.0,
    jitter: Callable[[], float] = random.random,
) -> tuple[float | None, str]:
    """Return the seconds to wait before asking again, or None to give up; and the reason.

    `attempt` is the number of the failed attempt, counted from 1. `waited_s` is what the call has waited between its
    attempts so far; `jitter` returns a number from 0 up to 1.
    """
    if not error.is_retryable:
        return None, "asking again would not help"
    most = policy.max_attempts
    if isinstance(error, RateLimited):
        most = max(most, policy.max_refusals)
    if attempt >= most:
        return None, f"{attempt} of {most} attempts were made"
    asked_s = error.retry_after_s
    if asked_s is not None and asked_s > policy.retry_after_cap_s:
        most_s = policy.retry_after_cap_s
        return None, f"the provider asks to wait {asked_s:.0f} s, which is more than {most_s:.0f} s"
    doublings = min(attempt - 1, 30)
    delay_s = min(policy.cap_s, policy.base_s * 2**doublings) * (1 - jitter() / 2)
    delay_s = max(delay_s, asked_s or 0.0)
    if waited_s + delay_s > policy.budget_s:
        return None, f"waiting again would pass {policy.budget_s:.0f} s in all"
    return delay_s, f"attempt {attempt + 1} of {most} in {delay_s:.1f} s"
