from __future__ import annotations

import json

import pytest

from promptctl.models import reading
from promptctl.models.reading import AfterReasoning, read_data, without_reasoning

READ = {
    "bare": '{"a": 1}',
    "in a fence": '```\n{"a": 1}\n```',
    "in a fence with its language": '\n ```json\n{"a": 1}\n``` \n',
    "in a fence in capitals": '```JSON\r\n{"a": 1}\r\n```',
    "in a fence on one line": '```json {"a": 1}```',
    "after its reasoning": '<think>is it {"a": 2}?</think>\n\n{"a": 1}',
    "after reasoning in a fence": '<Thinking>\nhm\n</Thinking>\n```json\n{"a": 1}\n```',
    "after reasoning that the template opened": 'so it is 1\n</think>\n{"a": 1}',
    "after a byte-order mark": '\ufeff{"a": 1}',
}


@pytest.mark.parametrize("case", READ)
def test_a_reply_is_read_as_data(case: str) -> None:
    assert read_data(READ[case]) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        'Here: {"a": 1}',
        '```\n{"a": 1}\n```\nDone.',
        "```\n1\n```\n```\n2\n```",
        "NaN",
        "```\nNaN\n```",
        "",
        "```",
        "<think>1",
        '{"a": 1e400}',
    ],
)
def test_nothing_else_is_repaired(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Extra|too large to be read"):
        read_data(text)


@pytest.mark.parametrize(
    "text", ["[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100, str([{"a": 1}] * 200).replace("'", '"')]
)
def test_data_is_nested_in_a_hundred_levels_at_most(text: str) -> None:
    assert json.dumps(read_data(text)) == json.dumps(json.loads(text))
    if text[:2] != "[{":
        with pytest.raises(RecursionError):
            read_data(f"[{text}]")


def test_marks_within_data_are_data() -> None:
    assert read_data('{"a": "```</think>"}') == {"a": "```</think>"}


def test_reasoning_that_never_ends_is_all_there_is() -> None:
    assert without_reasoning("<think>so far") == ""
    assert without_reasoning("plain <think>x</think>") == "plain <think>x</think>"


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>so\n</think>\n\nIt is <b>42</b>", "It is <b>42</b>"),
        ("plain words", "plain words"),
        ("<thin ice>", "<thin ice>"),
        (" <Thinking>x</Thinking>y", "y"),
        ("<think>never ends", ""),
        ("<", "<"),
        ("so it is\n</think>\n\n42", "42"),
        ("plain <think>x</think>", "plain <think>x</think>"),
        ("<think>a</think></think>b", "</think>b"),
    ],
)
def test_a_stream_shows_what_comes_after_its_reasoning(text: str, shown: str, size: int) -> None:
    after = AfterReasoning()
    pieces = [after.pass_on(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join([*pieces, after.finish()]) == shown == without_reasoning(text)


def test_a_long_streamed_reasoning_takes_no_time_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def noting(text: str) -> str:
        looked.append(text)
        return without_reasoning(text)

    monkeypatch.setattr(reading, "without_reasoning", noting)
    after = AfterReasoning()
    shown = [after.pass_on(piece) for piece in ["<think>", *["word "] * 1000, "</think>", " \n", "4", "2"]]
    assert ("".join(shown), len(looked) < 10) == ("42", True)
