"""Alerts of budgets go out beside the calls: no answer waits for a webhook."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl.workspace import open_workspace
from tests.cli.conftest import write
from tests.webhook import SECRET, Hook

SETTINGS = """\
model: echo/echo
budgets:
  - {name: team, limit: {calls: 4}, warn_at: 0.25, webhook_env: HOOK, then: block}
"""
PROMPT = "messages: [{role: user, content: Hi}]\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "promptctl.yaml", SETTINGS)
    write(tmp_path, "prompts/greet.prompt.yaml", PROMPT)
    return tmp_path


def run(root: Path, hook: Hook, *, calls: int = 1) -> list[str]:
    warnings: list[str] = []
    with open_workspace(root, {"HOOK": hook.url}, on_warning=warnings.append) as workspace:
        for _ in range(calls):
            assert workspace.run("greet").reply == "Hi"
    return warnings


def sent(root: Path) -> list[str | None]:
    with open_workspace(root) as workspace:
        return [each.webhook for each in workspace.budgets.history()]


def test_an_alert_is_sent_by_the_call_that_it_is_of_and_by_no_other(root: Path, hook: Hook) -> None:
    assert run(root, hook) == ["budget `team` has spent 1 of 4 calls"]
    assert run(root, hook, calls=2) == []
    assert [(body["kind"], body["spent"]) for _, _, body in hook.got] == [("warned", 1)]
    assert sent(root) == ["sent"]


def test_no_answer_waits_for_a_webhook(root: Path, hook: Hook) -> None:
    hook.gate.clear()
    with open_workspace(root, {"HOOK": hook.url}, on_warning=lambda _: None) as workspace:
        for _ in range(3):
            assert workspace.run("greet").reply == "Hi"
        assert sent(root) == ["due"]
        hook.gate.set()
    assert (len(hook.got), sent(root)) == (1, ["sent"])


def test_an_alert_that_did_not_arrive_is_sent_by_the_next_call(root: Path, hook: Hook) -> None:
    hook.status = 503
    told, words = run(root, hook)
    assert (told, words) == (
        "budget `team` has spent 1 of 4 calls",
        "an alert of the budget `team` was not sent: the address in HOOK answered 503",
    )
    assert sent(root) == ["due"]
    hook.reset()
    assert run(root, hook) == []
    assert (len(hook.got), sent(root)) == (1, ["sent"])


def test_the_address_is_a_secret(root: Path, hook: Hook) -> None:
    write(root, "promptctl.yaml", SETTINGS + "log: [{prompts: '*', content: full}]\n")
    write(root, "prompts/greet.prompt.yaml", f"messages: [{{role: user, content: 'http://a/{SECRET}'}}]\n")
    with open_workspace(root, {"HOOK": f"http://a/{SECRET}"}, on_warning=lambda _: None) as workspace:
        execution = workspace.run("greet")
        assert workspace.log.execution(execution.id).reply == "[redacted]"


def test_the_name_of_an_account_is_as_the_rows_of_calls_have_it(root: Path, hook: Hook) -> None:
    write(root, "promptctl.yaml", SETTINGS.replace("name: team", "name: team, each: user"))
    key = "sk-abcdefghijklmnopqrstuvwxyz1234"
    warnings: list[str] = []
    with open_workspace(root, {"HOOK": hook.url}, on_warning=warnings.append) as workspace:
        for user in (key, "\ud800x"):
            assert workspace.run("greet", user=user).reply == "Hi"
    assert sorted(body["account"] for _, _, body in hook.got) == ["?x", "[redacted]"]
    assert warnings[0] == "budget `team` of [redacted] has spent 1 of 4 calls"
    assert not any(key.encode() in file.read_bytes() for file in root.rglob("log.db*"))
