from __future__ import annotations

import resource
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.errors import LogError, LogFailure
from promptctl.log.evidence import Erasure, Note
from promptctl.log.records import Entry
from promptctl.log.results import ResultRow
from promptctl.log.retention import Pruned, Retention
from promptctl.log.sqlite import maintenance
from promptctl.log.sqlite.inspection import inspect_log
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


def test_contents_that_are_pruned_are_gone_from_the_files(filled: SqliteStore, path: Path) -> None:
    filled.prune(Retention(content_before=CUT))
    filled.close()

    assert b"canary" not in b"".join(each.read_bytes() for each in path.parent.iterdir())


def test_after_pruning_executions_can_again_only_be_added(filled: SqliteStore, path: Path) -> None:
    filled.prune(Retention(rows_before=CUT))
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute("DELETE FROM executions")
    raw.close()


def test_outputs_that_nothing_refers_to_any_more_are_deleted(log: SqliteStore) -> None:
    outputs = [ResultRow(evaluation_id="e", case_id=text, status="passed", output=text) for text in ("its own", "both")]
    log.append([Entry(make(started_at=OLD, reply="both", inputs=None, messages=None), "full")], outputs)

    def stored() -> list[str]:
        with log.database.reading() as connection:
            return [row[0] for row in connection.execute("SELECT content FROM payloads ORDER BY content DESC")]

    assert stored() == ["its own", "both"]
    log.delete_evaluation("e")
    assert stored() == ["both"]
    log.prune(Retention(content_before=CUT))
    assert stored() == []


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
    assert log.verify().problems == []


def test_a_backup_is_a_whole_log_for_its_owner_alone(filled: SqliteStore, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"

    filled.back_up(target)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(list(SqliteStore(target).executions())) == 4
    with pytest.raises(LogError, match="cannot be created"):
        filled.back_up(target)


def test_verify_names_damage_and_contents_that_are_gone(filled: SqliteStore, path: Path, tmp_path: Path) -> None:
    filled.close()
    gone = Path(shutil.copy(path, tmp_path / "gone.db"))
    raw = sqlite3.connect(gone, isolation_level=None)
    raw.execute("DELETE FROM payloads WHERE content = 'of today'")
    raw.close()
    data = bytearray(path.read_bytes())
    data[-4096 * 2 :] = b"\xff" * 4096 * 2
    path.write_bytes(data)

    [missing] = SqliteStore(gone).verify().problems
    assert missing.message.startswith("the reply of execution ")
    assert missing.message.endswith(" is missing")
    with pytest.raises(LogFailure, match="is damaged"):
        filled.verify()


def test_a_backup_is_of_one_moment_while_eight_others_write(path: Path, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        with SqliteStore(path) as log:
            while not ended.is_set():
                log.append([Entry(make(prompt="a"), "full"), Entry(make(prompt="a"), "full")])

    writers = [threading.Thread(target=write) for _ in range(8)]
    for each in writers:
        each.start()
    try:
        with SqliteStore(path) as log:
            while log.is_new:
                ended.wait(0.001)
            for number in range(3):
                log.back_up(tmp_path / f"{number}.db")
    finally:
        ended.set()
        for each in writers:
            each.join()
    for number in range(3):
        copy = SqliteStore(tmp_path / f"{number}.db")
        rows = len(list(copy.executions()))
        assert (copy.verify().problems, sum(each.calls for each in copy.totals()), rows % 2) == ([], rows, 0)


def test_a_backup_that_has_no_room_is_not_left(filled: SqliteStore, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(LogError, match=r"the backup .*copy\.db cannot be written") as caught:
            filled.back_up(tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint == "free some space, or name a file elsewhere"
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_that_is_not_sound_is_not_left(
    filled: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: sqlite3.Connection, target: Path) -> None:
        connection.execute("VACUUM INTO ?", (str(target),))
        target.write_bytes(target.read_bytes()[: 4096 * 5])

    monkeypatch.setattr(maintenance, "_copy_into", broken)
    with pytest.raises(LogError, match=r"the backup .*copy\.db is not sound"):
        filled.back_up(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_is_on_record(filled: SqliteStore, tmp_path: Path) -> None:
    filled.back_up(tmp_path / "copy.db", Note(by="Ada", reason="nightly"))
    (event,) = filled.events()
    assert (event.kind, event.by, event.reason, event.detail["file"]) == ("backup", "Ada", "nightly", "copy.db")
    assert inspect_log(filled.path).last_backup == event.at
    assert filled.verify().problems == []


def test_a_log_that_is_locked_is_copied_without_an_event(filled: SqliteStore, path: Path, tmp_path: Path) -> None:
    filled.database.busy_timeout_s = 0.0
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        filled.back_up(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").exists()
    assert filled.events() == []


def test_a_dry_run_without_room_for_its_copies_does_not_blame_the_log(filled: SqliteStore, path: Path) -> None:
    def need_room(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA temp.max_page_count = 1")
        connection.execute("CREATE TEMP TABLE more AS SELECT zeroblob(1 << 20)")

    with pytest.raises(LogFailure, match="the temporary folder has no room for the copies of ") as caught:
        filled.database.dry_run(need_room)
    assert caught.value.reason == "full"
    assert "SQLITE_TMPDIR" in str(caught.value.hint)


def test_a_dry_run_leaves_the_tables_of_others_alone(filled: SqliteStore, path: Path) -> None:
    retention = Retention(rows_before=CUT)
    wanted = filled.prune(retention, is_dry_run=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ANALYZE")
        other.execute('CREATE TABLE "of others" (x INTEGER) STRICT')
        other.execute("CREATE VIRTUAL TABLE words USING fts5(x)")
    assert filled.prune(retention, is_dry_run=True) == wanted


def test_a_dry_run_keeps_nobody_from_writing(filled: SqliteStore, path: Path) -> None:
    before = [each.as_dict() for each in filled.executions(with_content=True)]
    retention = Retention(rows_before=CUT, content_before=NEW)
    erasures = [Erasure(text="canary"), Erasure(user="ada"), Erasure(execution=before[0]["execution"])]
    with closing(sqlite3.connect(path, isolation_level=None)) as other, SqliteStore(path, busy_timeout_s=0.1) as log:
        other.execute("BEGIN IMMEDIATE")
        pruned = log.prune(retention, is_dry_run=True)
        erased = [log.redact(each, Note(), is_dry_run=True) for each in erasures]
        other.execute("ROLLBACK")

    assert [each.as_dict() for each in filled.executions(with_content=True)] == before
    assert (pruned.rows, [each.executions for each in erased]) == (3, [2, 4, 1])
    assert filled.prune(retention) == pruned
    assert filled.events()[-1].kind == "prune"
