from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptctl.assertions.kinds import KINDS, known_types
from promptctl.assertions.preparing import Preparer
from promptctl.errors import Problem
from promptctl.files.tree import MemoryTree
from promptctl.formats.schemas import load_schema
from tests.assertions.helpers import faults, locate, prepared

ASSERTION = load_schema("dataset")["$defs"]["assertion"]


def test_the_schema_of_datasets_knows_exactly_the_types_there_are() -> None:
    assert set(ASSERTION["properties"]["type"]["enum"]) == set(known_types())


def test_the_schema_of_datasets_knows_exactly_the_keys_there_are() -> None:
    common = {"type", "value", "path", "weight", "metric", "assert"}
    taken = common.union(*(kind.options for kind in KINDS.values()))
    assert set(ASSERTION["properties"]) == taken


def test_an_unknown_type_names_the_one_that_was_meant() -> None:
    assert faults({"type": "contians", "value": "x"})[0].hint == "did you mean `contains`?"
    assert faults({"type": "not-icontain", "value": "x"})[0].hint == "did you mean `not-icontains`?"
    assert faults({"type": "g-eval", "value": "x"})[0].hint == "did you mean `llm-rubric`?"


def test_a_key_that_the_type_does_not_heed_is_an_error() -> None:
    problem = faults({"type": "contains", "value": "x", "threshold": 0.5})[0]
    assert (problem.code, str(problem.place)) == ("misplaced-key", "assert/0/threshold")
    assert faults({"type": "latency", "threshold": 1, "path": "$.a"})[0].code == "misplaced-key"
    assert faults({"type": "equals", "value": 1, "assert": []})[0].code == "misplaced-key"


def test_everything_wrong_with_an_assertion_is_told_at_once() -> None:
    codes = [problem.code for problem in faults({"type": "regex", "value": "(", "path": "x", "choices": ["a"]})]
    assert codes == ["misplaced-key", "bad-value", "bad-path"]


def test_faults_of_a_set_are_told_at_their_own_places() -> None:
    spec = {"type": "assert-set", "assert": [{"type": "contains", "value": "x"}, {"type": "regex", "value": "("}]}
    assert [str(problem.place) for problem in faults(spec)] == ["assert/0/assert/1/value"]
    empty = {"type": "assert-set", "assert": [{"type": "contains", "value": "x", "weight": 0}]}
    assert faults(empty)[0].code == "no-assertion"
    always = {"type": "assert-set", "threshold": 0, "assert": [{"type": "contains", "value": "x"}]}
    assert faults(always)[0].code == "no-assertion"


def test_equal_assertions_are_prepared_once() -> None:
    preparer = Preparer(MemoryTree({}))
    first = preparer.prepare("datasets/x.yaml", [{"type": "regex", "value": "a+"}], locate, [])
    second = preparer.prepare("datasets/x.yaml", [{"value": "a+", "type": "regex"}], locate, [])
    assert first[0] is second[0]


def test_what_reads_expected_and_what_names_an_input_is_known() -> None:
    assert prepared({"type": "contains"}).reads_expected
    assert prepared({"type": "contains", "value": "{{ expected.x }}"}).reads_expected
    assert not prepared({"type": "is-json"}).reads_expected
    assert prepared({"type": "contains", "value": "{{ name }} {{ output }}"}).names == {"name"}
    inner = {"type": "assert-set", "assert": [{"type": "equals", "value": "{{ name }}"}, {"type": "equals"}]}
    assert prepared(inner).reads_expected
    assert prepared(inner).names == {"name"}


@pytest.mark.parametrize("value", ["{{ name | default('x') }}", "{{ name if name is defined else 'x' }}"])
def test_a_template_that_does_without_a_name_does_not_need_it(value: str) -> None:
    assert prepared({"type": "contains", "value": value}).names == frozenset()


FILES = {"datasets/checks.py": "def short(output, context):\n    return len(output) < 5\n"}
SPEC = {"type": "python", "value": "checks.py:short"}


class TestCode:
    def test_is_refused_without_the_flag_and_nothing_of_it_runs(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        files = {"datasets/checks.py": f"open({str(mark)!r}, 'w')\ndef short(output, context): return True\n"}
        problem = faults(SPEC, files=files)[0]
        assert problem.code == "code-not-allowed"
        assert "--allow-code" in (problem.hint or "")
        assert not mark.exists()
        assert faults({"type": "not-python"})[0].code == "code-not-allowed"

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (None, "file.py:function"),
            ("checks.py", "file.py:function"),
            ("missing.py:short", "does not exist"),
            ("checks.py:long", "does not define"),
            ("../prompts/x.py:short", "climbs"),
            ("broken.py:short", "SyntaxError"),
        ],
    )
    def test_what_cannot_be_loaded_is_told(self, value: str | None, said: str) -> None:
        files = {**FILES, "datasets/broken.py": "def ("}
        spec = {"type": "python"} if value is None else {"type": "python", "value": value}
        problem = faults(spec, files=files, code="run")[0]
        assert problem.code == "bad-code"
        assert said in problem.message

    def test_a_change_of_the_code_is_a_change_of_the_assertion(self) -> None:
        other = {"datasets/checks.py": FILES["datasets/checks.py"].replace("5", "6")}
        one = prepared(SPEC, files=FILES, code="run")
        assert one.digest != prepared(SPEC, files=other, code="run").digest


class TestJudgePrompts:
    def files(self, **inputs: object) -> dict[str, str]:
        prompt = {
            "inputs": inputs,
            "messages": [{"role": "user", "content": "".join(f"{{{{ {n} }}}}" for n in inputs)}],
        }
        return {"prompts/judges/mine.prompt.yaml": json.dumps(prompt)}

    def test_one_of_the_workspace_may_stand_in(self) -> None:
        files = self.files(rubric={"type": "string"}, output={"type": "string"})
        made = prepared({"type": "llm-rubric", "value": "polite", "prompt": "judges/mine"}, files=files)
        assert made.options["prompt"] == "judges/mine"

    def test_it_must_be_there_and_ask_for_nothing_that_it_is_not_given(self) -> None:
        spec = {"type": "llm-rubric", "value": "polite", "prompt": "judges/mine"}
        assert faults(spec)[0].code == "bad-judge"
        problem = faults(spec, files=self.files(colour={"type": "string"}))[0]
        assert "colour" in problem.message
        assert faults(spec, files=self.files(colour={"type": "string", "default": "red"})) == []


def test_the_code_of_templates_is_bounded_for_all_datasets_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.assertions.preparing._MOST_CODE", 1000)
    preparer, problems = Preparer(MemoryTree({})), list[Problem]()
    specs = [{"type": "equals", "value": f"{{{{ a | upper }}}}{n}"} for n in range(20)]
    for spec in [specs[0]] * 50 + [{"type": "equals", "value": f"{{{{ a }}}} {n}"} for n in range(50)]:
        assert preparer.prepare("datasets/a.yaml", [spec], locate, problems)
    assert problems == []
    preparer.prepare("datasets/a.yaml", specs, locate, problems)
    assert len(problems) > 5
    assert {problem.code for problem in problems} == {"too-much-code"}
    preparer = Preparer(MemoryTree({}))
    assert not preparer.prepare(
        "datasets/b.yaml", [{"type": "equals", "value": [["{{ a | e }}" * 200]]}], locate, problems
    )
