from __future__ import annotations

import pytest

from promptctl.calls.retries import decide
from promptctl.errors import ModelError, OutOfQuota, ProviderFailed, ProviderUnreachable, RateLimited, RequestRejected
from promptctl.models.model_settings import RetryPolicy

POLICY = RetryPolicy(max_attempts=5, base_s=1.0, cap_s=6.0, budget_s=30.0, retry_after_cap_s=20.0)


def without_jitter() -> float:
    return 0.0


def most_jitter() -> float:
    return 0.999999


def test_waits_double_up_to_the_cap() -> None:
    waits = [decide(ProviderFailed("x"), attempt, POLICY, jitter=without_jitter)[0] for attempt in (1, 2, 3, 4)]
    assert waits == [1.0, 2.0, 4.0, 6.0]


def test_jitter_takes_off_half_at_most() -> None:
    assert decide(ProviderFailed("x"), 2, POLICY, jitter=most_jitter)[0] == pytest.approx(1.0, abs=1e-3)


def test_jitter_is_random_by_default() -> None:
    waits = {decide(ProviderFailed("x"), 3, POLICY)[0] for _ in range(10)}
    assert len(waits) > 1
    assert all(wait is not None and 2.0 <= wait <= 4.0 for wait in waits)


@pytest.mark.parametrize("error", [RequestRejected("x"), OutOfQuota("x")])
def test_what_cannot_help_is_not_tried_again(error: ModelError) -> None:
    delay_s, reason = decide(error, 1, POLICY)
    assert delay_s is None
    assert reason == "asking again would not help"


def test_attempts_are_bounded() -> None:
    assert decide(ProviderUnreachable("x"), 4, POLICY)[0] is not None
    delay_s, reason = decide(ProviderUnreachable("x"), 5, POLICY)
    assert delay_s is None
    assert reason == "5 of 5 attempts were made"


def test_a_call_may_be_told_more_often_to_come_back_later_than_it_may_fail() -> None:
    patient = RetryPolicy(max_attempts=2, max_refusals=4)
    assert decide(ProviderFailed("x"), 2, patient)[1] == "2 of 2 attempts were made"
    assert decide(RateLimited("x"), 3, patient)[0] is not None
    assert decide(RateLimited("x"), 4, patient)[1] == "4 of 4 attempts were made"


def test_retry_after_is_waited_in_full() -> None:
    assert decide(RateLimited("x", retry_after_s=15.0), 1, POLICY, jitter=most_jitter)[0] == 15.0


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    assert decide(RateLimited("x", retry_after_s=0.0), 3, POLICY, jitter=without_jitter)[0] == 4.0


def test_too_long_a_retry_after_gives_up_and_says_so() -> None:
    delay_s, reason = decide(RateLimited("x", retry_after_s=3600.0), 1, POLICY)
    assert delay_s is None
    assert reason == "the provider asks to wait 3600 s, which is more than 20 s"


def test_all_waits_together_are_bounded() -> None:
    assert decide(ProviderFailed("x"), 1, POLICY, waited_s=29.0, jitter=without_jitter)[0] == 1.0
    delay_s, reason = decide(ProviderFailed("x"), 1, POLICY, waited_s=29.5, jitter=without_jitter)
    assert delay_s is None
    assert "30 s in all" in reason


def test_the_number_of_an_attempt_may_be_anything() -> None:
    endless = RetryPolicy(max_attempts=10_000)
    assert decide(ProviderFailed("x"), 5000, endless, jitter=without_jitter)[0] == endless.cap_s
