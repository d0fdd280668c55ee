"""Contents as pages show them."""

from __future__ import annotations

import json

import pytest

from promptctl.browse.contents import Room, content, indented, is_json, mark_of, message_parts, snippet, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, naïve 東京 👩‍👩‍👧", "plain text, naïve 東京 👩‍👩‍👧"),
        ("two\n\tlines\r\n", "two\n\tlines\r\n"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\x1b[31m\x00", "⟨U+001B⟩[31m⟨U+0000⟩"),
        ("a\rb", "a⟨U+000D⟩b"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("tag\U000e0041 \U000e0100", "tag⟨U+E0041⟩ ⟨U+E0100⟩"),
        ("\u3164\u2800\u034f", "⟨U+3164⟩⟨U+2800⟩⟨U+034F⟩"),
    ],
)
def test_what_nobody_sees_is_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_markup_of_templates_and_other_values_stay() -> None:
    assert visible(content("<b>")) == "&lt;b&gt;"
    assert visible(7) == 7


def test_json_is_indented_with_every_value_as_it_is_written() -> None:
    text = '{"b": 1.10, "b": 10000000000000000000001, "a":[true,null,{}, []], "s": "x: {y}, [z]\\" \\u00e9"}'
    shown = indented(text)
    assert shown.splitlines()[:3] == ["{", '  "b": 1.10,', '  "b": 10000000000000000000001,']
    assert '  "s": "x: {y}, [z]\\" \\u00e9"' in shown
    assert json.loads(shown) == json.loads(text)


@pytest.mark.parametrize("text", ["", "12", "{", '{"a": }', "[" * 100_000, "say {this}", '"text"'])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert not is_json(text)
    assert indented(text) == text


def test_what_is_nested_too_deep_stays_as_it_is() -> None:
    text = "[" * 300 + "]" * 300
    assert is_json(text)
    assert indented(text) == text


def test_lists_within_lists_stay_as_they_are_if_their_indents_would_be_far_longer() -> None:
    text = "[" * 90 + "1," * 10_000 + "1" + "]" * 90
    assert is_json(text)
    assert indented(text) == text


def test_what_a_page_has_no_room_for_is_left_out_and_said() -> None:
    room = Room(120_000)
    assert content("x" * 2_000_000, room) == "x" * 100_000 + '<b class="cut">… and 1,900,000 characters more</b>'
    assert content("y" * 30_000, room) == "y" * 20_000 + '<b class="cut">… and 10,000 characters more</b>'
    assert content("z", room) == '<b class="cut">… and 1 character more</b>'
    assert len(content("[" * 99 + "1," * 1_000_000 + "1" + "]" * 99)) < 101_000


def test_hidden_parts_are_marked_and_text_is_escaped() -> None:
    shown = content("<i> key [redacted], name [sensitive: name], hmac-sha256:0a1b & [erased]")
    assert shown.count("<mark ") == 4
    assert shown.startswith("&lt;i&gt; key <mark")
    assert "masked before the call was stored" in shown
    assert "</mark> &amp; <mark" in shown


def test_a_snippet_is_the_beginning_on_one_line() -> None:
    assert snippet("a\n  b") == "a b"
    assert len(snippet("word " * 1000)) == 120


def test_messages_have_texts_and_other_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    message = {"role": "user", "content": [{"type": "text", "text": "Look"}, image], "tool_calls": [{"id": "1"}]}
    assert list(message_parts(message)) == [("", "Look"), ("image_url", image), ("tool calls", [{"id": "1"}])]
    assert list(message_parts({"role": "assistant", "content": None})) == []


def test_statuses_have_marks() -> None:
    assert [mark_of(each) for each in ("ok", "blocked", "cancelled", "metadata")] == [
        "passed",
        "failed",
        "error",
        "plain",
    ]
