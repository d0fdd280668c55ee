"""Moments as the log stores them: UTC, ISO 8601, milliseconds and `Z`, so that text sorts as time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from promptctl.errors import UsageError, printable

_STORED_LENGTH = len("2026-05-03T09:30:00.000Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc_now() -> str:
    """Return this moment."""
    return utc_text(datetime.now(UTC))


def utc_text(moment: datetime) -> str:
    """Return a moment as it is stored; one without a zone is taken as UTC.

    >>> utc_text(datetime(2026, 5, 3, 9, 30))
    '2026-05-03T09:30:00.000Z'
    """
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_moment(text: str, *, now: datetime | None = None) -> str:
    """Read a moment that a person wrote, as it is stored: a date, a date and time, or an age such as `12h` or `7d`.

    Raises `UsageError` for anything else.

    >>> parse_moment("2026-05-03")
    '2026-05-03T00:00:00.000Z'
    >>> parse_moment("2026-05-03T09:30:00+02:00")
    '2026-05-03T07:30:00.000Z'
    >>> parse_moment("7d", now=datetime(2026, 5, 10, tzinfo=UTC))
    '2026-05-03T00:00:00.000Z'
    """
    ago = re.fullmatch(r"(\d+)\s*([smhdw])", text.strip())
    try:
        if ago:
            return utc_text((now or datetime.now(UTC)) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        return utc_text(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        raise UsageError(
            f"`{printable(text)}` is not a moment",
            hint="write a date (2026-05-03), a time (2026-05-03T09:30Z) or an age (12h, 7d)",
        ) from None


def as_stored(text: str) -> str:
    """Return the same moment in the stored form; text that is no moment stays as it is."""
    if len(text) == _STORED_LENGTH and text[10] == "T" and text[19] == "." and text[23] == "Z":
        return text
    try:
        return utc_text(datetime.fromisoformat(text))
    except ValueError:
        return text
