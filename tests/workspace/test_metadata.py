"""`Execution.metadata` and the first item of a stream: the same keys, by the schema that ships, whatever happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from promptctl import Execution, Workspace, open_workspace
from promptctl.errors import InputError, InvalidOutput, ModelError
from tests.json_schemas import fits
from tests.openai_server import OpenAIServer, chunks, cut_stream, failure, reply, usage

BEFORE = ["prompt_id", "prompt_version", "prompt_name", "prompt_label", "content_type", "model", "provider"]
AT_THE_END = ["latency_ms", "input_tokens", "output_tokens", "cost_nano_usd"]
KEYS = [*BEFORE, "prompt", "commit", "parameters", "execution_id", *AT_THE_END]
PROMPT = """\
model: near/a
parameters: {temperature: 0, stop: [a, b]}
inputs: {name: {type: string}}
messages: [{role: user, content: "Hello {{ name }}"}]
metadata: {content_type: video}
"""
SETTINGS = """\
models:
  "near/*": {{api_base: "{url}", max_attempts: 1}}
prices:
  "near/*": {{input: 1, output: 2}}
"""
ASKED = [{"role": "user", "content": "Hello"}]
INPUTS = {"name": "Ada"}


@pytest.fixture
def workspace(running: OpenAIServer, tmp_path: Path) -> Iterator[Workspace]:
    running.reset()
    (tmp_path / "promptctl.yaml").write_text(SETTINGS.format(url=running.url))
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts/p.prompt.yaml").write_text(PROMPT)
    with open_workspace(tmp_path, {}) as opened:
        yield opened


def checked(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what a database would give back, once it fits the schema."""
    stored: dict[str, Any] = json.loads(json.dumps(metadata, allow_nan=False))
    fits("message metadata", stored)
    assert list(stored) == KEYS
    return stored


async def _collect(stream: Any) -> list[Any]:
    items: list[Any] = []
    async for item in stream:
        if not items:
            assert [item[key] for key in AT_THE_END] == [None] * 4
            checked(item)
        items.append(item)
    return items


def _listed(stream: Iterator[Any]) -> list[Any]:
    first = next(stream)
    assert [first[key] for key in AT_THE_END] == [None] * 4
    checked(first)
    return [first, *stream]


