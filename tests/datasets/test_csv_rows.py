from __future__ import annotations

import pytest

from promptctl.datasets.csv_rows import read_csv
from promptctl.datasets.lines import MAX_LINE_BYTES
from promptctl.datasets.rows import Row
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.tree import MemoryTree

PATH = "datasets/x.csv"


def read(text: str | bytes) -> list[Row | Problem]:
    return list(read_csv(MemoryTree({PATH: text}), PATH))


def rows(text: str | bytes) -> list[Row]:
    given = read(text)
    assert not [each for each in given if isinstance(each, Problem)]
    return [each for each in given if isinstance(each, Row)]


def refused(text: str | bytes) -> list[Problem]:
    with pytest.raises(InvalidFiles) as caught:
        read(text)
    return list(caught.value.problems)


def test_columns_are_inputs_and_reserved_ones_are_not() -> None:
    (row,) = rows(
        'id,ticket,expected,tags,must_pass,output,inputs.tags\na,"charged, twice",billing,"smoke, vip",yes,a reply,x\n'
    )
    assert row.is_text
    assert row.data == {
        "id": "a",
        "inputs": {"ticket": "charged, twice", "tags": "x"},
        "expected": "billing",
        "tags": ["smoke", "vip"],
        "must_pass": True,
        "output": "a reply",
    }


def test_an_empty_reserved_cell_says_nothing_and_an_empty_input_is_kept() -> None:
    (row,) = rows("id,ticket,expected,must_pass\n,,,\n")
    assert row.data == {"inputs": {"ticket": ""}, "must_pass": False} or row.data == {"inputs": {"ticket": ""}}


def test_expected_is_json_where_it_is_an_object_or_list_and_text_otherwise() -> None:
    given = rows('expected\n"{""label"": ""bug""}"\n[1]\n10\ntrue\n[draft] text\n')
    assert [row.data["expected"] for row in given] == [{"label": "bug"}, [1], "10", "true", "[draft] text"]


def test_lines_are_those_on_which_a_record_begins() -> None:
    text = '\ufeffq,expected\r\n"two\r\nlines",1\r\n\r\nshort,2\r\n"a ""quoted""\nthree\nline",3\r\nlast,4'
    given = rows(text)
    assert [row.place.line for row in given] == [2, 5, 6, 9]
    assert given[0].data["inputs"]["q"] == "two\r\nlines"
    assert given[2].data["inputs"]["q"] == 'a "quoted"\nthree\nline'


def test_promptfoo_s_columns_are_understood() -> None:
    (row,) = rows(
        "q,__expected,__expected2,__metric,__threshold,__metadata:team,__metadata:areas[],__cluster,__description\n"
        'x,contains:a,y,tone,0.5,ops,"a, b",doc-1,about x\n'
    )
    assert row.data["assert"] == [
        {"type": "contains", "value": "a", "metric": "tone"},
        {"type": "equals", "value": "y", "metric": "tone"},
    ]
    assert (row.data["threshold"], row.data["cluster"]) == (0.5, "doc-1")
    assert row.data["metadata"] == {"description": "about x", "team": "ops", "areas": ["a", "b"]}


def test_a_ragged_record_is_told_and_the_next_is_read() -> None:
    given = read("a,b\n1,2\n3\n4,5,6\n7,8\n")
    problems = [each for each in given if isinstance(each, Problem)]
    assert [(str(problem.place), problem.message) for problem in problems] == [
        (f"{PATH}:3", "the record has 1 cell and the header 2"),
        (f"{PATH}:4", "the record has 3 cells and the header 2"),
    ]
    assert len(given) == 4


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("a,,b", "column 2 of the header has no name"),
        ("a,b,a", "the column `a` is given twice"),
        ("a,__expectd", "`__expectd` is no column"),
        ("a,expected.label", "`expected.label` is no column"),
        ("a,inputs.a", "the input `a` is given twice"),
        ("__metadata:description,__description", "the metadata key `description` is given twice"),
    ],
)
def test_a_bad_header_stops_the_file(header: str, said: str) -> None:
    problems = refused(f"{header}\n1,2,3\n")
    assert [str(problem.place) for problem in problems] == [f"{PATH}:1"]
    assert said in problems[0].message


