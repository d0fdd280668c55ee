"""Where a workspace stands, step by step: each state names the commands that are useful in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl import EvaluationRequest, Selection, Standing, Workspace, open_workspace
from promptctl.catalogue import survey
from tests.cli.conftest import commit, git, write

SETTINGS = """\
model: echo/echo
labels:
  staging: {}
  production: {after: staging, reason: required}
"""
BUDGETS = "budgets: [{name: team, limit: {calls: 1}, per: day, then: warn}]\n"
PROMPT = "prompts/greet.prompt.yaml"
GREET = "inputs: {name: {type: string}}\nmessages: [{role: user, content: 'Hello {{ name }}'}]\n"
CASES = "prompts: [greet]\ncases: [{id: a, inputs: {name: Ada}, assert: [{type: contains, value: Ada}]}]\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    with open_workspace(tmp_path, {}) as workspace:
        yield workspace


def steps(found: Standing) -> list[str]:
    return [step.command.removeprefix("promptctl ") for step in found.next]


def test_each_state_has_its_next_step(workspace: Workspace) -> None:
    root = workspace.root
    empty = workspace.standing()
    assert (empty.prompts, empty.branch, empty.calls_today, steps(empty)[0]) == (0, "main", 0, "new support/triage")

    write(root, PROMPT, GREET)
    assert workspace.standing().notes == ("no commit yet: there are no versions",)
    commit(root, "Greet")
    workspace.labels.set("greet@staging")
    workspace.labels.set("greet@production", "staging", reason="First")
    calm = workspace.standing()
    assert (calm.branch, calm.prompts, calm.labels, calm.behind, calm.notes) == ("main", 1, 2, (), ())
    assert steps(calm) == ["show greet", "list"]

    write(root, PROMPT, GREET.replace("Hello", "Good day"))
    assert (workspace.standing().changed, steps(workspace.standing())[0]) == (("greet",), "diff greet")
    write(root, "datasets/greet.yaml", CASES)
    assert steps(workspace.standing())[0] == "eval greet"

    commit(root, "Greet well")
    behind = workspace.standing()
    assert [(each.label, each.version, each.newest) for each in behind.behind] == [
        ("staging", 1, 2),
        ("production", 1, 2),
    ]
    assert steps(behind)[0] == "eval greet@v2 --against @staging"
    workspace.evaluate(EvaluationRequest(refs=["greet"], parameters={"temperature": 1.0}))
    assert steps(workspace.standing())[0] == "eval greet@v2 --against @staging", "that moves no label"
    workspace.evaluate(EvaluationRequest(refs=["greet"]))
    assert steps(workspace.standing())[0] == "label set greet@staging v2"
    workspace.labels.set("greet@staging")
    assert steps(workspace.standing())[0] == 'label set greet@production v2 --reason "…"'


def test_the_newest_whole_evaluation_says_if_a_label_moves(workspace: Workspace) -> None:
    root = workspace.root
    two = CASES.replace("}]}]", "}]}, {id: b, inputs: {name: Ben}, assert: [{type: contains, value: Eve}]}]")
    dataset = write(root, "datasets/greet.yaml", two)
    for words in ("Hello", "Good day"):
        write(root, PROMPT, GREET.replace("Hello", words))
        commit(root, words)
        if words == "Hello":
            workspace.labels.set("greet@staging")
    compare = "eval greet@v2 --against @staging"
    workspace.evaluate(EvaluationRequest(refs=["greet@v2"], selection=Selection(ids=frozenset({"a"}))))
    assert compare in steps(workspace.standing()), "one case that passed says nothing of the others"
    [failed] = workspace.evaluate(EvaluationRequest(refs=["greet@v2"]))
    show = f"results show {failed.row.id[-8:]}"
    assert steps(workspace.standing()) == [show, "log list --since today --source all", "list"]
    [other] = workspace.evaluate(EvaluationRequest(refs=["greet@v1"], selection=Selection(ids=frozenset({"a"}))))
    assert other.row.totals.verdict == "passed"
    assert show in steps(workspace.standing()), "what failed before the last command is not forgotten"
    write(root, "datasets/greet.yaml", two.replace("Eve", "Ben"))
    workspace.evaluate(EvaluationRequest(refs=["greet@v2"]))
    assert "label set greet@staging v2" in steps(workspace.standing())
    dataset.unlink()
    write(root, "datasets/other.yaml", two)
    assert compare in steps(workspace.standing()), "an evaluation over a dataset that is gone says nothing"


def test_a_label_that_comes_after_another_moves_to_what_passed(workspace: Workspace) -> None:
    root = workspace.root
    write(root, "datasets/greet.yaml", CASES)
    for number, words in enumerate(("Hello {{ name }}", "Good day", "Hi {{ name }}"), 1):
        write(root, PROMPT, GREET.replace("Hello {{ name }}", words))
        commit(root, words)
        if number < 3:
            workspace.labels.set("greet@staging", f"v{number}")
        if number == 1:
            workspace.labels.set("greet@production", "staging", reason="First")
    [failed] = workspace.evaluate(EvaluationRequest(refs=["greet@v2"]))
    workspace.evaluate(EvaluationRequest(refs=["greet@v3"]))
    found = steps(workspace.standing())
    assert (f"results show {failed.row.id[-8:]}" in found, "label set greet@staging v3" in found) == (False, True)


def test_a_label_is_behind_on_the_default_branch_alone(workspace: Workspace) -> None:
    root = workspace.root
    for words in ("Hello", "Good day", "Hello", "Hi"):
        write(root, PROMPT, GREET.replace("Hello", words))
        commit(root, words)
        if words == "Good day":
            workspace.labels.set("greet@staging", "v1")
    found = workspace.standing()
    assert [(each.label, each.version, each.newest) for each in found.behind] == [("staging", 3, 4)]
    assert steps(found)[0] == "label set greet@staging v4", "there is no dataset to compare over"
    git(root, "checkout", "-q", "-b", "side")
    write(root, PROMPT, GREET.replace("Hello", "Hey"))
    commit(root, "Hey")
    workspace.labels.set("greet@staging", "HEAD")
    assert workspace.standing().behind == ()


def test_what_failed_and_what_cannot_be_used_comes_first(workspace: Workspace) -> None:
    root = workspace.root
    write(root, "promptctl.yaml", SETTINGS + BUDGETS)
    write(root, PROMPT, GREET)
    write(root, "datasets/greet.yaml", CASES.replace("value: Ada", "value: Ben"))
    commit(root, "Greet")
    [evaluation] = workspace.evaluate(EvaluationRequest(refs=["greet"]))
    workspace.run("greet", {"name": "Ben"})
    found = workspace.standing()
    assert [row.id for row in found.evaluations] == [evaluation.row.id]
    assert steps(found)[:2] == ["budget show team", f"results show {evaluation.row.id[-8:]}"]
    assert (found.calls_today, found.cost_today_nano_usd) == (2, 0)
    assert [(each.rule.name, each.state) for each in found.budgets] == [("team", "exceeded")]

    write(root, PROMPT, GREET + "tgas: [x]\n")
    write(root, "prompts/new.prompt.yaml", "name: New\n")
    write(root, "datasets/greet.yaml", CASES + "cases: []\n")
    found = workspace.standing()
    assert steps(found)[0] == "validate"
    assert [each.place.path for each in found.problems or () if each.place] == [
        PROMPT,
        "prompts/new.prompt.yaml",
        "datasets/greet.yaml",
    ]
    commit(root, "Break everything")
    for path in (root / "datasets").iterdir():
        os.utime(path, (1, 1))  # as after a copy
    assert [each.place.path for each in workspace.standing().problems or () if each.place] == [
        PROMPT,
        "prompts/new.prompt.yaml",
    ], "datasets that Git has are not read again"


def test_a_log_that_cannot_be_read_hides_nothing_else(workspace: Workspace) -> None:
    write(workspace.root, PROMPT, GREET)
    commit(workspace.root, "Greet")
    write(workspace.root, ".git/promptctl/log.db", "no database " * 500)
    found = workspace.standing()
    assert (found.prompts, found.calls_today) == (1, None)
    assert "is damaged" in found.notes[0]
    assert steps(found) == ["show greet", "list"]


def test_outside_git_files_are_read_unless_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    write(tmp_path, "prompts/one.prompt.yaml", "nme: wrong\n")
    with open_workspace(tmp_path, {}) as workspace:
        found = workspace.standing()
        assert (found.branch, len(found.problems or ()), steps(found)[0]) == (None, 1, "validate")
        assert steps(found)[1] == "git init && git add . && git commit -m 'Add prompts'"
        assert found.notes == ("in no Git repository: there are no versions and no labels",)
        write(tmp_path, "prompts/two.prompt.yaml", GREET)
        monkeypatch.setattr(survey, "_MOST_READ", 1)
        assert workspace.standing().problems is None
