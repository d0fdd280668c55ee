"""Log rules that are changed while a process runs: they hold from its next call on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl import EvaluationRequest, Execution, Filter, Workspace, open_workspace
from promptctl.errors import InputError

SETTINGS = 'model: echo/echo\nlog: [{prompts: "*", content: full}]\n'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "promptctl.yaml").write_text(SETTINGS)
    (tmp_path / "prompts").mkdir()
    for name, formerly in (("a", ""), ("b", "formerly: [old]\n")):
        inputs = "inputs: {text: {type: string, default: Hello}}\n"
        messages = 'messages: [{role: user, content: "{{ text }}"}]\n'
        (tmp_path / f"prompts/{name}.prompt.yaml").write_text(formerly + inputs + messages)
    with open_workspace(tmp_path, {}) as opened:
        assert kept(opened, opened.run("a").id) == "full"
        yield opened


def kept(workspace: Workspace, execution: str) -> str | None:
    return {row.id: row.kept_content for row in workspace.log.executions()}.get(execution)


def every_way(workspace: Workspace) -> list[str]:
    """Return the executions of one call of each kind."""

    async def awaited() -> str:
        return (await workspace.arun("a")).id

    *_, last = workspace.stream("a")
    assert isinstance(last, Execution)
    with pytest.raises(InputError) as refused:
        workspace.run("a", {"text": 1})
    ids = [last.id, refused.value.execution.id, asyncio.run(awaited())]
    return [*ids, workspace.run("a").id, workspace.run("b").id]


@pytest.mark.parametrize(
    ("given", "expected"), [({"active": "false"}, None), ({"content": "metadata"}, "metadata"), ({}, "full")]
)
def test_a_rule_that_is_set_holds_from_the_next_call_on(
    service: Workspace, given: dict[str, str], expected: str | None
) -> None:
    with open_workspace(service.context.root, {}) as other:
        other.log.set_rules(["*"], given or {"content": "full"})
    assert [kept(service, each) for each in every_way(service)] == [expected] * 5
    service.log.set_rules(["*"], {"content": "full", "active": "true"})
    assert {row.rule.kept for row in service.log.rules()} == {"full"}
    assert [kept(service, each) for each in every_way(service)] == ["full"] * 5


def test_whoever_sets_a_rule_sees_it(service: Workspace) -> None:
    service.log.set_rules(["a"], {"active": "false"})
    assert {row.prompt: row.rule.kept for row in service.log.rules()} == {"a": "off", "b": "full"}

    assert [row.prompt for row in service.log.rules(rule="a")] == ["a"]


def test_a_rule_holds_for_an_evaluation_in_a_running_process(service: Workspace) -> None:
    folder = service.context.root / "datasets"
    folder.mkdir()
    (folder / "a.yaml").write_text("prompts: [a]\ncases: [{id: c, inputs: {}, assert: [{type: contains, value: H}]}]\n")
    service.log.set_rules(["a"], {"active": "false"})
    list(service.evaluate(EvaluationRequest(refs=["a"])))
    assert list(service.log.executions(Filter(source="eval"))) == []


def test_a_file_that_is_wrong_changes_nothing_and_says_so_once(service: Workspace, tmp_path: Path) -> None:
    said: list[str] = []
    with open_workspace(tmp_path, {}, on_warning=said.append) as opened:
        opened.run("a")
        (tmp_path / "promptctl.yaml").write_text(SETTINGS.replace("full", "some"))
        assert [kept(opened, each) for each in every_way(opened)] == ["full"] * 5
        (tmp_path / "promptctl.yaml").unlink()
        assert kept(opened, opened.run("a").id) == "full"
    assert len(said) == 1
    assert "log rules hold as before promptctl.yaml was changed: promptctl.yaml:2" in said[0]


def test_a_key_that_is_named_later_does_not_reach_the_log(tmp_path: Path) -> None:
    (tmp_path / "promptctl.yaml").write_text(SETTINGS)
    messages = [{"role": "user", "content": "My key is zebra-walks-by"}]
    with open_workspace(tmp_path, {"UNUSUAL": "zebra-walks-by"}) as opened:
        opened.call(messages)
        rules = 'models: {"near/m": {api_base: "http://127.0.0.1:1", api_key_env: UNUSUAL}}\n'
        (tmp_path / "promptctl.yaml").write_text(SETTINGS + rules)
        opened.call(messages)
        later, before = opened.log.executions(with_content=True)
        assert before.messages == messages
        assert later.messages
        assert later.messages[0]["content"] == "My key is [redacted]"


def test_a_key_of_the_rules_that_a_process_began_with_does_not_reach_the_log(tmp_path: Path) -> None:
    """Its rules of models stay those, also if the file is changed before anything is written."""
    rules = 'models: {"near/m": {api_base: "http://127.0.0.1:1", api_key_env: UNUSUAL}}\n'
    (tmp_path / "promptctl.yaml").write_text(SETTINGS + rules)
    with open_workspace(tmp_path, {"UNUSUAL": "zebra-walks-by"}) as opened:
        assert opened.context.settings.secret_variables == {"UNUSUAL"}
        (tmp_path / "promptctl.yaml").write_text(SETTINGS)
        opened.call([{"role": "user", "content": "My key is zebra-walks-by"}])
        (row,) = opened.log.executions(with_content=True)
        assert row.messages
        assert row.messages[0]["content"] == "My key is [redacted]"


def test_a_file_that_is_just_being_written_changes_nothing(service: Workspace) -> None:
    file = service.context.root / "promptctl.yaml"
    for rule in ("full", "metadata"):
        before = service.context.settings_now
        with file.open("w") as writing:
            assert kept(service, service.run("a").id) == before.log[0].content
            writing.write(SETTINGS.replace("full", rule))
        assert kept(service, service.run("a").id) == rule
