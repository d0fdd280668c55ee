"""The instruments of OpenTelemetry: what a call is told with. Here and in `exporting` alone the library is imported."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import _logs, metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context as TraceContext
from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, set_span_in_context

from promptctl import __version__
from promptctl.models.gateway import Reply
from promptctl.telemetry import names
from promptctl.telemetry.facts import Attributes

_NANO = 1_000_000_000
# What tells one series of a metric from another.
_MEASURED_BY = (
    *(names.OPERATION, names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL, names.SERVER_ADDRESS),
    *(names.SERVER_PORT, names.PROMPT_NAME),
)


@dataclass(slots=True)
class Asked:
    """A request under way: its span, None if it gets none, and the attributes that it began with."""

    operation: str
    attributes: Attributes
    span: Span | None
    within: TraceContext
    began_ns: int = 0
    _clock: int = field(default_factory=time.perf_counter_ns)
    took_ns: int = 0
    response_id: str = ""

    def heed(self, reply: object) -> None:
        """Note the id of a whole reply."""
        if isinstance(reply, Reply):
            self.response_id = reply.id

    def stop(self) -> None:
        """Note that the answer is here, or that there will be none."""
        self.took_ns = time.perf_counter_ns() - self._clock

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the span the current one, so that those of the HTTP library are below it."""
        token = attach(self.within)
        try:
            yield
        except GeneratorExit:  # of a loop that was closed: whoever drops the task has a context of its own
            raise
        except BaseException:
            detach(token)
            raise
        detach(token)


class Instruments:
    """The application's own tracer, meter and logger, and what is measured with them."""

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self._make(trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())

    def _make(self, traces: Any, meters: Any, logs: Any) -> None:
        self._tracer = traces.get_tracer(names.SCOPE, __version__)
        self._logger = logs.get_logger(names.SCOPE, __version__)
        meter = meters.get_meter(names.SCOPE, __version__)

        def histogram(name: str, unit: str, limits: tuple[float, ...]) -> Any:
            return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=limits)

        self._durations = {key: histogram(name, "s", names.DURATION_LIMITS_S) for key, name in names.DURATION.items()}
        self._first_chunk = histogram(names.TIME_TO_FIRST_CHUNK, "s", names.DURATION_LIMITS_S)
        self._inputs = {
            key: histogram(name, "{token}", names.TOKEN_LIMITS) for key, name in names.INPUT_PER_CALL.items()
        }
        self._outputs = histogram(names.OUTPUT_PER_CALL, "{token}", names.TOKEN_LIMITS)
        self._usage = {key: meter.create_counter(name, "{token}") for key, name in names.USAGE.items()}
        self._costs = histogram(names.COST_PER_CALL, "USD", names.COST_LIMITS_USD)
        self._unpriced = meter.create_counter(names.UNPRICED_CALLS, "{call}")

    def around(self) -> TraceContext:
        """Return what the application is in the middle of."""
        return get_current()

    def begin(self, operation: str, attributes: Attributes, *, is_kept: bool) -> Asked:
        """Begin a span below the application's; what the log does not keep has none, and is measured alone."""
        around = self.around()
        if not is_kept:
            return Asked(operation, attributes, None, around)
        name, began_ns = f"{operation} {attributes[names.REQUEST_MODEL]}", time.time_ns()
        span = self._tracer.start_span(name, around, SpanKind.CLIENT, attributes, start_time=began_ns)
        return Asked(operation, attributes, span, set_span_in_context(span, around), began_ns)

    def end(self, asked: Asked, attributes: Attributes, status: str, words: str | None) -> None:
        """End a span. A call that the user gave up has an error's type, but has not failed."""
        assert asked.span is not None
        asked.span.set_attributes(attributes)
        if status not in ("ok", "cancelled"):
            asked.span.set_status(Status(StatusCode.ERROR, words))
        asked.span.end(asked.began_ns + asked.took_ns)

    def measure(self, asked: Asked, attributes: Attributes, *, is_text: bool) -> None:
        """Count a request, its tokens and its cost."""
        shared = {key: attributes[key] for key in _MEASURED_BY if key in attributes}
        failed = shared | {key: attributes[key] for key in (names.ERROR_TYPE,) if key in attributes}
        self._durations[asked.operation].record(asked.took_ns / _NANO, failed)
        if (first_s := attributes.get(names.FIRST_CHUNK_S)) is not None:
            self._first_chunk.record(first_s, shared)
        self._inputs[asked.operation].record(attributes.get(names.INPUT_TOKENS, 0), failed)
        if asked.operation == names.CHAT:
            self._outputs.record(attributes.get(names.OUTPUT_TOKENS, 0), failed)
            has_counts = names.INPUT_TOKENS in attributes
            by_kind = shared | {names.MODALITY: "text" if is_text and has_counts else "unknown"}
            for name, counter in self._usage.items():
                if name in attributes or name in (names.INPUT_TOKENS, names.OUTPUT_TOKENS):
                    counter.add(attributes.get(name, 0), by_kind)
        if names.COST in attributes:
            self._costs.record(attributes[names.COST], shared | {names.COST_CURRENCY: "USD"})
        elif names.IS_PRICED in attributes:
            self._unpriced.add(1, shared)

    def tell(self, event: str, attributes: Attributes, span: SpanContext | None) -> None:
        """Tell of an event, as one of the span if it is known."""
        around = self.around()
        within = around if span is None else set_span_in_context(NonRecordingSpan(span), around)
        self._logger.emit(
            timestamp=time.time_ns(),
            context=within,
            severity_number=SeverityNumber.INFO,
            attributes=attributes,
            event_name=event,
        )

    def close(self) -> str | None:
        """Return what to say at the end: nothing, as the application looks after its providers itself."""
        return None

    def news(self) -> str | None:
        """Return what to say meanwhile."""
        return None
