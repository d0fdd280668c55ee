"""A workspace that stays open sees what changes on disk and in Git between two calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import promptctl
from promptctl import EvaluationRequest, PromptFilter, Selection
from tests.cli.conftest import commit, git, write

PROMPT = """\
inputs: {name: {type: string}}
messages: [{role: user, content: "WORD {{ name }}"}]
"""
DATASET = """\
prompts: [greet]
cases:
  - {id: ada, inputs: {name: Ada}, assert: [{type: contains, value: WORD}]}
"""


def prompt(root: Path, word: str) -> None:
    write(root, "prompts/greet.prompt.yaml", PROMPT.replace("WORD", word))


def dataset(root: Path, word: str, *more: str) -> None:
    write(root, "datasets/greet.yaml", DATASET.replace("WORD", word) + "".join(f"  - {case}\n" for case in more))


@pytest.fixture(name="opened")
def opened_workspace(tmp_path: Path) -> Iterator[promptctl.Workspace]:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    prompt(tmp_path, "Hello")
    dataset(tmp_path, "Hello")
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, "Greet people")
    with promptctl.open_workspace(tmp_path) as workspace:
        yield workspace


def verdicts(workspace: promptctl.Workspace) -> list[str]:
    return [each.verdict for each in workspace.evaluate(EvaluationRequest(refs=["greet"]))]


def test_a_new_commit(opened: promptctl.Workspace) -> None:
    assert opened.prompt("greet@HEAD").version.number == 1
    assert [row.number for row in opened.history("greet")] == [1]
    prompt(opened.root, "Good day")
    assert opened.prompt("greet").version.is_dirty
    assert [each.diff.is_empty for each in (opened.diff("greet"), opened.diff("greet@v1", "@HEAD"))] == [False, True]
    commit(opened.root, "Greet politely")
    assert opened.prompt("greet@HEAD").version.number == 2
    assert opened.prompt("greet").version.display.startswith("v2 (")
    assert [row.number for row in opened.history("greet")] == [2, 1]
    assert not opened.diff("greet@v1", "@HEAD").diff.is_empty


def test_a_new_label(opened: promptctl.Workspace) -> None:
    with pytest.raises(promptctl.RevisionNotFound, match="no prompt has a label `production`"):
        opened.prompts(PromptFilter(label="production"))
    assert opened.complete("greet@") == ["greet@v1"]
    with promptctl.open_workspace(opened.root) as other:
        other.labels.set("greet@production", "v1")
    assert [each.id for each in opened.prompts(PromptFilter(label="production"))] == ["greet"]
    assert opened.complete("greet@") == ["greet@production", "greet@v1"]
    assert opened.run("greet@production", {"name": "Ada"}).label == "production"
    with promptctl.open_workspace(opened.root) as other:
        other.labels.remove("greet@production")
    with pytest.raises(promptctl.RevisionNotFound):
        opened.prompt("greet@production")


def test_a_changed_dataset(opened: promptctl.Workspace) -> None:
    assert verdicts(opened) == ["passed"]
    assert opened.datasets.changed_since("HEAD") == []
    dataset(opened.root, "Bye", "{id: joan, inputs: {name: Joan}, expected: Hello Joan}")
    assert verdicts(opened) == ["failed"]
    assert [each.cases for each in opened.datasets.all()] == [2]
    assert opened.datasets.changed_since("HEAD") == ["greet"]
    (estimate,) = opened.estimate(EvaluationRequest(refs=["greet"]))
    assert estimate.calls == 2
    write(opened.root, "datasets/greet.yaml", "prompts: [greet]\ncases: 3\n")
    with pytest.raises(promptctl.InvalidFiles):
        verdicts(opened)


def test_a_changed_prompt(opened: promptctl.Workspace) -> None:
    assert opened.run("greet", {"name": "Ada"}).reply == "Hello Ada"
    assert verdicts(opened) == ["passed"]
    prompt(opened.root, "Good day")
    assert opened.run("greet", {"name": "Ada"}).reply == "Good day Ada"
    assert verdicts(opened) == ["failed"]
    write(opened.root, "prompts/new.prompt.yaml", PROMPT)
    assert opened.complete("") == ["greet", "new"]
    assert [each.id for each in opened.prompts()] == ["greet", "new"]


def test_what_is_kept_is_shared_by_all_calls(opened: promptctl.Workspace) -> None:
    context = opened.context
    assert context.fresh().log is context.log
    assert context.log is context.fresh().log
    assert context.fresh().gateway is context.fresh().gateway
    assert context.fresh().settings is context.settings


def test_plans_of_two_calls_keep_their_own_cases(opened: promptctl.Workspace) -> None:
    dataset(opened.root, "Hello", "{id: joan, inputs: {name: Joan}, expected: Hello Joan}")
    wanted = EvaluationRequest(refs=["greet"], selection=Selection(ids=frozenset({"joan"})))
    (found,) = opened.evaluate(wanted)
    assert [case.outcome.case_id for case in opened.results.cases(found.row.id)] == ["joan"]
    assert opened.results.case(found.row.id, "joan").outcome.status == "passed"
    with pytest.raises(promptctl.CaseNotFound, match="no case `jon`") as raised:
        opened.results.case(found.row.id, "jon")
    assert raised.value.hint == "did you mean `joan`?"


def test_a_repository_that_is_made_meanwhile(tmp_path: Path) -> None:
    write(tmp_path, "promptctl.yaml", "model: echo/echo\n")
    prompt(tmp_path, "Hello")
    with promptctl.open_workspace(tmp_path) as workspace:
        assert workspace.prompt("greet").version.number is None
        git(tmp_path, "init", "-q", "-b", "main")
        commit(tmp_path, "Greet people")
        assert workspace.prompt("greet").version.number == 1
        assert [row.number for row in workspace.history("greet")] == [1]
