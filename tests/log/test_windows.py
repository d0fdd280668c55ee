from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.log.stamps import utc_text
from promptctl.log.windows import Period, window_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati")
ODD_ZONES = ("America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "America/Havana", "Africa/Cairo")


@pytest.mark.parametrize(
    ("moment", "per", "timezone", "start", "end"),
    [
        # The instants are worked out by hand from the zones' rules.
        ("2026-05-03T00:00:00.000Z", "day", "UTC", "2026-05-03T00:00", "2026-05-04T00:00"),
        ("2026-05-03T23:59:59.999Z", "day", "UTC", "2026-05-03T00:00", "2026-05-04T00:00"),
        ("2026-05-03T22:00:00.000Z", "day", "Europe/Berlin", "2026-05-03T22:00", "2026-05-04T22:00"),
        ("2026-05-03T21:59:59.999Z", "day", "Europe/Berlin", "2026-05-02T22:00", "2026-05-03T22:00"),
        ("2026-05-03T12:00:00.000Z", "day", "Asia/Kathmandu", "2026-05-02T18:15", "2026-05-03T18:15"),
        # 29 March 2026 has 23 hours in Berlin, 25 October has 25.
        ("2026-03-29T00:30:00.000Z", "day", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-10-25T00:30:00.000Z", "day", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-10-25T22:30:00.000Z", "day", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-11-01T12:00:00.000Z", "day", "America/New_York", "2026-11-01T04:00", "2026-11-02T05:00"),
        # Midnight was skipped: the day began at 1 o'clock, with the jump.
        ("2018-11-04T12:00:00.000Z", "day", "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00"),
        # One minute after midnight the clocks went back to 23:01: the hour before midnight came twice.
        ("2006-10-29T02:29:59.000Z", "day", "America/St_Johns", "2006-10-28T02:30", "2006-10-29T02:30"),
        ("2006-10-29T03:00:00.000Z", "day", "America/St_Johns", "2006-10-29T02:30", "2006-10-30T03:30"),
        # Samoa had no 30 December 2011.
        ("2011-12-30T09:00:00.000Z", "day", "Pacific/Apia", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("2011-12-30T11:00:00.000Z", "day", "Pacific/Apia", "2011-12-30T10:00", "2011-12-31T10:00"),
        # 29 November 2026 is a Sunday.
        ("2026-11-29T23:30:00.000Z", "week", "UTC", "2026-11-23T00:00", "2026-11-30T00:00"),
        ("2026-11-29T23:30:00.000Z", "week", "Europe/Berlin", "2026-11-29T23:00", "2026-12-06T23:00"),
        ("2027-01-01T12:00:00.000Z", "week", "UTC", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("2026-03-25T12:00:00.000Z", "week", "Europe/Berlin", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("2026-02-28T23:30:00.000Z", "month", "UTC", "2026-02-01T00:00", "2026-03-01T00:00"),
        ("2026-01-31T23:30:00.000Z", "month", "Europe/Berlin", "2026-01-31T23:00", "2026-02-28T23:00"),
        ("2028-02-29T12:00:00.000Z", "month", "UTC", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("2026-10-31T12:00:00.000Z", "month", "Europe/Berlin", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("2026-12-31T23:00:00.000Z", "month", "Europe/Berlin", "2026-12-31T23:00", "2027-01-31T23:00"),
        ("2026-12-31T23:59:59.999Z", "month", "UTC", "2026-12-01T00:00", "2027-01-01T00:00"),
    ],
)
def test_a_window_is_that_of_the_zones_own_calendar(
    moment: str, per: Period, timezone: str, start: str, end: str
) -> None:
    assert window_of(moment, per, timezone) == (f"{start}:00.000Z", f"{end}:00.000Z")


def test_the_window_of_a_call_is_its_moment_and_a_total_has_no_end() -> None:
    moment = "2026-05-03T09:30:00.123Z"

    assert window_of(moment, "call") == (moment, moment)
    assert window_of(moment, "total") == window_of("2031-01-01T00:00:00.000Z", "total", "Europe/Berlin")
    assert window_of(moment, "total")[1] is None


@settings(max_examples=60)
@given(
    st.integers(0, 120 * 366 * 86_400),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from([*ZONES, *ODD_ZONES]),
)
def test_each_moment_is_in_one_window_and_the_next_begins_where_it_ends(
    second: int, per: Period, timezone: str
) -> None:
    moment = utc_text(datetime.fromtimestamp(second, UTC))
    start, end = window_of(moment, per, timezone)

    assert end is not None
    assert start <= moment < end
    assert window_of(start, per, timezone) == (start, end)
    last = utc_text(datetime.fromisoformat(end) - timedelta(milliseconds=1))
    assert window_of(last, per, timezone) == (start, end)
    assert window_of(end, per, timezone)[0] == end
