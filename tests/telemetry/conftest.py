"""An application that has set up OpenTelemetry, and keeps in memory what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.openai_server import OpenAIServer

SETTINGS = """\
model: openai/gpt-4o-mini
models:
  "openai/*": {{api_base: "{url}", max_attempts: 2}}
prices:
  "openai/*": {{input: 1, output: 2}}
log:
  - {{prompts: "*", content: full}}
  - {{prompts: "quiet/*", active: false}}
  - {{prompts: "bare", content: metadata}}
"""
GREET = """\
name: Greeting
inputs: {name: {type: string}}
parameters: {temperature: 0, max_tokens: 50, stop: END}
messages:
  - {role: system, content: Be kind.}
  - {role: user, content: "Hello {{ name }}"}
"""


@dataclass(frozen=True)
class Application:
    """What an application's OpenTelemetry was told."""

    tracer: trace.Tracer
    _spans: InMemorySpanExporter
    _metrics: InMemoryMetricReader
    _events: InMemoryLogRecordExporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Spans of calls, in the order in which they ended."""
        return tuple(span for span in self._spans.get_finished_spans() if span.kind is trace.SpanKind.CLIENT)

    @property
    def events(self) -> list[Any]:
        """Every event."""
        return [each.log_record for each in self._events.get_finished_logs()]

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric, by its name."""
        data = self._metrics.get_metrics_data()
        scopes = [] if data is None else [scope for each in data.resource_metrics for scope in each.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    spans, reader, events = InMemorySpanExporter(), InMemoryMetricReader(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    traces = TracerProvider(shutdown_on_exit=False)
    traces.add_span_processor(SimpleSpanProcessor(spans))
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(events))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: traces)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    monkeypatch.setattr(_logs, "get_logger_provider", lambda: logs)
    yield Application(traces.get_tracer("application"), spans, reader, events)
    meters.shutdown()


@pytest.fixture(scope="module")
def running() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def root(running: OpenAIServer, tmp_path: Path) -> Path:
    running.reset()
    for prompt in ("greet", "bare", "quiet/greet"):
        file = tmp_path / f"prompts/{prompt}.prompt.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(GREET)
    (tmp_path / "promptctl.yaml").write_text(SETTINGS.format(url=running.url))
    return tmp_path
