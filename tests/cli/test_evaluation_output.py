"""Evaluations as the command line prints them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from promptctl.cli.evaluation_output import _totals
from promptctl.evaluations.evaluation import Summary


@pytest.mark.parametrize(
    ("statuses", "rate", "interval"),
    [(["error"] * 5, "-", "-"), (["failed"] * 5, "0.0%", "0%–43%"), (["passed", "error"], "50.0%", "9%–91%")],
)
def test_the_rate_of_an_evaluation_in_which_nothing_was_graded_is_unknown(
    statuses: list[str], rate: str, interval: str
) -> None:
    summary = Summary(len(statuses))
    for status in statuses:
        summary.counts.add(status)
    spec = SimpleNamespace(dataset="datasets/a.yaml")
    row = SimpleNamespace(prompt="p", version_display="v1", model="m", id="0" * 36, spec=spec)
    found: Any = SimpleNamespace(row=row, summary=summary, totals=SimpleNamespace(p50_latency_ms=None))
    totals = _totals(found)
    assert (totals["Rate"], totals["95 %"]) == (rate, interval)
