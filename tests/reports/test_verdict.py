"""The second line of a comparison: how likely chance is, and what became of cost and latency."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from promptctl.comparisons.comparison import Comparison, UsageChange, UsageName
from promptctl.comparisons.verdicts import Verdict
from promptctl.evaluations.outcomes import CaseOutcome, CasePair
from promptctl.reports.comparison import number_rows
from promptctl.reports.flips import certainty_of
from promptctl.reports.verdict import certainty
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import Procedure


def pair(id_: str) -> CasePair:
    return CasePair(
        CaseOutcome(case_id=id_, content_hash="h", status="passed"),
        CaseOutcome(case_id=id_, content_hash="h", status="failed"),
    )


def told(p: float, comparisons: int = 1, *usage: UsageChange, is_timed_together: bool = True) -> str:
    comparison = Comparison(
        Procedure(comparisons=comparisons),
        regressed=(pair("a"),),
        usage=usage,
        is_timed_together=is_timed_together,
    )
    verdict = Verdict("inconclusive", "Inconclusive: because.", n=12, p=p)
    return certainty(cast(Any, SimpleNamespace(comparison=comparison, verdict=verdict, edited=())))


@pytest.mark.parametrize(
    ("p", "comparisons", "said"),
    [
        (1.0, 1, "it may be chance (p = 1.00)"),
        (0.08, 8, "it may be chance (p = 0.08)"),
        (0.02, 8, "not proven: p = 0.02, and 8 tests made together ask for less than 0.0063 of each"),
        (0.008, 8, "not proven: p = 0.008, and 8 tests made together ask for less than 0.0063 of each"),
        (0.01, 1, "too small a difference to count (p = 0.01)"),
    ],
)
def test_what_is_not_proven_is_called_chance_only_where_chance_is_likely(p: float, comparisons: int, said: str) -> None:
    assert told(p, comparisons) == said


def change(name: UsageName, low: float, high: float) -> UsageChange:
    interval = Interval(low, high, 0.95, "")
    return UsageChange(name, 12, 0, 100, 124, base_p50=100, head_p50=124, interval=interval)


def test_a_latency_within_noise_is_told_as_a_cost_is() -> None:
    both = [change("cost_nano_usd", -0.2, 1.1), change("latency_ms", -0.2, 1.1)]
    assert told(1.0, 1, *both).endswith("; cost +24%, within noise, latency +24%, within noise")


def test_latencies_of_different_times_are_no_effect_of_the_change() -> None:
    both = [change("cost_nano_usd", 0.1, 0.3), change("latency_ms", 0.1, 0.3)]
    assert told(1.0, 1, *both).endswith("; cost +24%, latency +24%")
    assert told(1.0, 1, *both, is_timed_together=False).endswith("; cost +24%")
    rows = [row[0] for row in number_rows(Comparison(Procedure(), usage=tuple(both), is_timed_together=False))]
    assert rows == ["cost", "median latency, not asked together", "p95 latency"]


@pytest.mark.parametrize(
    ("pairs", "sure"),
    [
        ([], "likely"),
        ([-1, -1], "likely"),
        ([-1, -1, 0, -1, -1], "partly"),
        ([-1, 0], "noise"),
        ([-1, -1, 0, 0, 0], "noise"),
        ([1, 1], "noise"),
        ([0, 0], "noise"),
    ],
)
def test_what_held_in_most_fresh_pairs_is_not_called_noise(pairs: list[int], sure: str) -> None:
    verdict = Verdict("worse", "Worse: because.", n=12)
    runs = [SimpleNamespace(case_id="a", pairs=pairs)] if pairs else []
    comparison = Comparison(Procedure(), regressed=(pair("a"),))
    assert certainty_of(cast(Any, SimpleNamespace(comparison=comparison, verdict=verdict, reruns=runs)), "a") == sure
