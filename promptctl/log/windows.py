"""Windows of a budget: the stretch of time over which its limit counts."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Literal

from promptctl.formats.time_zones import zone_named
from promptctl.log.stamps import utc_text

Period = Literal["call", "day", "week", "month", "total"]

BEGINNING = "1970-01-01T00:00:00.000Z"


def window_of(moment: str, per: Period, timezone: str = "UTC") -> tuple[str, str | None]:
    """Return the beginning and the end of the window that a moment is in, all as the log stores moments.

    A window holds its beginning and not its end, at which the next one begins. Days begin when the zone's clocks first
    show that day, weeks on Monday. The window of a call begins and ends with it; `total` has no end.

    >>> window_of("2026-03-29T12:00:00.000Z", "day", "Europe/Berlin")
    ('2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z')
    """
    if per == "total":
        return BEGINNING, None
    if per == "call":
        return moment, moment
    zone = zone_named(timezone)
    at = datetime.fromisoformat(moment)
    first = at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if per == "week":
        first -= timedelta(days=first.weekday())
    elif per == "month":
        first = first.replace(day=1)
    after = _next(first, per)
    # Clocks that go back over midnight show the old day once more, in what is the new day's window.
    while _begins(after, zone) <= at:
        first, after = after, _next(after, per)
    return utc_text(_begins(first, zone)), utc_text(_begins(after, zone))


def _next(day: datetime, per: Period) -> datetime:
    if per == "month":
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if per == "week" else 1)


def _begins(day: datetime, zone: tzinfo) -> datetime:
    """Return the moment at which a day begins: the first of two midnights, and of a skipped one the jump over it."""
    return day.replace(tzinfo=zone)
