from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptctl.errors import LogError, LogFailure
from promptctl.log.records import Entry
from promptctl.log.redaction import Redactor
from promptctl.log.results import ResultDetail, ResultRow
from promptctl.log.sqlite import opening
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.schema import NEWEST
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

ROOT = Path(__file__).parents[3]


@pytest.fixture
def impatient(path: Path, tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(path, busy_timeout_s=0.1, spare_folder=tmp_path / "spare") as log:
        yield log


@pytest.fixture
def holder(path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who holds the write lock until told otherwise."""
    with SqliteStore(path) as log:
        log.append([])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def unsaved(path: Path) -> list[Path]:
    folder = path.parent / "unsaved"
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_log_that_takes_its_records_gives_no_warning(log: SqliteStore, path: Path) -> None:
    assert log.append([Entry(make())]) is None
    assert unsaved(path) == []


def test_what_a_locked_log_does_not_take_is_kept_and_taken_in_by_the_next_open(
    impatient: SqliteStore, holder: sqlite3.Connection, path: Path
) -> None:
    full, off = make(reply="one\u2028two"), make(prompt="other")
    result = ResultRow(
        evaluation_id="e",
        case_id="c",
        status="passed",
        output="out",
        detail=ResultDetail(assertions=({"passed": True},)),
    )

    warning = impatient.append([Entry(full, "full"), Entry(off, "off")], [result])

    assert warning
    assert warning.reason == "locked"
    assert unsaved(path) == [warning.kept_in]
    assert str(warning.kept_in) in str(warning)
    assert stat.S_IMODE(unsaved(path)[0].stat().st_mode) == 0o600

    holder.execute("COMMIT")
    assert impatient.append([Entry(make(), "full")]) is None

    assert unsaved(path) == []
    assert impatient.execution(full.id).reply == full.reply
    assert impatient.execution(full.id).messages == full.messages
    latest = impatient.latest_call("other")
    assert latest
    assert latest.reply == off.reply
    assert sum(row.calls for row in impatient.totals()) == 3
    assert [each.output for each in impatient.results("e")] == ["out"]


def test_what_is_kept_is_seen_by_whoever_reads_the_log_next(
    impatient: SqliteStore, holder: sqlite3.Connection, path: Path
) -> None:
    impatient.append([Entry(make())])
    holder.execute("COMMIT")

    assert len(list(SqliteStore(path).executions())) == 1


def test_a_reader_does_not_wait_for_the_lock_that_what_is_kept_waits_for(
    path: Path, holder: sqlite3.Connection
) -> None:
    with SqliteStore(path, busy_timeout_s=0.05) as log:
        log.append([Entry(make())])
    with SqliteStore(path, busy_timeout_s=600.0) as log:
        assert list(log.executions()) == []
        assert log.database.patience_s == 600.0
    assert len(unsaved(path)) == 1


def test_a_lock_that_has_held_out_the_whole_timeout_is_waited_for_only_briefly_after_that(
    path: Path, holder: sqlite3.Connection
) -> None:
    with SqliteStore(path, busy_timeout_s=1.2) as log:
        log.append([Entry(make())])
        assert log.database.patience_s == 1.0
        log.append([Entry(make())])
        assert len(unsaved(path)) == 2

        holder.execute("COMMIT")
        log.append([Entry(make())])
        assert log.database.patience_s == 1.2
        assert len(list(log.executions())) == 3


def test_waiting_for_our_own_writes_takes_no_patience_with_another_process(path: Path) -> None:
    written: list[int] = []

    def write_soon() -> None:
        database.write(lambda _: written.append(1))

    writers = [threading.Thread(target=write_soon) for _ in range(3)]

    def be_slow() -> None:
        for each in writers:
            each.start()
        time.sleep(1.2)
        other.execute("BEGIN IMMEDIATE")
        release.start()

    database = Database(path, 1.0, Redactor(), on_opened=be_slow)
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    release = threading.Timer(0.3, other.execute, ["COMMIT"])
    database.write(lambda _: None)
    for each in (*writers, release):
        each.join()
    other.close()
    database.close()
    assert len(written) == 3


def test_a_file_that_was_taken_in_is_not_counted_again_when_it_comes_back(
    impatient: SqliteStore, holder: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    warning = impatient.append([Entry(make(), "full"), Entry(make(), "off")])
    assert warning
    assert warning.kept_in
    copy = shutil.copy(warning.kept_in, tmp_path / "copy")
    holder.execute("COMMIT")
    impatient.append([])
    shutil.copy(copy, warning.kept_in)  # as if the process had been killed before it could remove it

    assert sum(row.calls for row in SqliteStore(path).totals()) == 2
    assert unsaved(path) == []


def test_a_file_that_cannot_be_read_back_is_put_aside_and_the_others_are_taken_in(log: SqliteStore, path: Path) -> None:
    folder = path.parent / "unsaved"
    folder.mkdir(parents=True)
    (folder / "0.jsonl").write_text("not json\n")
    (folder / "1.jsonl").write_text('{"content": "full", "execution": {"id": "x"}}\n')
    (folder / "2.jsonl").write_text(json.dumps({"content": "full", "execution": {**document(), "attempt": "one"}}))
    (folder / "3.jsonl").write_text(json.dumps({"content": "full", "execution": document()}))

    log.append([])

    assert len(list(log.executions())) == 1
    assert [each.name for each in unsaved(path)] == ["0.rejected", "1.rejected", "2.rejected"]


def document() -> dict[str, object]:
    from promptctl.log import encoding

    parsed: dict[str, object] = json.loads(encoding.document(encoding.encode(make(), is_whole=True)))
    return parsed


def test_kept_records_are_redacted_like_everything_else(path: Path, holder: sqlite3.Connection) -> None:
    with SqliteStore(path, busy_timeout_s=0.1, redactor=Redactor(["correct-horse"])) as log:
        result = ResultRow(
            evaluation_id="e", case_id="c", status="error", error_message="correct-horse", output="correct-horse"
        )
        log.append([Entry(make(reply="correct-horse"), "full")], [result])

    text = unsaved(path)[0].read_text()
    assert "correct-horse" not in text
    assert text.count("[redacted]") == 3


@pytest.mark.parametrize("damage", [b"this is no database at all" * 400, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_damaged_log_is_put_aside_and_a_new_one_begun(log: SqliteStore, path: Path, damage: bytes) -> None:
    log.append([Entry(make())])
    log.close()
    path.write_bytes(damage)

    warning = log.append([Entry(make(reply="paid for"), "full")])

    assert warning
    assert warning.reason == "corrupt"
    [aside] = path.parent.glob("log.damaged-*.db")
    assert str(aside) in str(warning)
    assert aside.read_bytes() == damage
    assert [each.reply for each in log.executions(with_content=True)] == ["paid for"]
    assert log.verify().problems == []


def test_damage_in_the_middle_of_the_file_is_put_aside_when_writing_meets_it(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make(), "full") for _ in range(200)])
    log.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)

    warning = log.append([Entry(make(), "full")])

    assert warning
    assert warning.reason == "corrupt"
    assert len(list(log.executions())) == 1


def test_another_process_follows_to_the_new_log_and_loses_nothing(path: Path) -> None:
    with SqliteStore(path) as one, SqliteStore(path) as other:
        one.append([Entry(make(reply="old"), "full")])
        other.append([Entry(make(reply="old"), "full")])
        aside = path.with_name("log.damaged-by-hand.db")
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
        one.append([Entry(make(reply="new"), "full")])
        other.append([Entry(make(reply="new"), "full")])

        assert [each.reply for each in one.executions(with_content=True)] == ["new", "new"]
        assert sum(row.calls for row in one.totals()) == 2


def test_only_one_of_those_who_meet_the_damage_moves_the_file(path: Path) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    path.write_bytes(b"this is no database at all" * 400)
    command = [sys.executable, "-m", "tests.log.sqlite.careful_writer", str(path)]
    writers = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    errors = [each.communicate()[1] for each in writers]

    assert "".join(errors) == ""
    assert len(list(path.parent.glob("log.damaged-*.db"))) == 1
    assert len(list(SqliteStore(path).executions())) == 6


def test_a_log_that_is_moved_away_while_it_is_opened_is_begun_anew(
    log: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([Entry(make())])
    log.close()
    connect = opening.connect
    moves = iter((path.with_name("moved.db"), path.with_name("moved-again.db")))

    def connect_late(path: Path, timeout_s: float) -> sqlite3.Connection:
        if aside := next(moves, None):
            path.rename(aside)
        return connect(path, timeout_s)

    monkeypatch.setattr(opening, "connect", connect_late)

    assert list(log.executions()) == []
    assert log.append([Entry(make())]) is None
    assert len(list(log.executions())) == 1


def test_a_full_disk_costs_no_record(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make())])
    log.database.write(
        lambda connection: connection.execute("PRAGMA max_page_count = 1")
    )  # SQLite's own "disk is full"

    warning = log.append([Entry(make(parameters={"long": "x" * 200_000}))])

    assert warning
    assert (warning.reason, len(unsaved(path))) == ("full", 1)
    assert "disk is full" in warning.message
    log.append([])
    assert len(list(log.executions())) == 2
    assert unsaved(path) == []


def test_a_log_of_a_newer_program_is_not_touched_and_the_record_is_kept(log: SqliteStore, path: Path) -> None:
    log.append([])
    log.close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute(f"PRAGMA user_version = {NEWEST + 1}")
    raw.close()

    warning = log.append([Entry(make())])

    assert warning
    assert warning.reason == "newer"
    assert "upgrade promptctl" in str(warning)
    assert len(unsaved(path)) == 1


def test_where_not_even_the_folder_can_be_written_the_spare_folder_is_used(
    impatient: SqliteStore, holder: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    (path.parent / "unsaved").write_text("in the way")

    warning = impatient.append([Entry(make())])

    assert warning
    assert warning.kept_in
    assert warning.kept_in.parent == tmp_path / "spare"
    holder.execute("COMMIT")
    impatient.append([])
    assert len(list(impatient.executions())) == 1
    assert not warning.kept_in.exists()


def test_a_spare_folder_that_is_a_link_is_not_trusted(
    impatient: SqliteStore, holder: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    (path.parent / "unsaved").write_text("in the way")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "spare").symlink_to(tmp_path / "theirs")

    warning = impatient.append([Entry(make())])

    assert warning
    assert warning.kept_in is None
    assert "it is lost" in str(warning)
    assert list((tmp_path / "theirs").iterdir()) == []


READ_ONLY = """
import os, sys, tempfile
from pathlib import Path
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
log = SqliteStore(folder / ".promptctl" / "log.db", spare_folder=folder / "spare")
warning = log.append([Entry(make(), "full")])
print(warning.reason, warning.kept_in.parent.name, len(list(log.executions())))
"""


@pytest.mark.untraced
def test_a_log_that_can_only_be_read_costs_no_record_and_can_still_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SqliteStore(folder / ".promptctl" / "log.db") as log:
            log.append([Entry(make())])
        (folder / "spare").mkdir()
        (folder / "spare").chmod(0o777)
        if os.getuid() == 0:
            os.chown(folder / "spare", 65534, 65534)
        folder.chmod(0o755)
        (folder / ".promptctl").chmod(0o555)
        (folder / ".promptctl" / "log.db").chmod(0o444)
        try:
            found = subprocess.run(
                [sys.executable, "-c", READ_ONLY, name], cwd=ROOT, capture_output=True, text=True, check=False
            )
        finally:
            (folder / ".promptctl").chmod(0o755)

    assert (found.stdout, found.stderr) == ("read-only spare 1\n", "")


def test_a_damaged_log_that_is_read_says_what_to_do(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make())])
    log.close()
    path.write_bytes(b"this is no database at all" * 400)

    with pytest.raises(LogFailure, match="is damaged") as caught:
        list(log.executions())

    assert "begins a new log" in str(caught.value.hint)
    with pytest.raises(LogFailure, match="is damaged"):
        log.verify()


def test_a_path_that_leads_nowhere_is_an_error_and_not_an_endless_wait(tmp_path: Path) -> None:
    (tmp_path / "log.db").symlink_to(tmp_path / "gone" / "log.db")
    (tmp_path / "folder").mkdir()
    for name, message in (("log.db", "cannot be created"), ("folder", "cannot be opened")):
        with SqliteStore(tmp_path / name) as log:
            warning = log.append([])
        assert warning
        assert message in warning.message


def test_what_was_kept_in_one_temporary_folder_is_found_with_a_different_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    monkeypatch.setattr("promptctl.log.sqlite.unsaved._TEMPORARY", (str(first), str(second)))
    path.parent.parent.mkdir(exist_ok=True)
    path.parent.write_text("no folder")
    with SqliteStore(path) as log:
        warning = log.append([Entry(make())])
        first.rename(tmp_path / "gone")
        first.write_text("cannot be used for a while")
        other = log.append([Entry(make())])
    first.unlink()
    (tmp_path / "gone").rename(first)
    assert warning is not None
    assert warning.kept_in is not None
    assert other is not None
    assert other.kept_in is not None
    assert (first in warning.kept_in.parents, second in other.kept_in.parents) == (True, True)

    path.parent.unlink()
    assert len(list(SqliteStore(path).executions())) == 2


def test_a_record_is_found_again_wherever_the_log_is_kept_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, named = tmp_path / "usual/log.db", tmp_path / "named/log.db"
    usual.mkdir(parents=True)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("promptctl.log.sqlite.unsaved._TEMPORARY", (str(temporary),))

    def log(path: Path) -> SqliteStore:
        return SqliteStore(path, other_paths=(usual, tmp_path / "old/log.db"))

    assert log(usual).append([Entry(make())]) is not None  # beside the log
    shutil.move(usual.parent / "unsaved", usual.parent / "kept")
    (usual.parent / "unsaved").touch()
    assert log(usual).append([Entry(make())]) is not None  # in a temporary folder
    (usual.parent / "unsaved").unlink()
    shutil.move(usual.parent / "kept", usual.parent / "unsaved")
    os.mkfifo(usual.parent / "unsaved/pipe.jsonl")
    assert not log(named).is_new
    assert len(list(log(named).executions())) == 2


def test_a_place_that_only_one_variable_leads_to_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    path.mkdir()
    (tmp_path / "unsaved").touch()
    (tmp_path / "own").mkdir()
    monkeypatch.setattr("promptctl.log.sqlite.unsaved._TEMPORARY", (str(tmp_path / "unsaved"),))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "own"))
    warning = SqliteStore(path).append([Entry(make())])
    assert f"by a command with TMPDIR={tmp_path / 'own'}" in str(warning)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "unsaved"))
    assert "it is lost" in str(SqliteStore(path).append([Entry(make())]))


def test_without_any_temporary_folder_the_log_is_read_and_refuses_in_its_own_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose whole file system is read-only."""

    def none_is_usable() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none_is_usable)
    with SqliteStore(path) as log:
        assert log.is_new
        assert list(log.executions()) == []
        with pytest.raises(LogError, match="no execution"):
            log.execution("01234567")


def test_a_call_whose_record_waits_says_where_it_waits(impatient: SqliteStore, holder: sqlite3.Connection) -> None:
    execution = make()
    warning = impatient.append([Entry(execution)])
    assert warning is not None
    assert warning.kept_in is not None
    with pytest.raises(LogError) as caught:
        impatient.execution(execution.id)
    assert str(caught.value.hint).endswith(f"wait in {warning.kept_in.parent} for the log to be writable")


def test_a_disk_that_fails_is_told_with_what_to_look_at(log: SqliteStore, path: Path) -> None:
    def fail(_: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
        raise error

    with pytest.raises(LogFailure, match="disk I/O error") as caught:
        log.database.write(fail)
    assert caught.value.reason == "unusable"
    assert f"df and dmesg if the disk of {path.parent}" in str(caught.value.hint)