def test_a_quote_that_is_never_closed_is_told_where_it_opens() -> None:
    (problem,) = refused('a,b\n1,2\n"3,4\n5,6\n7,8\n')
    assert (str(problem.place), problem.code) == (f"{PATH}:3", "open-quote")


def test_a_record_without_end_is_left_at_the_cap() -> None:
    line = "x" * 1_000_000 + "\n"
    (problem,) = refused('a\n1\n"' + line * (MAX_LINE_BYTES // 1_000_000 + 2))
    assert (str(problem.place), problem.code) == (f"{PATH}:3", "line-too-long")


def test_a_cell_may_be_longer_than_the_library_s_own_limit() -> None:
    (row,) = rows("a\n" + "x" * 200_000 + "\n")
    assert len(row.data["inputs"]["a"]) == 200_000


@pytest.mark.parametrize(("text", "code"), [('a\n"x"y\n', "not-csv"), ("a\rb\rc\n", "bad-line-end")])
def test_what_is_no_csv_is_told(text: str, code: str) -> None:
    assert [problem.code for problem in refused(text)] == [code]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("must_pass", "perhaps", "write true or false"),
        ("__threshold", "half", "number from 0 to 1"),
        ("__threshold", "7", "number from 0 to 1"),
        ("__threshold", "nan", "number from 0 to 1"),
        ("__threshold", "1e999", "number from 0 to 1"),
        ("__threshold", "-0.5", "number from 0 to 1"),
        ("__expected", "javascript:output > 1", "code and files"),
        ("__expected", "levenshtein(x):y", "needs a number"),
        ("__expected", "is-json:{", "needs JSON"),
        ("__expected", f"is-json:{'[' * 30_000}", "needs JSON"),
    ],
)
def test_a_bad_cell_is_told_with_its_line(column: str, cell: str, said: str) -> None:
    (problem,) = read(f"q,{column}\nx,{cell}\n")
    assert isinstance(problem, Problem)
    assert str(problem.place) == f"{PATH}:2"
    assert said in problem.message


@pytest.mark.parametrize(("delimiter", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_delimiter_is_read_with_a_note(delimiter: str, written: str) -> None:
    note, *found = read(f'id{delimiter}"a, b; c"{delimiter}expected\nx{delimiter}"1{delimiter}2"{delimiter}y\n')
    assert isinstance(note, Problem)
    assert (note.severity, note.code, str(note.place)) == ("warning", "delimiter", f"{PATH}:1")
    assert f'delimiter: "{written}"' in (note.hint or "")
    assert [each.data["inputs"] for each in found if isinstance(each, Row)] == [{"a, b; c": f"1{delimiter}2"}]


def test_a_delimiter_that_is_given_needs_no_note() -> None:
    text = "a;b\n1,5;2\n"
    found = list(read_csv(MemoryTree({PATH: text}), PATH, ";"))
    assert [each.data["inputs"] for each in found if isinstance(each, Row)] == [{"a": "1,5", "b": "2"}]
    assert len(found) == 1


def test_commas_win_where_a_header_has_as_many() -> None:
    (row,) = rows("a,b;c\n1,2\n")
    assert row.data["inputs"] == {"a": "1", "b;c": "2"}


def test_the_line_with_which_excel_names_a_delimiter_is_no_header() -> None:
    found = read("sep=;\na;b,c\n1;2\nsep=;3\n")
    inputs = [each.data["inputs"] for each in found if isinstance(each, Row)]
    assert inputs == [{"a": "1", "b,c": "2"}, {"a": "sep=", "b,c": "3"}]
