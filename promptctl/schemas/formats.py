"""The formats of JSON Schema (`format: date`). Unknown formats allow anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time

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
    """Check for RFC 3339's full-date: 2026-05-03."""
    match = _DATE.fullmatch(text)
    if not match:
        return False
    try:
        date(*(int(part) for part in match.groups()))
    except ValueError:
        return False
    return True


def is_time(text: str) -> bool:
    """Check for RFC 3339's full-time, with its offset: 10:30:00Z."""
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
    """Check for RFC 3339's date-time: 2026-05-03T10:30:00Z."""
    return len(text) > 11 and text[10] in "Tt " and is_date(text[:10]) and is_time(text[11:])


def is_hostname(text: str) -> bool:
    """Check for a host name of RFC 1123."""
    return 0 < len(text) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in text.split("."))


def _is_address(version: int) -> Callable[[str], bool]:
    """Check for an IP address of a version, without a zone."""

    def holds(text: str) -> bool:
        import ipaddress

        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return address.version == version and "%" not in text

    return holds


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


# Each format's check, and a sample of it.
FORMATS: dict[str, tuple[Callable[[str], bool], str]] = {
    "date": (is_date, "2000-01-01"),
    "date-time": (is_date_time, "2000-01-01T00:00:00Z"),
    "duration": (_matches(_DURATION), "PT0S"),
    "email": (_matches(_EMAIL), "a@example.com"),
    "hostname": (is_hostname, "example.com"),
    "ipv4": (_is_address(4), "192.0.2.1"),
    "ipv6": (_is_address(6), "2001:db8::1"),
    "json-pointer": (_matches(_POINTER), "/a"),
    "time": (is_time, "00:00:00Z"),
    "uri": (_matches(_URI), "https://example.com/"),
    "uri-reference": (_matches(_URI_REFERENCE), "/a"),
    "uuid": (_matches(_UUID), "00000000-0000-4000-8000-000000000000"),
}


def fits(name: str, text: str) -> bool:
    """Return whether the text is of that format. A text longer than any of a known format is not."""
    return name not in FORMATS or (len(text) <= MAX_LENGTH and FORMATS[name][0](text))


def sample_of(name: str) -> str:
    """Return a text of that format, empty if it is unknown."""
    return FORMATS[name][1] if name in FORMATS else ""
