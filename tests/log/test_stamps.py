from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from promptctl.errors import UsageError
from promptctl.log.stamps import as_stored, new_id, parse_moment, utc_now


def test_an_id_is_a_uuid_of_version_7_that_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    identifier = uuid.UUID(new_id())
    after = time.time_ns() // 1_000_000

    assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
    assert before <= identifier.int >> 80 <= after


def test_ids_of_one_process_are_different_and_in_order_even_from_many_threads() -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(new_id() for _ in range(2_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(into == sorted(into) for into in made)
    assert len({identifier for into in made for identifier in into}) == 8_000


def test_ids_go_on_growing_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000_000_000_000)

    assert new_id() > now


def test_a_forked_child_makes_ids_of_its_own() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, "\n".join(new_id() for _ in range(200)).encode())
        os._exit(0)
    ours = {new_id() for _ in range(200)}
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as file:
        theirs = set(file.read().split())

    assert len(ours | theirs) == 400


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
        ("2 days ago", "2026-05-08T12:00:00.000Z"),
        ("now", "2026-05-10T12:00:00.000Z"),
        ("today", "2026-05-10T00:00:00.000Z"),
        ("Yesterday", "2026-05-09T00:00:00.000Z"),
    ],
)
def test_a_moment_may_be_a_date_a_time_or_an_age(text: str, moment: str) -> None:
    assert parse_moment(text, now=NOON) == moment


def test_a_day_begins_at_midnight_of_the_zone() -> None:
    zone = ZoneInfo("Pacific/Auckland")  # it is 11 May there already
    assert parse_moment("yesterday", now=NOON, zone=zone) == "2026-05-09T12:00:00.000Z"
    assert parse_moment("2026-01-31T12:00", zone=zone) == "2026-01-30T23:00:00.000Z", "in summer time"
    assert parse_moment("2026-01-31T12:00Z", zone=zone) == "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize("text", ["", "tomorrow", "7", "7y", "3mours", "3dinutes", "2026-13-01", "99999999999999d"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="not a moment") as caught:
        parse_moment(text)

    assert "2026-05-03" in str(caught.value.hint)


def test_a_moment_in_another_form_is_stored_in_ours() -> None:
    assert as_stored("2026-05-03T09:30:00+02:00") == "2026-05-03T07:30:00.000Z"
    assert as_stored("2026-05-03T07:30:00.000Z") == "2026-05-03T07:30:00.000Z"
