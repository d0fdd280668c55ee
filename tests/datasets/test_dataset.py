from __future__ import annotations

import json

import pytest

from promptctl.datasets.checking import MAX_PROBLEMS
from promptctl.datasets.dataset import Dataset
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import Prompt

PROMPT = """
inputs: {q: {type: string}, n: {type: integer, default: 1}, tone: {type: string, required: false}}
messages: [{role: user, content: "{{ q }} {{ n }} {{ tone | default('kind') }}"}]
"""
TYPED = PROMPT + "output: {schema: {type: object}}\n"
PATH = "datasets/x.yaml"


def tree(text: str | bytes, path: str = PATH, prompt: str = PROMPT, **beside: str | bytes) -> MemoryTree:
    files = {path: text, "prompts/p.prompt.yaml": prompt, **{f"datasets/{name}": data for name, data in beside.items()}}
    return MemoryTree(files)


def problems(text: str | bytes, path: str = PATH, *, prompt: str = PROMPT, **beside: str | bytes) -> list[Problem]:
    given = tree(text, path, prompt, **beside)
    dataset = Dataset.open(given, path)
    found = dataset.check(load_prompt(given, "p"))
    assert dataset.count is None or not found
    return found


def told(found: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.place)) for problem in found]


class TestOpening:
    def test_the_header_is_read_and_cases_can_be_gone_through_again(self) -> None:
        dataset = Dataset.open(
            tree("prompts: [p]\nname: X\nmin_pass: 0.9\ncases: [{id: a, inputs: {q: x}, expected: y}]"),
            PATH,
        )
        header = dataset.header
        assert (header.path, header.name, header.prompts, header.min_pass) == (PATH, "X", ("p",), 0.9)
        assert [case.id for case in dataset.cases()] == [case.id for case in dataset.cases()] == ["a"]
        assert (dataset.count, dataset.digest) == (None, None)
        assert dataset.check() == []
        assert dataset.count == 1

    def test_cases_can_lie_beside_or_be_a_dataset_by_themselves(self) -> None:
        line = '{"id": "a", "inputs": {"q": "x"}, "expected": "y"}\n'
        beside = Dataset.open(tree("cases: ./big.jsonl", **{"big.jsonl": line}), PATH)
        alone = Dataset.open(tree(line, "datasets/big.jsonl"), "datasets/big.jsonl")
        assert [case.content_hash for case in beside.cases()] == [case.content_hash for case in alone.cases()]
        assert alone.header.min_pass == 1.0
        (case,) = beside.cases()
        assert str(case.place) == "datasets/big.jsonl:1"

    def test_a_file_that_is_not_there_is_told_where_it_is_named(self) -> None:
        assert told(problems("prompts: [p]\ncases: ./bg.jsonl", **{"big.jsonl": ""})) == [
            ("missing-cases", f"{PATH}:2:8")
        ]
        with pytest.raises(InvalidFiles, match="there is no file"):
            Dataset.open(MemoryTree({}), PATH)
        with pytest.raises(InvalidFiles, match="recorded replies"):
            Dataset.open(MemoryTree({}), "datasets/recordings/x.jsonl")
        with pytest.raises(InvalidFiles, match="no dataset by its name"):
            Dataset.open(MemoryTree({"datasets/x.txt": ""}), "datasets/x.txt")

    def test_the_digest_of_the_cases_does_not_mind_their_order(self) -> None:
        digests = set()
        for text in ("q,expected\na,x\nb,y\n", "q,expected\nb,y\na,x\n", "q,expected\nb,y\na,z\n"):
            dataset = Dataset.open(tree(text, "datasets/x.csv"), "datasets/x.csv")
            assert dataset.check() == []
            digests.add(dataset.digest)
        assert len(digests) == 2

    def test_the_digest_is_of_the_content_and_what_else_decides_stands_beside_it(self) -> None:
        digests, asked, beside = [], [], []
        for more in ("", ", output: x", ", output: y", ", must_pass: true", ", xfail: {reason: r, strict: true}"):
            dataset = Dataset.open(tree(f"prompts: [p]\ncases: [{{id: a, inputs: {{q: x}}, expected: y{more}}}]"), PATH)
            assert dataset.check() == []
            digests.append(dataset.digest)
            asked.append(dataset.asks)
            beside.append(dataset.beside)
        assert digests[:4] == ["fe1ba53b4872d7cde70a4a02e01faa2a"] * 4, "evaluations in the log name it"
        assert digests[4] == "7330a44c10f3187c87b37b7f2f7891a4"
        assert beside[0] == ""
        assert len(set(asked)) == len(set(beside)) == 5


