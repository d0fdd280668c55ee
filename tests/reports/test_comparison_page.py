"""The page of comparisons: its numbers, and what it says of a comparison that decides nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from promptctl.comparisons.comparison import Comparison, UsageChange
from promptctl.comparisons.gates import Decision
from promptctl.reports.comparison import number_rows
from promptctl.reports.comparison_page import page_rows
from promptctl.reports.sentences import of_comparisons
from promptctl.statistics.metric import Procedure


def test_a_page_gives_no_percentage_that_nothing_says_how_sure_it_is_of() -> None:
    usage = (
        UsageChange("cost_nano_usd", 6, 0, base_total=3_280_000, head_total=3_010_000),
        UsageChange("latency_ms", 6, 0, base_p50=43, head_p50=19, base_p95=62, head_p95=20),
        UsageChange("tokens", 0, 6),
    )
    found = Comparison(Procedure(), usage=usage)
    assert [*page_rows(found)] == [
        ("cost", "$0.0033", "$0.0030", "-"),
        ("median latency", "43 ms", "19 ms", "-"),
        ("p95 latency", "62 ms", "20 ms", "-"),
        ("tokens", "-", "-", "-"),
    ]
    assert next(iter(number_rows(found)))[:3] == ("cost", "$0.00328", "$0.00301")


def test_a_gate_that_passes_what_nobody_can_tell_is_called_undecided() -> None:
    def state(*kinds: str, code: int = 0) -> str:
        compared = [_compared(kind) for kind in kinds]
        return of_comparisons(cast(Any, compared), [], Decision.of(code, "")).state

    assert [state("inconclusive"), state("powerless", "inconclusive")] == ["undecided"] * 2
    assert [state("not-worse"), state("inconclusive", "better"), state("inconclusive", code=1)] == [
        *("passed", "passed", "failed"),
    ]


def _compared(kind: str) -> SimpleNamespace:
    spec = SimpleNamespace(dataset="datasets/d.yaml")
    row = SimpleNamespace(prompt="p", model="m", version_display="v1", digest="", spec=spec)
    comparison = SimpleNamespace(metric=lambda name: None)
    verdict = SimpleNamespace(kind=kind)
    side = SimpleNamespace(row=row)
    is_told = kind not in ("inconclusive", "powerless")
    told = {"verdict": verdict, "is_told": is_told, "decision": Decision.of(0, "")}
    return SimpleNamespace(base=side, head=side, comparison=comparison, **told)
