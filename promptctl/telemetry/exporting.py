"""Exporters of our own, for a process that has no OpenTelemetry set up: OTLP over HTTP, as the `OTEL_*` variables say.

A collector that is dead, slow or refuses never delays a call, and delays `close` by less than a second. It is reported
once, by the next call or by `close`. What the library would print of it is not printed: it may quote a header.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import requests
from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from promptctl import __version__
from promptctl.telemetry.facts import Attributes
from promptctl.telemetry.instruments import Asked, Instruments

_EXIT_S = 0.8
_LONGEST_ANSWER, _PIECE = 64 * 1024, 4096
_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.sdk._shared_internal",
)
_OURS = threading.local()


class _BriefSession(requests.Session):
    """Reads as much of an answer as a collector has to say: one without an end would fill the memory."""

    def request(self, *given: Any, **options: Any) -> requests.Response:
        """Send a request, and return the answer with the beginning of its content."""
        answer = super().request(*given, **options | {"stream": True})
        with answer:
            content = bytearray()
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) >= _LONGEST_ANSWER:
                    break
            answer._content = bytes(content)
        return answer

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no redirect is followed, and the content of one is not read whole to see where it leads."""


class _Quiet(logging.Filter):
    """Drops what the library says while it works for us; for the application it speaks on."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all or none
        return not getattr(_OURS, "is_silent", False)


_QUIET = _Quiet()


@contextmanager
def _silence() -> Iterator[None]:
    was_silent = getattr(_OURS, "is_silent", False)
    _OURS.is_silent = True
    try:
        yield
    finally:
        _OURS.is_silent = was_silent


class Exported(Instruments):
    """Instruments whose records promptctl sends itself."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.process_id = os.getpid()
        self._environ = environ
        self._has_failed = self._is_told = False
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_QUIET)
        resource = _resource()
        self._owned: list[Any] = []
        traces: Any = trace.NoOpTracerProvider()
        meters: Any = metrics.NoOpMeterProvider()
        logs: Any = _logs.NoOpLoggerProvider()
        with _silence():
            if self._sends("TRACES"):
                traces = self._own(TracerProvider(resource=resource, shutdown_on_exit=False))
                traces.add_span_processor(
                    BatchSpanProcessor(self._guarded(OTLPSpanExporter(session=self._session("TRACES"))))
                )
            if self._sends("METRICS"):
                reader = PeriodicExportingMetricReader(
                    self._guarded(OTLPMetricExporter(session=self._session("METRICS")))
                )
                meters = self._own(MeterProvider([reader], resource=resource, shutdown_on_exit=False))
            if self._sends("LOGS"):
                logs = self._own(LoggerProvider(resource=resource, shutdown_on_exit=False))
                logs.add_log_record_processor(
                    BatchLogRecordProcessor(self._guarded(OTLPLogExporter(session=self._session("LOGS"))))
                )
        self._ending = threading.Event()
        # They wait from the beginning: at the interpreter's end no thread can be started.
        self._closers = [self._closer(provider.shutdown) for provider in self._owned]
        self._make(traces, meters, logs)
        atexit.register(self.close)

    def around(self) -> TraceContext:
        """Return what the application is in the middle of, or what the process was started in: `TRACEPARENT`."""
        around = super().around()
        if trace.get_current_span(around).get_span_context().is_valid:
            return around
        carried = {name.lower(): self._environ.get(name, "") for name in ("TRACEPARENT", "TRACESTATE")}
        return TraceContextTextMapPropagator().extract(carried, around)

    def end(self, asked: Asked, attributes: Attributes, status: str, words: str | None) -> None:
        """End a span."""
        with _silence():
            super().end(asked, attributes, status, words)

    def tell(self, event: str, attributes: Attributes, span: SpanContext | None) -> None:
        """Tell of an event."""
        with _silence():
            super().tell(event, attributes, span)

    def close(self) -> str | None:
        """Send what is left, for less than a second; return what to say if it did not arrive."""
        atexit.unregister(self.close)
        if self.process_id != os.getpid():
            return None
        ends = time.monotonic() + _EXIT_S
        self._ending.set()
        for closer in self._closers:
            closer.join(max(0.0, ends - time.monotonic()))
        self._has_failed = self._has_failed or any(closer.is_alive() for closer in self._closers)
        return self.news()

    def news(self) -> str | None:
        """Return what to say of something that did not arrive, once."""
        if self._is_told or not self._has_failed:
            return None
        self._is_told = True
        return f"not all telemetry arrived at {_place(self._environ)}; the calls themselves are not affected"

    def _sends(self, signal: str) -> bool:
        return self._environ.get(f"OTEL_{signal}_EXPORTER", "").strip() != "none"

    def _session(self, signal: str) -> requests.Session | None:
        """Return our own session, unless variables name one that brings its credentials."""
        names = (f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER" for part in ("", f"{signal}_"))
        return None if any(map(self._environ.get, names)) else _BriefSession()

    def _own(self, provider: Any) -> Any:
        self._owned.append(provider)
        return provider

    def _closer(self, shutdown: Callable[[], object]) -> threading.Thread:
        def close() -> None:
            self._ending.wait()
            with _silence():
                shutdown()

        thread = threading.Thread(target=close, name="promptctl-telemetry", daemon=True)
        thread.start()
        return thread

    def _guarded(self, exporter: Any) -> Any:
        """Return the exporter, which from now on sends from this process alone, says nothing, and notes a failure."""
        export = exporter.export

        def send(batch: Any, **options: Any) -> Any:
            if self.process_id != os.getpid():  # a forked child has exporters of its own
                return None
            with _silence():
                found = export(batch, **options)
            self._has_failed = self._has_failed or found.name != "SUCCESS"
            return found

        exporter.export = send
        return exporter


def _resource() -> Resource:
    """Return what names this process; as the environment says, else by our own name."""
    resource = Resource.create({"service.instance.id": str(uuid4()), "process.pid": os.getpid()})
    if not str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        return resource
    return resource.merge(Resource({"service.name": "promptctl", "service.version": __version__}))


def _place(environ: Mapping[str, str]) -> str:
    """Return the collector's host and port, without what may be secret in its address."""
    signals = ("TRACES_", "METRICS_", "LOGS_", "")
    named = (environ.get(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT", "").strip() for signal in signals)
    address = urlsplit(next(filter(None, named), "http://localhost:4318"))
    return f"{address.hostname}:{address.port}" if address.port else str(address.hostname)
