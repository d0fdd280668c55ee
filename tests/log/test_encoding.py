from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest

from promptctl.log.encoding import document, encode, from_document, redacted, to_json
from promptctl.log.redaction import Redactor
from tests.log.conftest import make


def test_a_record_survives_being_written_as_a_document_and_read_back() -> None:
    execution = make(tool_calls=[{"id": "1", "type": "function"}], is_dirty=True, reply='zwei\n"Zeilen" \x00 ünd 🎉')

    written = json.loads(document(encode(execution, is_whole=True)))

    assert from_document(written) == replace(execution, tool_calls=[{"id": "1", "type": "function"}])


@pytest.mark.parametrize("calls", [[], [{"id": "1", "type": "function"}]])
def test_reasoning_is_kept_with_the_tool_calls(calls: list[Any]) -> None:
    execution = make(tool_calls=calls, reasoning="Let me think of sk-canary-0123456789abcdef.")
    fields = redacted(encode(execution, is_whole=True), Redactor(["sk-canary-0123456789abcdef"]))
    read = from_document(json.loads(document(fields)))
    assert (read.reasoning, read.tool_calls) == ("Let me think of [redacted].", calls)
    assert read.as_dict()["reasoning"] == read.reasoning
    assert "reasoning" not in read.as_row(with_content=True), "nothing says that its content is kept"
    assert from_document(json.loads(document(encode(execution, is_whole=False)))).reasoning is None


def test_without_its_contents_a_record_has_everything_else() -> None:
    execution = make()

    written = json.loads(document(encode(execution, is_whole=False)))

    assert from_document(written) == replace(execution, inputs=None, messages=None, reply=None)


def test_as_a_dict_it_has_stable_keys_and_is_json() -> None:
    execution = make(output={"label": "billing"})
    keys = list(execution.as_dict())

    assert json.loads(json.dumps(execution.as_dict()))["metadata"]["prompt_id"] == execution.digest
    assert keys[:4] == ["execution", "call", "attempt", "started_at"]
    assert keys[-8:] == ["call_metadata", "metadata", "content", "inputs", "messages", "reply", "tool_calls", "output"]


def test_free_text_is_redacted_and_names_are_not() -> None:
    execution = make(
        error_message="401 for correct-horse",
        user="correct-horse",
        model_resolved="correct-horse",
        call_metadata={"key": ["correct-horse"]},
        reply="say correct-horse",
        label="correct-horse",
    )

    encoded = redacted(encode(execution, is_whole=True), Redactor(["correct-horse"]))
    written = json.loads(document(encoded))

    assert written["error_message"] == "401 for [redacted]"
    assert written["user"] == "[redacted]"
    assert written["model_resolved"] == "[redacted]"
    assert written["call_metadata"] == {"key": ["[redacted]"]}
    assert written["reply"] == "say [redacted]"
    assert written["label"] == "correct-horse"


def test_text_that_is_not_valid_unicode_is_written_all_the_same() -> None:
    execution = make(reply="half \ud83d", error_message="half \ud83d", inputs={"ticket": "half \ud83d"})

    encoded = encode(execution, is_whole=True)
    read_back = from_document(json.loads(document(encoded).encode()))

    assert (read_back.reply, read_back.error_message) == ("half ?", "half ?")
    assert read_back.inputs == {"ticket": "half \ud83d"}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"day": date(2026, 5, 3)}, {"day": "2026-05-03"}),
        ({"x": float("nan"), "y": float("-inf"), "z": 1.5}, {"x": "nan", "y": "-inf", "z": 1.5}),
        ({("a", 1): {1}}, {"('a', 1)": [1]}),
        (MappingProxyType({"a": (1, 2)}), {"a": [1, 2]}),
        ({"raw": b"ab"}, {"raw": "b'ab'"}),
        ([{"a": object}], [{"a": "<class 'object'>"}]),
    ],
)
def test_anything_at_all_becomes_json(value: Any, plain: Any) -> None:
    assert json.loads(to_json(value)) == plain


def test_a_circle_ends_somewhere() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle

    assert json.loads(to_json(circle))
