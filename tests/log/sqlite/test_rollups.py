"""Costs by time, user, label and model: from the rollups what the rows add up to."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.filter import Filter
from promptctl.log.records import CostCorrection, Entry
from promptctl.log.retention import Retention
from promptctl.log.sqlite import corrections, totals
from promptctl.log.sqlite.schema import migration_sql
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.sqlite.sums import COST_COLUMNS, COST_FIELDS, select_from_rows
from tests.log.conftest import make, make_some

HOURS = ("00:00:00.000", "09:14:59.999", "09:15:00.000", "09:31:07.500", "23:59:59.999")
BY = [("day",), ("local_week", "source"), ("month",), ("user",), ("model", "label"), ("prompt", "day"), ("version",)]
WANTED: list[dict[str, Any]] = [
    {"source": "app"},
    {"source": "api", "since": "2026-05-03T09:20:00.000Z"},
    {"source": "app", "since": "2026-05-02T09:15:00.000Z", "until": "2026-05-08T09:31:07.500Z"},
    {"source": "app", "until": "2026-05-03T00:00:00.000Z"},
    {"source": "app", "since": "2026-05-03T09:14:00.000Z", "until": "2026-05-03T09:14:59.999Z"},
    {"source": "app", "prompts": ("a", "c*"), "since": "2026-05-03T01:00:00.000Z"},
    {"source": "app", "user": "u1"},
]


def fill(log: SqliteStore, count: int = 400) -> None:
    for number, each in enumerate(make_some(count)):
        given = {
            "started_at": f"{each.started_at[:11]}{HOURS[number % len(HOURS)]}Z",
            "user": (None, "u1", "u2")[number % 3],
            "label": (None, "production")[number % 2],
            "is_dirty": number % 7 == 0,
        }
        fields = {name: getattr(each, name) for name in each.__slots__}
        log.append([Entry(make(**{**fields, **given}))])


@pytest.fixture(scope="module")
def half_folded(tmp_path_factory: pytest.TempPathFactory) -> SqliteStore:
    """Some rows are counted in the rollups, the rest after the mark."""
    log = SqliteStore(tmp_path_factory.mktemp("log") / "log.db")
    fill(log)
    log.database.write(totals.fold)
    for each in make_some(50, seed=2):
        log.append([Entry(each)])
    return log


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("wanted", WANTED)
def test_costs_are_what_the_rows_add_up_to(
    half_folded: SqliteStore, by: tuple[str, ...], wanted: dict[str, Any]
) -> None:
    costs = half_folded.totals(Filter(**wanted), by, costs_only=True)
    from_rows = half_folded.totals(Filter(**wanted, status=None, search=None), by)
    names = [name for name in COST_FIELDS if name != "version_display"]

    assert [(row.group, *(getattr(row, name) for name in names)) for row in costs] == [
        (row.group, *(getattr(row, name) for name in names)) for row in from_rows
    ]


def test_days_of_any_time_zone_are_exact(half_folded: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone, by in product(("XYZ-5:45", "XYZ+3:30"), (("local_day",), ("local_day", "prompt"))):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            wanted = Filter(source="app", since="2026-05-02T09:20:00.000Z")
            costs = half_folded.totals(wanted, by, costs_only=True)
            assert [(row.group, row.calls) for row in costs] == [
                (row.group, row.calls) for row in half_folded.totals(wanted, by)
            ]
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_one_append_in_a_thousand_counts_the_rows_before_it(log: SqliteStore) -> None:
    log.append(Entry(make()) for _ in range(998))
    assert mark_of(log) is None
    log.append([Entry(make())])
    log.append([Entry(last := make())])

    assert mark_of(log) == last.id
    assert counted(log) == 1_000
    log.append([Entry(make())])
    assert counted(log) == 1_000
    assert [row.calls for row in log.totals(Filter(source="app"), ("user",), costs_only=True)] == [1_001]


def test_pruned_rows_stay_counted_and_none_is_counted_twice(log: SqliteStore) -> None:
    log.append(Entry(make(started_at=f"2026-05-0{day}T00:00:00.000Z")) for day in range(1, 10))
    for before in ("2026-05-04", "2027-01-01"):
        log.prune(Retention(rows_before=before))
        log.append([Entry(make(started_at="2026-05-01T12:00:00.000Z"))])

    assert [row.calls for row in log.totals(Filter(source="app"), ("month",), costs_only=True)] == [11]
    assert len(list(log.executions())) == 1


def test_the_mark_stays_if_its_row_is_deleted(log: SqliteStore) -> None:
    entries = [Entry(make()) for _ in range(4)]
    log.append(entries)
    log.database.write(totals.fold)

    def delete(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE maintenance SET is_open = 1")
        connection.execute("DELETE FROM executions WHERE id = ?", (entries[3].execution.id,))
        connection.execute("UPDATE maintenance SET is_open = 0")

    log.database.write(delete)
    log.append([Entry(make())])

    assert mark_of(log) == entries[2].execution.id
    assert [row.calls for row in log.totals(Filter(source="app"), ("user",), costs_only=True)] == [5]


def test_a_corrected_cost_is_counted_before_and_after_the_mark(log: SqliteStore) -> None:
    made = [make(cost_nano_usd=cost, label=label) for cost, label in ((5, "production"), (None, None), (7, None))]
    log.append([Entry(each) for each in made[:2]])
    log.database.write(totals.fold)
    log.append([Entry(made[2])])
    found = {each.id: CostCorrection("2026-06-01T00:00:00.000Z", each.cost_nano_usd, 100, "own") for each in made}
    log.database.write(lambda connection: corrections.write(connection, found))

    for by in (("local_day",), ("user",), ("label",)):
        rows = log.totals(Filter(source="app"), by, costs_only=True)
        assert sum(row.known_cost_nano_usd for row in rows) == 300
        assert sum(row.unpriced for row in rows) == 0
    log.database.write(totals.fold)
    assert [row.known_cost_nano_usd for row in log.totals(Filter(source="app"), ("user",), costs_only=True)] == [300]


def test_a_corrected_cost_of_a_call_that_no_total_missed_leaves_the_unpriced_alone(log: SqliteStore) -> None:
    log.append([Entry(make(cost_nano_usd=None))])
    failed = make(status="error", cost_nano_usd=None, output_tokens=None, reply=None)
    log.append([Entry(failed)])
    log.database.write(totals.fold)
    found = {failed.id: CostCorrection("2026-06-01T00:00:00.000Z", None, 100, "own")}
    log.database.write(lambda connection: corrections.write(connection, found))

    for by in (("local_day",), ("user",), ("label",), ("prompt",)):
        (row,) = log.totals(Filter(source="app"), by, costs_only=True)
        assert (row.unpriced, row.priced, row.known_cost_nano_usd) == (1, 1, 100), by
    assert log.verify().problems == []


def test_an_old_log_is_counted_when_it_is_brought_up_to_date(path: Path) -> None:
    with SqliteStore(path) as log:
        fill(log, 60)
        log.database.write(totals.fold)
    raw = sqlite3.connect(path, isolation_level=None)
    tables = ("quarter_stats", "user_stats", "day_stats", "rollup_mark")
    folded = [sorted(raw.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables]
    for table in tables:
        raw.execute(f"DROP TABLE {table}")
    for trigger in ("executions_keep_mark", "cost_corrections_reach_rollups"):
        raw.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    raw.executescript(migration_sql(5))

    assert folded == [sorted(raw.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables]
    raw.close()


@pytest.mark.parametrize(
    ("wanted", "by", "index"),
    [
        (Filter(since="2026-05-03", source="app"), ("session",), "executions_by_time (started_at>?)"),
        (Filter(prompt="a", source="app"), ("user",), "executions_by_prompt (prompt=?)"),
        (Filter(user="u1"), ("day",), "executions_by_user (user=?)"),
        (Filter(session="s-1"), ("prompt",), "executions_by_session (session=?)"),
    ],
)
def test_what_rollups_do_not_know_is_read_by_an_index(
    half_folded: SqliteStore, wanted: Filter, by: tuple[str, ...], index: str
) -> None:
    assert index in plan(half_folded, *select_from_rows(wanted, by, columns=COST_COLUMNS))


@pytest.mark.parametrize(
    ("by", "tables"),
    [
        (("local_day",), ["quarter_stats", "executions_by_time", "executions USING INTEGER PRIMARY KEY"]),
        (("user",), ["executions_by_time"]),
    ],
)
def test_a_span_of_time_reads_whole_quarter_hours_and_few_rows(
    half_folded: SqliteStore, by: tuple[str, ...], tables: list[str]
) -> None:
    wanted = Filter(source="app", since="2026-05-02T09:20:00.000Z")
    with half_folded.database.reading() as connection:
        selects = totals.answer_of_rollups(connection, wanted, by)[1] or [select_from_rows(wanted, by)]
    plans = [plan(half_folded, sql, parameters) for sql, parameters in selects]

    assert len(plans) == len(tables)
    for steps, table in zip(plans, tables, strict=True):
        assert f"SEARCH {table}" in steps or f"USING INDEX {table}" in steps


def plan(log: SqliteStore, sql: str, parameters: list[Any]) -> str:
    with log.database.reading() as connection:
        connection.create_aggregate("latency_histogram", 1, object)  # type: ignore[arg-type]
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


def mark_of(log: SqliteStore) -> str | None:
    with log.database.reading() as connection:
        found: str | None = connection.execute("SELECT execution_id FROM rollup_mark").fetchone()[0]
        return found


def counted(log: SqliteStore) -> int:
    with log.database.reading() as connection:
        return int(connection.execute("SELECT sum(calls) FROM user_stats").fetchone()[0])


def test_what_has_no_row_is_told_apart_from_what_was_pruned(path: Path) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make(started_at="2026-01-01T00:00:00.000Z")), Entry(make()), Entry(make(), "off")])
        log.prune(Retention(rows_before="2026-02-01T00:00:00.000Z"))
        wanted = Filter(source="app")

        def left_out(wanted: Filter, *by: str) -> int:
            left = log.without_row(wanted, by, costs_only=True)
            return left.calls if left is not None else 0

        assert [left_out(wanted, each) for each in ("prompt", "day", "user", "model", "session")] == [0, 1, 1, 1, 2]
        assert left_out(Filter(source="app", since="2026-04-01T00:00:00.000Z"), "prompt") == 1
        assert left_out(Filter(source="app", user="ada", prompt="support/*")) == 2
        assert left_out(Filter(source="app", prompt="other"), "day") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE quarter_stats SET cost_nano_usd = 7",
        "UPDATE user_stats SET calls = calls + 1",
        "DELETE FROM day_stats",
        "INSERT INTO user_stats SELECT 'nobody', source, 1, 1, 0, 0, 0, 0, 5, 1, 0, last_at FROM user_stats LIMIT 1",
    ],
)
def test_verify_names_sums_that_are_not_those_of_the_rows(log: SqliteStore, path: Path, change: str) -> None:
    made = make_some(60)
    log.append([Entry(each) for each in made])
    log.database.write(totals.fold)
    log.append([Entry(make())])
    found = {made[0].id: CostCorrection("2026-06-01T00:00:00.000Z", made[0].cost_nano_usd, 100, "own")}
    log.correct_costs(found)
    assert log.verify().problems == []
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(change)
        raw.commit()

    assert {each.kind for each in log.verify().problems} == {"totals"}


def test_what_is_appended_while_costs_are_read_is_not_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process appends, and counts into the rollups, between two queries of one table."""
    log, other = SqliteStore(tmp_path / "log.db"), SqliteStore(tmp_path / "log.db")
    log.append([Entry(make(source="api"))])
    log.database.write(totals.fold)
    mark = totals._mark

    def append_after(connection: sqlite3.Connection) -> int:
        found = mark(connection)
        monkeypatch.setattr(totals, "_mark", mark)
        other.append([Entry(make(source="api"))])
        other.database.write(totals.fold)
        return found

    monkeypatch.setattr(totals, "_mark", append_after)
    counted = [log.totals(Filter(source="app"), ("day",), costs_only=True)[0].calls for _ in range(2)]
    assert counted == [1, 2]
