"""A collector of OpenTelemetry on loopback: OTLP over HTTP, decoded with the protocol's own messages."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_KINDS: dict[str, Any] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


class Collector:
    """Takes what is sent, until it is left. `answer` may take its time, or give a different status."""

    def __init__(self, answer: Callable[[], int] = lambda: 200) -> None:
        self.received: list[Any] = []
        self.headers: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                collector.received.append(_KINDS[self.path].FromString(body))
                self.send_response(answer())
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def spans(self) -> list[Any]:
        """Every span, in the order in which they ended."""
        return [span for each in self._of("resource_spans") for scope in each.scope_spans for span in scope.spans]

    @property
    def events(self) -> list[Any]:
        """Every event."""
        return [event for each in self._of("resource_logs") for scope in each.scope_logs for event in scope.log_records]

    @property
    def metrics(self) -> dict[str, list[Any]]:
        """The newest points of each metric, by its name."""
        found = [m for each in self._of("resource_metrics") for scope in each.scope_metrics for m in scope.metrics]
        return {each.name: list(getattr(each, each.WhichOneof("data")).data_points) for each in found}

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The attributes of each process that sent something."""
        kinds = ("resource_spans", "resource_metrics", "resource_logs")
        return [attributes(each.resource) for kind in kinds for each in self._of(kind)]

    def _of(self, kind: str) -> Iterator[Any]:
        for message in list(self.received):
            yield from getattr(message, kind, ())


def attributes(thing: Any) -> dict[str, Any]:
    """The attributes of a span, an event, a point or a resource, as plain data."""
    return {each.key: _plain(each.value) for each in thing.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind)
