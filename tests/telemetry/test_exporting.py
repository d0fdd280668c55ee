"""Telemetry that promptctl sends itself, to a real collector on loopback, and to collectors that are none."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from promptctl import EvaluationRequest, Telemetry, open_workspace
from promptctl.errors import UsageError
from promptctl.telemetry import exporting, switch
from tests.collector import Collector, attributes
from tests.openai_server import OpenAIServer, reply

KEY = "hb-2f9x81c0q7"
CASES = """\
prompts: [greet]
cases:
  - id: kind
    inputs: {name: Ada}
    expected: Hello Ada
    assert:
      - {type: contains, value: Ada, metric: names-her}
      - {type: llm-rubric, value: is kind}
      - {type: similar, value: Hello Ada, threshold: 0, model: openai/text-embedding-3-small}
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setattr(exporting, "_EXIT_S", 60)  # a busy machine may take its time to bring it there
    with Collector() as found:
        send_to(found.url, monkeypatch)
        yield found


def send_to(url: str, monkeypatch: pytest.MonkeyPatch, word: str = "on") -> None:
    monkeypatch.setenv("PROMPTCTL_TELEMETRY", word)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-honeycomb-team={KEY}")


def test_an_evaluation_arrives_with_its_judges_embeddings_and_results(
    root: Path, running: OpenAIServer, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    (root / "datasets").mkdir()
    (root / "datasets/greet.yaml").write_text(CASES)
    running.script(reply("Hello Ada"), reply('{"reason": "private", "score": 0.75, "pass": true}'))
    with open_workspace(root) as workspace:
        [evaluation] = workspace.evaluate(EvaluationRequest(refs=("greet",), judge="openai/gpt-4o-mini"))
    spans = {(span.name, attributes(span)["gen_ai.prompt.name"]): span for span in collector.spans}
    graded = spans["chat gpt-4o-mini", "greet"]
    assert set(spans) == {
        ("chat gpt-4o-mini", "greet"),
        ("chat gpt-4o-mini", "judges/llm-rubric"),
        ("embeddings text-embedding-3-small", "judges/similar"),
    }
    for span in spans.values():
        told = attributes(span)
        assert told["promptctl.evaluation.id"] == evaluation.row.id
        assert (told["promptctl.evaluation.case"], told["promptctl.evaluation.repeat"]) == ("kind", 1)
        assert span.parent_span_id.hex() == "b7ad6b7169203331"
    events = {attributes(event)["gen_ai.evaluation.name"]: event for event in collector.events}
    assert set(events) == {"passed", "names-her"}
    for event in events.values():
        assert event.event_name == "gen_ai.evaluation.result"
        assert (event.trace_id, event.span_id) == (graded.trace_id, graded.span_id)
    assert attributes(events["passed"])["gen_ai.evaluation.score.label"] == "passed"
    assert "private" not in str(collector.received)
    metrics = collector.metrics
    assert {attributes(each)["gen_ai.prompt.name"] for each in metrics["promptctl.client.cost"]} >= {"greet"}
    [embedded] = metrics["gen_ai.client.embeddings.duration"]
    assert embedded.count == 1
    assert {each["service.name"] for each in collector.resources} == {"promptctl"}
    assert {each["x-honeycomb-team"] for each in collector.headers} == {KEY}


def test_explanations_and_comments_go_out_if_content_is_wanted(root: Path, collector: Collector) -> None:
    with open_workspace(root, telemetry=Telemetry(content=True, exports=True)) as workspace:
        found = workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        workspace.feedback(found.id, score=1, comment="kind")
    [event] = collector.events
    assert attributes(event)["gen_ai.evaluation.explanation"] == "kind"


def test_a_workspace_that_is_closed_in_a_loop_sends_what_is_left(root: Path, collector: Collector) -> None:
    async def ask() -> None:
        async with open_workspace(root) as workspace:
            workspace.preload("greet")
            await workspace.arun("greet", {"name": "Ada"}, model="echo/echo")

    asyncio.run(ask())
    assert len(collector.spans) == 1


def test_a_signal_can_be_left_out(root: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    with open_workspace(root) as workspace:
        found = workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        workspace.feedback(found.id, score=1)
    assert (len(collector.spans), collector.events) == (1, [])
    assert {each["service.name"] for each in collector.resources} == {"shop"}
    assert collector.metrics == {}


def test_an_argument_wins_over_the_environment(root: Path, collector: Collector) -> None:
    with open_workspace(root, telemetry=False) as workspace:
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
    assert collector.received == []


def told_at_the_end(root: Path) -> list[str]:
    """What is said when a workspace is closed after a call and some feedback."""
    words: list[str] = []
    workspace = open_workspace(root, on_warning=words.append)
    for _ in range(3):
        found = workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        assert found.status == "ok"
        workspace.feedback(found.id, score=1)
    workspace.close()
    return words


def test_a_collector_that_never_answers_delays_the_end_by_less_than_a_second(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exporting._EXIT_S < 1
    monkeypatch.setattr(exporting, "_EXIT_S", 0.05)
    closed = threading.Event()

    def answer() -> int:
        assert closed.wait(60), "the workspace waited for the collector"
        return 200

    with Collector(answer) as collector:
        send_to(collector.url, monkeypatch)
        words = told_at_the_end(root)
        closed.set()
    assert words == [
        f"not all telemetry arrived at {collector.url.removeprefix('http://')}; the calls themselves are not affected"
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [None, 401, 503])
def test_a_collector_that_refuses_is_told_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int | None
) -> None:
    monkeypatch.setattr(exporting, "_EXIT_S", 0.05)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with Collector(lambda: status or 0) as collector:
        if status is not None:
            send_to(collector.url, monkeypatch)
            words = told_at_the_end(root)
    if status is None:  # nobody listens there any more
        send_to(collector.url, monkeypatch)
        words = told_at_the_end(root)
    assert len(words) == 1
    assert words[0].startswith("not all telemetry arrived at 127.0.0.1:")
    assert KEY not in words[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("head", ["200 OK", "307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/"])
def test_an_answer_without_an_end_is_read_for_so_long(head: str) -> None:
    def answer() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(f"HTTP/1.1 {head}\r\n\r\n".encode())
            while True:
                connection.sendall(b"x" * 65536)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer)
        thread.start()
        answered = exporting._BriefSession().request("POST", f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    assert str(answered.status_code) in head
    assert len(answered.content) == 65536


def test_a_service_is_told_by_its_next_call(root: Path, collector: Collector) -> None:
    words: list[str] = []
    with open_workspace(root, on_warning=words.append) as workspace:
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        assert words == []
        made: Any = vars(workspace.context.telemetry)["_made"]
        made._has_failed = True  # as after a batch that was refused
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        assert len(words) == 1
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
    assert len(words) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PROMPTCTL_TELEMETRY": "yes"}, "PROMPTCTL_TELEMETRY is `on`, `content` or `off`, not `yes`"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "`grpc`, and only http/protobuf is spoken (port 4318)"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT is no address such as http"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no address"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": KEY}, "OTEL_EXPORTER_OTLP_HEADERS is not written as name=value"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": f"a={KEY}%0d%0ab"}, "OTEL_EXPORTER_OTLP_HEADERS is not written as name=value"),
        ({"OTEL_EXPORTER_OTLP_LOGS_HEADERS": f'a="{KEY}"'}, "OTEL_EXPORTER_OTLP_LOGS_HEADERS is not written"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER is `otlp` or `none`, not `console`"),
        ({"OTEL_TRACES_SAMPLER": "nope"}, "OTEL_TRACES_SAMPLER is one of always_on, "),
        ({"OTEL_TRACES_SAMPLER": "traceidratio"}, "OTEL_TRACES_SAMPLER_ARG is the share for traceidratio"),
        ({"OTEL_TRACES_SAMPLER": "always_on "}, "OTEL_TRACES_SAMPLER is one of always_on, "),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "abc"}, "OTEL_EXPORTER_OTLP_TIMEOUT is no number"),
        ({"OTEL_BSP_SCHEDULE_DELAY": " "}, "OTEL_BSP_SCHEDULE_DELAY is no whole number"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "OTEL_BSP_MAX_QUEUE_SIZE is no whole number above 0"),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "zip"}, "OTEL_EXPORTER_OTLP_COMPRESSION is none, gzip or deflate"),
        ({"TRACEPARENT": "zz"}, "TRACEPARENT names no span"),
    ],
)
def test_a_variable_that_is_wrong_ends_in_a_warning_and_fails_nothing(
    root: Path, variables: dict[str, str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with open_workspace(root, {"PROMPTCTL_TELEMETRY": "on"} | variables, on_warning=said.append) as workspace:
        assert workspace.run("greet", {"name": "Ada"}, model="echo/echo").status == "ok"
    assert len(said) == 1
    assert words in said[0]
    assert KEY not in said[0]
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_the_environment_warns_and_the_argument_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "find_spec", lambda _name: None)
    said: list[str] = []
    with open_workspace(root, {"PROMPTCTL_TELEMETRY": "on"}, on_warning=said.append) as workspace:
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
    [words] = said
    assert words.endswith("OpenTelemetry is not installed: pip install 'promptctl-git[telemetry]'")
    with pytest.raises(UsageError, match="not installed"):
        open_workspace(root, {}, telemetry=True)


@pytest.mark.parametrize("variables", [{}, {"PROMPTCTL_TELEMETRY": "off"}, {"OTEL_SDK_DISABLED": "true"}])
def test_a_workspace_cannot_switch_it_on(root: Path, collector: Collector, variables: dict[str, str]) -> None:
    """Not by a file that is called as one of variables, and OTEL_SDK_DISABLED wins over our own."""
    (root / ".env").write_text(f"PROMPTCTL_TELEMETRY=on\nOTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\n")
    if "OTEL_SDK_DISABLED" in variables:
        variables = {"PROMPTCTL_TELEMETRY": "on", **variables}
    with open_workspace(root, variables) as workspace:
        workspace.run("greet", {"name": "Ada"}, model="echo/echo")
        assert workspace.context.telemetry is None
    assert collector.received == []


FORKING = """
import os, sys
import promptctl
from promptctl.telemetry import exporting
exporting._EXIT_S = 60
workspace = promptctl.open_workspace(sys.argv[1])
ids = [workspace.run("greet", {"name": "Ada"}, model="echo/echo").id]
child = os.fork()
for _ in range(2):
    ids.append(workspace.run("greet", {"name": "Ada"}, model="echo/echo").id)
if child:
    os.waitpid(child, 0)  # and ends without a word to the workspace: what is left is sent at exit
print(*ids, flush=True)
"""


def test_forked_children_send_for_themselves_and_so_does_who_never_closes(root: Path, collector: Collector) -> None:
    done = subprocess.run(
        # Newer Pythons warn of a fork beside threads.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING, str(root)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    parent, child = sorted((line.split() for line in done.stdout.splitlines()), key=lambda ids: ids[1])
    assert parent[0] == child[0], "the call before the fork is both's to report, and told once"
    arrived = [attributes(span)["promptctl.execution.id"] for span in collector.spans]
    assert sorted(arrived) == sorted({*parent, *child})
    processes: dict[str, set[Any]] = {}
    for each in collector.resources:
        processes.setdefault(each["service.instance.id"], set()).add(each["process.pid"])
    assert [len(ids) for ids in processes.values()] == [1, 1]
    counts = [point.count for point in collector.metrics["gen_ai.client.inference.duration"]]
    assert counts
    assert done.stderr == ""