class TestChecking:
    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("", "datasets/x.jsonl"),
            ("\n\n", "datasets/x.jsonl"),
            ("", "datasets/x.csv"),
            ("q,expected\n", "datasets/x.csv"),
        ],
    )
    def test_a_dataset_of_no_case_is_an_error(self, text: str, path: str) -> None:
        assert told(problems(text, path)) == [("no-cases", path)]

    def test_an_empty_yaml_file_is_told_at_once(self) -> None:
        with pytest.raises(InvalidFiles, match="empty"):
            Dataset.open(tree(""), PATH)

    def test_an_id_given_twice_names_both_lines(self) -> None:
        lines = [json.dumps({"id": id_, "inputs": {"q": str(n)}, "expected": "y"}) for n, id_ in enumerate("abcab")]
        found = problems("\n".join(lines), "datasets/x.jsonl")
        assert told(found) == [("duplicate-id", "datasets/x.jsonl:4")]
        assert found[0].message == (
            "the case id a is given twice; the first is on line 1 (and 1 more like this, the last on line 5)"
        )

    def test_a_case_without_an_id_given_twice_names_both_lines(self) -> None:
        (problem,) = problems("q,expected\nx,y\nz,y\nx,y\n", "datasets/x.csv")
        assert problem.message == "the case is given twice; the first is on line 2"
        assert str(problem.place) == "datasets/x.csv:4"

    def test_ids_that_a_matrix_makes_twice_are_found(self) -> None:
        text = (
            "cases:\n  - {id: a, matrix: {q: [x, y]}, expected: z}\n  - {id: 'a[q=x]', inputs: {q: z}, expected: z}\n"
        )
        assert told(problems(text)) == [("duplicate-id", f"{PATH}:3:10")]

    def test_a_case_that_asserts_nothing_is_an_error(self) -> None:
        text = (
            "cases:\n  - {id: a, inputs: {q: x}}\n  - {id: b, inputs: {q: x}, assert: [{type: is-json, weight: 0}]}\n"
            "  - {id: c, inputs: {q: x}, threshold: 0, assert: [{type: is-json}]}\n"
        )
        assert told(problems(text)) == [("no-assertion", f"{PATH}:{line}:5") for line in (2, 3, 4)]

    def test_inputs_are_checked_against_the_prompt(self) -> None:
        found = problems(
            "cases:\n  - {id: a, expected: y}\n  - {id: b, inputs: {q: x, m: 1}, expected: y}\n"
            "  - {id: c, inputs: {q: x, n: many}, expected: y}\n"
        )
        assert told(found) == [
            ("missing-input", f"{PATH}:2:5"),
            ("extra-input", f"{PATH}:3:28"),
            ("wrong-input", f"{PATH}:4:28"),
        ]
        assert [problem.message for problem in found] == [
            "case `a` does not give `q`, which p requires",
            "`m`, given by case `b`, is no input of p",
            "case `c`: `n` must be a whole number, not the text `many`",
        ]

    def test_a_cell_that_is_not_of_its_type_is_told(self) -> None:
        found = problems("q,n,expected\nx,1,y\nx,one,z\n", "datasets/x.csv")
        assert [problem for problem in told(found) if problem[0] == "bad-cell"] == [("bad-cell", "datasets/x.csv:3")]

    def test_what_an_assertion_needs_of_the_case_must_be_there(self) -> None:
        text = """cases:
  - {id: a, inputs: {q: x}, assert: [{type: contains}]}
  - {id: b, inputs: {q: x}, assert: [{type: contains, value: "{{ expected.label }}"}]}
  - {id: c, inputs: {q: x}, assert: [{type: contains, value: "{{ qq }}"}]}
  - {id: d, inputs: {q: x}, assert: [{type: contains, value: "{{ tone }}"}]}
  - {id: e, inputs: {q: x}, assert: [{type: contains, value: "{{ n }} {{ q }} {{ output }}"}]}
  - {id: f, inputs: {q: x}, assert: [{type: json-schema}]}
"""
        assert told(problems(text)) == [
            ("missing-expected", f"{PATH}:2:5"),
            ("unknown-variable", f"{PATH}:4:5"),
            ("unknown-variable", f"{PATH}:5:5"),
            ("missing-schema", f"{PATH}:7:5"),
        ]
        assert [code for code, _ in told(problems(text, prompt=TYPED))][-1] != "missing-schema"

    def test_faults_of_the_defaults_are_told_once(self) -> None:
        text = "defaults:\n  assert: [{type: regex, value: '('}]\ncases: [{id: a, inputs: {q: x}}, {id: b, inputs: {}}]"
        found = problems(text)
        assert told(found)[0] == ("bad-value", f"{PATH}:2:33")
        assert [code for code, _ in told(found)].count("bad-value") == 1

    def test_every_bad_line_of_a_large_file_is_told_with_the_others(self) -> None:
        lines = [
            '{"id": "a", "inputs": {"q": "x"}, "expected": 1}',
            "nonsense",
            '{"id": "b", "asert": []}',
            '{"id": "c", "inputs": {"q": "x"}, "assert": [{"type": "regex", "value": "("}]}',
        ]
        text = "\n".join(lines)
        assert told(problems(text, "datasets/x.jsonl")) == [
            ("not-json", "datasets/x.jsonl:2:1"),
            ("unknown-key", "datasets/x.jsonl:3"),
            ("bad-value", "datasets/x.jsonl:4"),
        ]

    def test_a_file_that_cannot_be_read_on_is_told_after_what_was_found_before(self) -> None:
        data = b'{"id": "a"}\n{"id": "\xff"}\n'
        assert told(problems(data, "datasets/x.jsonl"))[-1] == ("not-utf-8", "datasets/x.jsonl:2:9")

    def test_it_stops_after_a_hundred_problems_and_says_so(self) -> None:
        lines = (json.dumps({"id": str(n), "x" + "y" * n: 1}) for n in range(200))
        found = problems("\n".join(lines), "datasets/x.jsonl")
        assert len(found) == MAX_PROBLEMS + 1
        assert found[-1].code == "too-many-problems"

    @pytest.mark.parametrize(
        ("text", "path", "codes"),
        [
            ("nonsense\n" * 2000, "datasets/x.jsonl", ["not-json"]),
            (
                "id,extra\n" + "".join(f"c{n},x{n}\n" for n in range(2000)),
                "datasets/x.csv",
                ["no-assertion", "missing-input", "extra-input"],
            ),
            ("q,expected\n" + "x,y,z\n" * 2000, "datasets/x.csv", ["ragged-row"]),
            ("q,must_pass\n" + "".join(f"x,maybe{n}\n" for n in range(2000)), "datasets/x.csv", ["bad-cell"]),
            ("".join(f'{{"id": "c{n}", "inptus": {{}}}}\n' for n in range(2000)), "datasets/x.jsonl", ["unknown-key"]),
        ],
    )
    def test_a_kind_of_problem_is_told_once_with_its_count_and_first_place(
        self, text: str, path: str, codes: list[str]
    ) -> None:
        found = problems(text, path)
        assert sorted(each.code for each in found) == sorted(codes)
        assert all("(and 1,999 more like this, the last on line 200" in each.message for each in found)
        assert {each.place.line for each in found if each.place} <= {1, 2}

    @pytest.mark.parametrize("names", [["a", "b"], ["q1", "q2"]])
    def test_problems_of_different_inputs_are_of_different_kinds(self, names: list[str]) -> None:
        found = problems(f"id,{','.join(names)},expected\n1,x,x,y\n2,x,x,y\n", "datasets/x.csv")
        inputs = [each.message.partition(",")[0] for each in found if each.code == "extra-input"]
        assert inputs == [f"`{name}`" for name in names]

    def test_code_is_refused_with_the_flag_s_name(self) -> None:
        text = "cases: [{id: a, inputs: {q: x}, assert: [{type: python, value: 'c.py:f'}]}]"
        given = tree(text, **{"c.py": "def f(output, context): return True"})
        (problem, *_) = Dataset.open(given, PATH).check()
        assert "--allow-code" in (problem.hint or "")
        assert Dataset.open(given, PATH, code="run").check() == []

    def test_cases_of_a_bad_dataset_are_never_given_in_silence(self) -> None:
        dataset = Dataset.open(tree("q,expected\nx,y\nz\n", "datasets/x.csv"), "datasets/x.csv")
        with pytest.raises(InvalidFiles, match="1 cell"):
            list(dataset.cases())


