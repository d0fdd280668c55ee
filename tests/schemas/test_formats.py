from __future__ import annotations

import pytest

from promptctl.schemas.formats import FORMATS, fits

GOOD = {
    "date": ["2026-05-03", "2024-02-29"],
    "time": ["10:30:00Z", "23:59:60Z", "10:30:00.25+02:00"],
    "date-time": ["2026-05-03T10:30:00Z", "2026-05-03t10:30:00.1-01:30"],
    "duration": ["P1D", "PT0S", "P1Y2M3DT4H5M6S", "P2W"],
    "email": ["a@example.com", "a.b+c@x"],
    "hostname": ["example.com", "a", "x-1.example"],
    "ipv4": ["192.0.2.1"],
    "ipv6": ["2001:db8::1", "::"],
    "uri": ["https://example.com/a?b#c", "urn:isbn:1"],
    "uri-reference": ["", "/a", "../b"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "json-pointer": ["", "/a/b~0c~1d"],
}
BAD = {
    "date": ["2026-02-30", "26-05-03", "2026-05-03T00:00:00Z", "٢٠٢٦-٠٥-٠٣", ""],
    "time": ["10:30:00", "25:00:00Z", "10:30Z", "10:30:61Z"],
    "date-time": ["2026-05-03", "2026-05-03T10:30:00", "2026-13-03T10:30:00Z"],
    "duration": ["P", "PT", "1D", "P1S"],
    "email": ["a", "@x", "a@", "a b@x"],
    "hostname": ["-a", "a-.com", "a..b", "a" * 300, ""],
    "ipv4": ["192.0.2.256", "1.2.3", "٣.1.1.1"],
    "ipv6": ["2001:db8::1::2", "fe80::1%eth0"],
    "uri": ["example.com", "http://a b", ""],
    "uri-reference": ["a b", "<"],
    "uuid": ["123e4567", "123e4567-e89b-12d3-a456-42661417400g"],
    "json-pointer": ["a", "/~2"],
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_takes_what_is_of_it_and_nothing_else(name: str) -> None:
    assert [text for text in GOOD[name] if not fits(name, text)] == []
    assert [text for text in BAD[name] if fits(name, text)] == []


def test_an_unknown_format_takes_anything() -> None:
    assert fits("media", "anything")


@pytest.mark.parametrize("name", FORMATS)
def test_a_very_long_text_is_of_no_format(name: str) -> None:
    assert not fits(name, "1" * 1_000_000)
