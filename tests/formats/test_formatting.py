from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles
from promptctl.formats.formatting import format_file
from promptctl.formats.yaml_reader import read_yaml

PATH = "prompts/a.prompt.yaml"


def formatted(text: str) -> str:
    once = format_file(text.encode(), PATH, "prompt").decode()
    assert format_file(once.encode(), PATH, "prompt").decode() == once, "formatting twice changes nothing more"
    return once


def test_a_formatted_file_stays_as_it_is() -> None:
    text = "# what it is\nname: A\nmessages:\n  # the only one\n  - role: user\n    content: |\n      Hi {{ x }}\n"
    assert formatted(text) == text


def test_keys_move_with_the_comments_above_them() -> None:
    text = "# said to the model\nmessages:\n  - {role: user, content: hi}\n# for people\nname: A\n"
    assert formatted(text) == "# for people\nname: A\n# said to the model\nmessages:\n  - {role: user, content: hi}\n"


def test_the_modeline_stays_first() -> None:
    text = "# yaml-language-server: $schema=x\nmessages:\n  - {role: user, content: hi}\nname: A\n"
    assert formatted(text).startswith("# yaml-language-server: $schema=x\nname: A\n")


@pytest.mark.parametrize(
    "written",
    [
        ">-\n      one\n      word\n\n      two",
        '"one word\\ntwo"',
        "'one word\n\n      two'",
        "one\n      word\n\n      two",
    ],
)
def test_texts_of_several_lines_become_literal_blocks(written: str) -> None:
    text = f"messages:\n  - role: user\n    content: {written}\n  - {{role: user, content: b}}\n"
    assert formatted(text) == (
        "messages:\n  - role: user\n    content: |-\n      one word\n      two\n  - {role: user, content: b}\n"
    )


def test_a_comment_behind_a_text_is_kept() -> None:
    text = 'messages:\n  - role: user\n    content: "one\\ntwo\\n"   # why\n'
    assert formatted(text) == "messages:\n  - role: user\n    content: | # why\n      one\n      two\n"


def test_texts_in_flow_collections_stay() -> None:
    text = 'messages:\n  - {role: user, content: "one\\ntwo"}\n'
    assert formatted(text) == text


def test_a_github_file_keeps_its_own_order() -> None:
    text = "messages:\n  - role: user\n    content: hi {{x}}\nmodelParameters:\n  temperature: 0\nname: A\n"
    assert formatted(text) == text


def test_line_ends_become_one_kind() -> None:
    assert formatted("name: A\r\nmessages:\r\n  - {role: user, content: hi}\r\n\r\n").endswith("content: hi}\n")
    assert "\r" not in formatted("name: A\r\nmessages:\r\n  - {role: user, content: hi}\r\n")


def test_a_file_that_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidFiles) as caught:
        format_file(b"name: [", PATH, "prompt")
    assert caught.value.place is not None
    assert caught.value.place.line is not None


CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\n \t#:|>-'\"")
TEXTS = st.text(CHARACTERS, max_size=60)


@given(TEXTS, TEXTS)
def test_no_text_is_changed(first: str, second: str) -> None:
    import json

    text = (
        f"messages:\n  - role: user\n    content: {json.dumps(first)}\n  # between\n"
        f"  - role: assistant\n    content: {json.dumps(second)}\nname: A\n"
    )
    try:
        before = read_yaml(text.encode(), PATH).data
        after = formatted(text)
    except InvalidFiles:
        return
    assert read_yaml(after.encode(), PATH).data == before
    assert "# between" in after
