"""Calls without a prompt file: `Workspace.call` and its streamed and awaited forms."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptctl import Execution, Filter, Workspace, open_workspace
from promptctl.errors import InputError, InvalidOutput, ModelConfigurationError, UsageError
from tests.openai_server import OpenAIServer, failure, reply

HELLO = [{"role": "system", "content": "Be {{ kind }}."}, {"role": "user", "content": "Hello"}]
RULES = """\
model: near/a
models:
  "near/*": {{api_base: "{url}", max_attempts: 1}}
prices:
  "near/*": {{input: 1, output: 2}}
log:
  - {{prompts: "*", content: full}}
  - {{prompts: "extract_*", content: metadata}}
"""


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    (tmp_path / "promptctl.yaml").write_text(RULES.format(url=running.url))
    with open_workspace(tmp_path, {}) as opened:
        yield opened


async def _streamed(workspace: Workspace, **options: Any) -> Execution:
    *_, last = [item async for item in workspace.astream_call(HELLO, **options)]
    assert isinstance(last, Execution)
    return last


def asked(workspace: Workspace, way: str, **options: Any) -> Execution:
    if way == "call":
        return workspace.call(HELLO, **options)
    if way == "stream":
        *_, last = workspace.stream_call(HELLO, **options)
        assert isinstance(last, Execution)
        return last
    return asyncio.run(workspace.acall(HELLO, **options) if way == "acall" else _streamed(workspace, **options))


@pytest.mark.parametrize("way", ["call", "acall", "stream", "astream"])
def test_a_call_is_logged_priced_and_ruled_as_a_prompt_of_that_id(
    workspace: Workspace, running: OpenAIServer, way: str
) -> None:
    running.script(reply("hi"))
    found = asked(workspace, way, prompt_type="extract_page_metadata", user="u1", metadata={"page": 3})
    assert (found.reply, found.prompt, found.version_display) == ("hi", "extract_page_metadata", "no file")
    assert found.cost_nano_usd is not None
    assert found.cost_nano_usd > 0
    assert running.requests[-1].body["messages"] == HELLO, "sent as given: nothing is a template"
    (row,) = workspace.log.executions(Filter(prompt="extract_page_metadata"), with_content=True)
    assert (row.id, row.user, row.call_metadata, row.messages) == (found.id, "u1", {"page": 3}, None)
    latest = workspace.log.latest_call("extract_page_metadata")
    assert latest is not None
    assert (latest.messages, latest.reply) == (HELLO, "hi")


def test_without_a_type_calls_count_as_unnamed_under_the_rule_for_all(
    workspace: Workspace, running: OpenAIServer
) -> None:
    running.script(reply("hi"))
    assert workspace.call(HELLO, model="near/b").model == "near/b"
    (row,) = workspace.log.executions(with_content=True)
    assert (row.prompt, row.reply) == ("unnamed", "hi")


def test_the_messages_of_a_loop_of_tools_are_sent_as_they_came(workspace: Workspace, running: OpenAIServer) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    loop: list[dict[str, Any]] = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]
    running.script(reply("done"))
    assert workspace.call(loop).reply == "done"
    assert running.requests[-1].body["messages"] == loop


def test_equal_calls_are_one_version_whatever_their_messages(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(reply("a"), reply("b"), reply('{"x": 1}'))
    workspace.call(HELLO, prompt_type="t")
    workspace.call([{"role": "user", "content": "other"}], prompt_type="t")
    workspace.call(HELLO, prompt_type="t", response_format={"type": "json_object"})
    assert len({row.digest for row in workspace.log.executions(Filter(prompt="t"))}) == 2
    (ruled,) = workspace.log.rules()
    assert (ruled.prompt, ruled.has_file, ruled.totals.calls) == ("t", False, 3)


def test_totals_go_on_when_a_file_of_that_id_appears(
    workspace: Workspace, running: OpenAIServer, tmp_path: Path
) -> None:
    running.script(reply("a"), reply("b"))
    workspace.call(HELLO, prompt_type="t")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/t.prompt.yaml").write_text("messages: [{role: user, content: Hello}]\n")
    workspace.run("t")
    (ruled,) = workspace.log.rules()
    assert (ruled.prompt, ruled.has_file, ruled.totals.calls) == ("t", True, 2)
    page = workspace.page("t")
    assert page.totals is not None
    assert page.totals.calls == 2


def test_data_is_checked_and_asked_for_again(workspace: Workspace, running: OpenAIServer) -> None:
    output = {"schema": {"type": "object", "required": ["x"]}, "retries": 1}
    running.script(reply("no"), reply('{"x": 1}'))
    assert workspace.call(HELLO, output=output).output == {"x": 1}
    running.script(reply("no"), reply("no"))
    with pytest.raises(InvalidOutput):
        workspace.call(HELLO, output=output)
    running.script(failure(500), reply("hi"))
    assert workspace.call(HELLO, model="near/a", fallbacks=["near/b"]).model == "near/b"


@pytest.mark.parametrize(
    ("messages", "options", "error", "words"),
    [
        ([], {}, InputError, "a call needs a message"),
        (["hello"], {}, InputError, "message 1 cannot be sent: it is not a mapping"),
        (
            [{"role": "usr", "content": "x"}],
            {},
            InputError,
            "its role is not system, developer, user, assistant or tool",
        ),
        ([{"role": "user", "content": [{"type": "text", "text": "x", "when": "x"}]}], {}, InputError, "`when`"),
        (HELLO, {"prompt_type": "../x"}, UsageError, "prompt_type"),
        (HELLO, {"promt_type": "x"}, UsageError, "no option `promt_type`"),
        (HELLO, {"output": {"schema": {"type": "objekt"}}}, UsageError, "objekt"),
        (HELLO, {"output": {"schema": {"$ref": "a.schema.yaml"}}}, UsageError, "a.schema.yaml"),
        (HELLO, {"parameters": {"temprature": 0}}, UsageError, "temprature"),
        (HELLO, {"model": "none"}, ModelConfigurationError, "none"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(
    workspace: Workspace, running: OpenAIServer, messages: Any, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        workspace.call(messages, **options)
    assert not running.requests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": 17}, "`user` is a text, not 17"),
        ({"session": ["s"]}, "`session` is a text, not a value of type list"),
        ({"content_type": b"x"}, "`content_type` is a text"),
        ({"metadata": "x"}, "`metadata` is a mapping of names to values, not `x`"),
        ({"model": 17}, "`model` is a text"),
        ({"parameters": [1]}, "`parameters` is a mapping"),
        ({"parameters": {"stop": {1}}}, "parameters cannot be sent: set is not text"),
        ({"log": "ful"}, "`log` is one of full, metadata, off, not `ful`"),
        ({"log": True}, "`log` is one of full, metadata, off, not True"),
        ({"source": "runs"}, "`source` is one of run, api, eval"),
        ({"record": "no"}, "`record` is True or False"),
        ({"on_retry": 5}, "`on_retry` is a function"),
        ({"timeout": True}, "`timeout` is a number of seconds above 0, not True"),
        ({"fallbacks": 17}, "`fallbacks` is a list of models, not 17"),
        ({"fallbacks": [17]}, "`fallbacks` is a list of models, and 17 is none"),
        ({"prompt_type": 17}, "`prompt_type` is the id of a prompt, not 17"),
        ({"response_format": Execution}, "response_format cannot be sent: type is not text"),
    ],
)
def test_an_option_that_is_none_is_refused_before_anything_is_sent(
    workspace: Workspace, running: OpenAIServer, options: dict[str, Any], words: str
) -> None:
    for way in ("call", "stream"):
        with pytest.raises(UsageError, match=re.escape(words)) as refused:
            asked(workspace, way, **options)
    if options.get("log") == "ful":
        assert refused.value.hint == "did you mean `full`?"
    assert (running.requests, list(workspace.log.executions())) == ([], [])


def test_messages_inputs_and_refs_of_other_types_are_refused(workspace: Workspace, running: OpenAIServer) -> None:
    wrong: Any
    for wrong in (None, "Hello", {"role": "user", "content": "Hello"}, iter(HELLO), 17):
        with pytest.raises(InputError, match=f"messages are a list, not {type(wrong).__name__}"):
            workspace.call(wrong)
    (workspace.root / "prompts").mkdir()
    file = "inputs: {n: {sensitive: true}}\nmessages: [{role: user, content: 'Hello {{ n }}'}]\n"
    (workspace.root / "prompts" / "greet.prompt.yaml").write_text(file)
    for wrong in ("x", ["x"], 0):
        for way in (
            partial(workspace.run, "greet"),
            partial(workspace.dry_run, "greet"),
            workspace.prompt("greet").render,
        ):
            with pytest.raises(
                InputError, match=f"inputs are a mapping of names to values, not {type(wrong).__name__}"
            ):
                way(wrong)
        with pytest.raises(UsageError, match="a ref is a text such as"):
            workspace.run([wrong])  # type: ignore[arg-type]
    assert running.requests == []
