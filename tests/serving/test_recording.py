"""Replies that are recorded while a program asks, and answered from afterwards, by the official client."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from promptctl.context import Context
from promptctl.errors import InvalidFiles
from promptctl.serving.repliers import RecordReplier, ReplayReplier
from promptctl.workspace import open_workspace
from tests.openai_server import OpenAIServer, failure, reply, tool_call
from tests.serving.conftest import BODY, HELLO, Served, recordings, serve

TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
]


def recording(context: Context, **options: Any) -> RecordReplier:
    return RecordReplier(context, "served", None, **options)


def ask(served: Served, **more: Any) -> Any:
    with served.client() as client:
        return client.chat.completions.create(**{"model": "gpt-4o-mini", "messages": HELLO, **more})


def said(found: Any) -> Any:
    return found.choices[0].message.content


def test_what_was_recorded_is_answered_without_the_model(context: Context, model: OpenAIServer, root: Path) -> None:
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 2}}
    model.script(reply("Good day", tokens=tokens))
    with serve(recording(context)) as served:
        first = ask(served, temperature=0.5)
        assert said(ask(served, temperature=0.5)) == "Good day"
    assert [request.body["temperature"] for request in model.requests] == [0.5]
    with serve(ReplayReplier(context)) as served:
        again = ask(served, temperature=0.5)
    assert again.choices == first.choices
    assert again.usage == first.usage
    assert (first.usage.total_tokens, first.usage.completion_tokens_details.reasoning_tokens) == (15, 2)
    assert again.created == int(time.mktime(time.strptime(recordings(root)[0]["recorded_at"], "%Y-%m-%dT%H:%M:%SZ")))
    assert len(model.requests) == 1


def test_tokens_that_were_counted_in_part_are_not_said(context: Context, model: OpenAIServer) -> None:
    model.script(reply("Good day", tokens={"prompt_tokens": 10}))
    with serve(recording(context)) as served:
        assert ask(served).usage is None


def test_reasoning_that_the_settings_drop_is_dropped_from_a_recorded_reply_too(root: Path, model: OpenAIServer) -> None:
    settings = (root / "promptctl.yaml").read_text()
    (root / "promptctl.yaml").write_text(settings.replace("max_attempts: 1", "max_attempts: 1, reasoning_block: drop"))
    model.script(reply("<think>Hm.</think>Good day"))
    with open_workspace(root, {}, refresh_s=0) as workspace, serve(recording(workspace.context)) as served:
        assert [said(ask(served)), said(ask(served))] == ["Good day"] * 2
    assert len(model.requests) == 1


def test_tools_are_called_and_the_next_turn_is_found(context: Context, model: OpenAIServer) -> None:
    model.script(tool_call("clock", {"zone": "UTC"}), reply("It is noon."))

    def turns(served: Served) -> list[Any]:
        first = ask(served, tools=TOOLS)
        call = first.choices[0].message
        told = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12:00"}
        return [first, ask(served, tools=TOOLS, messages=[*HELLO, call, told])]

    with serve(recording(context)) as served:
        asked = turns(served)
    with serve(ReplayReplier(context)) as served:
        found = turns(served)
        with served.client() as client:
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, tools=TOOLS, stream=True)
            pieces = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert [each.choices for each in found] == [each.choices for each in asked]
    assert (asked[0].choices[0].finish_reason, said(asked[0]), said(asked[1])) == ("tool_calls", None, "It is noon.")
    assert pieces[0].function is not None
    assert (pieces[0].id, pieces[0].function.name) == ("call_1", "clock")
    assert json.loads("".join(each.function.arguments or "" for each in pieces if each.function)) == {"zone": "UTC"}


@pytest.mark.parametrize(
    "more",
    [
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"n": 1, "user": "ada", "metadata": {"a": "b"}, "store": True, "safety_identifier": "x"},
        {"temperature": 0, "top_p": 1},
        {"seed": None, "stop": None, "tools": None, "logprobs": False},
        {"messages": [{"role": "user", "content": "Hello", "name": None}]},
        {"model": "openai/gpt-4o-mini"},
    ],
)
def test_what_decides_nothing_of_the_reply_finds_it_all_the_same(
    context: Context, model: OpenAIServer, more: dict[str, Any]
) -> None:
    with serve(recording(context)) as served:
        assert served.ask({**BODY, "temperature": 0.0, "top_p": 1.0}).status == 200
        assert served.ask(BODY).status == 200
    with serve(ReplayReplier(context)) as served:
        assert served.ask({**BODY, **more}).status == 200
    assert len(model.requests) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 1},
        {"seed": 1},
        {"tools": TOOLS},
        {"response_format": {"type": "json_object"}},
        {"model": "gpt-4o"},
        {"messages": [{"role": "system", "content": "Hello"}]},
    ],
)
def test_a_different_request_is_not_found_and_not_asked_for_again(
    context: Context, model: OpenAIServer, more: dict[str, Any]
) -> None:
    import openai

    with serve(recording(context)) as served:
        ask(served)
    with serve(ReplayReplier(context)) as served, pytest.raises(openai.NotFoundError) as caught:
        ask(served, **more)
    assert caught.value.code == "reply_not_recorded"
    assert "the nearest, datasets/recordings/served.jsonl:1, differs: `" in caught.value.message
    assert "Record it with: promptctl serve --record" in caught.value.message
    assert (len(served.told), len(model.requests)) == (1, 1)


@pytest.mark.parametrize("temperature", [0, 0.0])
@pytest.mark.parametrize("declared", ["0", "0.0", "0.5"])
def test_what_run_records_of_a_prompt_is_found(
    root: Path, context: Context, declared: str, temperature: float, model: OpenAIServer
) -> None:
    prompt = f"parameters: {{temperature: {declared}}}\nmessages:\n  - {{role: user, content: Hello}}\n"
    (root / "prompts").mkdir()
    (root / "prompts/p.prompt.yaml").write_text(prompt)
    with open_workspace(root, {}) as workspace:
        workspace.run("p", record=True)
    with serve(ReplayReplier(context)) as served:
        status = served.ask({**BODY, "temperature": temperature}).status
    assert (status, len(model.requests)) == (404 if declared == "0.5" else 200, 1)


def test_equal_requests_at_once_ask_once(context: Context, model: OpenAIServer, root: Path) -> None:
    model.script(reply("Once", pause_s=0.01))
    with serve(recording(context)) as served, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: said(ask(served)), range(12)))
    assert (set(found), len(model.requests), len(recordings(root))) == ({"Once"}, 1, 1)


def test_a_client_that_leaves_loses_no_reply(context: Context, model: OpenAIServer, root: Path) -> None:
    async def late(exchange: Any) -> None:
        await asyncio.sleep(0.3)
        await reply("Paid for")(exchange)

    model.script(late)
    body = json.dumps(BODY).encode()
    with serve(recording(context)) as served:
        head = [
            "POST /v1/chat/completions HTTP/1.1",
            f"Host: 127.0.0.1:{served.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.sendall("\r\n".join([*head, "", ""]).encode() + body)
            for _ in range(2000):
                if model.requests:
                    break
                time.sleep(0.01)
    assert [each["reply"] for each in recordings(root)] == ["Paid for"]


def test_with_refresh_each_request_is_asked_once_more(context: Context, model: OpenAIServer, root: Path) -> None:
    model.script(reply("Old"), reply("New"))
    with serve(recording(context)) as served:
        ask(served)
    with serve(recording(context, is_refreshed=True)) as served:
        assert [said(ask(served)) for _ in range(2)] == ["New", "New"]
    assert [each["reply"] for each in recordings(root)] == ["Old", "New"]
    with serve(ReplayReplier(context)) as served:
        assert said(ask(served)) == "New"


FAILURES: dict[str, tuple[Any, int, str]] = {
    "no key": (failure(401, "bad key"), 401, "invalid_api_key"),
    "too many": (failure(429, "slow down"), 429, "rate_limit_exceeded"),
    "no money": (failure(429, "exceeded your current quota", code="insufficient_quota"), 429, "insufficient_quota"),
    "filtered": (failure(400, "filtered", code="content_filter"), 400, "content_filter"),
    "broken": (failure(500, "it broke"), 502, "provider_failed"),
    "not there": (failure(404, "no such model"), 404, "request_rejected"),
    "wrong": (failure(422, "no such parameter"), 422, "request_rejected"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_of_the_model_is_passed_on_and_not_tried_again(
    context: Context, model: OpenAIServer, root: Path, case: str
) -> None:
    import openai

    answer, status, code = FAILURES[case]
    model.script(answer, reply("Hello again"))
    with serve(recording(context)) as served:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(served)
        assert (caught.value.status_code, caught.value.code, len(model.requests)) == (status, code, 1)
        assert caught.value.type == ("server_error" if status == 502 else "invalid_request_error")
        assert recordings(root) == []
        assert said(ask(served)) == "Hello again"  # a failure is not what is answered from then on


def test_a_call_is_logged_priced_and_ruled(root: Path) -> None:
    settings = (root / "promptctl.yaml").read_text()
    rule = "budgets:\n  - {name: tests, prompts: [served], per: day, limit: {calls: 2}}\n"
    (root / "promptctl.yaml").write_text(settings + rule)
    with open_workspace(root, {}, refresh_s=0) as workspace, serve(recording(workspace.context)) as served:
        ask(served, user="ada", metadata={"test": "one"})
        answered = [served.ask({**BODY, "seed": number}) for number in range(3)]
        row = list(workspace.log.executions())[-1]
    assert (row.prompt, row.source, row.user, row.call_metadata) == ("served", "api", "ada", {"test": "one"})
    assert row.cost_nano_usd == 2_000
    assert [each.status for each in answered] == [200, 402, 402]
    assert answered[-1].error["code"] == "budget_reached"


def test_no_secret_is_recorded(context: Context, root: Path, model: OpenAIServer) -> None:
    model.script(reply("the key is canary-of-a-key"))
    with serve(recording(context)) as served:
        asked: list[Mapping[str, str]] = [{"role": "user", "content": "is it canary-of-a-key?"}]
        assert "canary" in said(ask(served, messages=asked))
    assert "canary" not in (root / "datasets/recordings/served.jsonl").read_text()


def test_recordings_that_cannot_be_read_are_said(context: Context, root: Path) -> None:
    replier = ReplayReplier(context)
    (root / "datasets/recordings").mkdir(parents=True)
    (root / "datasets/recordings/x.jsonl").write_text("nonsense\n")
    with pytest.raises(InvalidFiles, match="this line is not JSON"):  # before anything is answered
        ReplayReplier(context)
    with serve(replier) as served:
        answered = served.ask()
    assert (answered.status, answered.error["code"]) == (500, "workspace_error")
    assert "datasets/recordings/x.jsonl:1: this line is not JSON" in answered.error["message"]


def test_what_is_recorded_meanwhile_is_found(context: Context, root: Path) -> None:
    with serve(ReplayReplier(context)) as served:
        assert served.ask().status == 404
        (root / "datasets/recordings").mkdir(parents=True)
        line = {"model": "openai/gpt-4o-mini", "messages": HELLO, "reply": "By hand"}
        (root / "datasets/recordings/x.yaml").write_text(json.dumps([line]))
        answered = served.ask()
    assert answered.json["choices"][0]["message"] == {"role": "assistant", "content": "By hand", "refusal": None}
    assert (answered.json["usage"], answered.json["created"]) == (None, 0)


def test_a_refusal_is_one(context: Context, root: Path) -> None:
    (root / "datasets/recordings").mkdir(parents=True)
    line = {"model": "openai/gpt-4o-mini", "messages": HELLO, "reply": "I will not", "finish_reason": "refusal"}
    (root / "datasets/recordings/x.yaml").write_text(json.dumps([line]))
    with serve(ReplayReplier(context)) as served:
        found = ask(served)
        with served.client() as client:
            stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
            pieces = [chunk.choices[0].delta.refusal or "" for chunk in stream]
    assert (said(found), found.choices[0].message.refusal, found.choices[0].finish_reason) == (
        None,
        "I will not",
        "stop",
    )
    assert "".join(pieces) == "I will not"


def test_the_key_of_a_program_goes_nowhere(context: Context, model: OpenAIServer, root: Path) -> None:
    with serve(recording(context)) as served:
        assert served.ask(Authorization="Bearer key-of-the-program").status == 200
    (request,) = model.requests
    assert "key-of-the-program" not in str(request.headers)
    assert "key-of-the-program" not in (root / "datasets/recordings/served.jsonl").read_text()
    assert "key-of-the-program" not in str(list(context.log.executions()))


NODE = """
const answer = await fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: "Bearer none" },
  body: JSON.stringify({
    model: "gpt-4o-mini", temperature: 0.0, stream: true, messages: [{ role: "user", content: "Hello" }],
  }),
});
const events = (await answer.text()).trim().split("\\n\\n").map((event) => event.slice("data: ".length));
const chunks = events.slice(0, -1).map((event) => JSON.parse(event));
console.log(answer.status, chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), events.at(-1));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_node_finds_what_python_recorded(context: Context, model: OpenAIServer) -> None:
    model.script(reply("Good day to you"))
    with serve(recording(context)) as served:
        ask(served, temperature=0.0)
    with serve(ReplayReplier(context)) as served:
        done = subprocess.run(
            ["node", "--input-type=module", "-e", NODE],
            env={**os.environ, "OPENAI_BASE_URL": served.url},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.stdout, done.stderr) == ("200 Good day to you [DONE]\n", "")
