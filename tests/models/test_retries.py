from __future__ import annotations

import pytest

from promptctl.errors import ModelError, OutOfQuota, ProviderFailed, ProviderUnreachable, RateLimited, RequestRejected
from promptctl.models.retries import RetryPolicy, decide, delay_s

POLICY = RetryPolicy(max_attempts=5, base_s=1.0, cap_s=6.0, budget_s=30.0, retry_after_cap_s=20.0)


def without_jitter() -> float:
    return 0.0


def most_jitter() -> float:
    return 0.999999


def test_waits_double_up_to_the_cap() -> None:
    waits = [delay_s(ProviderFailed("x"), attempt, POLICY, jitter=without_jitter) for attempt in (1, 2, 3, 4)]
    assert waits == [1.0, 2.0, 4.0, 6.0]


def test_jitter_takes_off_half_at_most() -> None:
    assert delay_s(ProviderFailed("x"), 2, POLICY, jitter=most_jitter) == pytest.approx(1.0, abs=1e-3)


def test_jitter_is_random_by_default() -> None:
    waits = {delay_s(ProviderFailed("x"), 3, POLICY) for _ in range(10)}
    assert len(waits) > 1
    assert all(wait is not None and 2.0 <= wait <= 4.0 for wait in waits)


@pytest.mark.parametrize("error", [RequestRejected("x"), OutOfQuota("x")])
def test_what_cannot_help_is_not_tried_again(error: ModelError) -> None:
    decision = decide(error, 1, POLICY)
    assert decision.delay_s is None
    assert decision.reason == "asking again would not help"


def test_attempts_are_bounded() -> None:
    assert delay_s(ProviderUnreachable("x"), 4, POLICY) is not None
    decision = decide(ProviderUnreachable("x"), 5, POLICY)
    assert decision.delay_s is None
    assert decision.reason == "5 of 5 attempts were made"


def test_a_call_may_be_told_more_often_to_come_back_later_than_it_may_fail() -> None:
    patient = RetryPolicy(max_attempts=2, max_refusals=4)
    assert decide(ProviderFailed("x"), 2, patient).reason == "2 of 2 attempts were made"
    assert delay_s(RateLimited("x"), 3, patient) is not None
    assert decide(RateLimited("x"), 4, patient).reason == "4 of 4 attempts were made"


def test_retry_after_is_waited_in_full() -> None:
    assert delay_s(RateLimited("x", retry_after_s=15.0), 1, POLICY, jitter=most_jitter) == 15.0


def test_a_short_retry_after_does_not_shorten_the_wait() -> None:
    assert delay_s(RateLimited("x", retry_after_s=0.0), 3, POLICY, jitter=without_jitter) == 4.0


def test_too_long_a_retry_after_gives_up_and_says_so() -> None:
    decision = decide(RateLimited("x", retry_after_s=3600.0), 1, POLICY)
    assert decision.delay_s is None
    assert decision.reason == "the provider asks to wait 3600 s, which is more than 20 s"


def test_all_waits_together_are_bounded() -> None:
    assert delay_s(ProviderFailed("x"), 1, POLICY, waited_s=29.0, jitter=without_jitter) == 1.0
    decision = decide(ProviderFailed("x"), 1, POLICY, waited_s=29.5, jitter=without_jitter)
    assert decision.delay_s is None
    assert "30 s in all" in decision.reason


def test_the_number_of_an_attempt_may_be_anything() -> None:
    endless = RetryPolicy(max_attempts=10_000)
    assert delay_s(ProviderFailed("x"), 5000, endless, jitter=without_jitter) == endless.cap_s
