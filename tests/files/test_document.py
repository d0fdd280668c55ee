from __future__ import annotations

import time

from promptctl.errors import Place
from promptctl.files.document import Document
from promptctl.files.yaml_reader import read_yaml


def read(text: str) -> Document:
    return read_yaml(text.encode(), "f.yaml")


class TestPlaces:
    text = (
        "name: x\n"
        "messages:\n"
        "  - role: system\n"
        "    content: |\n"
        "      First line\n"
        "      second\n"
        "  - {role: user, content: 'quoted'}\n"
        "empty:\n"
    )

    def place(self, *keys: str | int) -> str:
        return str(read(self.text).place(*keys))

    def test_a_value_is_where_it_begins(self) -> None:
        assert self.place() == "f.yaml:1:1"
        assert self.place("name") == "f.yaml:1:7"
        assert self.place("messages") == "f.yaml:3:3"
        assert self.place("messages", 0) == "f.yaml:3:5"
        assert self.place("messages", 1, "content") == "f.yaml:7:27"

    def test_what_is_not_there_is_where_its_nearest_ancestor_is(self) -> None:
        assert self.place("messages", 1, "nothing", "at", "all") == self.place("messages", 1)
        assert self.place("messages", 7) == self.place("messages")
        assert str(Document(None, "f.yaml").place("x")) == "f.yaml:1:1"

    def test_a_key_is_where_it_stands(self) -> None:
        document = read(self.text)
        assert str(document.key_place("messages", 0, "content")) == "f.yaml:4:5"
        assert str(document.key_place("empty")) == "f.yaml:8:1"
        assert document.key_place("messages", 1) == document.place("messages", 1)

    def test_a_text_begins_inside_its_quote_or_below_its_indicator(self) -> None:
        document = read(self.text)
        assert str(document.text_place("messages", 0, "content")) == "f.yaml:5:7"
        assert str(document.text_place("messages", 1, "content")) == "f.yaml:7:28"
        assert str(document.text_place("name")) == "f.yaml:1:7"

    def test_columns_count_characters(self) -> None:
        assert str(read("{ä: 😀, b: x}").place("b")) == "f.yaml:1:11"

    def test_a_part_of_a_document_keeps_its_places(self) -> None:
        part = read(self.text).part("messages", 1)
        assert part.data == {"role": "user", "content": "quoted"}
        assert str(part.place("content")) == "f.yaml:7:27"


class TestLinesOfATextInItsFile:
    def lines(self, text: str) -> list[int | None]:
        """The file's line of each line of the text under `a`."""
        document = read(text)
        return [document.line_place(n + 1, "a").line for n in range(document.data["a"].count("\n") + 1)]

    def test_of_a_literal_block_they_follow_one_another(self) -> None:
        assert self.lines("x: 1\na: |-\n\n  one\n\n  two") == [3, 4, 5, 6]

    def test_of_a_folded_block_each_is_where_its_first_word_stands(self) -> None:
        assert read("a: >-\n  one\n  more\n\n  two\n  more\n").data["a"] == "one more\ntwo more"
        assert self.lines("a: >-\n  one\n  more\n\n  two\n  more\n") == [2, 5]

    def test_of_quoted_text_over_several_lines_too(self) -> None:
        assert self.lines('a: "one\n  more\n\n  two"\n') == [1, 4]
        assert self.lines("a: one\n  more\n\n  two\n") == [1, 4]

    def test_a_line_beyond_the_text_is_its_last(self) -> None:
        assert read("a: >-\n  one\n  more\n").line_place(9, "a") == Place("f.yaml", 2)


def test_a_number_is_remembered_as_it_was_written() -> None:
    document = read("a: 1.10\nb: [0x1F, 1.10, '1.10', x, true, ~]\n")
    assert document.written("a") == "1.10"
    assert [document.written("b", n) for n in range(7)] == ["0x1F", "1.10", None, None, "true", "~", None]
    assert document.written("nothing") is None
    assert document.written() is None


def test_the_lines_of_a_text_that_begins_with_very_many_blank_ones_are_placed_at_once() -> None:
    text = "content: |\n" + "\n" * 100_000 + "  x\n" * 3_000
    document = read_yaml(text.encode(), "a.yaml")
    begun = time.thread_time()
    assert document.line_place(100_002, "content").line == 100_003
    for line in range(1, 3_000):
        document.line_place(line, "content")
    assert time.thread_time() - begun < 1
