from __future__ import annotations

import pytest

from promptctl.log.call_totals import bucket, percentile


@pytest.mark.parametrize("latency", [0.0, 0.01, 1.0, 1.08, 3.7, 499.99, 60_000.0, 6_000_000.0])
def test_one_latency_is_its_own_percentile_up_to_five_percent(latency: float) -> None:
    for share in (0.0, 0.5, 0.95, 1.0):
        assert percentile({bucket(latency): 1}, share) == pytest.approx(latency, rel=0.05, abs=0.02)
    assert percentile({}, 0.5) is None
