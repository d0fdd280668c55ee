from __future__ import annotations

from typing import Any

from promptctl.datasets.cases import Case, content_hash
from promptctl.datasets.dataset import Dataset
from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import MISSING
from tests.assertions.helpers import prepared

PROMPT = """
inputs:
  q: {type: string}
  n: {type: integer, default: 1}
  ratio: {type: number, required: false}
  tags: {type: array, default: []}
  note: {type: string, default: none}
messages: [{role: user, content: "{{ q }} {{ n }} {{ ratio | default(0) }} {{ tags }} {{ note }}"}]
"""


def cases(text: str, path: str = "datasets/x.yaml", **files: str) -> list[Case]:
    tree = MemoryTree({path: text, "prompts/p.prompt.yaml": PROMPT, **{f"datasets/{k}": v for k, v in files.items()}})
    dataset, prompt = Dataset.open(tree, path), load_prompt(tree, "p")
    assert dataset.check(prompt) == []
    made = list(dataset.cases(prompt))
    assert dataset.count == len(made)
    return made


def types(case: Case) -> list[str]:
    return [assertion.type for assertion in case.assertions]


class TestDefaults:
    TEXT = """
defaults:
  inputs: {q: default, note: d}
  assert: [{type: contains, value: x}]
  threshold: 0.5
  tags: [all]
  metadata: {by: us, at: 1}
cases:
  - {id: a}
  - id: b
    inputs: {q: own}
    assert: [{type: is-json}]
    threshold: 0.9
    tags: [smoke, all]
    metadata: {at: 2}
    description: what it is about
"""

    def test_a_case_s_own_stands_before_them_or_is_added(self) -> None:
        first, second = cases(self.TEXT)
        assert (first.inputs, second.inputs) == ({"q": "default", "note": "d"}, {"q": "own", "note": "d"})
        assert (types(first), types(second)) == (["contains"], ["contains", "is-json"])
        assert (first.threshold, second.threshold) == (0.5, 0.9)
        assert (first.tags, second.tags) == (("all",), ("all", "smoke"))
        assert second.metadata == {"by": "us", "at": 2, "description": "what it is about"}

    def test_an_empty_text_of_a_case_s_own_stands_before_them_and_an_empty_cell_does_not(self) -> None:
        defaults = "defaults: {inputs: {q: default, note: d}, assert: [{type: contains, value: x}]}\n"
        (written,) = cases(f"{defaults}cases: [{{id: a, inputs: {{q: ''}}}}]")
        (cell,) = cases(f"{defaults}cases: rows.csv", **{"rows.csv": "id,q,note\na,,own\n"})
        assert (written.inputs, cell.inputs) == ({"q": "", "note": "d"}, {"q": "default", "note": "own"})


class TestExpected:
    def one(self, assertions: str, defaults: str = "[]") -> list[str]:
        text = (
            f"defaults: {{assert: {defaults}}}\ncases: [{{id: a, inputs: {{q: x}}, expected: y, assert: {assertions}}}]"
        )
        return types(cases(text)[0])

    def test_equals_is_implied_where_no_assertion_reads_it(self) -> None:
        assert self.one("[]") == ["equals"]
        assert self.one("[]", "[{type: is-json}]") == ["is-json", "equals"]
        assert self.one("[{type: is-json}]") == ["is-json", "equals"]

    def test_it_is_not_where_one_does(self) -> None:
        assert self.one("[{type: icontains}]") == ["icontains"]
        assert self.one("[]", '[{type: contains, value: "{{ expected | upper }}"}]') == ["contains"]


def test_a_matrix_makes_a_case_of_each_combination() -> None:
    made = cases("""defaults: {matrix: {n: [1, 2]}}
cases:
  - {id: a, matrix: {q: [x, y]}, expected: z}
  - {id: b, inputs: {q: x, n: 9}, expected: z}
""")
    assert [case.id for case in made] == ["a[n=1,q=x]", "a[n=1,q=y]", "a[n=2,q=x]", "a[n=2,q=y]", "b"]
    assert made[1].inputs == {"n": 1, "q": "y"}
    assert made[4].inputs == {"n": 9, "q": "x"}
    assert len({case.content_hash for case in made}) == 5


