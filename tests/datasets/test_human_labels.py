from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from promptctl.datasets.dataset import Dataset
from promptctl.datasets.human_labels import HumanLabel, check_labels, labels_path, read_labels, with_label
from promptctl.datasets.questions import Questions
from promptctl.datasets.validation import validate_workspace
from promptctl.errors import InvalidFiles
from promptctl.files.tree import MemoryTree, Overlay
from promptctl.prompts.loading import load_prompt

GREET = 'inputs: {name: {type: string}}\nmessages: [{role: user, content: "Greet {{ name }}"}]\n'
DATASET = """\
prompts: [greet]
cases:
  - id: by-name
    inputs: {name: Ada}
    assert:
      - {type: llm-rubric, value: "Greets {{ name }}."}
      - {type: not-classify, value: rude, choices: [rude, kind], path: $.said}
      - type: assert-set
        assert: [{type: answer-relevance}, {type: factuality, value: She is Ada., accept: [same]}]
"""
PATH = "datasets/greet.yaml"
REPLY = '{"said": "Hello, Ada"}'


def tree_of(labels: list[HumanLabel] | str = "", dataset: str = DATASET, by: str = "ada") -> MemoryTree:
    text = labels if isinstance(labels, str) else "".join(label.as_line() for label in labels)
    files = {"promptctl.yaml": "model: a/b\n", "prompts/greet.prompt.yaml": GREET, PATH: dataset}
    return MemoryTree({**files, labels_path(PATH, by): text})


def questions(dataset: str = DATASET) -> Questions:
    tree = tree_of(dataset=dataset)
    return Questions(Dataset.open(tree, PATH), [load_prompt(tree, "greet")])


def labels_of(dataset: str = DATASET, by: str = "ada") -> list[HumanLabel]:
    asked = questions(dataset)
    case = asked.cases["by-name"]
    return [
        asked.label(each, each.answers[0], dataset=PATH, dataset_digest="0" * 32, by=by, at="2026-11-29T13:00:00.000Z")
        for each in asked.of(case, REPLY)
    ]


def test_people_are_asked_what_the_judges_are() -> None:
    asked = questions()
    found = [(each.type, each.text, each.reply) for each in asked.of(asked.cases["by-name"], REPLY)]
    assert found == [
        ("llm-rubric", "Greets Ada.", REPLY),
        ("classify", "", "Hello, Ada"),
        ("answer-relevance", "Ada", REPLY),
        ("factuality", "She is Ada.", REPLY),
    ]
    # Nothing is at the path: nobody is asked.
    assert [each.type for each in asked.of(asked.cases["by-name"], "Hi")] == [
        "llm-rubric",
        "answer-relevance",
        "factuality",
    ]


def test_an_answer_passes_as_the_judges_would() -> None:
    asked = questions()
    passes = {
        each.type: [answer for answer in each.answers if each.passes(answer)]
        for each in asked.of(asked.cases["by-name"], REPLY)
    }
    assert passes == {
        "llm-rubric": ["pass"],
        "classify": ["kind"],
        "answer-relevance": ["4", "5"],
        "factuality": ["same"],
    }


def test_a_file_of_labels_is_read_as_it_was_written() -> None:
    labels = labels_of()
    assert [replace(each, place=None) for each in read_labels(tree_of(labels), PATH)] == labels
    assert [each.question.type for each in questions().labelled(labels).counting] == [each.type for each in labels]
    assert validate_workspace(tree_of(labels)).problems == ()
    assert validate_workspace(tree_of(labels)).files == 4


def test_a_changed_label_takes_the_place_of_the_earlier_one() -> None:
    labels = labels_of()
    changed = replace(labels[0], answer="fail", comment="too short")
    assert with_label(labels, changed) == [changed, *labels[1:]]
    assert with_label(labels[1:], changed) == [*labels[1:], changed]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"answer": "maybe"}, "unknown-answer"),
        ({"reply": "Something else"}, "changed-reply"),
        ({"question": "Is it nice?"}, "changed-question"),
        ({"by": "bob"}, "misplaced"),
        ({"dataset": "datasets/other.yaml"}, "misplaced"),
        ({"by": "../ada"}, "wrong-form"),
        ({"choices": ["a", "b"]}, "changed-question"),
        ({"at": "yesterday"}, "wrong-form"),
        ({"verdict": "pass"}, "unknown-key"),
    ],
)
def test_a_label_that_was_tampered_with_is_an_error(change: dict[str, Any], code: str) -> None:
    line = json.dumps({**json.loads(labels_of()[0].as_line()), **change})
    _, problems = check_labels(tree_of(line), labels_path(PATH, "ada"))
    assert code in [each.code for each in problems], problems
    assert all(each.place is not None and each.place.line == 1 and each.hint for each in problems)
    with pytest.raises(InvalidFiles):
        read_labels(tree_of(line), PATH)


