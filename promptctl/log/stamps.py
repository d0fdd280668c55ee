"""The stamps of a record: its id, and moments as the log stores them.

Ids are UUIDv7 (RFC 9562): sorted by the time they were made, so that the logs of several machines merge. Written here
because importing `uuid` or `uuid_utils` costs 6 to 10 ms of a command's start, and this 0. Moments are UTC, ISO 8601,
milliseconds and `Z`, so that text sorts as time.
"""

from __future__ import annotations

import os
import re
import threading
import time
from datetime import UTC, datetime, timedelta, tzinfo

from promptctl.errors import UsageError, printable

_RANDOM_BITS = 74
_STEP_BITS = 32
_LOW_BITS = 62
_DRAW_BYTES = 14
_DRAWS = 64  # asking the system each time costs more than all the rest of an id

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_STORED_LENGTH = len("2026-05-03T09:30:00.000Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d+)\s*(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?)?|d(?:ays?)?|w(?:eeks?)?)(?:\s+ago)?")
_DAYS_AGO = {"today": 0, "yesterday": 1}


class _Clock:
    """Hands out (milliseconds, 74 random bits) as one number that only ever grows within a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._pool = b""
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._pool = b""  # a child must not hand out what its parent will

    def tick(self) -> int:
        with self._lock:
            if not self._pool:
                self._pool = os.urandom(_DRAW_BYTES * _DRAWS)
            random = int.from_bytes(self._pool[:_DRAW_BYTES], "big")
            self._pool = self._pool[_DRAW_BYTES:]
            now = (time.time_ns() // 1_000_000) << _RANDOM_BITS | random & ((1 << _RANDOM_BITS) - 1)
            if now <= self._last:  # the same millisecond, or a clock set back: a random step further, never equal
                now = self._last + 1 + (random >> _RANDOM_BITS & ((1 << _STEP_BITS) - 1))
            self._last = now
        return now


_clock = _Clock()


def new_id() -> str:
    """Return a new UUIDv7 in its canonical text form; each one sorts after those that this process made before.

    >>> first, second = new_id(), new_id()
    >>> first < second, len(first), first[14]
    (True, 36, '7')
    """
    tick = _clock.tick()
    milliseconds, random = tick >> _RANDOM_BITS, tick & ((1 << _RANDOM_BITS) - 1)
    value = milliseconds << 80 | 0x7 << 76 | (random >> _LOW_BITS) << 64 | 0b10 << 62 | random & ((1 << _LOW_BITS) - 1)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_id(value: object) -> bool:
    """Return True for a whole id as `new_id` makes them."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def is_stored(value: object) -> bool:
    """Return True for a moment in the stored form."""
    try:
        return isinstance(value, str) and utc_text(datetime.fromisoformat(value)) == value
    except (ValueError, OverflowError):
        return False


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


def parse_moment(text: str, *, now: datetime | None = None, zone: tzinfo | None = UTC) -> str:
    """Read a moment that a person wrote, as it is stored: a date, a date and time, `yesterday`, or an age such as `7d`.

    A date, `today` and `yesterday` are the beginning of that day in the `zone`; None is this machine's own. A time that
    names no zone is of that zone too. Raises `UsageError` for anything else.

    >>> parse_moment("2026-05-03")
    '2026-05-03T00:00:00.000Z'
    >>> parse_moment("2026-05-03T09:30:00+02:00")
    '2026-05-03T07:30:00.000Z'
    >>> parse_moment("7d", now=datetime(2026, 5, 10, tzinfo=UTC))
    '2026-05-03T00:00:00.000Z'
    """
    words = text.strip()
    now = (now or datetime.now(UTC)).astimezone(zone)
    try:
        if ago := _AGE.fullmatch(words.lower()):
            return utc_text(now - timedelta(**{_UNITS[ago[2][0]]: int(ago[1])}))
        if words.lower() == "now":
            return utc_text(now)
        days = _DAYS_AGO.get(words.lower())
        day = None if days is None else (now - timedelta(days=days)).date().isoformat()
        moment = datetime.fromisoformat(day or words)
        if moment.tzinfo is None:
            # Without a zone `astimezone` takes it as this machine's time on that day, summer time included.
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        return utc_text(moment)
    except (ValueError, OverflowError):
        raise UsageError(
            f"`{printable(text)}` is not a moment",
            hint="write a date (2026-05-03), a time (2026-05-03T09:30Z), today, yesterday, or an age (12h, 7d)",
        ) from None


def refuse_to_come(moment: str) -> None:
    """Raise `UsageError` for a stored moment that is still to come: nobody knows what will be then."""
    if moment > utc_text(datetime.now(UTC)):
        raise UsageError(f"{moment} is still to come", hint="write a time that is past, or `now`")


def as_stored(text: str) -> str:
    """Return the same moment in the stored form; text that is no moment stays as it is."""
    if len(text) == _STORED_LENGTH and text[10] == "T" and text[19] == "." and text[23] == "Z":
        return text
    try:
        return utc_text(datetime.fromisoformat(text))
    except ValueError:
        return text
