from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptctl.datasets.adding import add_case
from promptctl.datasets.dataset import Dataset
from promptctl.errors import LogError, UsageError, WorkspaceError
from promptctl.git.trees import WorkTree
from promptctl.log.filter import Filter
from tests.evaluation_lab import Lab

COMMENTED = """\
# Checked by hand.
prompts: [triage]   # the only one
defaults:
  assert: [{type: contains, value: o}]
cases:
  # the first
  - id: one
    inputs:
      ticket: |
        Hello
        - not a case
    tags: [a]   # why

# what comes after
description: Greetings.
"""


def run(lab: Lab, ticket: str = "Hello") -> str:
    """Run the prompt once; the execution's id."""
    with lab.open() as workspace:
        return workspace.run("triage", {"ticket": ticket}).id


def add(lab: Lab, path: str, wanted: str, **options: object) -> str:
    with lab.open() as workspace:
        return add_case(lab.root, path, workspace.log, wanted, **options).case_id  # type: ignore[arg-type]


def cases(lab: Lab, path: str) -> dict[str, object]:
    dataset = Dataset.open(WorkTree(lab.root), path)
    assert dataset.check() == []
    return {case.id: dict(case.inputs) for case in dataset.cases()}


def test_nothing_else_in_the_file_changes(lab: Lab) -> None:
    lab.write("datasets/x.yaml", COMMENTED)
    name = add(lab, "datasets/x.yaml", run(lab, 'Tab\t, "quote", é and\nlines: two'), tags=("logged",))
    text = (lab.root / "datasets/x.yaml").read_text()
    assert [line for line in text.splitlines() if line in COMMENTED.splitlines()] == COMMENTED.splitlines()
    found = cases(lab, "datasets/x.yaml")
    assert list(found) == ["one", name]
    assert found[name] == {"ticket": 'Tab\t, "quote", é and\nlines: two'}


DEFAULTS = "defaults: {assert: [{type: contains, value: o}]}\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{DEFAULTS}cases:\n- id: one\n  inputs: {{ticket: o}}\n",
        f"{DEFAULTS}cases:\n- id: one\n  inputs: {{ticket: o}}",
        f"cases:\n    -   id: one\n        inputs: {{ticket: o}}\n        expected: o\n{DEFAULTS}",
        f"{DEFAULTS}cases:\n  - id: one\n    inputs: {{ticket: o}}\n".replace("\n", "\r\n"),
        f"{DEFAULTS}cases: [{{id: one, inputs: {{ticket: o}}}}] # why\n",
        f"{DEFAULTS}cases: # why\n  -\n    id: one\n    inputs: {{ticket: o}}\n    tags:\n      - smoke\n",
        f"\n{DEFAULTS}cases:\n  [{{id: one, inputs: {{ticket: o}}}}]\n",
        f"{DEFAULTS}cases:\n  - id: one\n    inputs: {{ticket: o}}\n\n\n",
    ],
    ids=[
        "no indent",
        "no last newline",
        "wide indent",
        "windows",
        "one line",
        "a dash alone",
        "brackets below",
        "blank end",
    ],
)
def test_it_is_written_as_the_others_are(lab: Lab, text: str) -> None:
    (lab.root / "datasets").mkdir()
    (lab.root / "datasets/x.yaml").write_bytes(text.encode())
    add(lab, "datasets/x.yaml", run(lab), case_id="new")
    assert list(cases(lab, "datasets/x.yaml")) == ["one", "new"]
    written = (lab.root / "datasets/x.yaml").read_bytes()
    assert (b"\r\n" in written) == ("\r\n" in text)
    assert written.count(b"\n") == written.count(b"\r\n") or b"\r\n" not in written


