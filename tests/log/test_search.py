from __future__ import annotations

import pytest

from promptctl.errors import UsageError
from promptctl.log.search import find, parse_query, texts_of, words_of
from tests.log.conftest import make


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.5%—naïve!", "it s 3 5 naive"),
        ("STRASSE straße ﬁne", "strasse strasse fine"),
        ("cafe\u0301", "cafe"),
        ("snake_case-and/path", "snake case and path"),
        ("東京タワー", "東 京 タ ワ ー"),
        ("⑴ №5", "1 5"),
        ("x" * 201 + " y", "y"),
        ("***", ""),
    ],
)
def test_words_are_compared_folded(text: str, words: str) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Refund  ticket", (("refund", False), ("ticket", False))),
        ('"was charged"* bill*', (("was charged", True), ("bill", True))),
        ("a AND NOT b OR c", tuple((word, False) for word in ("a", "and", "not", "b", "or", "c"))),
        ('unclosed "quote', (("unclosed", False), ("quote", False))),
        ("reply:NEAR(a-b) ^c {d}", (("reply near a b", False), ("c", False), ("d", False))),
    ],
)
def test_signs_of_other_languages_are_plain_text(text: str, terms: tuple[tuple[str, bool], ...]) -> None:
    assert parse_query(text).terms == terms


def test_a_text_without_a_word_says_what_finds_it() -> None:
    with pytest.raises(UsageError, match="no word to search for") as caught:
        parse_query(" ** ")
    assert "log list --search" in str(caught.value.hint)


def test_only_what_was_said_is_searched() -> None:
    texts = texts_of(
        {
            "inputs": {"ticket": "lost\nparcel", "count": 3},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, {"url": "data:a;base64,QUJD"}]}],
            "reply": '{"label": "billing\\nmail"}',
            "tool_calls": [{"id": "c1", "function": {"name": "find", "arguments": '{"city": "Zürich"}'}}],
        }
    )
    assert {name: words_of(text) for name, text in texts.items()} == {
        "inputs": "lost parcel 3",
        "messages": "see",
        "reply": "label billing mail",
        "tool_calls": "function name find arguments city zurich",
    }


def test_a_value_is_read_however_deep_it_is() -> None:
    value: object = "deep"
    for _ in range(5000):
        value = [1, {"name": value}]
    assert texts_of({"tool_calls": value})["tool_calls"].split("\n")[-3:] == ["1", "name", "deep"]


@pytest.mark.parametrize(
    ("text", "query", "match"),
    [
        ("a refund, REFUNDED", "refunded", "REFUNDED"),
        ("not_yet charged", '"yet charg"*', "yet charged"),
        ("recharge charge", "charge", "charge"),
        ("a " + "x" * 201 + " b", '"a b"', "a " + "x" * 201 + " b"),
        ("one two", '"two one"', ""),
        ("charged Charge", "charge", "Charge"),
        ("one, one two", '"one two"', "one two"),
        ("two", '"one two"', ""),
    ],
)
def test_a_match_is_at_the_same_place_in_ascii_and_beside_other_letters(text: str, query: str, match: str) -> None:
    for each in (text, f"{text} Ü"):
        assert find(make(reply=each, inputs=None, messages=None), parse_query(query)).match == match


def test_as_much_is_looked_at_as_is_wanted() -> None:
    call = make(reply="x " * 100 + "refund", inputs={"a": "refund"}, messages=None)
    assert find(call, parse_query("refund"), most=100).found_in == "inputs"
    assert find(call, parse_query("refund")).found_in == "reply"


def test_the_match_is_shown_with_the_text_around_it() -> None:
    call = make(reply="x " * 40 + "I was\n charged twice, " + "y " * 60, inputs=None, messages=None)
    found = find(call, parse_query('"WAS charg"*'))
    assert (found.found_in, found.match) == ("reply", "was charged")
    assert found.before == "…" + "x " * 14 + "I "
    assert found.after == " twice, " + ("y " * 41).rstrip() + "…"
    assert find(make(reply=None, inputs={"a": "Ada"}, messages=None), parse_query("ada")).found_in == "inputs"
