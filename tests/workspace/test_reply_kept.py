"""Where the log keeps a call: said by the hint of a reply that does not fit, and by the metadata of a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptctl import Execution, Workspace, open_workspace
from promptctl.errors import InvalidOutput, UsageError
from tests.openai_server import OpenAIServer, reply

PROMPT = """\
messages: [{role: user, content: Give me JSON.}]
output: {schema: {type: object}}
"""
RULES = {
    "full": 'log: [{prompts: "*", content: full}]\n',
    "metadata": "",
    "off": 'log: [{prompts: "*", active: false}]\n',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/a.prompt.yaml").write_text(PROMPT)
    (tmp_path / "prompts/b.prompt.yaml").write_text("messages: [{role: user, content: Hello}]\n")
    return tmp_path


def opened(root: Path, rule: str, more: str = "") -> Workspace:
    (root / "promptctl.yaml").write_text(f"model: echo/echo\n{RULES[rule]}{more}")
    return open_workspace(root, {})


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("asked", [None, *RULES])
def test_the_hint_names_what_has_the_reply(root: Path, running: OpenAIServer, rule: str, asked: str | None) -> None:
    running.reset()
    running.default = reply("Certainly!")
    with opened(root, rule, f'models: {{"near/*": {{api_base: "{running.url}"}}}}\n') as workspace:
        with pytest.raises(InvalidOutput) as caught:
            workspace.run("a", model="near/a", log=asked)  # type: ignore[arg-type]
        assert caught.value.hint is not None
        command, named = caught.value.hint.split()[-2:]
        if (asked or rule) == "full":
            assert command == "show"
            assert workspace.log.execution(named).reply == "Certainly!"
        else:
            latest = workspace.log.latest_call(named)
            assert (command, named, latest and latest.reply) == ("latest", "a", "Certainly!")


def test_a_message_names_no_row_that_is_not_kept(root: Path) -> None:
    with opened(root, "off") as workspace:
        first, *_, last = workspace.stream("b")
        assert isinstance(first, dict)
        assert isinstance(last, Execution)
        called = workspace.call([{"role": "user", "content": "Hello"}], prompt_type="c")
        latest = workspace.log.latest_call("b")
        assert latest is not None
        ids = [each["execution_id"] for each in (first, last.metadata, called.metadata, latest.metadata)]
        assert ids == [None] * 4
        kept = workspace.run("b", log="metadata")
        assert kept.metadata["execution_id"] == kept.id == workspace.log.execution(kept.id).metadata["execution_id"]
        newest = workspace.log.latest_call("b")
        assert newest is not None
        assert newest.metadata["execution_id"] == kept.id


@pytest.mark.parametrize("name", ["user", "session"])
def test_a_name_by_which_calls_are_found_is_short(root: Path, name: str) -> None:
    with opened(root, "full") as workspace:
        assert workspace.run("b", **{name: "x" * 1_000}).reply == "Hello"  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=f"`{name}` is a name of at most 1,000 characters"):
            workspace.run("b", **{name: "x" * 1_001})  # type: ignore[arg-type]
        assert len(list(workspace.log.executions())) == 1
