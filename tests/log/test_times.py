from __future__ import annotations

from datetime import UTC, datetime

import pytest

from promptctl.errors import UsageError
from promptctl.log.times import as_stored, parse_moment, utc_now

NOON = datetime(2026, 5, 10, 12, tzinfo=UTC)


def test_now_is_utc_with_milliseconds() -> None:
    now = utc_now()

    assert len(now) == len("2026-05-10T12:00:00.000Z")
    assert abs((datetime.fromisoformat(now) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-03", "2026-05-03T00:00:00.000Z"),
        ("2026-05-03T09:30Z", "2026-05-03T09:30:00.000Z"),
        ("2026-05-03T09:30:00.1239+02:00", "2026-05-03T07:30:00.123Z"),
        ("90s", "2026-05-10T11:58:30.000Z"),
        ("2w", "2026-04-26T12:00:00.000Z"),
    ],
)
def test_a_moment_may_be_a_date_a_time_or_an_age(text: str, moment: str) -> None:
    assert parse_moment(text, now=NOON) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7y", "2026-13-01", "99999999999999d"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="not a moment") as caught:
        parse_moment(text)

    assert "2026-05-03" in str(caught.value.hint)


def test_a_moment_in_another_form_is_stored_in_ours() -> None:
    assert as_stored("2026-05-03T09:30:00+02:00") == "2026-05-03T07:30:00.000Z"
    assert as_stored("2026-05-03T07:30:00.000Z") == "2026-05-03T07:30:00.000Z"
