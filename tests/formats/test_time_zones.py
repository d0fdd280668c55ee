from __future__ import annotations

import zoneinfo
from datetime import UTC

import pytest

from promptctl.errors import UsageError
from promptctl.formats.time_zones import zone_named


def test_a_zone_is_found_by_its_name() -> None:
    assert zone_named("UTC") is UTC
    assert str(zone_named("Europe/Berlin")) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berlim", "did you mean `Europe/Berlin`?"),
        ("europe/berlin", "did you mean `Europe/Berlin`?"),
        ("Berlin", "did you mean `Europe/Berlin`?"),
        ("America/Berlin", "did you mean `Europe/Berlin`?"),
        ("new york", "did you mean `America/New_York`?"),
        ("utc", "did you mean `UTC`?"),
        ("+02:00", "write an IANA name, such as Europe/Berlin, or UTC"),
        ("GMT+2", "write an IANA name, such as Europe/Berlin, or UTC"),  # not Etc/GMT+2, which is two hours behind
        ("", "write an IANA name, such as Europe/Berlin, or UTC"),
        ("../../etc/passwd", "write an IANA name, such as Europe/Berlin, or UTC"),
    ],
)
def test_another_name_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        zone_named(name)

    assert (caught.value.message, caught.value.hint) == (f"`{name}` is not a time zone", hint)


@pytest.mark.parametrize("name", ["localtime", "posixrules", "right/Europe/Berlin", "Europe", "zone.tab"])
def test_a_file_of_the_database_that_is_no_zone_of_all_machines_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a time zone"):
        zone_named(name)


def test_a_machine_without_the_database_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        with pytest.raises(UsageError) as caught:
            zone_named("Asia/Kathmandu")
    finally:
        zoneinfo.reset_tzpath()

    assert caught.value.message == "the time zone `Asia/Kathmandu` is not known: this machine has no time zone database"
    assert caught.value.hint == "pip install tzdata"
