"""Keys of an experiment that a sensitive input holds: the log has nothing that a guess at the key could be tried on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptctl import Filter, Workspace, open_workspace
from promptctl.log.arm_calls import arm_key
from tests.cli.conftest import commit, git

ADA = "ada@example.com"
SETTINGS = """\
model: echo/echo
branch: main
log: [{prompts: "*", content: full}]
experiments:
  tone:
    prompt: t
    arms: {control: {ref: "@v1", share: 50}, kind: {ref: "@v2", share: 50}}
    primary: {feedback: resolved, minimum: 0.03}
"""
PROMPT = (
    'inputs: {{email: {{type: string, sensitive: true}}}}\nmessages: [{{role: user, content: "{}: {{{{ email }}}}"}}]\n'
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "promptctl.yaml").write_text(SETTINGS)
    for words in ("plain", "kind"):
        (tmp_path / "prompts/t.prompt.yaml").write_text(PROMPT.format(words))
        commit(tmp_path, words)
    with open_workspace(tmp_path, {}) as opened:
        yield opened


def ask(workspace: Workspace, email: str, **options: Any) -> str:
    return workspace.run("t", {"email": email}, experiment="tone", **{"user": ADA, **options}).id


def keys(workspace: Workspace) -> list[str | None]:
    return [row.arm_key for row in workspace.log.executions(Filter(experiment="tone"))]


@pytest.mark.parametrize("options", [{}, {"key": f"id {ADA}"}, {"user": None, "session": ADA, "key": ADA}])
def test_no_row_has_a_key_that_a_guess_could_be_tried_on(workspace: Workspace, options: dict[str, Any]) -> None:
    arms = {workspace.log.execution(ask(workspace, email, **options)).arm for email in (ADA, ADA, "x@example.com")}
    assert len(arms) == 1, "the arm is that of the key"
    plain, *hidden = keys(workspace)
    given = options.get("key", ADA)
    assert plain == arm_key("tone", given)
    assert hidden[0] == hidden[1] != plain
    assert len(hidden[0] or "") == len(plain or "")
    assert json.dumps(hidden).find(arm_key("tone", given)) < 0


@pytest.mark.parametrize("options", [{}, {"user": None, "key": ADA}])
def test_a_report_counts_a_person_once(workspace: Workspace, options: dict[str, Any]) -> None:
    for email in (ADA, "x@example.com"):
        ask(workspace, email, **options)
    ask(workspace, "y@example.com", user="bob")
    found = workspace.context.log.outcomes("tone")
    assert len({call.arm_key for call in found}) == 2


def test_an_erasure_finds_both_keys(workspace: Workspace) -> None:
    for email in (ADA, "x@example.com"):
        ask(workspace, email)
    before = keys(workspace)
    assert workspace.log.redact(user=ADA).executions == 2
    after = keys(workspace)
    assert after[0] == after[1]
    assert set(before).isdisjoint(after)
