from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from promptctl.errors import LogError
from promptctl.log.records import Entry
from promptctl.log.results import ResultRow
from promptctl.log.retention import Pruned, Retention
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

OLD = "2026-01-01T00:00:00.000Z"
CUT = "2026-03-01T00:00:00.000Z"
NEW = "2026-05-01T00:00:00.000Z"


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    log.append(
        [
            Entry(make(started_at=OLD, reply="canary of old", prompt="a", inputs={"shared": 1}), "full"),
            Entry(make(started_at=OLD, reply="canary of b", prompt="b", inputs={"shared": 1}), "full"),
            Entry(make(started_at=OLD, prompt="b"), "metadata"),
            Entry(make(started_at=NEW, reply="of today", prompt="a", inputs={"shared": 1}), "full"),
        ]
    )
    return log


def test_pruning_contents_keeps_rows_totals_and_what_newer_rows_share(filled: SqliteStore, path: Path) -> None:
    before = [row.as_dict() for row in filled.totals()]

    pruned = filled.prune(Retention(content_before=CUT))

    assert (pruned.contents, pruned.latest_calls, pruned.rows, pruned.payloads) == (2, 1, 0, 2)
    kept = [(each.kept_content, each.reply, each.inputs) for each in filled.executions(with_content=True)]
    assert kept == [
        ("full", "of today", {"shared": 1}),
        ("metadata", None, None),
        ("pruned", None, None),
        ("pruned", None, None),
    ]
    assert [row.as_dict() for row in filled.totals()] == before
    filled.close()
    assert b"canary" not in b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert filled.check() == []


def test_the_latest_call_loses_its_contents_when_it_is_old_and_nothing_else(filled: SqliteStore) -> None:
    filled.prune(Retention(content_before=CUT))

    old, new = filled.latest_call("b"), filled.latest_call("a")

    assert old
    assert (old.reply, old.messages, old.cost_nano_usd, old.user) == (None, None, 27_000, "ada")
    assert new
    assert new.reply == "of today"


def test_pruning_rows_keeps_the_totals(filled: SqliteStore) -> None:
    pruned = filled.prune(Retention(rows_before=CUT))

    assert (pruned.rows, pruned.payloads) == (3, 2)
    assert [each.started_at for each in filled.executions()] == [NEW]
    assert sum(row.calls for row in filled.totals()) == 4


def test_pruning_may_be_limited_to_some_prompts(filled: SqliteStore) -> None:
    assert filled.prune(Retention(rows_before=CUT, prompt="b")).rows == 2
    assert filled.prune(Retention(rows_before=CUT, prompt="[!a]*")).rows == 0


def test_a_dry_run_tells_the_same_and_changes_nothing(filled: SqliteStore) -> None:
    retention = Retention(content_before=CUT, rows_before=CUT, prompt="b")
    before = list(filled.executions(with_content=True))

    would = filled.prune(retention, is_dry_run=True)

    assert list(filled.executions(with_content=True)) == before
    assert filled.prune(retention) == would


def test_after_pruning_executions_can_again_only_be_added(filled: SqliteStore, path: Path) -> None:
    filled.prune(Retention(rows_before=CUT))
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute("DELETE FROM executions")
    raw.close()


def test_outputs_of_evaluations_outlive_the_contents_of_executions(log: SqliteStore) -> None:
    result = ResultRow(evaluation_id="e", case_id="c", status="passed", output="graded")
    log.append([Entry(make(started_at=OLD, reply="graded", source="eval"), "full")], [result])

    log.prune(Retention(content_before=CUT))

    with log.database.reading() as connection:
        assert connection.execute("SELECT content FROM payloads").fetchall() == [("graded",)]


def test_what_was_kept_beside_the_log_is_pruned_too(filled: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with SqliteStore(path, busy_timeout_s=0.05) as busy:
        busy.append([Entry(make(started_at=OLD, reply="canary beside", prompt="c"), "full")])
    other.close()

    assert SqliteStore(path).prune(Retention(content_before=CUT)).contents == 3
    assert list((path.parent / "unsaved").iterdir()) == []


def test_pruning_a_log_that_is_not_there_makes_none(log: SqliteStore, path: Path) -> None:
    assert log.prune(Retention(rows_before=CUT)) == Pruned(0, 0, 0, 0, 0)
    assert log.vacuum() == 0
    assert not path.exists()


def test_vacuum_gives_the_space_back(log: SqliteStore) -> None:
    log.append([Entry(make(started_at=OLD, reply=f"{number}" * 900), "full") for number in range(200)])
    kept = make(started_at=NEW)
    log.append([Entry(kept, "full")])
    log.prune(Retention(rows_before=CUT))

    assert log.vacuum() > 100_000
    assert log.execution(kept.id).reply == kept.reply
    log.append([Entry(make())])
    assert log.check() == []


def test_a_backup_is_a_whole_log_for_its_owner_alone(filled: SqliteStore, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"

    filled.back_up(target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(list(SqliteStore(target).executions())) == 4
    with pytest.raises(LogError, match="cannot be created"):
        filled.back_up(target)


def test_check_names_damage_and_contents_that_are_gone(filled: SqliteStore, path: Path, tmp_path: Path) -> None:
    filled.close()
    gone = Path(shutil.copy(path, tmp_path / "gone.db"))
    raw = sqlite3.connect(gone, isolation_level=None)
    raw.execute("DELETE FROM payloads WHERE content = 'of today'")
    raw.close()
    data = bytearray(path.read_bytes())
    data[-4096 * 2 :] = b"\xff" * 4096 * 2
    path.write_bytes(data)

    assert SqliteStore(gone).check() == ["1 executions have lost their reply"]
    assert filled.check() != []
