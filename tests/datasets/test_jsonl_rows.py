from __future__ import annotations

import pytest

from promptctl.datasets.lines import read_jsonl
from promptctl.datasets.rows import Row
from promptctl.errors import Problem
from promptctl.files.tree import MemoryTree

PATH = "datasets/x.jsonl"


def rows(text: str) -> list[Row | Problem]:
    return list(read_jsonl(MemoryTree({PATH: text}), PATH))


def test_each_line_is_a_case_and_blank_ones_are_passed_over() -> None:
    first, second = rows('{"id": "a", "inputs": {"x": 1}}\n\n  \r\n{"inputs": {"x": 2}, "expected": null}\n')
    assert isinstance(first, Row)
    assert isinstance(second, Row)
    assert (first.data["id"], first.place.line, second.place.line) == ("a", 1, 4)
    assert second.data["expected"] is None


@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        ('{"id" "a"}', "not-json", 7),
        ('{"id": "a"}\u00a0', "not-json", 12),
        ('\u2003{"id": "a"}', "not-json", 1),
        ("", None, None),
        ('[{"id": "a"}]', "not-an-object", None),
        ('{"id": "a", "id": "b"}', "duplicate-key", None),
        ('{"id": "a", "inputs": {"x": 1, "x": 1}}', "duplicate-key", None),
        ('{"id": "a", "expected": NaN}', "not-json", None),
        ('{"id": "a", "expected": -1e999}', "not-json", None),
        ('{"id": "a", "expected": ' + "9" * 5000 + "}", "not-json", None),
        ('{"id": "a", "expected": ' + "[" * 70 + "]" * 70 + "}", "too-deep", None),
        ('{"id": "a", "expected": ' + "[" * 100_000 + "}", "too-deep", None),
        ('{"id": "a", "expected": "\\ud800"}', "lone-surrogate", None),
        ('{"id": "a", "asserts": []}', "unknown-key", None),
        ('{"id": 7}', "wrong-type", None),
        ('{"id": "a", "assert": [{"type": "contians"}]}', "unknown-value", None),
        ('{"id": "a", "assert": [{"type": "latency", "threshold": ' + "9" * 400 + "}]}", "out-of-range", None),
        ('{"id": "a", "assert": [{"type": "is-json", "weight": ' + "9" * 400 + "}]}", "out-of-range", None),
        ('{"id": "a", "assert": [{"type": "is-json", "weight": 1e308}]}', "out-of-range", None),
    ],
)
def test_a_bad_line_is_told_and_the_next_is_read(line: str, code: str | None, column: int | None) -> None:
    given = rows(f'{{"id": "z"}}\n{line}\n{{"id": "y"}}')
    assert [each.data["id"] for each in given if isinstance(each, Row)] == ["z", "y"]
    problems = [each for each in given if isinstance(each, Problem)]
    if code is None:
        assert problems == []
        return
    assert [problem.code for problem in problems] == [code]
    assert problems[0].place is not None
    assert (problems[0].place.path, problems[0].place.line) == (PATH, 2)
    assert column is None or problems[0].place.column == column


def test_a_pair_of_surrogates_is_one_character() -> None:
    (row,) = rows('{"id": "a", "expected": "\\ud83d\\ude00"}')
    assert isinstance(row, Row)
    assert row.data["expected"] == "\N{GRINNING FACE}"
