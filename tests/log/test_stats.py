from __future__ import annotations

import random
from typing import Any

import pytest

from promptctl.log.call_totals import SUMS, Dimension, bucket, percentile
from promptctl.log.filter import Filter
from promptctl.log.records import Entry, Execution
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.sqlite.totals import select_from_rows
from tests.log.conftest import make


def some(count: int, seed: int = 1) -> list[Execution]:
    """Executions of every kind, the same each time."""
    chance = random.Random(seed)
    made: list[Execution] = []
    for number in range(count):
        status = chance.choice(["ok", "ok", "ok", "error", "invalid_output", "blocked", "cancelled"])
        is_retry = bool(made) and made[-1].status in ("error", "invalid_output") and chance.random() < 0.7
        beginning: dict[str, Any] = {"call_id": made[-1].call_id, "attempt": made[-1].attempt + 1} if is_retry else {}
        version = chance.choice([None, 1, 2])
        made.append(
            make(
                **beginning,
                prompt=chance.choice(["a", "b/c"]),
                version=version,
                version_display="unversioned" if version is None else f"v{version} (abc)",
                source=chance.choice(["run", "api", "eval"]),
                status=status,
                reply_source=chance.choice(["model", "model", "cache", "recorded"]),
                cost_nano_usd=chance.choice([None, 0, 1_000_000]),
                output_tokens=chance.choice([None, 7]),
                latency_ms=chance.choice([None, chance.expovariate(1 / 300)]),
                started_at=f"2026-05-{1 + number % 9:02}T00:00:00.000Z",
            )
        )
    return made


BY: list[tuple[Dimension, ...]] = [
    (),
    ("prompt",),
    ("source",),
    ("version",),
    ("prompt", "version"),
    ("digest", "source", "version", "prompt"),
]


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(
    "wanted", [{}, {"prompt": "a"}, {"prompt": "b*", "source": "eval"}, {"version": 2}, {"prompt": "none"}]
)
def test_running_totals_are_what_the_rows_add_up_to(
    log: SqliteStore, by: tuple[Dimension, ...], wanted: dict[str, Any]
) -> None:
    entries = [Entry(each) for each in some(300)]
    for start in range(0, 300, 7):
        log.append(entries[start : start + 7])

    from_totals = log.totals(Filter(**wanted), by)
    from_rows = log.totals(Filter(**wanted, since="2000"), by)

    assert [row.as_dict() for row in from_totals] == [row.as_dict() for row in from_rows]
    assert [row.histogram for row in from_totals] == [row.histogram for row in from_rows]
    for name in SUMS:
        expected = [getattr(row, name) for row in from_rows]
        assert [getattr(row, name) for row in from_totals] == pytest.approx(expected)


def test_a_call_is_counted_once_and_every_attempt_is_paid_for(log: SqliteStore) -> None:
    first = make(status="error", cost_nano_usd=None, output_tokens=None, latency_ms=50.0)
    second = make(status="invalid_output", call_id=first.call_id, attempt=2, cost_nano_usd=5, latency_ms=60.0)
    third = make(call_id=first.call_id, attempt=3, cost_nano_usd=6, latency_ms=100.0)
    for each in (first, second, third):
        log.append([Entry(each)])

    [row] = log.totals()

    assert row.as_dict() == {
        "prompt": "support/triage",
        "version": 7,
        "version_display": "v7 (3f2a9c1)",
        "calls": 1,
        "failed": 0,
        "attempts": 3,
        "ok": 1,
        "errors": 1,
        "invalid_outputs": 1,
        "blocked": 0,
        "cancelled": 0,
        "reused": 0,
        "input_tokens": 300,
        "output_tokens": 40,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "cost_nano_usd": 11,
        "average_cost_nano_usd": 11.0,
        "unpriced": 0,
        "average_latency_ms": 80.0,
        "p50_latency_ms": row.p50_latency_ms,
        "p95_latency_ms": row.p95_latency_ms,
        "first_call_at": first.started_at,
        "last_call_at": third.started_at,
    }
    assert row.p50_latency_ms == pytest.approx(60, rel=0.05)
    assert row.p95_latency_ms == pytest.approx(100, rel=0.05)


def test_an_unknown_price_is_said_and_never_counted_as_nothing(log: SqliteStore) -> None:
    log.append([Entry(make(prompt="all unknown", cost_nano_usd=None))])
    log.append([Entry(make(prompt="one unknown", cost_nano_usd=cost)) for cost in (None, 10, 20)])
    log.append([Entry(make(prompt="free", cost_nano_usd=0))])
    log.append([Entry(make(prompt="refused", cost_nano_usd=None, status="blocked", output_tokens=None))])

    rows = {row.group["prompt"]: (row.cost_nano_usd, row.average_cost_nano_usd, row.unpriced) for row in log.totals()}

    assert rows == {
        "all unknown": (None, None, 1),
        "one unknown": (30, 15.0, 1),
        "free": (0, 0.0, 0),
        "refused": (0, 0.0, 0),
    }


def test_reused_replies_are_counted_and_leave_the_latency_alone(log: SqliteStore) -> None:
    log.append([Entry(make(latency_ms=500.0)), Entry(make(reply_source="cache", latency_ms=0.1, cost_nano_usd=0))])

    [row] = log.totals()

    assert (row.calls, row.reused, row.average_latency_ms) == (2, 1, 500.0)


