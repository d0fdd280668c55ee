"""Costs in the log computed anew: appended as corrections, counted by every total, and never twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.evidence import Note
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.retention import Retention
from promptctl.log.sqlite import maintenance
from promptctl.log.sqlite.store import SqliteStore
from promptctl.models.model_map import ModelMap
from promptctl.models.prices import Prices
from promptctl.models.repricing import Repricing
from promptctl.models.repricing import reprice as reprice_
from tests.log.conftest import make

PRICES = {"local/*": [{"input": 2, "output": 10}, {"from": "2026-06-01", "input": 1, "output": 5, "cached_input": 0.1}]}
MAY, JUNE = "2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00.000Z"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "log.db") as store:
        yield store


def attempt(**fields: Any) -> Any:
    """An attempt of 100 tokens put in and 20 put out, of no known cost."""
    usual: dict[str, Any] = {
        "provider": "local",
        "model": "local/m",
        "cost_nano_usd": None,
        "price_source": None,
        "usage_details": {},
    }
    return make(**{**usual, "started_at": JUNE, **fields})


def reprice(log: SqliteStore, prices: Any = PRICES, wanted: Filter | None = None, **options: Any) -> Repricing:
    return reprice_(log, Prices(prices, ModelMap(log.path.parent)), wanted or Filter(), **options)


def costs(log: SqliteStore) -> dict[str, int | None]:
    return {each.session or "": each.cost_nano_usd for each in log.executions()}


def test_a_call_is_priced_as_it_was_when_it_began(log: SqliteStore) -> None:
    log.append([Entry(attempt(session="may", started_at=MAY)), Entry(attempt(session="june"))])
    done = reprice(log)
    # USD for a million: 100 at 2 and 20 at 10 make 400 micro-USD, at 1 and 5 half of it
    assert costs(log) == {"may": 400_000, "june": 200_000}
    assert (done.total.before_unpriced, done.total.after_nano_usd, done.total.corrected) == (2, 600_000, 2)


def test_each_total_counts_the_newest_correction_and_the_row_stays(log: SqliteStore) -> None:
    log.append([Entry(attempt(session="old", cost_nano_usd=1)), Entry(attempt(session="none"))])
    reprice(log, {"local/*": {"input": 3, "output": 3}})
    reprice(log)
    for by in (("prompt", "version"), (), ("user",), ("model", "day")):
        [total] = log.totals(Filter(source=None), by)
        assert (total.cost_nano_usd, total.priced, total.unpriced) == (400_000, 2, 0), by
    with closing(sqlite3.connect(log.path)) as raw, raw:
        rows = raw.execute("SELECT session, cost_nano_usd, price_source FROM executions ORDER BY session").fetchall()
        assert rows == [("none", None, None), ("old", 1, None)]
        assert raw.execute("SELECT sum(cost_usd) FROM executions_readable").fetchone()[0] == pytest.approx(0.0004)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute("DELETE FROM cost_corrections")


def test_a_second_run_corrects_nothing(log: SqliteStore) -> None:
    log.append([Entry(attempt()) for _ in range(3)])
    assert reprice(log).total.corrected == 3
    again = reprice(log)
    assert (again.total.corrected, again.total.before_nano_usd, again.total.after_nano_usd) == (0, 600_000, 600_000)


def test_a_dry_run_says_the_same_and_writes_nothing(log: SqliteStore) -> None:
    log.append([Entry(attempt())])
    dry, wet = reprice(log, is_dry_run=True), reprice(log)
    assert dry.total == wet.total
    assert dry.is_dry_run


def test_a_shown_execution_has_its_corrections_and_so_has_the_latest_call(log: SqliteStore) -> None:
    log.append([Entry(attempt(cost_nano_usd=7, price_source="promptctl.yaml"), "full")])
    reprice(log)
    [row] = log.executions()
    shown, latest = log.execution(row.id), log.latest_call(row.prompt)
    assert row.price_source == "promptctl.yaml from 2026-06-01"
    for found in (shown, latest):
        assert found is not None
        assert (found.cost_nano_usd, found.price_source) == (200_000, "promptctl.yaml from 2026-06-01")
        [correction] = found.corrections
        assert (correction.old_nano_usd, correction.new_nano_usd) == (7, 200_000)
        assert found.as_dict()["corrections"][0]["old_nano_usd"] == 7


def test_what_a_price_depends_on_is_in_the_row(log: SqliteStore) -> None:
    prices = {"local/*": {"input": 1, "output": 1, "cache_write": 5, "service_tier": {"flex": {"output": 0.5}}}}
    details = {"cache_write_tokens": 40, "service_tier": "flex"}
    log.append([Entry(attempt(usage_details=details))])
    reprice(log, prices)
    assert list(costs(log).values()) == [(60 + 40 * 5 + 10) * 1000]


def test_rows_that_do_not_count_a_kind_apart_are_only_priced_if_it_has_no_price_of_its_own(log: SqliteStore) -> None:
    log.append([Entry(attempt(usage_details=None, cost_nano_usd=1))])
    written = {"local/*": {"input": 1, "output": 1, "cache_write": 5}}
    assert reprice(log, written).total.uncounted == 1
    assert list(costs(log).values()) == [1]
    assert reprice(log, {"local/*": {"input": 1, "output": 1}}).total.corrected == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"reply_source": "cache", "cost_nano_usd": 0},
        {"reply_source": "recorded", "cost_nano_usd": 0},
        {"reply_source": "echo", "cost_nano_usd": 0},
        {"status": "blocked", "output_tokens": None, "input_tokens": None},
        {"status": "error", "output_tokens": None, "input_tokens": None},
        {"output_tokens": None},
        {"model": "other/m"},
    ],
)
def test_what_cannot_be_priced_keeps_what_it_has(log: SqliteStore, fields: dict[str, Any]) -> None:
    log.append([Entry(attempt(**fields))])
    before = list(costs(log).values())
    assert reprice(log).total.corrected == 0
    assert list(costs(log).values()) == before


def test_what_the_provider_said_stands_unless_the_workspace_has_a_price(log: SqliteStore) -> None:
    said = {"provider": "openrouter", "model": "openrouter/m", "price_source": "openrouter", "cost_nano_usd": 5}
    log.append([Entry(attempt(**said, usage_details=None)), Entry(attempt(**said, usage_details={"told_nano_usd": 5}))])
    assert reprice(log).total.corrected == 0
    assert reprice(log, {"openrouter/*": {"input": 1, "output": 5}}).total.corrected == 2


def test_calls_without_a_row_are_told(log: SqliteStore) -> None:
    log.append([Entry(attempt(), "off"), Entry(attempt())])
    assert reprice(log).without_row == 1
    [total] = log.totals(Filter(source=None), ())
    assert (total.cost_nano_usd, total.unpriced) == (200_000, 1)


def test_only_what_the_filter_means_is_corrected(log: SqliteStore) -> None:
    log.append([Entry(attempt(session="may", started_at=MAY)), Entry(attempt(session="june", prompt="other"))])
    reprice(log, wanted=Filter(since=JUNE))
    assert costs(log) == {"may": None, "june": 200_000}
    reprice(log, wanted=Filter(prompt="support/*", model="local/*"))
    assert costs(log) == {"may": 400_000, "june": 200_000}


def test_pruned_rows_take_their_corrections_along_and_leave_the_totals(log: SqliteStore) -> None:
    log.append([Entry(attempt(started_at=MAY)), Entry(attempt())])
    reprice(log)
    log.prune(Retention(rows_before=JUNE))
    with closing(sqlite3.connect(log.path)) as raw, raw:
        assert raw.execute("SELECT count(*) FROM cost_corrections").fetchone() == (1,)
    [total] = log.totals(Filter(source=None), ())
    assert total.cost_nano_usd == 600_000


def test_many_corrections_take_several_transactions_and_one_event(
    log: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_BATCH", 2)
    monkeypatch.setattr(maintenance, "_PAUSE_S", 0)
    log.append([Entry(attempt()) for _ in range(5)])
    write, seen = log.database.write, []

    def watched(work: Any) -> Any:
        seen.append(work)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return write(work)

    monkeypatch.setattr(log.database, "write", watched)
    with pytest.raises(KeyboardInterrupt):
        reprice(log, note=Note(by="Ada", reason="a new price"))
    assert sorted(costs_of_all(log)) == [200_000] * 4
    assert reprice(log, note=Note(by="Ada")).total.corrected == 1
    assert reprice(log).total.corrected == 0
    assert [(each.kind, each.by, each.reason, each.detail) for each in log.events()] == [
        ("reprice", "Ada", "a new price", {"costs": 5, "change_nano_usd": 1_000_000}),
        ("reprice", "Ada", None, {"costs": 1, "change_nano_usd": 200_000}),
    ]
    assert log.verify().problems == []


def costs_of_all(log: SqliteStore) -> list[int]:
    return [each.cost_nano_usd for each in log.executions() if each.cost_nano_usd is not None]


def test_a_correction_of_a_cost_that_no_longer_holds_is_left_out(log: SqliteStore) -> None:
    log.append([Entry(attempt())])
    planned = reprice(log, is_dry_run=True).corrections
    reprice(log)
    assert log.correct_costs(planned) == 0
    [total] = log.totals(Filter(source=None), ())
    assert total.cost_nano_usd == 200_000
