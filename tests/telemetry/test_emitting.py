"""Calls as an application's OpenTelemetry is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from promptctl import Execution, Telemetry, Workspace, open_workspace
from promptctl.errors import BudgetReached, InvalidOutput, PromptctlError, RateLimited
from promptctl.telemetry import names
from tests.openai_server import OpenAIServer, chunks, failure, reply, tool_call, usage
from tests.telemetry.conftest import SETTINGS, Application

WAYS = ("run", "arun", "stream", "astream")
HELLO = {"name": "Ada"}


@pytest.fixture
def workspace(root: Path, application: Application) -> Iterator[Workspace]:
    with open_workspace(root, {}, telemetry=True) as opened:
        yield opened


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def asked(workspace: Workspace, way: str, ref: str = "greet", **options: Any) -> Execution:
    async def streamed() -> Execution:
        *_, last = [item async for item in workspace.astream(ref, HELLO, **options)]
        assert isinstance(last, Execution)
        return last

    if way == "run":
        return workspace.run(ref, HELLO, **options)
    if way == "stream":
        *_, last = workspace.stream(ref, HELLO, **options)
        assert isinstance(last, Execution)
        return last
    return asyncio.run(workspace.arun(ref, HELLO, **options) if way == "arun" else streamed())


@pytest.mark.parametrize("way", WAYS)
def test_a_call_is_a_span_below_the_applications(
    workspace: Workspace, running: OpenAIServer, application: Application, way: str
) -> None:
    running.script(reply("Hello", tokens=usage(10, 4, cached=3, reasoning=2)))
    with application.tracer.start_as_current_span("request") as request:
        found = asked(workspace, way, session="s-1", user="u-1")
    [span] = application.spans
    assert span.name == "chat gpt-4o-mini"
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id
    host, _, port = running.url.removeprefix("http://").removesuffix("/v1").partition(":")
    told = dict(span.attributes or {})
    is_streamed = "stream" in way
    first, response = told.pop(names.FIRST_CHUNK_S, None), told[names.RESPONSE_ID]
    assert str(response).startswith("chatcmpl-")
    assert (first is not None) is is_streamed
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        **({"gen_ai.request.stream": True} if is_streamed else {}),
        "server.address": host,
        "server.port": int(port),
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 50,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.response.id": response,
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "gen_ai.conversation.id": "s-1",
        "gen_ai.prompt.name": "greet",
        "promptctl.prompt.title": "Greeting",
        "promptctl.prompt.version": "unversioned",
        "promptctl.prompt.digest": found.metadata["prompt_id"],
        "promptctl.execution.id": found.id,
        "promptctl.call.id": found.call_id,
        "promptctl.call.attempt": 1,
        "promptctl.call.source": "api",
        "promptctl.call.status": "ok",
        "promptctl.cost.amount": 18e-6,
        "promptctl.cost.currency": "USD",
        "promptctl.cost.priced": True,
        "promptctl.cost.price_source": found.price_source,
    }


def test_the_span_takes_as_long_as_the_metric_says(
    workspace: Workspace, running: OpenAIServer, application: Application
) -> None:
    workspace.run("greet", HELLO)
    [span], points = application.spans, application.points()
    [duration] = points["gen_ai.client.inference.duration"]
    took_ns = (span.end_time or 0) - (span.start_time or 0)
    assert duration.sum == pytest.approx(took_ns / 1e9, abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_each_attempt_is_a_span_of_the_same_parent(
    workspace: Workspace, running: OpenAIServer, application: Application, way: str
) -> None:
    running.script(failure(429, retry_after=0), reply("Hello"))
    with application.tracer.start_as_current_span("request") as request:
        found = asked(workspace, way)
    first, second = application.spans
    told = [dict(span.attributes or {}) for span in (first, second)]
    assert [each["promptctl.call.attempt"] for each in told] == [1, 2]
    assert {each["promptctl.call.id"] for each in told} == {found.call_id}
    assert told[0]["error.type"] == "RateLimited"
    assert told[0]["gen_ai.response.finish_reasons"] == ("error",)
    assert "error.type" not in told[1]
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert {span.parent and span.parent.span_id for span in (first, second)} == {request.get_span_context().span_id}


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_stream_that_is_abandoned_keeps_its_parent(
    workspace: Workspace, running: OpenAIServer, application: Application, is_closed: bool
) -> None:
    running.script(chunks({"content": "Hel"}, {"content": "lo"}))

    async def abandon() -> trace.SpanContext:
        with application.tracer.start_as_current_span("request") as request:
            pieces = workspace.astream("greet", HELLO)
            assert isinstance(await anext(pieces), dict)
            assert isinstance(await anext(pieces), str)
            assert trace.get_current_span() is request, "between two pieces the application is in its own span"
        if is_closed:
            await pieces.aclose()
        else:  # its loop closes it
            held.append(pieces)
        return request.get_span_context()

    held: list[Any] = []
    request = asyncio.run(abandon())
    [span] = application.spans
    assert span.parent is not None
    assert span.parent.span_id == request.span_id
    assert (span.attributes or {})["promptctl.call.status"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET


def test_the_http_request_is_below_the_span(
    workspace: Workspace, running: OpenAIServer, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an instrumented HTTP library would see it."""
    import aiohttp

    seen: list[int] = []
    post = aiohttp.ClientSession.post

    def noting(*arguments: Any, **options: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return post(*arguments, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "post", noting)
    for way in WAYS:
        asked(workspace, way)
    assert seen == [id_of(span) for span in application.spans]
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_reply_that_does_not_fit_is_an_error_without_what_it_quotes(
    workspace: Workspace, running: OpenAIServer, application: Application, root: Path
) -> None:
    (root / "prompts/fit.prompt.yaml").write_text(
        "messages: [{role: user, content: Hi}]\noutput: {schema: {type: object, required: [label]}}\n"
    )
    running.script(reply('{"name": "private"}'))
    with pytest.raises(InvalidOutput):
        workspace.run("fit")
    [span] = application.spans
    told = dict(span.attributes or {})
    assert told["error.type"] == "InvalidOutput"
    assert told["gen_ai.output.type"] == "json"
    assert told["promptctl.call.status"] == "invalid_output"
    assert span.status.status_code is StatusCode.ERROR
    assert "private" not in str(span.to_json())


@pytest.mark.parametrize("ref", ["greet", "bare", "quiet/greet"])
@pytest.mark.parametrize("way", WAYS)
def test_no_content_goes_out_unless_it_is_wanted(
    workspace: Workspace, running: OpenAIServer, application: Application, way: str, ref: str
) -> None:
    running.script(failure(400, "the ticket of Ada is odd"), reply("Dear Ada"))
    with pytest.raises(PromptctlError):
        asked(workspace, way, ref)
    asked(workspace, way, ref)
    everything = "".join(str(span.to_json()) for span in application.spans)
    assert "Ada" not in everything
    assert "Be kind" not in everything
    assert len(application.spans) == (0 if ref.startswith("quiet") else 2)
    assert {point.attributes["gen_ai.prompt.name"] for each in application.points().values() for point in each} == {ref}


@pytest.mark.parametrize(("ref", "has_content"), [("greet", True), ("bare", False)])
def test_content_goes_out_as_far_as_the_log_keeps_it(
    root: Path, running: OpenAIServer, application: Application, ref: str, has_content: bool
) -> None:
    running.script(reply("Dear Ada"), tool_call("look_up", {"name": "Ada"}))
    with open_workspace(root, {}, telemetry=Telemetry(content=True)) as workspace:
        workspace.run(ref, HELLO)
        workspace.run(ref, HELLO, log="full")
    told, whole = (dict(span.attributes or {}) for span in application.spans)
    kept = {name: told.get(name) for name in ("gen_ai.input.messages", "gen_ai.output.messages")}
    kept["variable"] = told.get("gen_ai.prompt.variable.name")
    if not has_content:
        assert set(kept.values()) == {None}
    else:
        assert json.loads(str(kept["gen_ai.input.messages"])) == [
            {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
            {"role": "user", "parts": [{"type": "text", "content": "Hello Ada"}]},
        ]
        assert json.loads(str(kept["gen_ai.output.messages"])) == [
            {"role": "assistant", "parts": [{"type": "text", "content": "Dear Ada"}]}
        ]
        assert kept["variable"] == "Ada"
    called = {"type": "tool_call", "id": "call_1", "name": "look_up", "arguments": {"name": "Ada"}}
    assert json.loads(str(whole["gen_ai.output.messages"])) == [{"role": "assistant", "parts": [called]}]


def test_secrets_and_sensitive_inputs_stay_hidden_in_content(
    root: Path, running: OpenAIServer, application: Application
) -> None:
    (root / "prompts/letter.prompt.yaml").write_text(
        "inputs: {name: {type: string, sensitive: true}}\nmessages: [{role: user, content: 'Dear {{ name }}'}]\n"
    )
    running.script(reply("Dear Augusta Ada King, your key is hb-2f9x81c0q7"))
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-honeycomb-team=hb-2f9x81c0q7"}
    with open_workspace(root, environ, telemetry=Telemetry(content=True)) as workspace:
        workspace.run("letter", {"name": "Augusta Ada King"}, session="Augusta Ada King")
    [span] = application.spans
    assert "[sensitive: name]" in str((span.attributes or {})["gen_ai.input.messages"])
    assert "Augusta" not in str(span.to_json())
    assert "hb-2f9x81c0q7" not in str(span.to_json())


def test_feedback_is_an_event_of_its_calls_span(
    workspace: Workspace, running: OpenAIServer, application: Application
) -> None:
    found = workspace.run("greet", HELLO)
    workspace.feedback(found.id, score=0.5, name="helpful", comment="private words")
    [span], [event] = application.spans, application.events
    assert event.event_name == "gen_ai.evaluation.result"
    assert event.span_id == id_of(span)
    assert dict(event.attributes) == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.response.id": (span.attributes or {})["gen_ai.response.id"],
        "promptctl.evaluation.source": "feedback",
        "promptctl.execution.id": found.id,
    }


def test_a_price_that_is_unknown_is_said(root: Path, running: OpenAIServer, application: Application) -> None:
    (root / "promptctl.yaml").write_text(SETTINGS.format(url=running.url).partition("prices:")[0])
    with open_workspace(root, {}, telemetry=True) as workspace:
        workspace.run("greet", HELLO, model="openai/nobody-knows-it")
    told = dict(application.spans[0].attributes or {})
    assert told["promptctl.cost.priced"] is False
    assert "promptctl.cost.amount" not in told
    points = application.points()
    assert points["promptctl.client.unpriced"][0].value == 1
    assert "promptctl.client.cost" not in points


@pytest.mark.parametrize("way", WAYS)
def test_what_a_budget_stops_is_a_span_with_an_error_and_no_measurement(
    root: Path, running: OpenAIServer, application: Application, way: str
) -> None:
    with (root / "promptctl.yaml").open("a") as file:
        file.write("budgets:\n  - {name: tiny, limit: {usd: 0.000001}}\n")
    with open_workspace(root, {}, telemetry=True) as workspace, pytest.raises(BudgetReached):
        asked(workspace, way)
    [span] = application.spans
    told = dict(span.attributes or {})
    assert (told["error.type"], told["promptctl.call.status"]) == ("BudgetReached", "blocked")
    assert span.name == "chat gpt-4o-mini"
    assert span.status.status_code is StatusCode.ERROR
    assert not {name for name in told if ".usage." in name or ".cost." in name}
    assert application.points() == {}


def test_a_fallback_is_a_call_of_its_own_below_the_same_span(
    workspace: Workspace, running: OpenAIServer, application: Application
) -> None:
    running.script(failure(500), failure(500), reply("Hello"))
    with application.tracer.start_as_current_span("request") as request:
        workspace.run("greet", HELLO, fallbacks=["openai/gpt-4o"])
    told = [dict(span.attributes or {}) for span in application.spans]
    assert [each["gen_ai.request.model"] for each in told] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    assert len({each["promptctl.call.id"] for each in told}) == 2
    assert {span.parent and span.parent.span_id for span in application.spans} == {request.get_span_context().span_id}


def test_many_threads_keep_their_own_parents(
    workspace: Workspace, running: OpenAIServer, application: Application
) -> None:
    def ask(number: int) -> tuple[int, str]:
        with application.tracer.start_as_current_span(f"request {number}") as request:
            return request.get_span_context().span_id, workspace.run("greet", HELLO).id

    with ThreadPoolExecutor(8) as pool:
        expected = {execution: parent for parent, execution in pool.map(ask, range(16))}
    found = {(span.attributes or {})["promptctl.execution.id"]: span.parent for span in application.spans}
    assert {execution: parent and parent.span_id for execution, parent in found.items()} == expected


def test_nothing_that_telemetry_does_fails_a_call(
    workspace: Workspace, running: OpenAIServer, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    for method in ("begin", "end", "measure", "tell"):
        with monkeypatch.context() as patch:
            patch.setattr(f"promptctl.telemetry.instruments.Instruments.{method}", broken)
            for way in WAYS:
                assert asked(workspace, way).status == "ok"
            found = asked(workspace, "run")
            assert workspace.feedback(found.id, score=1).score == 1


def test_what_is_no_switch_is_refused(root: Path) -> None:
    with pytest.raises(PromptctlError, match="`telemetry` is True, False or a `Telemetry`, not `yes`"):
        open_workspace(root, {}, telemetry="yes")  # type: ignore[arg-type]


def test_a_call_that_is_refused_for_good_keeps_its_error(
    workspace: Workspace, running: OpenAIServer, application: Application
) -> None:
    running.script(failure(429, retry_after=0), failure(429, retry_after=0))
    with pytest.raises(RateLimited):
        workspace.run("greet", HELLO)
    assert [dict(span.attributes or {})["error.type"] for span in application.spans] == ["RateLimited"] * 2
    points = application.points()["gen_ai.client.inference.duration"]
    assert [(point.count, point.attributes["error.type"]) for point in points] == [(2, "RateLimited")]
