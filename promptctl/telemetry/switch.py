"""The switch of telemetry: asked for by who runs the program, never by a file of a workspace."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import unquote, urlsplit

from promptctl.errors import UsageError, printable
from promptctl.files.names import TELEMETRY_VARIABLE
from promptctl.files.wording import shown

_INSTALL = "pip install 'promptctl-git[telemetry]'"
_OTLP = "OTEL_EXPORTER_OTLP_"
_SIGNALS = ("", "TRACES_", "METRICS_", "LOGS_")
_PROTOCOL = "http/protobuf"
# As OpenTelemetry reads them; what it refuses it would print, and a header is a secret.
_HEADER = re.compile(
    r"[\x21\x23-\x27\x2a\x2b\x2d\x2e\x30-\x39\x41-\x5a\x5e-\x7a\x7c\x7e]+[ \t]*=([ -!#-+\--:<-\[\]-~]*)"
)

_SAMPLERS = (
    "always_on", "always_off", "parentbased_always_on", "parentbased_always_off", "traceidratio",
    "parentbased_traceidratio",
)  # fmt: skip
_NUMBERS = (
    *(f"{_OTLP}{signal}TIMEOUT" for signal in _SIGNALS),
    *("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT"),
)
_WHOLE_NUMBERS = tuple(
    f"OTEL_{kind}_{name}"
    for kind in ("BSP", "BLRP")
    for name in ("SCHEDULE_DELAY", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE", "EXPORT_TIMEOUT")
)
_PARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Options of what calls tell OpenTelemetry.

    Spans, metrics and events go to the providers that the application has set for the process. With `exports`
    promptctl sends them itself, by OTLP over HTTP to where the process's `OTEL_*` variables say. With `content` a span
    also has messages, reply and inputs, as far as the log keeps them.
    """

    content: bool = False
    exports: bool = False


_WORDS = {
    "": None,
    "off": None,
    "on": Telemetry(exports=True),
    "content": Telemetry(exports=True, content=True),
}


def wanted_telemetry(given: object, environ: Mapping[str, str], warn: Callable[[str], None]) -> Telemetry | None:
    """Return what the argument asks for, or if it is None the variable; None for nothing.

    A variable that is wrong ends in a warning: no call fails for its telemetry. Raises `UsageError` for a wrong
    argument, and if OpenTelemetry is not installed.
    """
    if given is not None:
        wanted = Telemetry() if given is True else given
        if wanted is False:
            return None
        if not isinstance(wanted, Telemetry):
            raise UsageError(f"`telemetry` is True, False or a `Telemetry`, not {shown(given)}")
        if problem := _missing(wanted):
            raise UsageError(problem, hint=_INSTALL)
        problem = _fault(environ) if wanted.exports else None
        if problem is not None:
            raise UsageError(problem)
        return wanted
    word = environ.get(TELEMETRY_VARIABLE, "").strip().lower()
    if word not in _WORDS:
        warn(f"no telemetry is sent: {TELEMETRY_VARIABLE} is `on`, `content` or `off`, not `{printable(word)}`")
        return None
    found = _WORDS[word]
    if found is None or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    missing = _missing(found)
    problem = f"{missing}: {_INSTALL}" if missing else _fault(environ)
    if problem:
        warn(f"no telemetry is sent: {problem}")
        return None
    return found


def _missing(wanted: Telemetry) -> str | None:
    needed = ("opentelemetry", *(("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http") * wanted.exports))
    try:
        is_here = all(find_spec(name) is not None for name in needed)
    except ModuleNotFoundError:
        is_here = False
    return None if is_here else "OpenTelemetry is not installed"


def _fault(environ: Mapping[str, str]) -> str | None:
    """Return what is wrong with a variable that says how to export, without its value: headers are secrets."""
    for signal in _SIGNALS:
        protocol = environ.get(f"{_OTLP}{signal}PROTOCOL", "").strip() or _PROTOCOL
        if protocol != _PROTOCOL:
            return f"{_OTLP}{signal}PROTOCOL is `{printable(protocol)}`, and only {_PROTOCOL} is spoken (port 4318)"
        if (endpoint := environ.get(f"{_OTLP}{signal}ENDPOINT", "").strip()) and not _is_address(endpoint):
            return f"{_OTLP}{signal}ENDPOINT is no address such as http://127.0.0.1:4318"
        if environ.get(f"{_OTLP}{signal}COMPRESSION", "").strip().lower() not in ("", "none", "gzip", "deflate"):
            return f"{_OTLP}{signal}COMPRESSION is none, gzip or deflate"
        headers = environ.get(f"{_OTLP}{signal}HEADERS", "")
        if not all(map(_is_header, filter(None, map(str.strip, headers.split(","))))):
            return f"{_OTLP}{signal}HEADERS is not written as name=value,name=value, each value percent-encoded"
    for signal in _SIGNALS[1:]:
        name = f"OTEL_{signal}EXPORTER"
        if (exporter := environ.get(name, "").strip()) not in ("", "otlp", "none"):
            return f"{name} is `otlp` or `none`, not `{printable(exporter)}`"
    return _fault_of_spans(environ)


def _fault_of_spans(environ: Mapping[str, str]) -> str | None:
    """Return what is wrong with a variable that says which spans are sent, how often, and below which span."""
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").lower()
    if sampler and sampler not in _SAMPLERS:
        return f"OTEL_TRACES_SAMPLER is one of {', '.join(_SAMPLERS)}, not `{printable(sampler)}`"
    if sampler.endswith("traceidratio") and not 0 <= _number(environ.get("OTEL_TRACES_SAMPLER_ARG", "")) <= 1:
        return f"OTEL_TRACES_SAMPLER_ARG is the share for {sampler}, from 0 to 1"
    for name in (*_NUMBERS, *_WHOLE_NUMBERS):
        if (number := environ.get(name)) and not _number(number, whole=name in _WHOLE_NUMBERS) > 0:
            return f"{name} is no {'whole ' * (name in _WHOLE_NUMBERS)}number above 0"
    if (parent := environ.get("TRACEPARENT", "").strip()) and not _PARENT.fullmatch(parent):
        return "TRACEPARENT names no span: it is written as 00-<32 hex digits>-<16 hex digits>-01"
    return None


def _number(text: str, *, whole: bool = False) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return math.nan


def _is_address(endpoint: str) -> bool:
    try:
        address = urlsplit(endpoint)
        _ = address.port
    except ValueError:
        return False
    return address.scheme in ("http", "https") and bool(address.hostname)


def _is_header(text: str) -> bool:
    found = _HEADER.fullmatch(text)
    return found is not None and unquote(found[1]).isprintable()
