"""Cost, tokens and latency of two runs: what is known of both sides, and how sure a change is."""

from __future__ import annotations

import random

import pytest

from promptctl.comparisons.comparison import UsageChange, compare_outcomes, compare_usage
from promptctl.evaluations.outcomes import CaseOutcome, CasePair


def outcome(case_id: str, **rest: object) -> CaseOutcome:
    return CaseOutcome(case_id=case_id, content_hash="h", status="passed", **rest)  # type: ignore[arg-type]


def usage_of(
    base: list[float], head: list[float], name: str = "latency_ms", clusters: list[str] | None = None
) -> UsageChange:
    pairs = [
        CasePair(outcome(str(at), **{name: before}), outcome(str(at), **{name: after}))
        for at, (before, after) in enumerate(zip(base, head, strict=True))
    ]
    return next(usage for usage in compare_usage(pairs, clusters) if usage.name == name)


def test_costs_tokens_and_latency_over_the_pairs_that_know_them() -> None:
    base = [outcome("a", cost_nano_usd=100, latency_ms=10.0), outcome("b", cost_nano_usd=300, latency_ms=30.0)]
    head = [outcome("a", cost_nano_usd=150, latency_ms=20.0), outcome("b", latency_ms=60.0)]
    cost, tokens, latency = compare_outcomes(base, head).usage
    assert (cost.known, cost.unknown, cost.sides) == (1, 1, (100, 150))
    assert (tokens.known, tokens.unknown, tokens.sides, tokens.change) == (0, 2, (None, None), None)
    assert latency.sides == (20.0, 40.0)
    assert latency.head_p95 == pytest.approx(58.0)


def test_a_change_is_of_totals_and_for_latency_of_medians() -> None:
    rng = random.Random(1)
    base = [100 * rng.lognormvariate(0, 0.4) for _ in range(80)]
    head = [value * rng.lognormvariate(0.2, 0.1) for value in base]
    latency, tokens = usage_of(base, head), usage_of(base, head, "tokens")
    assert tokens.change == pytest.approx(sum(head) / sum(base) - 1)
    assert latency.change == pytest.approx(sorted(head)[39] / sorted(base)[39] - 1, abs=0.05)
    for usage in (latency, tokens):
        assert usage.interval is not None
        assert usage.change is not None
        assert 0 < usage.interval.low < usage.change < usage.interval.high < 0.6


@pytest.mark.parametrize("few", [1, 9])
def test_few_cases_have_no_relative_change(few: int) -> None:
    for name in ("cost_nano_usd", "tokens", "latency_ms"):
        usage = usage_of([10.0] * few, [20.0] * few, name)
        assert (usage.interval, usage.change) == (None, None)
        assert None not in usage.sides


def test_a_free_base_has_no_relative_change() -> None:
    assert usage_of([0.0] * 20, [5.0] * 20, "cost_nano_usd").change is None


def test_latencies_of_microseconds_have_none_either() -> None:
    assert usage_of([0.011] * 30, [0.022] * 30).change is None
    assert usage_of([0.5] * 30, [1.5] * 30).change == pytest.approx(2.0)


def test_equal_sides_have_no_change() -> None:
    values = [10.0 + at for at in range(30)]
    tokens, latency = usage_of(values, values, "tokens"), usage_of(values, values)
    assert tokens.interval is not None
    assert (tokens.change, tokens.interval.low, tokens.interval.high) == (0.0, 0.0, 0.0)
    assert latency.change == 0.0
    assert latency.interval is not None
    assert latency.interval.low < 0 < latency.interval.high


def test_a_few_huge_costs_leave_no_percentage() -> None:
    rng = random.Random(2)
    base, head = ([1000 * rng.lognormvariate(0, 2.0) for _ in range(60)] for _ in range(2))
    assert usage_of(base, head, "cost_nano_usd").change is None
    assert usage_of(base, head).change is not None


def test_cases_of_one_cluster_are_one_piece_of_evidence() -> None:
    rng = random.Random(3)
    factors = [rng.lognormvariate(0, 0.4) for _ in range(20)]
    base = [100.0] * 200
    head = [100 * factors[at // 10] * rng.lognormvariate(0, 0.05) for at in range(200)]
    clusters = [str(at // 10) for at in range(200)]
    for name in ("tokens", "latency_ms"):
        alone, grouped = usage_of(base, head, name), usage_of(base, head, name, clusters)
        assert alone.change == grouped.change
        assert alone.interval is not None
        assert grouped.interval is not None
        assert grouped.interval.high - grouped.interval.low > 2 * (alone.interval.high - alone.interval.low)
    assert usage_of(base, head, "tokens", ["one"] * 200).interval is None
