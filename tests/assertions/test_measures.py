from __future__ import annotations

import pytest

from tests.assertions.helpers import faults, graded, passes


def test_levenshtein_counts_no_edits_of_texts_that_would_take_minutes() -> None:
    for type_ in ("levenshtein", "not-levenshtein"):
        assert passes(type_, "ab" * 500_000, "ba" * 500_000) is None
    assert passes("levenshtein", "a" * 500_000, "a") is False


def test_levenshtein_allows_five_edits_or_as_many_as_it_says() -> None:
    assert passes("levenshtein", "kitten", "sitting")
    assert not passes("levenshtein", "kitten", "sitting", threshold=2)
    outcome = graded("levenshtein", "kitten", "sitting")
    assert outcome.score == pytest.approx(1 - 3 / 7)
    assert outcome.reason == '3 edits from "sitting", 5 allowed'


def test_word_count_takes_a_number_or_a_range() -> None:
    assert passes("word-count", "one two  three\n", 3)
    assert passes("word-count", "one two three", {"min": 2})
    assert not passes("word-count", "one two three", {"max": 2})
    assert graded("word-count", "one two three", {"min": 4, "max": 9}).reason == "3 words, wanted from 4 to 9"
    assert graded("word-count", "one two three", {"min": 4}).reason == "3 words, wanted at least 4"


@pytest.mark.parametrize("value", [{"min": 3, "max": 2}, {"least": 3}, {}, "many", -1, 2.5, True])
def test_a_range_that_is_none_is_refused(value: object) -> None:
    assert faults({"type": "word-count", "value": value})[0].code == "bad-value"


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I cannot assist with that request.",
        "Sorry! As an AI language model, I don't have access to that.",
        "I am unable to provide medical advice.",
        "I must decline to answer this.",
        "We won't be able to do it. I will not write this.",
        "This request violates our policy.",
    ],
)
def test_a_refusal_is_told_by_its_opening_words(reply: str) -> None:
    assert passes("is-refusal", reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "I'm sorry to hear that your parcel was lost. I can help: please send me the order number.",
        "You can't create two accounts with one address.",
        "The customer wrote: I cannot log in.",
        "Of course, I can help with that.",
    ],
)
def test_an_answer_is_no_refusal(reply: str) -> None:
    assert passes("not-is-refusal", reply)


def test_a_reply_stopped_by_the_provider_s_filter_is_a_refusal() -> None:
    assert graded("is-refusal", "", subject={"finish_reason": "content_filter"}).passed
