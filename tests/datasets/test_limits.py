"""How much a dataset may hold: refused where it is read, with the place and the setting that raises it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from promptctl import ExportRequest, open_workspace
from promptctl.authoring.inferring import observe
from promptctl.datasets.dataset import Dataset
from promptctl.datasets.index import DatasetIndex
from promptctl.errors import InvalidFiles, Problem
from promptctl.files.tree import MemoryTree
from promptctl.formats.settings_file import DEFAULT_LIMITS, DatasetLimits, read_settings
from promptctl.prompts.loading import load_prompt
from tests.schemas.hostile import slow

PATH = "datasets/a.yaml"
PLAIN = {"type": "contains", "value": "x"}


def problems(text: str, rows: list[dict[str, Any]] = (), limits: DatasetLimits = DEFAULT_LIMITS) -> list[Problem]:  # type: ignore[assignment]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    tree = MemoryTree({PATH: text, "datasets/rows.jsonl": lines})
    dataset = Dataset.open(tree, PATH, limits=limits)
    found = [each for each in dataset.check() if each.severity == "error"]
    if found:
        with pytest.raises(InvalidFiles):
            list(dataset.cases())
    return found


def test_cases_are_counted_after_matrices_are_unfolded() -> None:
    text = (
        "cases: rows.jsonl\ndefaults:\n  matrix: {a: [1, 2, 3], b: [1, 2, 3]}\n  assert: [{type: contains, value: x}]\n"
    )
    (found,) = problems(text, [{"id": f"c{n}"} for n in range(3)], DatasetLimits(cases=25))
    assert str(found.place) == "datasets/rows.jsonl:3"
    assert found.message == "the dataset holds more than 25 cases: this one is too many"
    assert found.hint == "split it, or raise `limits: {cases: …}` in promptctl.yaml"
    assert problems(text, [{"id": f"c{n}"} for n in range(3)], DatasetLimits(cases=27)) == []


def test_a_matrix_over_many_lines_stops_at_the_first_case_too_many() -> None:
    matrix = f"{{a: {list(range(1000))}}}"
    text = f"cases: rows.jsonl\ndefaults:\n  matrix: {matrix}\n  assert: [{{type: contains, value: x}}]\n"
    (found,) = problems(text, [{"id": f"c{n}"} for n in range(6000)], DatasetLimits(cases=2000))
    assert str(found.place) == "datasets/rows.jsonl:3"


@pytest.mark.parametrize(
    "text",
    [
        f"defaults: {{inputs: {{doc: {'x' * 50_000}}}, assert: [{{type: contains, value: x}}]}}\ncases: rows.jsonl\n",
        "defaults: {assert: [{type: contains, value: x}]}\ncases:\n"
        f"  - {{id: heavy, inputs: {{doc: {'x' * 50_000}}}, matrix: {{a: {list(range(100))}}}}}\n"
        + "".join(f"  - {{id: c{n}}}\n" for n in range(400)),
    ],
    ids=["defaults", "matrix"],
)
def test_what_defaults_and_matrices_repeat_is_bounded(text: str) -> None:
    (found,) = problems(text, [{"id": f"c{n}"} for n in range(500)], DatasetLimits(cases=1000))
    assert found.code == "too-many-cases"
    assert found.message.endswith("the cases up to this one hold more than 2 MiB")
    assert problems(text, [{"id": f"c{n}"} for n in range(500)]) == []


def test_a_matrix_of_very_many_inputs_is_refused() -> None:
    inputs = ", ".join(f"name{n}: [1]" for n in range(500))
    (found,) = problems(f"cases:\n  - {{id: a, matrix: {{{inputs}}}, assert: [{{type: contains, value: x}}]}}\n")
    assert found.code == "bad-matrix"
    assert "characters to an id" in found.message


@pytest.mark.parametrize(
    ("own", "defaults", "place"),
    [
        ([PLAIN] * 11, [], "datasets/a.yaml:2:54"),
        ([PLAIN] * 5, [PLAIN] * 6, "datasets/a.yaml:2:"),
        ([], [PLAIN] * 11, "datasets/a.yaml:1:"),
        (
            [{"type": "assert-set", "assert": [{"type": "assert-set", "assert": [PLAIN] * 10}]}],
            [],
            "datasets/a.yaml:2:54",
        ),
    ],
    ids=["own", "with defaults", "defaults", "sets"],
)
def test_assertions_of_a_case_are_counted_with_those_of_sets_and_defaults(
    own: list[Any], defaults: list[Any], place: str
) -> None:
    case = f"{{id: a, expected: x, metadata: {{}},   assert: {json.dumps(own)}}}"
    text = f"defaults: {{assert: {json.dumps(defaults)}}}\ncases: [{case}]\n"
    found = problems(text, limits=DatasetLimits(assertions=10))[0]
    assert found.code == "too-many-assertions"
    assert str(found.place).startswith(place)
    assert "at most 10 are graded" in found.message
    assert problems(text, limits=DatasetLimits(assertions=12)) == []


def test_evaluators_in_a_prompt_file_are_counted() -> None:
    evaluator = "  - {name: n, string: {contains: x}}\n"
    text = f"messages: [{{role: user, content: hi}}]\ntestData: [{{input: a}}]\nevaluators:\n{evaluator * 11}"
    tree = MemoryTree({"prompts/a.prompt.yml": text})
    prompt = load_prompt(tree, "a")
    index = DatasetIndex(tree, limits=DatasetLimits(assertions=10))
    with pytest.raises(InvalidFiles, match="11 assertions"):
        index.checked(prompt.path, prompt)


def test_limits_are_settings() -> None:
    assert read_settings(b"limits: {cases: 5, grading_s: 0.5}").limits == DatasetLimits(5, 200, 0.5)
    with pytest.raises(InvalidFiles, match="at least 1"):
        read_settings(b"limits: {assertions: 0}")


def test_everything_that_reads_cases_goes_by_the_settings(tmp_path: Path) -> None:
    case = {"id": "a", "inputs": {"text": "aa"}, "assert": [PLAIN] * 250}
    written = {
        "promptctl.yaml": "limits: {assertions: 300}\n",
        "prompts/p.prompt.yaml": "inputs: {text: {type: string}}\nmessages: [{role: user, content: '{{ text }}'}]\n",
        "datasets/d.yaml": json.dumps({"prompts": ["p"], "cases": [case]}),
    }
    for path, text in written.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    with open_workspace(tmp_path, {}) as workspace:
        assert not workspace.validate().problems
        assert observe(workspace.context, workspace.context.tree, "p", ()).cases == 1
        found = workspace.exchange.export(ExportRequest(refs=["p"], format="openai", allows_losses=True))
    assert b'"custom_id": "a"' in b"".join(found.files.values())


def test_the_inputs_of_all_cases_are_checked_in_a_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.assertions.preparing.CHECKING_S", 0.2)
    prompt = {"inputs": {"a": slow()}, "messages": [{"role": "user", "content": "{{ a }}"}]}
    cases = [{"id": f"c{n}", "inputs": {"a": f"x{n}"}, "expected": "x"} for n in range(40)]
    files = {PATH: json.dumps({"prompts": ["p"], "cases": cases}), "prompts/p.prompt.yaml": json.dumps(prompt)}
    begun = time.process_time()
    (found,) = Dataset.open(MemoryTree(files), PATH).check(load_prompt(MemoryTree(files), "p"))
    assert "takes too long" in found.message
    assert "39 more like this" in found.message
    assert time.process_time() - begun < 3
