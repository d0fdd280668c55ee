from __future__ import annotations

import json
from typing import Any

import pytest

from promptctl.errors import RateLimited
from promptctl.models.gateway import Endpoint, Request
from promptctl.models.provider_errors import redact, refusal, words_of

KEY = "sk-canary-1a2b3c4d5e6f7g8h"


def request(key: str | None = KEY) -> Request:
    endpoint = Endpoint("https://gateway.example.com:8443/v1", key, {"X-Token": "header-canary"})
    return Request("openai/gpt-4o", [], endpoint=endpoint)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "too long", "code": "x"}}, "too long"),
        ({"error": "too long"}, "too long"),
        ({"message": "too long"}, "too long"),
        ({"detail": "too long"}, "too long"),
        ({"detail": [{"loc": ["body"], "msg": "too"}, {"msg": "long"}]}, "too; long"),
        ([{"error": {"message": "too long"}}], "too long"),
        ({"odd": 1}, '{"odd": 1}'),
        ("too\n  long\n", "too long"),
    ],
)
def test_the_message_is_found_in_every_shape(body: Any, words: str) -> None:
    assert words_of(body if isinstance(body, str) else json.dumps(body)) == words


def test_pages_and_long_words_are_cut_short() -> None:
    assert words_of("<!DOCTYPE html><html>…") == "an HTML page"
    assert len(words_of("x" * 10_000)) < 600
    assert len(words_of("[" * 100_000)) < 600


@pytest.mark.parametrize(
    "text",
    [
        f"bad key {KEY}",
        f"bad key {KEY[:10]}",
        f"bad key …{KEY[-6:]}.",
        "bad key sk-ca**********8h",
        "Authorization: Bearer some.other-token",
        "try sk-proj-AbCdEf0123456789AbCd",
        "not header-canary",
        "at https://gateway.example.com:8443/v1/chat/completions",
        "host gateway.example.com refused",
    ],
)
def test_secrets_are_taken_out(text: str) -> None:
    shown = redact(text, request())
    assert "[redacted]" in shown
    for secret in (KEY[:6], KEY[-6:], "ca**", "other-token", "AbCdEf", "header-canary", "gateway.example"):
        assert secret not in shown


def test_other_words_stay() -> None:
    words = "The model `gpt-4o` does not take `temperature` = 3 (task-based, 5 * 3)."
    assert redact(words, request()) == words
    assert redact(words, request(key=None)) == words


def test_a_refusal_by_an_empty_body_says_its_status() -> None:
    assert refusal(request(), 418, "", {}).message == "openai/gpt-4o refused the request (418)"


def test_milliseconds_of_a_wait_are_read() -> None:
    assert refusal(request(), 429, "", {"retry-after-ms": "1500", "retry-after": "2"}).retry_after_s == 1.5


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached for gpt-4o. Please try again in 20s.", 20),
        ("Please try again in 250ms", 0.25),
        ("please retry in 1.5 s", 1.5),
        ("try again in 2m", 120),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please try again in 6m0s.", 360),
        ("try again in 1h2m3s", 3723),
        ("Please retry in 2 minutes", 120),
        ("try again in 20 seconds.", 20),
        ('{"retryDelay": "34.5s"}', 34.5),
        ("try again later", None),
    ],
)
def test_a_wait_in_the_words_is_read(words: str, seconds: float | None) -> None:
    error = refusal(Request("m/x", ()), 429, words, {})
    assert (type(error), error.retry_after_s) == (RateLimited, seconds)
    assert refusal(Request("m/x", ()), 429, words, {"retry-after": "3"}).retry_after_s == 3
