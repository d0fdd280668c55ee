"""Queries read the rows that they need and no others."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite import queries
from promptctl.log.sqlite.queries import select_executions
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.sqlite.sums import COST_COLUMNS, select_from_rows
from promptctl.log.sqlite.totals import fold
from tests.log.conftest import make, make_some

DAY = "2026-05-03"


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    log.append([Entry(each) for each in make_some(300)])
    return log


def plan(log: SqliteStore, wanted: Filter) -> str:
    with log.database.reading() as connection:
        sql, parameters = select_executions(wanted)
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


def test_a_stream_that_is_not_read_to_its_end_can_be_left(
    filled: SqliteStore, recwarn: pytest.WarningsRecorder
) -> None:
    next(filled.executions())
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(limit=20),
        Filter(since=DAY),
        Filter(prompt="a"),
        Filter(prompt="a", since=DAY),
        Filter(status="error"),
        Filter(user="ada"),
        Filter(session="s-1"),
        Filter(evaluation_id="e-1"),
        Filter(experiment="e"),
        Filter(before="x"),
        Filter(prompt="a", before="x"),
        Filter(status="error", before="x"),
        Filter(error_type="RateLimited"),
    ],
)
def test_each_usual_filter_walks_an_index_and_sorts_nothing(filled: SqliteStore, wanted: Filter) -> None:
    steps = plan(filled, wanted)

    assert "USING INDEX" in steps
    assert "TEMP B-TREE" not in steps


def test_calls_of_any_experiment_are_looked_up(filled: SqliteStore) -> None:
    with filled.database.reading() as connection:
        sql, parameters = select_from_rows(Filter(experiment="*"), ("experiment", "arm"), columns=COST_COLUMNS)
        steps = " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))
    assert "USING INDEX executions_by_experiment" in steps


def test_the_attempts_of_a_call_are_looked_up(filled: SqliteStore) -> None:
    assert "USING INDEX executions_by_call" in plan(filled, Filter(call_id="x"))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Filter(since=DAY), "executions_by_time"),
        (Filter(since=DAY, prompt="a"), "executions_by_prompt (prompt=? AND started_at>?)"),
        (Filter(evaluation_id="e"), "executions_by_evaluation"),
        (Filter(status="error"), "executions_not_ok"),
        (Filter(session="s"), "executions_by_session"),
    ],
)
def test_counting_from_rows_reads_the_filters_rows_alone(filled: SqliteStore, wanted: Filter, index: str) -> None:
    filled.database.write(lambda connection: connection.execute("ANALYZE"))
    sql, parameters = select_from_rows(wanted, ("prompt", "version"))
    with filled.database.reading() as connection:
        connection.create_function("latency_histogram", 1, str)
        sql = sql.replace("latency_histogram", "max")
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]

    assert index in steps[0]


def test_a_page_ends_after_bounded_work_with_what_it_found(
    filled: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_HEED_EVERY", 100)
    monkeypatch.setattr(queries, "STEPS", 1_000)
    monkeypatch.setattr(queries, "_STEPS_OF_COUNT", 100)

    none = filled.page(Filter(model="nothing"))
    assert (none.executions, none.older, none.attempts, none.is_cut) == ((), None, None, True)
    assert not filled.page(Filter(model="nothing"), is_patient=True).is_cut
    some = filled.page(Filter(label="production", limit=300))
    assert some.is_cut
    assert some.older == some.executions[-1].id, "the next page goes on there"
    assert filled.page(Filter(label="production", limit=1)).attempts is None
    with filled.database.reading() as connection:
        assert len(list(queries.StepBound(connection, 10_000).until(lambda: connection.execute("SELECT 1")))) == 1
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            list(queries.StepBound(connection, 10_000).until(lambda: connection.execute("SELECT 1 FROM nowhere")))


def test_a_version_is_looked_for_in_the_time_in_which_it_was_called(
    filled: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.append([Entry(make(version=9, started_at="2026-01-01T00:00:00.000Z"))])
    monkeypatch.setattr(queries, "_HEED_EVERY", 10)
    monkeypatch.setattr(queries, "STEPS", 500)
    page = filled.page(Filter(version=9))
    assert (len(page.executions), page.is_cut, page.attempts) == (1, False, 1)


def test_a_model_or_a_label_is_looked_for_in_the_days_of_its_calls(
    filled: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {"model": "old", "label": "was", "started_at": "2026-01-01T00:00:00.000Z"}
    judged = make(model="judge", source="eval", evaluation_id="e", started_at="2026-02-01T00:00:00.000Z")
    filled.append([Entry(make(**some)), Entry(judged)])
    filled.database.write(fold)
    uncounted = make(model="new", started_at="2026-01-03T00:00:00.000Z")
    filled.append([Entry(uncounted)])
    monkeypatch.setattr(queries, "_HEED_EVERY", 10)
    monkeypatch.setattr(queries, "STEPS", 500)

    def found(**wanted: Any) -> tuple[list[str], bool]:
        page = filled.page(Filter(**{"source": "app", **wanted}))
        return [each.model for each in page.executions], page.is_cut

    assert found(model="old") == found(label="was") == found(model="o[a-l]d") == (["old"], False)
    assert found(model="new") == found(model="n*", since="2026-01-02", until="2026-01-04") == (["new"], False)
    assert found(model="judge") == found(model="nothing") == found(version=99) == ([], False)
    assert found(model="old", since="2026-01-02") == ([], False)
    for model in ("judge", "old", "new"):
        assert [each.model for each in filled.executions(Filter(model=model))] == [model]
    assert [each.id for each in filled.executions(Filter(model="judge", source="eval"))] == [judged.id]
