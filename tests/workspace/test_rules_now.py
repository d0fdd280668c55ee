"""Rules of the log and of models that are changed while a process runs: they hold from its next call on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl import EvaluationRequest, Execution, Filter, Limits, Workspace, open_workspace
from promptctl.errors import AuthenticationFailed, InputError
from tests.openai_server import OpenAIServer, failure

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


@pytest.fixture
def far() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


def ask(folder: Path, server: OpenAIServer, model: str, key: str = "") -> None:
    rule = f'"{model}": {{api_base: "{server.url}"{key and f", api_key_env: {key}"}}}'
    (folder / "promptctl.yaml").write_text(f"model: {model}\n{SETTINGS.partition(chr(10))[2]}models: {{{rule}}}\n")


def test_a_model_and_its_rule_hold_from_the_next_call_on(
    service: Workspace, running: OpenAIServer, far: OpenAIServer
) -> None:
    running.reset()
    ask(service.context.root, running, "near/m")
    assert (service.run("a").model, len(running.requests)) == ("near/m", 1)
    assert service.call([{"role": "user", "content": "Hello"}]).model == "near/m"
    ask(service.context.root, far, "far/m")
    assert [service.run("a").model, *(row.model for row in service.prompts())] == ["far/m"] * 3
    ask(service.context.root, far, "near/m")
    assert (service.run("a").model, len(running.requests), len(far.requests)) == ("near/m", 2, 2)


def test_an_evaluation_keeps_the_rules_that_it_began_with(
    service: Workspace, running: OpenAIServer, far: OpenAIServer
) -> None:
    running.reset()
    folder = service.context.root
    (folder / "datasets").mkdir()
    cases = ", ".join(f"{{id: c{n}, inputs: {{text: {n}x}}}}" for n in range(4))
    check = "defaults: {assert: [{type: contains, value: x}]}"
    (folder / "datasets/a.yaml").write_text(f"prompts: [a]\n{check}\ncases: [{cases}]\n")
    ask(folder, running, "near/m")
    [evaluation] = service.evaluate(
        EvaluationRequest(refs=["a"], limits=Limits(concurrency=1)), lambda *_: ask(folder, far, "near/m")
    )
    assert (evaluation.verdict, len(running.requests), len(far.requests)) == ("passed", 4, 0)
    service.evaluate(EvaluationRequest(refs=["a"], replies="refresh"))
    assert (len(running.requests), len(far.requests)) == (4, 4)


@pytest.mark.parametrize("is_named_in_the_file", [True, False])
def test_a_key_that_is_named_later_does_not_reach_the_log(
    tmp_path: Path, running: OpenAIServer, is_named_in_the_file: bool
) -> None:
    (tmp_path / "promptctl.yaml").write_text(SETTINGS)
    environ = {"UNUSUAL": "zebra-walks-by"} if is_named_in_the_file else {}
    running.reset()
    with open_workspace(tmp_path, environ) as opened:
        opened.call([{"role": "user", "content": "Hello"}])
        ask(tmp_path, running, "near/m", "UNUSUAL")
        if not is_named_in_the_file:
            opened.call([{"role": "user", "content": "Hello"}], model="echo/echo")
            environ["UNUSUAL"] = "zebra-walks-by"
        running.script(failure(401, message="no such key: zebra-walks-by"))
        with pytest.raises(AuthenticationFailed):
            opened.call([{"role": "user", "content": "Hello"}])
        row = next(opened.log.executions(Filter(limit=1)))
        assert row.error_message == "near/m refused the key (401): no such key: [redacted]"


def test_a_key_that_is_set_anew_is_sent_from_the_next_call_on_and_hidden(tmp_path: Path, running: OpenAIServer) -> None:
    running.reset()
    ask(tmp_path, running, "near/m", "UNUSUAL")
    environ = {"UNUSUAL": "zebra-walks-by"}
    with open_workspace(tmp_path, environ) as opened:
        for key in ("zebra-walks-by", "heron-stands-still"):
            environ["UNUSUAL"] = key
            opened.call([{"role": "user", "content": f"My key is {key}"}])
            assert running.requests[-1].headers["authorization"] == f"Bearer {key}"
        environ.clear()  # as a program may that wants no other to see its keys
        opened.call([{"role": "user", "content": "Hello"}])
        rows = list(opened.log.executions(with_content=True))
    assert [row.messages and row.messages[0]["content"] for row in rows] == ["Hello", *["My key is [redacted]"] * 2]


def test_a_file_that_is_just_being_written_changes_nothing(service: Workspace) -> None:
    file = service.context.root / "promptctl.yaml"
    for rule in ("full", "metadata"):
        before = service.context.settings_now
        with file.open("w") as writing:
            assert kept(service, service.run("a").id) == before.log[0].content
            writing.write(SETTINGS.replace("full", rule))
        assert kept(service, service.run("a").id) == rule
