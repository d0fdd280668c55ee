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
_SAMPLERS = (
    "always_on", "always_off", "parentbased_always_on", "parentbased_always_off", "traceidratio",
    "parentbased_traceidratio",
)  # fmt: skip
_OTLP = "OTEL_EXPORTER_OTLP_(?:(?:TRACES|METRICS|LOGS)_)?"
# As OpenTelemetry reads it.
_HEADER = re.compile(
    r"[\x21\x23-\x27\x2a\x2b\x2d\x2e\x30-\x39\x41-\x5a\x5e-\x7a\x7c\x7e]+[ \t]*=([ -!#-+\--:<-\[\]-~]*)"
)


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


def _blank_or(pattern: str) -> Callable[[str], object]:
    return re.compile(rf"\s*(?:{pattern})?\s*").fullmatch


def _is_address(endpoint: str) -> bool:
    try:
        address = urlsplit(endpoint)
        _ = address.port
    except ValueError:
        return False
    return address.scheme in ("http", "https") and bool(address.hostname)


def _are_headers(text: str) -> bool:
    found = [_HEADER.fullmatch(each) for each in filter(None, map(str.strip, text.split(",")))]
    return all(each is not None and unquote(each[1]).isprintable() for each in found)


def _number(text: str, read: Callable[[str], float] = float) -> float:
    try:
        return read(text)
    except ValueError:
        return math.nan


# Variables by their names, what each may hold, and what is said of one that holds anything else: OpenTelemetry itself
# would print it, and a header is a secret. It takes no blank for a number or a sampler.
_CHECKS: tuple[tuple[str, Callable[[str], object], str], ...] = (
    (f"{_OTLP}PROTOCOL", _blank_or("http/protobuf"), "is `{}`, and only http/protobuf is spoken (port 4318)"),
    (
        f"{_OTLP}ENDPOINT",
        lambda text: not text.strip() or _is_address(text.strip()),
        "is no address such as http://127.0.0.1:4318",
    ),
    (f"{_OTLP}COMPRESSION", _blank_or("(?i:none|gzip|deflate)"), "is none, gzip or deflate"),
    (f"{_OTLP}HEADERS", _are_headers, "is not written as name=value,name=value, each value percent-encoded"),
    ("OTEL_(?:TRACES|METRICS|LOGS)_EXPORTER", _blank_or("otlp|none"), "is `otlp` or `none`, not `{}`"),
    ("OTEL_TRACES_SAMPLER", lambda text: text.lower() in _SAMPLERS, f"is one of {', '.join(_SAMPLERS)}, not `{{}}`"),
    (f"{_OTLP}TIMEOUT|OTEL_METRIC_EXPORT_(?:INTERVAL|TIMEOUT)", lambda text: _number(text) > 0, "is no number above 0"),
    (
        "OTEL_(?:BSP|BLRP)_(?:SCHEDULE_DELAY|MAX_QUEUE_SIZE|MAX_EXPORT_BATCH_SIZE|EXPORT_TIMEOUT)",
        lambda text: _number(text, int) > 0,
        "is no whole number above 0",
    ),
    (
        "TRACEPARENT",
        _blank_or("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"),
        "names no span: it is written as 00-<32 hex digits>-<16 hex digits>-01",
    ),
)


def _fault(environ: Mapping[str, str]) -> str | None:
    """Return what is wrong with a variable that says what is exported, where to, or below which span."""
    for names, fits, words in _CHECKS:
        for name in sorted(environ):
            if (value := environ[name]) and re.fullmatch(names, name) and not fits(value):
                return f"{name} {words.format(printable(value))}"
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").lower()
    if sampler.endswith("traceidratio") and not 0 <= _number(environ.get("OTEL_TRACES_SAMPLER_ARG", "")) <= 1:
        return f"OTEL_TRACES_SAMPLER_ARG is the share for {sampler}, from 0 to 1"
    return None
