"""The text for Prometheus, read by a strict parser of its exposition format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from promptctl.log.call_totals import CallTotals, bucket
from promptctl.reports import prometheus
from promptctl.reports.prometheus import OTHERS, prometheus_text

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(,|\Z)')
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


class Family(NamedTuple):
    kind: str
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> dict[str, Family]:
    """Every metric of the text. Raises `AssertionError` for anything that the format does not allow."""
    assert text.endswith("\n")
    found: dict[str, Family] = {}
    lines = text.split("\n")[:-1]
    while lines:
        helps = re.fullmatch(r"# HELP (\S+) [^\\]+", lines.pop(0))
        assert helps is not None
        name = helps[1]
        assert _NAME.fullmatch(name), name
        assert name not in found, "a metric is in one piece"
        types = re.fullmatch(rf"# TYPE {name} (counter|gauge|histogram)", lines.pop(0))
        assert types is not None
        family = found[name] = Family(types[1], {})
        while lines and not lines[0].startswith("#"):
            suffix, labels, value = _sample(lines.pop(0), name)
            assert (suffix, labels) not in family.samples, "a series is there once"
            family.samples[suffix, labels] = value
        _check(name, family)
    return found


def _sample(line: str, name: str) -> tuple[str, frozenset[tuple[str, str]], float]:
    head, _, value = line.rpartition(" ")
    assert _NUMBER.fullmatch(value), line
    match = re.fullmatch(rf"{name}(_bucket|_sum|_count|)\{{(.*)\}}", head, re.DOTALL)
    assert match is not None, line
    return match[1], frozenset(_labels(match[2])), float(value)


def _labels(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _LABEL.match(text, at)
        assert match is not None, text
        yield match[1], re.sub(r"\\.", lambda each: _ESCAPED[each[0]], match[2])
        at = match.end()


def _check(name: str, family: Family) -> None:
    suffixes = {suffix for suffix, _ in family.samples}
    assert (family.kind == "counter") == name.endswith("_total")
    assert len({frozenset(key for key, _ in labels) for suffix, labels in family.samples if suffix != "_bucket"}) <= 1
    if family.kind != "histogram":
        assert suffixes <= {""}
        return
    assert suffixes <= {"_bucket", "_sum", "_count"}
    limits: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    for (suffix, labels), value in family.samples.items():
        if suffix == "_bucket":
            [limit] = (each for each in labels if each[0] == "le")
            limits.setdefault(labels - {limit}, []).append((float(limit[1]), value))
    for labels, found in limits.items():
        assert [value for _, value in sorted(found)] == sorted(value for _, value in found)
        assert max(found) == (float("inf"), family.samples["_count", labels])


def totals(prompt: str = "greet", source: str = "api", *, first_day: int = 1, **sums: Any) -> CallTotals:
    first_at, group = f"2026-01-{first_day:02}T00:00:00.000Z", {"prompt": prompt, "source": source}
    return CallTotals(group=group, first_at=first_at, last_at="2026-11-29T17:00:00.500Z", **sums)


def read(rows: Iterable[CallTotals]) -> dict[str, Family]:
    return parsed("".join(prometheus_text(list(rows))))


def values(family: Family, suffix: str = "") -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in sorted(labels)): value
        for (kind, labels), value in family.samples.items()
        if kind == suffix
    }


def test_sums_are_in_base_units_by_prompt_and_source() -> None:
    latencies_ms = (40, 400, 4_000)
    row = totals(
        calls=5, attempts=6, ok=3, errors=2, cancelled=1, input_tokens=10, known_cost_nano_usd=2_500_000, unpriced=1,
        timed=3, latency_sum_ms=4440.0, histogram={bucket(each): 1 for each in latencies_ms},
    )  # fmt: skip
    found = read([row, totals(source="eval", calls=7)])
    assert values(found["promptctl_calls_total"]) == {("greet", "api"): 5, ("greet", "eval"): 7}
    assert values(found["promptctl_cost_dollars"])["greet", "api"] == 0.0025
    assert found["promptctl_cost_dollars"].kind == found["promptctl_unpriced_attempts"].kind == "gauge"
    assert values(found["promptctl_attempts_total"])["greet", "api", "error"] == 2
    assert values(found["promptctl_latency_seconds"], "_sum")["greet", "api"] == 4.44
    counted = {
        float(le): value
        for (le, _, source), value in values(found["promptctl_latency_seconds"], "_bucket").items()
        if source == "api"
    }
    assert [counted[limit] for limit in sorted(counted)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]
    assert values(found["promptctl_last_call_timestamp_seconds"])["greet", "api"] == 1795971600.5


@pytest.mark.parametrize("prompt", ['a"} 1\n# TYPE x counter', "back\\slash\\n", "ünïcode\u2028\r{}", ""])
def test_a_hostile_id_stays_a_labels_value(prompt: str) -> None:
    found = read([totals(prompt, calls=1)])
    assert values(found["promptctl_calls_total"]) == {(prompt, "api"): 1}


def test_without_a_call_the_text_names_the_metrics_alone() -> None:
    assert {len(family.samples) for family in read([]).values()} == {0}


def test_prompts_beyond_the_first_share_series_and_none_moves_there_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "_MOST_PROMPTS", 4)
    rows = [totals(f"p{number}", first_day=1 + number, calls=1) for number in range(3)]
    rows += [totals(f"late{number}", first_day=20, calls=2) for number in range(3)]
    found = values(read(reversed(rows))["promptctl_calls_total"])
    assert len(found) == 5
    assert found[OTHERS, "api"] == 4
    assert found["late0", "api"] == 2
    later = values(read([*rows, totals("last", first_day=21, calls=8)])["promptctl_calls_total"])
    assert later == found | {(OTHERS, "api"): 12}
