"""Cells of many rows: another process walks half of them, and if it cannot, nothing is missing."""

from __future__ import annotations

import os
import sys

import pytest

from promptctl.log.call_cells import CallCells, CellSteps
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite import call_cells
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make_some


def cells(log: SqliteStore) -> CallCells:
    wanted = Filter(source="app", since="2026-05-02T00:00:00.000Z")
    found: CallCells = log.call_cells(wanted, lambda _first, _last: CellSteps("day", ""))
    return found


@pytest.mark.parametrize("python", [sys.executable, "/nowhere/python", "/bin/false"])
def test_halves_add_up_to_the_whole(log: SqliteStore, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    log.append([Entry(each) for each in make_some(300)])
    whole = cells(log)
    monkeypatch.setattr(call_cells, "_MANY", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(sys, "executable", python)

    assert cells(log) == whole


def test_a_step_is_counted_in_a_different_one_with_every_number(log: SqliteStore) -> None:
    log.append([Entry(each) for each in make_some(300)])
    days = {f"2026-05-{day:02}": "2026-05-02" for day in range(2, 6)}
    merged = log.call_cells(Filter(), lambda _first, _last: CellSteps("day", "", days)).cells
    apart = log.call_cells(Filter(), lambda _first, _last: CellSteps("day", "")).cells

    assert apart.keys() - merged.keys() == days.keys() - {"2026-05-02"}
    of_days = [sums for day in days for sums in apart[day].values()]
    for name in ("attempts", "cost_nano_usd", "priced", "unpriced", "output_tokens"):
        assert sum(getattr(sums, name) for sums in merged["2026-05-02"].values()) == sum(
            getattr(sums, name) for sums in of_days
        )
    assert sum(sum(sums.latencies.values()) for sums in merged["2026-05-02"].values()) == sum(
        sum(sums.latencies.values()) for sums in of_days
    )
