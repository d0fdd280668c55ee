"""The totals of the log as Prometheus reads them: text for the textfile collector of node_exporter.

Counters only grow, as the totals that they are made of do: neither pruning nor redacting takes anything off them. What
can shrink, as costs do when they are corrected, is a gauge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from promptctl.errors import UsageError, printable
from promptctl.log.call_totals import FIELD_OF_STATUS, GROWTH, CallTotals
from promptctl.reports.wording import NANO

# No prompt's id has brackets.
OTHERS = "(others)"
# Prompts that have series of their own: those that were called first, so that none loses its own later.
_MOST_PROMPTS = 1_000
# Limits of the log's own buckets of latencies: so each count is exact.
_LIMITS = {
    number: float(f"{GROWTH**number / 1000:.6g}") for number in (51, 60, 72, 81, 90, 102, 111, 120, 134, 143, 152)
}


_Labels = tuple[tuple[str, str], ...]


class _Metric(NamedTuple):
    name: str
    kind: str
    about: str
    value: Callable[[CallTotals], float]


_METRICS = (
    _Metric("calls_total", "counter", "Calls that were asked for.", lambda row: row.calls),
    _Metric("reused_replies_total", "counter", "Replies from a cache or a recording.", lambda row: row.reused),
    _Metric("input_tokens_total", "counter", "Tokens put in, cached ones included.", lambda row: row.input_tokens),
    _Metric("output_tokens_total", "counter", "Tokens put out, reasoning included.", lambda row: row.output_tokens),
    _Metric("cached_input_tokens_total", "counter", "Tokens from a provider's cache.", lambda row: row.cached_tokens),
    _Metric("reasoning_output_tokens_total", "counter", "Tokens of reasoning.", lambda row: row.reasoning_tokens),
    _Metric(
        "cost_dollars",
        "gauge",
        "US dollars of all attempts whose price is known; cost reprice may lower it.",
        lambda row: row.known_cost_nano_usd / NANO,
    ),
    _Metric("unpriced_attempts", "gauge", "Attempts with a reply whose price is unknown.", lambda row: row.unpriced),
)


def prometheus_text(totals: Sequence[CallTotals]) -> Iterator[str]:
    """Yield the text, a metric at a time; the totals are by prompt and source."""
    rows = _bounded(totals)
    for name, kind, about, value in _METRICS:
        yield _block(name, kind, about, [("", labels, value(row)) for labels, row in rows.items()])
    attempts = [
        ("", (*labels, ("status", status)), getattr(row, field))
        for labels, row in rows.items()
        for status, field in FIELD_OF_STATUS.items()
    ]
    yield _block("attempts_total", "counter", "Attempts of calls; of those never sent, first ones alone.", attempts)
    latencies = [sample for labels, row in rows.items() for sample in _latencies(labels, row)]
    yield _block("latency_seconds", "histogram", "Time of whole replies from a model.", latencies)
    newest = [("", labels, datetime.fromisoformat(row.last_at).timestamp()) for labels, row in rows.items()]
    yield _block("last_call_timestamp_seconds", "gauge", "When the last call began.", newest)


def check_prometheus_path(path: Path) -> None:
    """Raise `UsageError` for a file that node_exporter would not read."""
    if path.suffix != ".prom":
        raise UsageError(f"{printable(str(path))} does not end in .prom", hint="node_exporter reads no other file")


def write_prometheus(path: Path, text: Iterable[str]) -> None:
    """Put the text in the place of the file, whole or not at all."""
    from promptctl.git.outputs import replace_output

    replace_output(path, (part.encode("utf-8", "replace") for part in text))


def _bounded(totals: Sequence[CallTotals]) -> Mapping[_Labels, CallTotals]:
    begun: dict[str, str] = {}
    for row in totals:
        prompt = row.group["prompt"]
        begun[prompt] = min(begun.get(prompt, row.first_at), row.first_at)
    named = set(sorted(begun, key=lambda prompt: (begun[prompt], prompt))[:_MOST_PROMPTS])
    found: dict[_Labels, CallTotals] = {}
    for row in totals:
        prompt = row.group["prompt"]
        labels = (("prompt", prompt if prompt in named else OTHERS), ("source", row.group["source"]))
        found.setdefault(labels, CallTotals()).add(row)
    return found


def _latencies(labels: _Labels, row: CallTotals) -> Iterator[tuple[str, _Labels, float]]:
    for number, limit in _LIMITS.items():
        within = sum(attempts for each, attempts in row.histogram.items() if each <= number)
        yield "_bucket", (*labels, ("le", str(limit))), within
    yield "_bucket", (*labels, ("le", "+Inf")), row.timed
    yield "_sum", labels, row.latency_sum_ms / 1000
    yield "_count", labels, row.timed


def _block(name: str, kind: str, about: str, samples: Sequence[tuple[str, _Labels, float]]) -> str:
    lines = [f"# HELP promptctl_{name} {about}", f"# TYPE promptctl_{name} {kind}"]
    for suffix, labels, value in samples:
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        lines.append(f"promptctl_{name}{suffix}{{{shown}}} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