MODEL = "near/a"
WAYS: dict[str, Callable[[Workspace], Any]] = {
    "run": lambda opened: opened.run("p", INPUTS),
    "arun": lambda opened: asyncio.run(opened.arun("p", INPUTS)),
    "stream": lambda opened: _listed(opened.stream("p", INPUTS)),
    "astream": lambda opened: asyncio.run(_collect(opened.astream("p", INPUTS))),
    "call": lambda opened: opened.call(ASKED, model=MODEL),
    "acall": lambda opened: asyncio.run(opened.acall(ASKED, model=MODEL)),
    "stream_call": lambda opened: _listed(opened.stream_call(ASKED, model=MODEL)),
    "astream_call": lambda opened: asyncio.run(_collect(opened.astream_call(ASKED, model=MODEL))),
    "fallback": lambda opened: opened.run("p", INPUTS, model="near/gone", fallbacks=[MODEL]),
    "streamed fallback": lambda opened: _listed(opened.stream("p", INPUTS, model="near/gone", fallbacks=[MODEL])),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_call_gives_the_same_keys(workspace: Workspace, running: OpenAIServer, way: str) -> None:
    if "fallback" in way:
        running.script(failure(400))
    running.script(reply("Hi there", tokens=usage(7, 2)))
    found = WAYS[way](workspace)
    execution = found[-1] if isinstance(found, list) else found
    stored = checked(execution.metadata)
    assert (stored["model"], stored["provider"], stored["execution_id"]) == ("a", "near", execution.id)
    assert (stored["input_tokens"], stored["output_tokens"], stored["cost_nano_usd"]) == (7, 2, 11_000)
    assert stored["latency_ms"] == execution.latency_ms > 0
    if isinstance(found, list):
        assert found[0] == execution.metadata, "the first item was completed in place"
    if "call" not in way:
        assert (stored["prompt"], stored["content_type"]) == ("p", "video")
        assert stored["parameters"] == {"temperature": 0, "stop": ["a", "b"]}
    assert checked(workspace.log.execution(execution.id).metadata) == stored


async def _leave(stream: Any) -> dict[str, Any]:
    async with aclosing(stream) as items:
        metadata: dict[str, Any] = await anext(items)
        await anext(items)
    return metadata


async def _cancel(stream: Any) -> dict[str, Any]:
    seen: list[Any] = []
    has_text = asyncio.Event()

    async def read() -> None:
        async for item in stream:
            seen.append(item)
            if isinstance(item, str):
                has_text.set()

    task = asyncio.create_task(read())
    await has_text.wait()
    task.cancel()
    await asyncio.wait([task])
    assert isinstance(seen[0], dict)
    return seen[0]


@pytest.mark.parametrize("end", [_leave, _cancel])
def test_a_client_that_goes_away_leaves_the_metadata_of_what_it_had(
    workspace: Workspace, running: OpenAIServer, end: Callable[[Any], Any]
) -> None:
    running.script(reply("1", pieces=["12345678", "more"], pause_s=0.5))
    metadata = checked(asyncio.run(end(workspace.astream("p", INPUTS))))
    row = next(workspace.log.executions())
    assert row.status == "cancelled"
    assert metadata == checked(row.metadata)
    assert (metadata["output_tokens"], metadata["cost_nano_usd"]) == (2, row.cost_nano_usd)


def test_a_client_that_goes_away_at_the_last_word_leaves_a_record(
    workspace: Workspace, running: OpenAIServer, tmp_path: Path
) -> None:
    settings = (tmp_path / "promptctl.yaml").read_text()
    (tmp_path / "promptctl.yaml").write_text(
        settings.replace("max_attempts: 1", "max_attempts: 1, reasoning_block: drop")
    )
    running.script(chunks({"content": "<thi"}))  # held back as the beginning of a block of reasoning, until the end
    with open_workspace(tmp_path, {}) as opened:
        metadata = checked(asyncio.run(_leave(opened.astream("p", INPUTS))))
        row = next(opened.log.executions())
    assert (row.status, row.reply, metadata["execution_id"]) == ("cancelled", None, row.id)


def test_a_stream_that_breaks_completes_what_was_handed_out(workspace: Workspace, running: OpenAIServer) -> None:
    running.script(cut_stream("1234", "5678"))
    stream = workspace.stream("p", INPUTS)
    metadata = next(stream)
    assert isinstance(metadata, dict)
    with pytest.raises(ModelError) as caught:
        list(stream)
    assert checked(metadata) == caught.value.execution.metadata
    assert metadata["output_tokens"] == 2


def test_a_reply_that_does_not_fit_has_the_cost_of_every_attempt(
    workspace: Workspace, running: OpenAIServer, tmp_path: Path
) -> None:
    (tmp_path / "prompts/p.prompt.yaml").write_text(PROMPT + "output: {schema: {type: object}, retries: 1}\n")
    running.script(reply("no", tokens=usage(7, 2)), reply("no", tokens=usage(8, 2)), reply("no", tokens=usage(7, 2)))
    with pytest.raises(InvalidOutput) as caught:
        workspace.run("p", INPUTS)
    assert checked(caught.value.execution.metadata)["cost_nano_usd"] == 11_000 + 12_000
    stream = workspace.stream("p", INPUTS)
    metadata = next(stream)
    with pytest.raises(InvalidOutput) as caught:
        list(stream)
    assert checked(metadata) == caught.value.execution.metadata  # type: ignore[arg-type]


def test_a_refused_call_has_metadata_too(workspace: Workspace) -> None:
    with pytest.raises(InputError) as caught:
        workspace.run("p", {})
    found = checked(caught.value.execution.metadata)
    assert [found[key] for key in AT_THE_END] == [None] * 4


@pytest.mark.parametrize("model", ["echo/echo", "replay/near/a"])
def test_a_reply_of_no_provider(workspace: Workspace, running: OpenAIServer, model: str) -> None:
    running.script(reply("Hi there", tokens=usage(7, 2)))
    workspace.run("p", INPUTS, record=True)
    execution: Execution = workspace.run("p", INPUTS, model=model)
    found = checked(execution.metadata)
    assert (found["cost_nano_usd"], f"{found['provider']}/{found['model']}") == (0, model)


def test_an_odd_content_type_of_a_prompt(workspace: Workspace, running: OpenAIServer, tmp_path: Path) -> None:
    (tmp_path / "prompts/p.prompt.yaml").write_text(PROMPT.replace("content_type: video", "content_type: 3"))
    running.script(reply("Hi"))
    assert checked(workspace.run("p", INPUTS).metadata)["content_type"] == "3"
