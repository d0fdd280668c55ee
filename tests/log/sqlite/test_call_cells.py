"""Cells of many rows: another process walks half of them, and if it cannot, nothing is missing."""

from __future__ import annotations

import os
import sys

import pytest

from promptctl.log.call_cells import CallCells
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite import call_cells
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make_some


def cells(log: SqliteStore) -> CallCells:
    wanted = Filter(source="app", since="2026-05-02T00:00:00.000Z")
    found: CallCells = log.call_cells(wanted, lambda _first, _last: ("day", ""))
    return found


@pytest.mark.parametrize("python", [sys.executable, "/nowhere/python", "/bin/false"])
def test_halves_add_up_to_the_whole(log: SqliteStore, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    log.append([Entry(each) for each in make_some(300)])
    whole = cells(log)
    monkeypatch.setattr(call_cells, "_MANY", 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(sys, "executable", python)

    assert cells(log) == whole
