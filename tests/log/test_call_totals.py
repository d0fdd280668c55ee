from __future__ import annotations

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
