"""Prices of LiteLLM's list that are written in a form of their own: by ranges of length, and cheaper at some hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from promptctl.formats.time_zones import zone_named

_DAY_MINUTES = 24 * 60


def by_ranges(entry: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each range of a `tiered_pricing`, the longest first: the tokens that it begins above, and its prices.

    A request has the prices of one range for all its tokens.
    """
    ranges = [each for each in entry["tiered_pricing"] if isinstance(each, dict) and "range" in each]
    for each in sorted(ranges, key=lambda each: -float(each["range"][0])):
        begins = int(each["range"][0])
        yield (begins if begins > 0 else -1), {**entry, **each}


def is_off_peak(off_peak: Mapping[str, Any], at: float) -> bool:
    """Return True if a call that began at this moment (seconds since 1970) has the prices of `off_peak_pricing`."""
    moment = datetime.fromtimestamp(at, UTC)
    minute = moment.hour * 60 + moment.minute
    weekday = moment.astimezone(zone_named(off_peak.get("weekday_timezone") or "UTC")).isoweekday()
    for window in [off_peak, *(off_peak.get("windows") or ())]:
        hours = window.get("hours_utc") or ()
        is_day = weekday in window.get("weekdays", (weekday,))
        if is_day and any(_holds(each, minute) for each in ([hours] if isinstance(hours, str) else hours)):
            return True
    return False


def _holds(hours: str, minute: int) -> bool:
    """Return True for a minute of the day within `10:00-00:00`, which may go past midnight or last all day."""
    begins, ends = (int(text[:2]) * 60 + int(text[3:5]) for text in hours.split("-"))
    return (minute - begins) % _DAY_MINUTES < ((ends - begins) % _DAY_MINUTES or _DAY_MINUTES)