@pytest.mark.parametrize(
    "text",
    [
        f"{DEFAULTS}cases:\n  - id: one\n    inputs:\n      ticket: |+\n        o\n\n\n",
        f"{DEFAULTS}cases:\n  - id: one\n    inputs:\n      ticket: |+\n        o\n\n\ntags: [a]\n",
        f'{DEFAULTS}cases:\n  - id: one\n    inputs: {{ticket: "o\no"}}\ntags: [a]\n',
        f"{DEFAULTS}cases:\n  [{{id: one, inputs: {{ticket: o}}}}]\n",
    ],
    ids=("blank lines", "blank lines before a key", "quoted over two lines", "brackets"),
)
def test_a_case_that_is_there_keeps_its_text(lab: Lab, text: str) -> None:
    lab.write("datasets/x.yaml", text)
    before = cases(lab, "datasets/x.yaml")
    name = add(lab, "datasets/x.yaml", run(lab))
    assert cases(lab, "datasets/x.yaml") == {**before, name: {"ticket": "Hello"}}


def test_what_was_answered_can_be_what_is_expected(lab: Lab) -> None:
    lab.many(1)
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases:\n  - {id: one, inputs: {ticket: a}, expected: a}\n")
    add(lab, "datasets/x.yaml", run(lab, '{"label": "bug"}'), case_id="json", expects_reply=True)
    add(lab, "datasets/x.yaml", run(lab, "plain"), case_id="text", expects_reply=True)
    found = {case.id: case.expected for case in Dataset.open(WorkTree(lab.root), "datasets/x.yaml").cases()}
    assert found == {"one": "a", "json": {"label": "bug"}, "text": "plain"}


def test_a_line_is_added_to_a_file_of_lines_and_to_the_one_that_a_dataset_names(lab: Lab) -> None:
    row = json.dumps({"id": "one", "inputs": {"ticket": "a"}, "expected": "a"})
    lab.write("datasets/rows.jsonl", row)
    lab.write("datasets/x.yaml", "prompts: [triage]\ncases: ./rows.jsonl\n")
    add(lab, "datasets/rows.jsonl", run(lab), case_id="two", expects_reply=True)
    add(lab, "datasets/x.yaml", run(lab), case_id="three", expects_reply=True)
    assert list(cases(lab, "datasets/x.yaml")) == ["one", "two", "three"]
    assert (lab.root / "datasets/rows.jsonl").read_text().startswith(row + "\n")


class TestRefused:
    @pytest.fixture
    def wanted(self, lab: Lab) -> str:
        return run(lab)

    def refused(self, lab: Lab, text: str, wanted: str, path: str = "datasets/x.yaml", **options: object) -> str:
        """The message; the file is as it was."""
        file = lab.write(path, text)
        with pytest.raises((UsageError, WorkspaceError)) as raised:
            add(lab, path, wanted, **options)
        assert file.read_text() == text
        assert [each.name for each in Path(lab.root / "datasets").iterdir()] == [file.name]
        return f"{raised.value.message}; {raised.value.hint}"

    def test_a_case_that_would_prove_nothing(self, lab: Lab, wanted: str) -> None:
        text = "prompts: [triage]\ncases:\n  - {id: one, inputs: {ticket: a}, expected: a}\n"
        assert "--expect-reply" in self.refused(lab, text, wanted)

    def test_an_id_that_is_taken(self, lab: Lab, wanted: str) -> None:
        assert "has a case one already" in self.refused(lab, COMMENTED, wanted, case_id="one")

    def test_a_dataset_of_another_prompt(self, lab: Lab, wanted: str) -> None:
        text = COMMENTED.replace("prompts: [triage]", "prompts: [other]")
        refused = self.refused(lab, text, wanted)
        assert "tests other, and the execution is of triage; name a dataset that tests it, or write it" in refused

    def test_a_table(self, lab: Lab, wanted: str) -> None:
        text = "id,ticket,expected\none,a,a\n"
        assert ".yaml and .jsonl" in self.refused(lab, text, wanted, "datasets/x.csv")

    def test_an_execution_whose_inputs_were_not_kept(self, lab: Lab) -> None:
        with lab.open() as workspace:
            workspace.run("triage", {"ticket": "secret"}, log="metadata")
            (execution,) = workspace.log.executions(Filter())
        lab.write("datasets/x.yaml", COMMENTED)
        with pytest.raises(LogError, match="not its inputs"):
            add(lab, "datasets/x.yaml", execution.id)
