"""Cases that say the same: which goes, which stays, and what the file then is."""

from __future__ import annotations

from typing import Any

import pytest

from promptctl import Duplicates, InvalidFiles, UsageError, WorkspaceError
from promptctl.errors import DatasetNotFound
from tests.evaluation_lab import Lab

TEXT = "I was charged twice for my order and nobody has answered me since last week."


def dedupe(lab: Lab, name: str = "triage", **options: Any) -> Duplicates:
    with lab.open() as workspace:
        return workspace.datasets.dedupe(name, **options)


def found(lab: Lab, *cases: dict[str, Any], **header: Any) -> list[tuple[str, str, bool, str]]:
    header.setdefault("defaults", {"assert": [{"type": "is-json"}]})
    lab.cases(*cases, **header)
    return [(each.case_id, each.like, each.is_dropped, each.why) for each in dedupe(lab).found]


def case(id_: str, ticket: str = TEXT, **keys: Any) -> dict[str, Any]:
    return {"id": id_, "inputs": {"ticket": ticket}, **keys}


def test_the_first_stays_and_nothing_else_is_touched(lab: Lab) -> None:
    assert found(lab, case("a"), case("b", TEXT + "!"), case("c", "Something else"), case("d")) == [
        ("b", "a", True, "a comes first"),
        ("d", "a", True, "a comes first"),
    ]


@pytest.mark.parametrize(
    ("keys", "other", "outcome"),
    [
        ({}, {"must_pass": True}, ("a", "b", True, "b must pass")),
        ({"must_pass": True}, {"must_pass": True}, ("b", "a", False, "it must pass")),
        ({"tags": ["generated"]}, {}, ("a", "b", True, "people wrote b")),
        ({}, {"tags": ["smoke"]}, ("b", "a", True, "a comes first; the tag `smoke` goes with it")),
        ({"expected": "x"}, {"expected": "y"}, ("b", "a", False, "its `expected` is different")),
        ({"expected": "x"}, {}, ("b", "a", False, "its `expected` is different")),
        ({"expected": None}, {}, ("b", "a", False, "its `expected` is different")),
        ({"expected": {"a": 1, "b": 2}}, {"expected": {"b": 2, "a": 1}}, ("b", "a", True, "a comes first")),
        ({}, {"assert": [{"type": "contains", "value": "z"}]}, ("b", "a", False, "its reply is checked differently")),
        ({}, {"xfail": "known"}, ("b", "a", False, "its reply is checked differently")),
        ({"output": "1"}, {"output": "2"}, ("b", "a", False, "its reply is checked differently")),
    ],
)
def test_which_of_two_goes_and_why(
    lab: Lab, keys: dict[str, Any], other: dict[str, Any], outcome: tuple[str, str, bool, str]
) -> None:
    assert found(lab, case("a", **keys), case("b", **other)) == [outcome]


def test_one_that_stays_lets_those_go_that_say_the_same_as_it(lab: Lab) -> None:
    assert found(
        lab, case("a", expected="x"), case("b", expected="y"), case("c", TEXT + "!", expected="y"), case("d")
    ) == [
        ("b", "a", False, "its `expected` is different"),
        ("c", "b", True, "b comes first"),
        ("d", "a", False, "its `expected` is different"),
    ]


def test_a_cell_of_a_matrix_stays(lab: Lab) -> None:
    lab.cases(case("a"), {"id": "m", "matrix": {"ticket": [TEXT, "else"]}}, defaults={"assert": [{"type": "is-json"}]})
    assert [(each.is_dropped, each.why) for each in dedupe(lab).found] == [(False, "it is one of a matrix")]


def test_a_threshold_of_one_finds_equal_ones_alone(lab: Lab) -> None:
    lab.cases(case("a"), case("b", TEXT + "!"), case("c"), defaults={"assert": [{"type": "is-json"}]})
    assert [each.case_id for each in dedupe(lab, threshold=1).dropped] == ["c"]
    with pytest.raises(UsageError, match="no threshold"):
        dedupe(lab, threshold=0.2)


YAML = """\
prompts: [triage]
cases:
  # first
  - {id: a, inputs: {ticket: t}, expected: e}
  # again
  - id: b
    inputs: {ticket: t}
    expected: e

  - {id: c, inputs: {ticket: u}, expected: e} # end
"""
A = '{"id": "a", "inputs": {"ticket": "t"}, "expected": "e"}'
U = '{"inputs": {"ticket": "u"}, "expected": "e"}'
FLOW = "{id: a, inputs: {ticket: t}, expected: e}"
FILES = {
    "x.yaml": (YAML, YAML.replace("  # again\n  - id: b\n    inputs: {ticket: t}\n    expected: e\n", "")),
    "x.jsonl": (f"{A}\n\n{A.replace('a', 'b', 1)}\n{U}\n{A.replace('a', 'd', 1)}", f"{A}\n\n{U}\n"),
    "x.csv": ('id,ticket,expected\na,"t\nt",e\nb,"t\nt",e\nc,u,e\n', 'id,ticket,expected\na,"t\nt",e\nc,u,e\n'),
    "flow.yaml": (
        f"cases: [{FLOW}, {FLOW.replace('a', 'b', 1)}, {FLOW.replace('a', 'c', 1)}]\n",
        f"cases: [{FLOW}]\n",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_left_of_a_file(lab: Lab, name: str) -> None:
    before, after = FILES[name]
    file = lab.write(f"datasets/{name}", before)
    with lab.open() as workspace:
        proposal = workspace.datasets.dedupe(f"datasets/{name}").proposal
        assert file.read_text() == before
        workspace.write(proposal)
        assert file.read_text() == after
        assert workspace.datasets.dedupe(f"datasets/{name}").proposal.is_empty


def test_cases_beside_the_header_are_taken_out_of_their_file(lab: Lab) -> None:
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases: ./rows.csv\n")
    rows = lab.write("datasets/rows.csv", FILES["x.csv"][0])
    with lab.open() as workspace:
        workspace.write(workspace.datasets.dedupe("x").proposal)
    assert rows.read_text() == FILES["x.csv"][1]


def test_a_dataset_that_is_wrong_or_not_there_is_refused(lab: Lab) -> None:
    lab.cases({"id": "a", "inputs": {"tikket": TEXT}, "expected": "x"})
    with pytest.raises(InvalidFiles, match="does not give `ticket`"):
        dedupe(lab)
    with pytest.raises(DatasetNotFound):
        dedupe(lab, "triagee")


def test_a_file_that_was_changed_meanwhile_is_left_alone(lab: Lab) -> None:
    file = lab.write("datasets/x.yaml", FILES["x.yaml"][0])
    with lab.open() as workspace:
        proposal = workspace.datasets.dedupe("x").proposal
        file.write_text(FILES["x.yaml"][0] + "# more\n")
        with pytest.raises(WorkspaceError, match="changed meanwhile"):
            workspace.write(proposal)
