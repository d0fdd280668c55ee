from __future__ import annotations

import pytest

from promptctl.errors import InvalidFiles
from promptctl.formats.readable import readable


def test_messages_read_as_text_and_parameters_as_a_table() -> None:
    text = readable(
        b"name: A\nparameters: {temperature: 0, max_tokens: 5}\ninputs: {q: {type: string}}\n"
        b'messages:\n  - role: system\n    content: "one\\ntwo"\n  - placeholder: q\n'
    )
    assert text == (
        "name: A\n\n── parameters ──\ntemperature  0\nmax_tokens   5\n\n── inputs ──\n"
        'q  {"type": "string"}\n\n── system ──\none\ntwo\n\n── the messages of q ──\n'
    )


def test_how_a_text_is_written_makes_no_difference() -> None:
    quoted = b'messages:\n  - role: user\n    content: "one\\ntwo\\n"\n'
    literal = b"messages:\n  - role: user\n    content: |\n      one\n      two\n"
    assert readable(quoted) == readable(literal)


def test_a_file_that_is_no_prompt_is_refused() -> None:
    with pytest.raises(InvalidFiles):
        readable(b"not: a prompt\n")


def test_nothing_that_can_differ_is_left_out() -> None:
    text = readable(
        b"messages:\n  - {role: user, content: '{{q}}'}\nmodelParameters: {temperature: 1}\n"
        b"testData: [{q: hi, expected: ho}]\nevaluators: [{name: e, string: {contains: hi}}]\n"
    )
    assert '"expected": "ho"' in text
    assert '"contains": "hi"' in text
    named = b"messages:\n  - {role: tool, tool_call_id: call-7, content: Hi}\n"
    assert "tool_call_id: call-7" in readable(named)


def test_no_text_acts_on_the_terminal() -> None:
    text = readable('name: "a\\e[31m"\nmessages:\n  - {role: user, content: "x\\e]0;t\\a\\ty\\u202E ü"}\n'.encode())
    assert "name: a\\x1b[31m\n" in text
    assert "\nx\\x1b]0;t\\x07\ty\\u202e ü\n" in text