def test_percentiles_are_within_five_percent(log: SqliteStore) -> None:
    chance = random.Random(3)
    latencies = [chance.lognormvariate(6, 1) for _ in range(2_000)]
    log.append([Entry(make(latency_ms=latency), "off") for latency in latencies])

    [row] = log.totals(by=("prompt",))
    exact = sorted(latencies)

    assert row.p50_latency_ms == pytest.approx(exact[999], rel=0.05)
    assert row.p95_latency_ms == pytest.approx(exact[1899], rel=0.05)


@pytest.mark.parametrize("latency", [0.0, 0.01, 1.0, 1.08, 3.7, 499.99, 60_000.0, 6_000_000.0])
def test_one_latency_is_its_own_percentile_up_to_five_percent(latency: float) -> None:
    for share in (0.0, 0.5, 0.95, 1.0):
        assert percentile({bucket(latency): 1}, share) == pytest.approx(latency, rel=0.05, abs=0.02)
    assert percentile({}, 0.5) is None


def test_totals_follow_a_rename(log: SqliteStore) -> None:
    log.append(
        [Entry(make(prompt="old")), Entry(make(prompt="older")), Entry(make(prompt="new")), Entry(make(prompt="z"))]
    )
    renames = {"older": "old", "old": "new"}

    for since in (None, "2000"):
        rows = log.totals(Filter(renames=renames, since=since), by=("prompt",))
        assert [(row.group["prompt"], row.calls) for row in rows] == [("new", 3), ("z", 1)]
        [row] = log.totals(Filter(prompt="new", renames=renames, since=since), by=("version",))
        assert row.calls == 3


def test_renames_that_run_in_a_circle_end(log: SqliteStore) -> None:
    log.append([Entry(make(prompt="a")), Entry(make(prompt="b"))])

    assert sum(row.calls for row in log.totals(Filter(renames={"a": "b", "b": "a"}), by=("prompt",))) == 2


def test_uncommitted_changes_stand_apart_from_the_version_they_began_from(log: SqliteStore) -> None:
    log.append([Entry(make()), Entry(make(is_dirty=True, version_display="v7+dirty", digest="1:cd"))])

    for wanted in (Filter(), Filter(since="2000")):
        rows = log.totals(wanted)
        named = [(row.group["version"], row.group["version_display"], row.calls) for row in rows]
        assert named == [(7, "v7 (3f2a9c1)", 1), (None, "v7+dirty", 1)]


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (("model",), [("local/llama", 1), ("openai/gpt-4o-mini", 2)]),
        (("label",), [("production", 2), (None, 1)]),
        (("day",), [("2026-05-03", 1), ("2026-05-04", 2)]),
        (("status",), [("error", 1), ("ok", 2)]),
    ],
)
def test_other_groups_are_counted_from_the_rows(
    log: SqliteStore, by: tuple[Dimension], groups: list[tuple[str, int]]
) -> None:
    log.append(
        [
            Entry(make(started_at="2026-05-03T23:59:59.999Z", model="local/llama", label=None)),
            Entry(make(started_at="2026-05-04T00:00:00.000Z", status="error")),
            Entry(make(started_at="2026-05-04T10:00:00.000Z")),
        ]
    )

    assert [(row.group[by[0]], row.attempts) for row in log.totals(by=by)] == groups


def test_calls_of_one_status_are_counted_though_their_first_attempt_had_another(log: SqliteStore) -> None:
    first = make(status="error")
    log.append([Entry(first), Entry(make(call_id=first.call_id, attempt=2))])

    [row] = log.totals(Filter(status="ok"))

    assert (row.calls, row.attempts) == (1, 1)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(since="2026-05-03"), "executions_by_time"),
        (Filter(since="2026-05-03", prompt="a"), "executions_by_prompt (prompt=? AND started_at>?)"),
        (Filter(evaluation_id="e"), "executions_by_evaluation"),
        (Filter(status="error"), "executions_not_ok"),
        (Filter(session="s"), "executions_by_session"),
    ],
)
def test_counting_from_rows_reads_the_filters_rows_alone(log: SqliteStore, wanted: Filter, index: str) -> None:
    log.append([Entry(each) for each in some(300)])
    log.database.write(lambda connection: connection.execute("ANALYZE"))
    sql, parameters = select_from_rows(wanted, ("prompt", "version"))
    with log.database.reading() as connection:
        connection.create_function("latency_histogram", 1, str)
        sql = sql.replace("latency_histogram", "max")
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]

    assert index in steps[0]


def test_what_the_configuration_of_a_prompt_must_tell_it_tells_with_logging_off(log: SqliteStore) -> None:
    """The four-way matrix of full data and active: totals, average and the last call are known in all of it."""

    for content in ("full", "metadata", "off", "off"):
        log.append([Entry(make(cost_nano_usd=1_000), content)])
        log.append([Entry(make(cost_nano_usd=3_000, status="error", error_message="late"), content)])

    [row] = log.totals(by=("prompt",))
    last = log.latest_call("support/triage")

    assert (row.calls, row.cost_nano_usd, row.average_cost_nano_usd) == (8, 16_000, 2_000)
    assert last
    assert last.started_at == row.last_at
    told = (last.messages, last.reply, last.input_tokens, last.output_tokens, last.cost_nano_usd, last.user)
    assert None not in told
    assert (last.call_metadata, last.latency_ms, last.error_message) == ({"owner": "support"}, 420.5, "late")
