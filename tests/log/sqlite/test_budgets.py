"""Budgets in the SQLite log: what is found by an index, waits in a file, or cannot be known."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from promptctl.formats.budget_rules import BudgetRule
from promptctl.log.budgets import Settlement
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id
from tests.log.test_store_budgets import RULE, USD, made, one, reserve


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "log.db") as store:
        yield store


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        (RULE, "executions_by_time (started_at>? AND started_at<?)"),
        (replace(RULE, each="user"), "executions_by_user (user=? AND started_at>? AND started_at<?)"),
        (replace(RULE, each="prompt"), "executions_by_prompt (prompt=? AND started_at>? AND started_at<?)"),
        (replace(RULE, each="session"), "executions_by_session (session=? AND started_at>? AND started_at<?)"),
    ],
)
def test_the_rows_of_a_window_are_found_by_an_index(log: SqliteStore, rule: BudgetRule, index: str) -> None:
    from promptctl.log.sqlite.budget_accounts import spent_before

    class Explained:
        def __init__(self, connection: sqlite3.Connection) -> None:
            self.connection = connection
            self.plan = ""

        def execute(self, sql: str, parameters: Any = ()) -> Any:
            if not parameters:  # whether any cost was corrected
                return self.connection.execute(sql)
            self.plan = str(self.connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall())
            return []

    log.append([Entry(made())])
    with log.database.reading() as connection:
        explained: Any = Explained(connection)
        spent_before(explained, one(rule, key="x"), (), explained.execute)
        assert f"USING INDEX {index}" in explained.plan


def test_rules_that_look_at_the_same_rows_read_them_once(log: SqliteStore) -> None:
    rules = [replace(RULE, name=f"of {prompt}", prompts=(prompt,)) for prompt in ("p", "q", "*")]
    log.append([Entry(made(prompt=prompt)) for prompt in "ppq"])
    asked: list[str] = []
    log.database.write(lambda connection: connection.set_trace_callback(asked.append))

    admission = reserve(log, *(one(rule, 0) for rule in rules))

    assert [account.spent for account in admission.accounts] == [2, 1, 3]
    assert len([sql for sql in asked if "FROM executions" in sql and "GROUP BY" in sql]) == 1


def test_a_row_that_waits_in_a_file_settles_when_it_is_taken_in(log: SqliteStore, tmp_path: Path) -> None:
    execution = new_id()
    reserve(log, one(USD, 400), execution=execution)
    with closing(sqlite3.connect(tmp_path / "log.db")) as other, other:
        other.execute("BEGIN IMMEDIATE")
        log.database.busy_timeout_s = log.database.patience_s = 0.0
        log.database.close()
        warning = log.append([Entry(made(id=execution), settlement=Settlement(execution, {"usd": 30, "calls": 1}))])
        assert warning is not None
        assert warning.kept_in is not None
        assert json.loads(warning.kept_in.read_text())["spent"] == {"usd": 30, "calls": 1}
    (account,) = log.budget_accounts()
    assert (account.spent, account.reserved) == (30, 0)


def test_what_a_new_log_cannot_know_is_open_by_account_and_by_window(tmp_path: Path) -> None:
    (tmp_path / "log.damaged-1.db").write_text("?")
    with SqliteStore(tmp_path / "log.db") as log:
        log.settle()
        assert [each.kind for each in log.budget_events("")] == ["unknown"]
        later = ("9999-05-03T00:00:00.000Z", None)
        hard = replace(RULE, each="user")
        assert reserve(log, one(hard, key="ada"), one(replace(RULE, name="w", then="warn"))).refusals[0].account.unknown
        assert log.budget_accounts("team") == [], "rows may be merged before it is opened"
        assert not reserve(log, one(hard, window=later)).refusals
        assert reserve(log, one(replace(hard, then="disable"), window=later)).refusals
        assert reserve(log, one(hard), is_open=True).refusals == ()
        assert [each.key for each in log.enable_budget("team", "seen", "ada")] == ["ada"]
        assert not reserve(log, one(hard, key="ada")).refusals
        assert reserve(log, one(hard, key="bob")).refusals
        assert log.enable_budget("team", "seen", "ada") == []
        assert len(log.enable_budget("team", "seen")) == 1
        assert not reserve(log, one(hard, key="bob")).refusals


def test_a_log_that_lost_its_tables_does_not_know_either(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    with SqliteStore(tmp_path / "log.db") as log:
        assert reserve(log, one()).refusals[0].account.unknown
