from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from promptctl.log.call_totals import CallTotals, bucket, percentile
from tests.log.conftest import make


@pytest.mark.parametrize("latency", [0.0, 0.01, 1.0, 1.08, 3.7, 499.99, 60_000.0, 6_000_000.0])
def test_one_latency_is_its_own_percentile_up_to_five_percent(latency: float) -> None:
    for share in (0.0, 0.5, 0.95, 1.0):
        assert percentile({bucket(latency): 1}, share) == pytest.approx(latency, rel=0.05, abs=0.02)
    assert percentile({}, 0.5) is None


def test_no_call_is_free_that_never_told_its_cost() -> None:
    totals = CallTotals()
    told: dict[str, Any] = {"cost_nano_usd": 44, "status": "ok"}
    cancelled: dict[str, Any] = {"cost_nano_usd": None, "output_tokens": None, "status": "cancelled"}
    for given in (told, *[cancelled] * 3, {**cancelled, "status": "blocked"}):
        totals.count(make(**given), "2026-05-04T10:00:00.000Z")
    assert (totals.untold, totals.cost_nano_usd, totals.average_cost_nano_usd) == (3, 44, 44)

    retried = CallTotals()
    retried.count(make(**{**cancelled, "status": "error"}), "2026-05-04T10:00:00.000Z")
    assert (retried.cost_nano_usd, retried.average_cost_nano_usd) == (None, None)
    retried.count(make(**told, attempt=2), "2026-05-04T10:00:00.000Z")
    assert (retried.calls, retried.untold, retried.average_cost_nano_usd) == (1, 1, 44)


# How an attempt ends: its status and its cost, None where it never told one.
PAID, INVALID, REFUSED = ("ok", 44), ("invalid_output", 44), ("error", 0)
BROKEN, CANCELLED, BLOCKED = ("error", None), ("cancelled", None), ("blocked", 0)
FREE, UNPRICED = ("ok", 0), ("ok", None)
Call = Sequence[tuple[str, int | None]]


def totals_of(calls: Sequence[Call]) -> CallTotals:
    totals = CallTotals()
    for call in calls:
        for attempt, (status, cost) in enumerate(call, 1):
            has_reply = status in ("ok", "invalid_output")
            tokens = 7 if has_reply else None
            execution = make(status=status, cost_nano_usd=cost, attempt=attempt, output_tokens=tokens)
            totals.count(execution, "2026-05-04T10:00:00.000Z")
    return totals


def naive_average(calls: Sequence[Call]) -> float:
    """The mean of calls that had a reply, and of those of which every attempt told its cost."""
    known = [call for call in calls if {PAID, INVALID} & set(call) or all(cost is not None for _, cost in call)]
    return sum(cost or 0 for call in known for _, cost in call) / max(1, len(known))


@pytest.mark.parametrize(
    "calls",
    [
        [[INVALID, PAID], [BROKEN]],
        [[INVALID, PAID], [CANCELLED], [CANCELLED]],
        [[INVALID, INVALID, PAID]] * 3 + [[BROKEN] * 3] * 5,
        [[REFUSED, PAID]] * 3 + [[BROKEN]] * 3,
        [[BROKEN, PAID], [PAID]],
        [[BROKEN, PAID]] * 10,
        [[BROKEN, BLOCKED], [PAID], [INVALID, BLOCKED]],
        [[REFUSED], [PAID], [CANCELLED]],
        [[INVALID], [INVALID], [CANCELLED]],
        [[INVALID, BROKEN]],
    ],
    ids=str,
)
def test_a_call_counts_once_in_the_average_beside_those_that_never_told_their_cost(calls: Sequence[Call]) -> None:
    assert totals_of(calls).average_cost_nano_usd == round(naive_average(calls))


@pytest.mark.parametrize(
    ("calls", "cost", "average"),
    [
        ([[BROKEN, REFUSED]], None, None),
        ([[BROKEN, BLOCKED]], None, None),
        ([[REFUSED], [BROKEN]], None, None),
        ([[UNPRICED], [REFUSED]], None, None),
        ([[REFUSED], [REFUSED, BLOCKED]], 0, 0),
        ([[BROKEN, FREE]], 0, 0),
        ([[UNPRICED], [FREE]], 0, None),
    ],
    ids=str,
)
def test_only_a_free_reply_says_that_calls_beside_those_of_unknown_cost_were_free(
    calls: Sequence[Call], cost: int | None, average: int | None
) -> None:
    totals = totals_of(calls)
    assert (totals.cost_nano_usd, totals.average_cost_nano_usd) == (cost, average)


def test_an_average_is_never_too_low() -> None:
    chance = random.Random(5)
    for _ in range(500):
        calls = []
        for _ in range(chance.randrange(1, 12)):
            retried = chance.choices([INVALID, REFUSED, BROKEN], [1, 1, 1], k=chance.choice([0, 0, 0, 1, 2]))
            last = chance.choice([PAID, PAID, PAID, INVALID, REFUSED, BROKEN, CANCELLED, *[BLOCKED] * bool(retried)])
            calls.append([*retried, last])
        totals = totals_of(calls)
        assert totals.untold == sum(cost is None for call in calls for _, cost in call)
        has_reply = any({PAID, INVALID} & set(call) for call in calls)
        if totals.untold and not has_reply:
            assert (totals.cost_nano_usd, totals.average_cost_nano_usd) == (None, None)
        elif totals.priced:
            average, naive = totals.average_cost_nano_usd, naive_average(calls)
            assert average is not None
            assert average >= round(naive)
            assert average == round(naive) or totals.untold