def test_a_command_that_is_shown_can_be_copied() -> None:
    odd = "datasets/g;touch pwn;.yaml"
    label = replace(labels_of()[0], dataset=odd, reply_digest="0" * 32)
    _, problems = check_labels(MemoryTree({labels_path(odd, "ada"): label.as_line()}), labels_path(odd, "ada"))
    assert [each.hint for each in problems] == [
        f"restore the line from Git, or remove it and label again: promptctl judge label '{odd}'"
    ]


def test_what_is_no_label_is_an_error_at_its_line() -> None:
    label = labels_of()[0]
    text = label.as_line() + "\n" + replace(label, answer="fail").as_line() + "{}\n{oops\n<<<<<<< ours\n"
    _, problems = check_labels(tree_of(text), labels_path(PATH, "ada"))
    assert [(each.code, each.place and each.place.line) for each in problems] == [
        ("duplicate-label", 3),
        ("not-a-label", 4),
        ("not-json", 5),
        ("unresolved-merge", 6),
    ]
    assert "the first label is on line 1" in problems[0].message


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("by-name", "renamed", "the case is not there any more"),
        ("name: Ada", "name: Bob", "the case has other inputs now"),
        ("Greets {{ name }}.", "Is polite.", "the case asks something different now"),
    ],
)
def test_labels_of_another_version_of_the_case_do_not_count(old: str, new: str, reason: str) -> None:
    label = labels_of()[0]
    changed = DATASET.replace(old, new)
    found = questions(changed).labelled([label])
    assert (found.counting, list(found.set_aside)) == ((), [reason])
    (problem,) = validate_workspace(tree_of([label], changed)).problems
    assert (problem.code, problem.severity) == ("outdated-label", "warning")
    assert "1 label of datasets/greet.yaml no longer counts: " in problem.message
    assert reason in problem.message
    assert "promptctl judge label datasets/greet.yaml" in (problem.hint or "")


def test_labels_outlive_a_change_of_the_judge() -> None:
    label = labels_of()[0]
    changed = DATASET.replace(
        'value: "Greets {{ name }}."', 'value: "Greets {{ name }}.", model: a/judge, threshold: 1'
    )
    assert len(questions(changed).labelled([label]).counting) == 1


def test_labels_of_a_dataset_that_is_not_there_are_an_error() -> None:
    tree = tree_of(labels_of())
    moved = MemoryTree(
        {path: tree.read(path) for path in (*tree.paths("prompts"), *tree.paths("datasets/human-labels"))}
    )
    (problem,) = validate_workspace(moved).problems
    assert (problem.code, problem.message) == ("missing-dataset", "there is no dataset datasets/greet.yaml")
    assert "rename it in the labels" in str(problem.hint)
    near = Overlay(moved, {"datasets/greets.yaml": DATASET.encode()})
    assert [each.hint for each in validate_workspace(near).problems] == ["did you mean `datasets/greets.yaml`?"]


def test_labels_are_no_dataset() -> None:
    with pytest.raises(InvalidFiles, match="which are no cases"):
        Dataset.open(tree_of(labels_of()), labels_path(PATH, "ada"))


def test_values_of_sensitive_inputs_are_hidden() -> None:
    tree = tree_of()
    sensitive = MemoryTree({"prompts/greet.prompt.yaml": GREET.replace("string", "string, sensitive: true")})
    asked = Questions(Dataset.open(tree, PATH), [load_prompt(sensitive, "greet")])
    case = replace(asked.cases["by-name"], inputs={"name": "Ada Lovelace"})
    texts = [each.text for each in asked.of(case, REPLY)]
    assert "Ada Lovelace" not in str(texts)
    assert texts[0] == "Greets [sensitive: name]."
    assert asked.inputs_digest(case) == asked.inputs_digest(replace(case, inputs={"name": "Grace Hopper"}))
