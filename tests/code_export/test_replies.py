from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.models.reading import read_data
from tests.code_export.node import running_renderer

PIECES = (
    "<think>", "</think>", "<THINKING>", "</Thinking>", "<reasoning>", "</reasoning>", "```", "```json\n", "\n```",
    "json", "{}", '{"a": "``` </think>"}', "[1, 0.5]", "null", "NaN", " ",
    "\n", "\ufeff", "x", "\x85", "\u2028", "é", "İ",
)  # fmt: skip


def read(reply: str) -> Any:
    try:
        return {"parsed": read_data(reply)}
    except ValueError:
        return None


def test_a_reply_is_read_as_promptctl_reads_it() -> None:
    @settings(max_examples=400, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
    def check(reply: str) -> None:
        answer = renderer.ask(reply=reply)
        assert (None if "error" in answer else answer) == read(reply)

    with running_renderer() as renderer:
        for known in ('<think>a</think>\n```json\n{"a": 1}\n```', "```\n[1]\n```\n", "easy</think> 42", "1e3 "):
            assert renderer.ask(reply=known) == read(known) != {"error": ""}
        check()
