from __future__ import annotations

from typing import Any

import pytest

from promptctl.datasets.expected_cells import read_expected_cell


@pytest.mark.parametrize(
    ("cell", "assertion"),
    [
        ("Paris", {"type": "equals", "value": "Paris"}),
        ("Note: all is well", {"type": "equals", "value": "Note: all is well"}),
        ("contains", {"type": "equals", "value": "contains"}),
        ("contain: a list", {"type": "equals", "value": "contain: a list"}),
        ("post:office", {"type": "equals", "value": "post:office"}),
        ("class:first", {"type": "equals", "value": "class:first"}),
        ("https://example.org", {"type": "equals", "value": "https://example.org"}),
        ("equals:contians:x", {"type": "equals", "value": "contians:x"}),
        ("contains: a:b ", {"type": "contains", "value": "a:b"}),
        ("not-icontains:Sorry", {"type": "not-icontains", "value": "Sorry"}),
        ("contains-any:a, b,c", {"type": "contains-any", "value": ["a", "b", "c"]}),
        ("levenshtein(3):kitten", {"type": "levenshtein", "value": "kitten", "threshold": 3}),
        ("similar(0.8):a cat", {"type": "similar", "value": "a cat", "threshold": 0.8}),
        ("latency(500)", {"type": "latency", "threshold": 500}),
        ("is-json", {"type": "is-json"}),
        ('is-json:{"type": "object"}', {"type": "is-json", "value": {"type": "object"}}),
        ("grade:is polite", {"type": "llm-rubric", "value": "is polite"}),
        ("tool-call:lookup", {"type": "tool-call", "value": "lookup"}),
        ('word-count:{"max": 9}', {"type": "word-count", "value": {"max": 9}}),
    ],
)
def test_a_cell_stands_for_an_assertion(cell: str, assertion: dict[str, Any]) -> None:
    assert read_expected_cell(cell) == assertion


@pytest.mark.parametrize(
    "cell", ["javascript:output.length", "python: len(output)", "file://check.js", "fn:x", "cost(x)"]
)
def test_what_cannot_be_said_in_a_cell_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"cell|brackets"):
        read_expected_cell(cell)


@pytest.mark.parametrize(
    ("cell", "meant"),
    [("contians:refund", "contains"), ("not-icontain:x", "not-icontains"), ("levenstein(3):kitten", "levenshtein")],
)
def test_a_type_that_is_nearly_spelled_is_no_text_to_equal(cell: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean `{meant}`\\?.*equals:"):
        read_expected_cell(cell)
