"""The formats of JSON Schema (`format: date`): whether a text is of one. Unknown formats allow anything."""

from __future__ import annotations

import re
from datetime import date, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):(\d{2}))", re.ASCII)
_DURATION = re.compile(
    r"P(?:\d+W|(?=\d|T\d)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)", re.ASCII
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*")
_URI_REFERENCE = re.compile(r"[^\s<>\"{}|\\^`]*")
_HOST_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")

MAX_LENGTH = 4096


def is_date(text: str) -> bool:
    """RFC 3339's full-date: 2026-05-03."""
    match = _DATE.fullmatch(text)
    if not match:
        return False
    try:
        date(*(int(part) for part in match.groups()))
    except ValueError:
        return False
    return True


def is_time(text: str) -> bool:
    """RFC 3339's full-time, with its offset: 10:30:00Z."""
    match = _TIME.fullmatch(text)
    if not match:
        return False
    hour, minute, second, offset_hour, offset_minute = (int(part or 0) for part in match.groups())
    try:
        time(hour, minute, min(second, 59))  # a leap second is allowed
        time(offset_hour, offset_minute)
    except ValueError:
        return False
    return second <= 60


def is_date_time(text: str) -> bool:
    """RFC 3339's date-time: 2026-05-03T10:30:00Z."""
    return len(text) > 11 and text[10] in "Tt " and is_date(text[:10]) and is_time(text[11:])


def is_hostname(text: str) -> bool:
    """A host name of RFC 1123."""
    return 0 < len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in text.split("."))


def is_ipv4(text: str) -> bool:
    """An IPv4 address in dotted decimals."""
    import ipaddress

    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """An IPv6 address, without a zone."""
    import ipaddress

    try:
        return not ipaddress.IPv6Address(text).scope_id
    except ValueError:
        return False


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


FORMATS: dict[str, Callable[[str], bool]] = {
    "date": is_date,
    "date-time": is_date_time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "hostname": is_hostname,
    "ipv4": is_ipv4,
    "ipv6": is_ipv6,
    "json-pointer": _matches(_POINTER),
    "time": is_time,
    "uri": _matches(_URI),
    "uri-reference": _matches(_URI_REFERENCE),
    "uuid": _matches(_UUID),
}


def fits(name: str, text: str) -> bool:
    """Whether the text is of that format. A text longer than any of a known format is not."""
    check = FORMATS.get(name)
    return check is None or (len(text) <= MAX_LENGTH and check(text))