class TestGitHub:
    FILE = """
name: Spam
messages: [{role: user, content: "Is this spam: {{input}}"}]
testData:
  - {input: buy now, expected: spam, why: money}
  - {input: hello, expected: ham, why: greets}
  - {input: hello, expected: ham, why: greets}
evaluators:
  - {name: says it, string: {contains: "{{expected}}"}}
  - {name: alike, uses: github/similarity}
"""

    def opened(self, text: str = FILE) -> tuple[Dataset | None, Prompt]:
        given = MemoryTree({"prompts/spam.prompt.yml": text})
        prompt = load_prompt(given, "spam")
        return Dataset.of_prompt(prompt, given), prompt

    def test_rows_are_cases_and_evaluators_are_assertions(self) -> None:
        dataset, prompt = self.opened()
        assert dataset is not None
        assert dataset.check(prompt) == []
        first, second, third = dataset.cases(prompt)
        assert first.inputs == {"input": "buy now"}
        assert first.expected == "spam"
        assert first.variables["why"] == "money"
        assert [assertion.metric for assertion in first.assertions] == ["says it", "alike"]
        assert third.id == f"{second.id}-2"
        assert dataset.header.prompts == ("spam",)

    def test_ids_do_not_depend_on_the_order_of_rows(self) -> None:
        rows = self.FILE.index("  - {input: buy"), self.FILE.index("  - {input: hello")
        buy = self.FILE[rows[0] : rows[1]]
        moved = self.FILE.replace(buy, "").replace("evaluators:", buy + "evaluators:")
        before, after = self.opened()[0], self.opened(moved)[0]
        assert before is not None
        assert after is not None
        assert {case.id for case in before.cases()} == {case.id for case in after.cases()}

    def test_without_an_evaluator_a_row_is_graded_by_what_it_expects(self) -> None:
        text = self.FILE.split("evaluators:", maxsplit=1)[0] + "  - {input: hi, expected: ''}\n  - {input: ho}\n"
        for dataset, prompt in (self.opened(text), self.opened(text + "evaluators: []\n")):
            assert dataset is not None
            assert dataset.check(prompt) == []
            cases = list(dataset.cases(prompt))
            assert [case.expected for case in cases] == ["spam", "ham", "ham"]
            assert {each.type for case in cases for each in case.assertions} == {"equals"}
            (problem,) = prompt.problems
            assert problem.message.startswith("nothing grades 2 of 5 test rows")

    @pytest.mark.parametrize(
        "tests", ["testData: [{input: a}]\nevaluators: []\n", "evaluators: [{name: a, uses: github/fluency}]\n"]
    )
    def test_that_nothing_grades_are_a_warning_and_no_dataset(self, tests: str) -> None:
        dataset, prompt = self.opened(self.FILE.split("testData:", maxsplit=1)[0] + tests)
        assert dataset is None
        assert [(each.code, each.severity) for each in prompt.problems] == [("not-evaluated", "warning")]

    def test_the_model_of_a_registry_is_the_providers(self) -> None:
        model = "azureml://registries/azure-openai/models/gpt-4.1/versions/2"
        llm = f"{{modelId: '{model}', prompt: p, choices: [{{choice: a, score: 1}}]}}"
        dataset, prompt = self.opened(
            self.FILE.split("evaluators:", maxsplit=1)[0] + f"evaluators: [{{name: j, llm: {llm}}}]\n"
        )
        assert dataset is not None
        assert dataset.check(prompt) == []
        assert {asked.model for asked in dataset.judges} == {"openai/gpt-4.1"}

    @pytest.mark.parametrize(
        ("good", "bad", "said"),
        [
            ("uses: github/similarity", "uses: github/similar", "evaluator 2 cannot be used: `uses`"),
            ('string: {contains: "{{expected}}"}', 'string: {containz: "x"}', "evaluator 1 cannot be used"),
            ("  - {input: buy now, expected: spam, why: money}", "  - buy now", "test row 1 cannot be used"),
        ],
    )
    def test_a_test_or_evaluator_that_cannot_be_used_is_an_error_and_not_left_out(
        self, good: str, bad: str, said: str
    ) -> None:
        dataset, prompt = self.opened(self.FILE.replace(good, bad))
        assert dataset is not None
        (problem,) = dataset.check(prompt)
        assert (problem.severity, problem.place.path if problem.place else None) == ("error", "prompts/spam.prompt.yml")
        assert said in problem.message
        with pytest.raises(InvalidFiles):
            list(dataset.cases(prompt))

    def test_a_file_without_tests_has_no_dataset(self) -> None:
        dataset, _ = self.opened(self.FILE.split("testData:", maxsplit=1)[0])
        assert dataset is None
