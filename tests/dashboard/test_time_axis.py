"""Days that no chart of a long time tells apart are counted as one; no chart shows a call in a different bucket."""

from __future__ import annotations

import pytest

from promptctl.dashboard.time_axis import TimeAxis, seconds_of

DAY = 86_400
NOW = 1_777_593_600


@pytest.mark.parametrize("days", [59, 119, 240, 360, 365, 700, 1_095, 1_700, 3_300, 4_000, 12_000])
@pytest.mark.parametrize("first", [NOW, NOW + 3 * DAY, NOW + 13 * DAY])
def test_every_bucket_of_a_chart_holds_the_whole_of_what_is_counted_as_one(days: int, first: int) -> None:
    axis = TimeAxis.over(first, first + days * DAY, DAY)
    until = first + (days - 15) * DAY
    found = {seconds_of(day): seconds_of(other) for day, other in axis.merged(until).items()}

    assert all(first <= other <= at < until for at, other in found.items())
    for chart in axis.wider():
        assert [chart.index(at) for at in found] == [chart.index(other) for other in found.values()]
    kept = set(found.values()) if found else range(days)
    assert len(kept) <= max(days // 28 + 2, 360)
