"""An unresolved merge is reported as one, once, in every kind of file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from promptctl.datasets.dataset import Dataset
from promptctl.datasets.validation import validate_workspace
from promptctl.errors import InvalidFiles
from promptctl.files.merges import conflicts, indented_merge, unresolved_merge
from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt

CONFLICT = "<<<<<<< HEAD\n{ours}\n=======\n{theirs}\n>>>>>>> other\n"
PROMPT = 'messages:\n  - role: user\n    content: |\n      Hello\n      {% include "tone.j2" %}\n'
DATASET = "prompts: [p]\ncases: c.csv\n"


def conflict(ours: str, theirs: str) -> str:
    return CONFLICT.format(ours=ours, theirs=theirs)


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("prompts/tone.j2", "Be kind.\n" + conflict("a", "b"), 2),
        ("prompts/p.prompt.yaml", PROMPT + conflict("      a", "      b"), 6),
        ("prompts/o.schema.json", "{\n" + conflict(' "type": "object"', ' "type": "array"') + "}\n", 2),
        ("prompts/o.schema.yaml", conflict("type: object", "type: array"), 1),
        ("promptctl.yaml", "model: echo/echo\n" + conflict("branch: a", "branch: b"), 2),
        ("promptctl.yaml", "model: echo/echo\n>>>>>>> other\n", 2),
        ("datasets/d.yaml", "prompts: [p]\n" + conflict("cases: a.csv", "cases: b.csv"), 2),
        ("datasets/c.csv", "id,expected\na,b\n" + conflict("b,c", "b,d"), 3),
        ("datasets/c.csv", "expected\n" + conflict("c", "d"), 2),
        ("datasets/c.csv", "id,expected\r\n" + conflict("b,c", "b,d").replace("\n", "\r\n"), 2),
    ],
)
def test_it_is_one_problem_at_the_first_marker(path: str, text: str, line: int) -> None:
    files = {
        "promptctl.yaml": "",
        "prompts/p.prompt.yaml": PROMPT,
        "prompts/tone.j2": "Be kind.",
        "datasets/d.yaml": DATASET,
        "datasets/c.csv": "id,expected\na,b\n",
        path: text,
    }

    problems = validate_workspace(MemoryTree(files)).problems

    own = [problem for problem in problems if problem.place is not None and problem.place.path == path]
    assert [(each.code, each.place and each.place.line) for each in own] == [("unresolved-merge", line)]
    assert own[0].message == "an unresolved merge begins here"


def test_lines_of_json_are_refused_at_the_marker() -> None:
    rows = '{"id": "a", "expected": "b"}\n' + conflict('{"id": "b"}', '{"id": "b", "tags": []}')
    tree = MemoryTree({"datasets/d.yaml": "cases: c.jsonl\n", "datasets/c.jsonl": rows})

    problems = Dataset.open(tree, "datasets/d.yaml").check()

    assert [(each.code, str(each.place)) for each in problems] == [("unresolved-merge", "datasets/c.jsonl:2:1")]


def test_a_prompt_whose_partial_is_not_merged_is_not_loaded() -> None:
    tree = MemoryTree({"prompts/p.prompt.yaml": PROMPT, "prompts/tone.j2": conflict("a", "b")})

    with pytest.raises(InvalidFiles, match="an unresolved merge"):
        load_prompt(tree, "p")


def test_several_conflicts_are_counted() -> None:
    problem = unresolved_merge(conflict("a", "b") * 3, "f")

    assert problem is not None
    assert problem.message == "an unresolved merge begins here, and 2 more below"


@pytest.mark.parametrize(
    "text",
    [
        "Title\n=======\ntext",
        "a <<<<<<< b",
        "  <<<<<<< HEAD",
        "<<<<<<<<< nine",
        ">>> doctest",
        ">>>>>>> mail",
        "<<<<<<< b\n>>>>>>> a",
        "=======\n>>>>>>> a",
        "<<<<<<< a\n=======\n  >>>>>>> b",
    ],
)
def test_what_only_looks_like_a_marker_is_text(text: str) -> None:
    assert unresolved_merge(text, "f") is None


def test_a_cell_in_quotes_may_hold_a_conflict() -> None:
    cell = conflict("a", "b")
    tree = MemoryTree({"datasets/c.csv": f'id,expected\na,"Resolve:\n{cell}"\n'})

    assert not Dataset.open(tree, "datasets/c.csv").check()


@pytest.mark.parametrize("row", ['"<<<<<<< HEAD"', f'"{conflict("a", "b")}"', ">>>>>>> quoted mail", "<<<<<<< left"])
def test_a_first_cell_may_look_like_a_marker(row: str) -> None:
    tree = MemoryTree({"datasets/c.csv": f"expected\n{row}\nb\n"})

    dataset = Dataset.open(tree, "datasets/c.csv")

    assert (dataset.check(), len(list(dataset.cases()))) == ([], 2)


def test_a_text_of_markers_is_read_in_one_pass() -> None:
    text = "  <<<<<<<\n  =======\n" * 50_000
    read = Counter[str]()

    def lines() -> Iterator[str]:
        for line in text.splitlines():
            read[line] += 1
            yield line

    assert list(conflicts(lines())) == []
    assert read.total() == 100_000
    assert indented_merge(text) is None
    assert indented_merge(text + "  >>>>>>> b\n") == 99_999


def test_a_conflict_indented_with_a_message_is_a_warning() -> None:
    text = "Hello\n  <<<<<<< HEAD\n  a\n  =======\n  b\n  >>>>>>> other\n"
    assert indented_merge(text) == 2
    body = "".join(f"      {line}\n" for line in text.splitlines())
    tree = MemoryTree({"prompts/p.prompt.yaml": f"messages:\n  - role: user\n    content: |\n{body}"})

    (problem,) = validate_workspace(tree).problems

    assert (problem.code, problem.severity, str(problem.place)) == (
        "unresolved-merge",
        "warning",
        "prompts/p.prompt.yaml:5",
    )
