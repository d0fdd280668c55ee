"""YAML edited in its text, and written anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles, WorkspaceError
from promptctl.files.yaml_editing import Edit, Remove, RemoveItems, RenameKey, Set, edit_yaml
from promptctl.files.yaml_reader import read_yaml
from promptctl.files.yaml_writing import yaml_text

FILE = """\
# The file's head.
# yaml-language-server: $schema=x

# Of the name.
name: Triage  # a title
status: active
inputs:  # what callers give
  ticket: {type: string}  # raw
  # how it is said
  tone:
    type: string
    default: kind
tags: [a, b]  # two
parameters: {temperature: 0}
messages:
  - role: system  # first
    content: |  # a text
      One.

      Two.

  # the user
  - role: user
    content: "{{ ticket }}"
empty:
"""


def edited(*edits: Edit, text: str = FILE) -> str:
    return edit_yaml(text.encode(), "f.yaml", edits).decode()


BLOCK = "content: |  # a text\n      One.\n\n      Two.\n\n"
CHANGED = BLOCK.replace("|", "|-").replace("One.", "1").replace("Two.", "2")
TEXT_OF_TWO = "  - role: user\n    content: |-\n      a\n      b\n"
INPUTS = "inputs:  # what callers give\n  ticket: {type: string}  # raw\n"
TONE = "  # how it is said\n  tone:\n    type: string\n    default: kind\n"
LAST = 'content: "{{ ticket }}"\n'


@pytest.mark.parametrize(
    ("edit", "old", "new"),
    [
        (Set(("status",), "inactive"), "status: active\n", "status: inactive\n"),
        (Set(("name",), "Other"), "name: Triage  # a title", "name: Other  # a title"),
        (Set(("name",), "no"), "name: Triage  # a title", 'name: "no"  # a title'),
        (Set(("name",), "a\nb\n"), "name: Triage  # a title\n", "name: |  # a title\n  a\n  b\n"),
        (Set(("inputs", "ticket", "title"), "x"), "{type: string}  # raw", "{type: string, title: x}  # raw"),
        (Set(("inputs", "ticket"), "x\ny"), "ticket: {type: string}  # raw\n", "ticket: |-  # raw\n    x\n    y\n"),
        (Set(("inputs", "tone"), {"type": "number"}), TONE[19:-1], "  tone: {type: number}"),
        (Set(("inputs", "tone", "type"), "integer"), "tone:\n    type: string", "tone:\n    type: integer"),
        (Set(("inputs",), {}), INPUTS + TONE, "inputs: {}  # what callers give\n"),
        (Set(("inputs", "ab"), {"type": "integer"}), TONE, TONE + "  ab: {type: integer}\n"),
        (Set(("inputs", "ab"), {"type": "integer"}, before=("tone",)), TONE, "  ab: {type: integer}\n" + TONE),
        (Set(("output", "retries"), 2, before=("messages",)), "messages:\n", "output: {retries: 2}\nmessages:\n"),
        (Set(("output", "retries"), 2), "empty:\n", "empty:\noutput: {retries: 2}\n"),
        (Set(("empty", "deep", "er"), [1, "1"]), "empty:\n", 'empty:\n  deep: {er: [1, "1"]}\n'),
        (Set(("tags", 2), "c: d"), "[a, b]  # two", '[a, b, "c: d"]  # two'),
        (Set(("tags", 0), "c"), "[a, b]  # two", "[c, b]  # two"),
        (Set(("tags",), []), "tags: [a, b]  # two", "tags: []  # two"),
        (Set(("messages", 0, "content"), "1\n"), BLOCK, "content: |  # a text\n      1\n\n"),
        (Set(("messages", 0, "content"), "1\n\n2"), BLOCK, CHANGED),
        (Set(("messages", 1), {"placeholder": "h"}), '- role: user\n    content: "{{ ticket }}"', "- placeholder: h"),
        (Set(("messages", 2), {"role": "user", "content": "a\nb"}), LAST, LAST + TEXT_OF_TWO),
        (Remove(("status",)), "status: active\n", ""),
        (Remove(("name",)), "# Of the name.\nname: Triage  # a title\n", ""),
        (Remove(("inputs", "tone")), TONE, ""),
        (Remove(("inputs", "tone", "default")), "    default: kind\n", ""),
        (Remove(("tags", 1)), "[a, b]", "[a]"),
        (Remove(("tags", 0)), "[a, b]", "[b]"),
        (Remove(("parameters", "temperature")), "{temperature: 0}", "{}"),
        (Remove(("messages", 0)), "  - role: system  # first\n    " + BLOCK, "\n"),
        (Remove(("messages", 1)), '  # the user\n  - role: user\n    content: "{{ ticket }}"\n', ""),
        (Remove(("messages", 1, "role")), "role: user\n    content", "content"),
        (RenameKey(("inputs", "tone"), "mood"), "  tone:\n", "  mood:\n"),
        (RenameKey(("inputs", "ticket", "type"), "x y"), "{type: string}", "{x y: string}"),
    ],
)  # fmt: skip
def test_an_edit_changes_nothing_else(edit: Edit, old: str, new: str) -> None:
    assert FILE.count(old) == 1
    assert edited(edit) == FILE.replace(old, new)


def test_several_items_are_removed_at_once() -> None:
    text = "a:\n  # one\n  - 1\n  # two\n  - 2\n  # three\n  - 3\nb: [1, 2, 3]\n"
    found = edited(RemoveItems(("a",), (0, 2)), RemoveItems(("b",), (1, 2)), text=text)
    assert found == "a:\n  # two\n  - 2\nb: [1]\n"


def test_edits_follow_one_another_and_equal_values_change_nothing() -> None:
    assert edited(Set(("status",), "active"), Set(("parameters",), {"temperature": 0})) == FILE
    assert edited(Set(("a",), 1), Set(("b",), 2), Remove(("a",))) == FILE + "b: 2\n"
    assert edited(Set(("a",), {"b": 1}), text="") == "a: {b: 1}\n"
    assert edited(Set(("a",), 1), text="{}\n").strip() == "a: 1"
    assert edited(Set(("b",), 1), text="a: 1") == "a: 1\nb: 1"
    assert edited(Set(("a",), "x\ny\n"), text="a: 1") == "a: |\n  x\n  y\n"
    assert edited(Set(("b",), "x\ny\n"), text="a: 1") == "a: 1\nb: |\n  x\n  y\n"
    assert edited(Set(("b",), 1), text="a: |+\n  x\n\n") == "a: |+\n  x\n\nb: 1\n"
    assert edited(Set(("b",), 1), text="a: |\n  x") == "a: |-\n  x\nb: 1\n"
    assert edited(Set(("b",), "x\n"), text="a:\n- >2+ # 1\n    x") == "a:\n- >-2 # 1\n    x\nb: |\n  x\n"
    assert edited(Set(("a", 1), {"b": 2}), text="a:\n- b: 1\n") == "a:\n- b: 1\n- b: 2\n"


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("\n  - a  # 1\n  - b  # 2\n", [{"c": "x\ny\n"}], "\n  - c: |\n      x\n      y\n"),
        ("\n  - a  # 1\n  - b  # 2\n", ["x"], " [x]\n"),
        ("\n  - a\n  - b: 1\n    c: 2  # 2\n", "x\ny", " |-\n  x\n  y\n"),
        ("  # 0\n  - a  # 1\n  - c: 1  # 2\n", ["x", {"c": 1}], "  # 0\n  - x\n  - c: 1  # 2\n"),
        (" [a,  # 1\n    b]  # 2\n", [{"c": "x\ny\n"}], "  # 2\n  - c: |\n      x\n      y\n"),
        (" [a,\n    b]  # 2\n", ["x"], " [x]  # 2\n"),
        (" a\n    b  # 2\n", "x\ny\n", " |  # 2\n  x\n  y\n"),
    ],
)
def test_a_comment_beside_the_last_of_several_lines_goes_with_its_item_or_stays_with_the_whole_value(
    old: str, value: Any, new: str
) -> None:
    assert edited(Set(("k",), value), text=f"k:{old}m: 1\n") == f"k:{new}m: 1\n"


def test_line_ends_and_the_mark_of_the_bytes_stay() -> None:
    data = b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode()
    new = edit_yaml(data, "f.yaml", [Set(("messages", 0, "content"), "x\ny\n")])
    assert new.startswith(b"\xef\xbb\xbf#")
    assert new.count(b"\n") == new.count(b"\r\n")
    assert read_yaml(new, "f.yaml").data["messages"][0]["content"] == "x\ny\n"


@pytest.mark.parametrize(
    "edit", [Remove(("nam",)), RenameKey(("nam",), "x"), RenameKey(("name",), "status"), Set(("tags", 5), "x")]
)
def test_what_is_not_there_is_an_error_that_says_what_to_write(edit: Edit) -> None:
    with pytest.raises(WorkspaceError, match="cannot be edited in place") as caught:
        edited(edit)
    assert caught.value.place is not None
    assert caught.value.place.path == "f.yaml"
    assert "by hand" in (caught.value.hint or "")


def test_a_broken_file_is_reported_as_such() -> None:
    with pytest.raises(InvalidFiles):
        edited(Set(("a",), 1), text="a: [")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=20) | st.sampled_from(
    [
        "a\nb",
        " a\nb\n",
        "a\n\n",
        "\n",
        "no",
        "1.10",
        "- a",
        "a: b",
        "# c",
        "a #b",
        "|",
        "{{ x }}",
        "2026-01-02",
        "~",
        "é\x85b\nc",
    ]
)
KEY = TEXT.filter(lambda key: key not in ("", "<<"))
VALUE = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEY, VALUE, max_size=3))
def test_any_data_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    assert read_yaml(yaml_text(data).encode(), "f.yaml").data == data


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([("name",), ("inputs", "tone"), ("tags", 1), ("messages", 0), ("inputs", "ticket", "x")]), VALUE)
def test_any_value_can_be_set_anywhere(keys: Sequence[Any], value: Any) -> None:
    found: Any = read_yaml(edited(Set(tuple(keys), value)).encode(), "f.yaml").data
    for key in keys:
        found = found[key]
    assert found == value
