from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.errors import InvalidFiles
from promptctl.files.document import Document
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats import formatting
from promptctl.formats.formatting import format_file

PATH = "prompts/a.prompt.yaml"
MESSAGES = "messages:\n  - {role: user, content: Hi}\n"


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


@pytest.mark.parametrize("sign", [">", ">-", ">2"])
def test_a_folded_text_stays_as_it_was_wrapped(sign: str) -> None:
    text = f"description: {sign} # why\n  one\n  two\n\n  three\n\n# of the messages\n" + MESSAGES
    assert formatted(text) == text
    moved = f"{MESSAGES}# why\ndescription: {sign}\n  one\n  two\n\n  three\n"
    assert formatted(moved) == f"# why\ndescription: {sign}\n  one\n  two\n\n  three\n{MESSAGES}"


def test_a_text_on_a_line_of_its_own_begins_behind_its_key() -> None:
    new = f"description: |-\n  one\n  two\n{MESSAGES}"
    assert formatted(f'description:\n  "one\\ntwo"\n{MESSAGES}') == new


@pytest.mark.parametrize("broken", ["\x85", "\u2028", "\u2029"])
def test_what_yaml_1_1_takes_for_the_end_of_a_line_stays_as_it_is_written(broken: str) -> None:
    odd = f'description: "one{broken}two\\nthree"\n'
    model = f"metadata:\n  a: |\n    a{broken}b: c\n"
    assert formatted(model + odd + MESSAGES) == odd + MESSAGES + model


def test_blank_lines_that_belong_to_a_text_stay() -> None:
    kept = MESSAGES + "metadata:\n  a: |+\n    one\n\n\n"
    assert formatted(kept) == kept
    folded = MESSAGES + "metadata:\n  a: >+\n    one\n\n    two"
    assert formatted(folded) == folded


def test_many_texts_are_checked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(data: bytes, path: str) -> Document:
        read.append(path)
        return read_yaml(data, path)

    monkeypatch.setattr(formatting, "read_yaml", counted)
    cases = "".join(f'- id: c{n}\n  expected: "one\\n{n}"\n' for n in range(200))
    new = format_file(f"prompts: [greet]\ncases:\n{cases}".encode(), "datasets/a.yaml", "dataset")
    assert new.count(b"|-") == 200
    assert len(read) < 10


def test_texts_in_flow_collections_stay() -> None:
    text = 'messages:\n  - {role: user, content: "one\\ntwo"}\n'
    assert formatted(text) == text


def test_a_file_that_is_one_flow_mapping_stays() -> None:
    text = '{"messages": [{"role": "user", "content": "Hi"}],\n"name": "one"}\n'
    assert formatted(text) == text
    assert format_file(b'{\n "cases": [],\n "prompts": []\n}', "datasets/a.yaml", "dataset").endswith(b"}\n")


def test_a_github_file_keeps_its_own_order() -> None:
    text = "messages:\n  - role: user\n    content: hi {{x}}\nmodelParameters:\n  temperature: 0\nname: A\n"
    assert formatted(text) == text


def test_line_ends_become_one_kind() -> None:
    assert formatted("name: A\r\nmessages:\r\n  - {role: user, content: hi}\r\n\r\n").endswith("content: hi}\r\n")
    assert "\r" not in formatted("name: A\r\nmessages:\n  - {role: user, content: hi}\r\n")


def test_a_file_that_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidFiles) as caught:
        format_file(b"name: [", PATH, "prompt")
    assert caught.value.place is not None
    assert caught.value.place.line is not None


CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\n \t#:|>-'\"")
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