def test_the_cases_of_one_matrix_are_one_cluster_unless_they_name_another() -> None:
    made = cases("""cases:
  - {id: a, matrix: {q: [x, y]}, expected: z}
  - {id: b, cluster: doc, matrix: {q: [x, y]}, expected: z}
  - {id: c, matrix: {q: [x]}, expected: z}
  - {id: d, inputs: {q: x}, expected: z}
""")
    assert [case.cluster for case in made] == ["a", "a", "doc", "doc", None, None]
    rows = [f'{{"matrix": {{"q": {values}}}, "expected": "z"}}' for values in ('["v", "w"]', '["t", "u"]')]
    one, same, other, _ = [case.cluster for case in cases("\n".join(rows), "datasets/x.jsonl")]
    assert None not in (one, other)
    assert one == same != other


def test_numbers_stay_as_written_where_the_prompt_asks_for_text() -> None:
    (case,) = cases(
        "defaults: {inputs: {note: 2.50, n: 3}}\ncases: [{id: a, inputs: {q: 1.10, ratio: 1.10}, expected: x}]"
    )
    assert case.inputs == {"note": "2.50", "n": 3, "q": "1.10", "ratio": 1.1}


def test_a_recorded_reply_that_is_no_text_is_its_json() -> None:
    made = cases("""cases:
  - {id: a, inputs: {q: x}, expected: x, output: {b: ü}}
  - {id: b, inputs: {q: y}, expected: x, output: hi}
""")
    assert [case.output for case in made] == ['{"b": "ü"}', "hi"]


class TestTables:
    def test_cells_are_read_by_the_declared_types(self) -> None:
        (case,) = cases('q,n,ratio,inputs.tags,expected\n12,3,0.5,"[""a""]",x\n', "datasets/x.csv")
        assert case.inputs == {"q": "12", "n": 3, "ratio": 0.5, "tags": ["a"]}

    def test_an_empty_cell_is_an_empty_text_only_where_text_must_be_given(self) -> None:
        (case,) = cases("q,n,ratio,note,expected\n,,,,x\n", "datasets/x.csv")
        assert case.inputs == {"q": ""}

    def test_an_empty_cell_does_not_hide_the_dataset_s_default(self) -> None:
        text = "defaults: {inputs: {q: from the header}}\ncases: ./x.csv"
        first, second = cases(text, **{"x.csv": "q,expected\n,x\nown,x\n"})
        assert (first.inputs["q"], second.inputs["q"]) == ("from the header", "own")

    def test_a_derived_id_follows_the_content_and_not_the_order(self) -> None:
        first = {case.id: case.inputs["q"] for case in cases("q,expected\na,x\nb,y\n", "datasets/x.csv")}
        second = {case.id: case.inputs["q"] for case in cases("q,expected\nb,y\na,x\n", "datasets/x.csv")}
        assert first == second
        assert all(len(id_) == 16 for id_ in first)


class TestContentHash:
    def test_is_held(self) -> None:
        # Results of earlier runs are joined by it: whatever changes it makes every case another.
        equals = prepared({"type": "equals"})
        assert content_hash({"q": "ü", "n": 1}, {"label": "bug"}, [equals]) == "c632f08bbabc8a5765a4d15bb8226f40"
        assert content_hash({}, MISSING, [], 0.5) == "2beb116abc7f4f613b85476cf8146d1e"

    def test_does_not_mind_the_order_of_keys(self) -> None:
        assert content_hash({"a": 1, "b": 2}, MISSING, []) == content_hash({"b": 2, "a": 1}, MISSING, [])

    def test_tells_apart_what_decides_a_result(self) -> None:
        first, second = prepared({"type": "contains", "value": "a"}), prepared({"type": "contains", "value": "b"})
        given: list[tuple[Any, ...]] = [
            ({"q": "x"}, MISSING, [first], None),
            ({"q": "y"}, MISSING, [first], None),
            ({"q": "x"}, None, [first], None),
            ({"q": "x"}, "", [first], None),
            ({"q": "x"}, MISSING, [second], None),
            ({"q": "x"}, MISSING, [first, second], None),
            ({"q": "x"}, MISSING, [first], 0.5),
        ]
        assert len({content_hash(*each) for each in given}) == len(given)
