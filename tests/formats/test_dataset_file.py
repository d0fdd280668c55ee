from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.formats.dataset_file import DatasetFile, read_dataset_file
from tests.files.conftest import attempt
from tests.formats.conftest import ProblemsOf


def read(text: str) -> DatasetFile:
    return read_dataset_file(text.encode(), "datasets/support/smoke.yaml")


def test_a_header_and_inline_cases() -> None:
    dataset = read("prompts: [a, b/c]\nmin_pass: 0.5\ndefaults: {inputs: {x: 1}}\ncases:\n  - {id: one}\n  - {id: 2}\n")
    assert dataset.prompts == ("a", "b/c")
    assert dataset.defaults == {"inputs": {"x": 1}}
    assert dataset.header["min_pass"] == 0.5
    assert dataset.cases == ({"id": "one"}, {"id": "2"})
    assert str(dataset.case_place(1)) == "datasets/support/smoke.yaml:6:5"
    assert dataset.cases_path is None


@pytest.mark.parametrize(
    ("given_path", "path"),
    [
        ("big.jsonl", "datasets/big.jsonl"),
        ("./big.csv", "datasets/support/big.csv"),
        ("other/big.jsonl", "datasets/other/big.jsonl"),
    ],
)
def test_large_datasets_keep_their_cases_in_a_file(given_path: str, path: str) -> None:
    dataset = read(f"prompts: [a]\ncases: {given_path}\n")
    assert (dataset.cases, dataset.cases_path) == (None, path)


@pytest.mark.parametrize("path", ["../x.jsonl", "/etc/x.csv", "./../../x.jsonl", "https://x/y.jsonl"])
def test_the_file_of_cases_never_lies_outside(path: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_dataset_file, f"cases: {path}\n")
    assert (problem.code, str(problem.place)) == ("path-refused", "file.yaml:1:8")


def test_numbers_are_text_where_the_prompt_asks_for_text() -> None:
    dataset = read(
        "cases:\n- id: a\n  inputs: {v: 1.10, n: 1.10, t: x, o: true}\n  matrix: {v: [1.0, 007, x], n: [1.0]}\n"
    )
    inputs = dataset.as_written(("cases", 0, "inputs"), {"v", "t", "o"})
    assert inputs == {"v": "1.10", "n": 1.1, "t": "x", "o": True}
    assert dataset.as_written(("cases", 0, "matrix"), {"v"}) == {"v": ["1.0", "007", "x"], "n": [1.0]}


@pytest.mark.parametrize(
    ("text", "at", "said", "hint"),
    [
        ("", "1:1", "the file is empty", "`cases:`"),
        ("prompts: [a]\n", "1:1", "`cases` is missing", "add `cases`"),
        ("cases: []\n", "1:8", "`cases` is empty", "the cases"),
        ("cases: cases.txt\n", "1:8", "does not have the form", ".jsonl, .csv or .tsv"),
        ("cases:\n- {inputs: {}}\n", "2:3", "`cases[0]` has no `id`", "add `id`"),
        ("cases: [{id: a}]\ntests: []\n", "2:1", "unknown key `tests`", "use `cases`"),
        ("cases: [{id: a, vars: {}}]\n", "1:17", "unknown key `vars`", "use `inputs`"),
        ("cases: [{id: a, assert: [{type: contians}]}]\n", "1:33", "`contians` is not known", "`contains`"),
        ("cases: [{id: a, assert: [{type: not-is-jsn}]}]\n", "1:33", "`not-is-jsn` is not known", "`not-is-json`"),
        ("cases: [{id: a, asert: []}]\n", "1:17", "unknown key `asert`", "did you mean `assert`?"),
        ("cases: [{id: a, assert: [{type: latency}]}]\n", "1:26", "has no `threshold`", "add `threshold`"),
        ("cases: [{id: a, assert: [{type: equals, provider: x}]}]\n", "1:41", "unknown key `provider`", "use `model`"),
        ("cases: [{id: a}]\nmin_pass: 90\n", "2:11", "`min_pass` must be at most 1", ""),
        ("cases: [{id: a}, {id: b}, {id: a}]\n", "1:32", "the case id `a` is given twice", "an id of its own"),
        ("cases: [{id: 1}, {id: 1}]\n", "1:23", "the case id `1` is given twice", "an id of its own"),
    ],
)
def test_a_mistake_is_told_where_it_is(text: str, at: str, said: str, hint: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_dataset_file, text)
    assert str(problem.place) == f"file.yaml:{at}"
    assert said in problem.message
    assert hint in (problem.hint or "")


_keys = st.sampled_from(
    ["cases", "id", "inputs", "assert", "type", "defaults", "prompts", "matrix", "tags", "min_pass"]
)
_values = st.recursive(
    st.sampled_from([None, True, 1, "", "equals", "x.jsonl", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=60) | _values.map(lambda data: json.dumps(data).encode()))
def test_any_bytes_are_a_dataset_or_refused(data: bytes) -> None:
    dataset, problems = attempt(read_dataset_file, data, "datasets/d.yaml")
    assert all(problem.place for problem in problems)
    assert problems or dataset.cases or dataset.cases_path
