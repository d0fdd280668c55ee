from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.records import Content, Entry
from promptctl.log.redaction import Redactor
from promptctl.log.sqlite import database
from promptctl.log.sqlite.opening import open_for_reading
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

ROOT = Path(__file__).parents[3]


def start_writer(path: Path, count: int, reopen_every: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.log.sqlite.writers", str(path), str(count), str(reopen_every)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def calls_counted(log: SqliteStore) -> int:
    return sum(row.calls for row in log.totals())


def test_nothing_is_opened_or_made_before_the_first_use(path: Path) -> None:
    with SqliteStore(path) as log:
        assert log.is_new
    assert not path.parent.exists()


def test_reading_a_log_that_is_not_there_finds_nothing_and_makes_nothing(log: SqliteStore, path: Path) -> None:
    assert list(log.executions()) == []
    assert log.totals() == []
    assert log.latest_call("support/triage") is None
    assert not path.parent.exists()


@pytest.mark.parametrize(("content", "rows", "payloads"), [("full", 1, 3), ("metadata", 1, 0), ("off", 0, 0)])
def test_what_is_kept_of_a_call_is_what_its_rule_says_and_its_totals_and_latest_call_always_are(
    log: SqliteStore, content: Content, rows: int, payloads: int
) -> None:
    written = make()
    log.append([Entry(written, content)])

    with log.database.reading() as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("executions", "payloads")]
    assert counts == [rows, payloads]
    assert [(row.calls, row.cost_nano_usd, row.average_cost_nano_usd) for row in log.totals()] == [(1, 27_000, 27_000)]
    latest = log.latest_call("support/triage")
    assert latest
    assert (latest.messages, latest.reply) == (written.messages, written.reply)
    assert (latest.input_tokens, latest.cost_nano_usd, latest.user, latest.latency_ms) == (100, 27_000, "ada", 420.5)


def test_no_secret_reaches_the_disk_by_any_way(path: Path) -> None:
    secret = "correct-horse-battery"
    everywhere = {
        "inputs": {"ticket": secret, secret: 1},
        "messages": [{"role": "user", "content": f"<{secret}>"}],
        "reply": secret,
        "tool_calls": [{"function": {"arguments": f'{{"key": "{secret}"}}'}}],
        "error_message": f"401: {secret}",
        "call_metadata": {"header": secret},
        "parameters": {"extra": secret},
        **dict.fromkeys(("user", "session", "finish_reason", "model_resolved", "content_type", "prompt_name"), secret),
    }
    with SqliteStore(path, redactor=Redactor([secret])) as log:
        log.append([Entry(make(**everywhere), content) for content in ("full", "metadata", "off")])
        log.append([Entry(make(**everywhere, status="error", prompt="b"), "off")])
        on_disk = b"".join(each.read_bytes() for each in path.parent.iterdir())

    assert secret.encode() not in on_disk
    assert b"[redacted]" in on_disk


def test_what_a_later_call_replaces_is_gone_from_the_file(path: Path) -> None:
    for reply in ("canary " * 3_000, "nothing to see"):
        with SqliteStore(path) as log:
            log.append([Entry(make(reply=reply, inputs={}, messages=[]), "off")])

    assert b"canary" not in path.read_bytes()
    assert [each.name for each in path.parent.iterdir() if "wal" in each.name] == []


def test_processes_that_write_open_and_close_at_once_lose_nothing(path: Path) -> None:
    writers = [start_writer(path, 150, reopen_every=7) for _ in range(4)]
    outcomes = [each.communicate() for each in writers]

    assert [errors for _, errors in outcomes] == [""] * 4
    acknowledged = {line for lines, _ in outcomes for line in lines.split()}
    log = SqliteStore(path)
    assert {each.id for each in log.executions()} == acknowledged
    assert calls_counted(log) == len(acknowledged) == 600
    assert log.verify().problems == []


def test_killed_processes_lose_no_acknowledged_record(path: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for number in range(4):
        outputs = [tmp_path / f"{number}-{each}" for each in range(2)]
        writers = []
        for output in outputs:
            with output.open("w") as file:
                command = [sys.executable, "-m", "tests.log.sqlite.writers", str(path), "100000"]
                writers.append(subprocess.Popen(command, cwd=ROOT, stdout=file))
        while not all(output.stat().st_size for output in outputs):
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.1))
        for writer in writers:
            writer.kill()
        for writer, output in zip(writers, outputs, strict=True):
            assert writer.wait() == -signal.SIGKILL
            lines = output.read_text().splitlines(keepends=True)
            acknowledged.update(line.strip() for line in lines if line.endswith("\n"))

    log = SqliteStore(path)
    stored = {each.id for each in log.executions()}
    assert len(acknowledged) >= 8
    assert acknowledged <= stored
    assert calls_counted(log) == len(stored)
    assert log.verify().problems == []


def test_a_forked_child_and_its_parent_both_write(log: SqliteStore) -> None:
    log.append([Entry(make(), "full")])
    child = os.fork()
    if child == 0:
        try:
            for _ in range(30):
                log.append([Entry(make(), "full")])
            log.close()
        finally:
            os._exit(0)
    for _ in range(30):
        log.append([Entry(make(), "full")])
    log.close()
    _, status = os.waitpid(child, 0)
    log.append([Entry(make(), "full")])

    assert status == 0
    assert len(list(log.executions())) == 62
    assert log.verify().problems == []


def test_a_process_that_writes_reads_again_on_one_connection(
    log: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counted(path: Path, timeout_s: float) -> sqlite3.Connection:
        opened.append(open_for_reading(path, timeout_s))
        return opened[-1]

    monkeypatch.setattr(database, "open_for_reading", counted)
    for number in range(1, 4):
        log.append([Entry(make(), "full")])
        assert (calls_counted(log), len(list(log.executions()))) == (number, number)
    assert len(opened) == 1
    rows = log.executions()
    next(rows)
    assert calls_counted(log) == 3, "beside a reading that is not done"
    rows.close()
    assert len(opened) == 2
    child = os.fork()
    if child == 0:
        is_right = len(list(log.executions())) == 3 and len(opened) == 3
        os._exit(0 if is_right else 1)
    assert os.waitpid(child, 0)[1] == 0, "a child reads on a connection of its own"
    log.append([Entry(make())])
    assert calls_counted(log) == 4
    for each in list(path.parent.iterdir()):
        each.unlink()
    assert log.totals() == [], "the file that was read before is gone"
    log.append([Entry(make())])
    log.close()
    assert calls_counted(log) == calls_counted(log) == 1
    assert len(opened) == 6, "without a writer each reading opens its own"


def test_a_log_that_was_deleted_under_a_running_process_is_begun_again(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make(reply="before"), "full")])
    for each in list(path.parent.iterdir()):
        each.unlink()

    log.append([Entry(make(reply="after"), "full")])

    found = list(SqliteStore(path).executions(with_content=True))
    assert [each.reply for each in found] == ["after"]


def test_a_path_with_odd_characters_is_the_path_that_is_used(tmp_path: Path) -> None:
    path = tmp_path / "50% off?" / "a#b" / "log.db"
    with SqliteStore(path) as log:
        log.append([Entry(make())])
        assert len(list(log.executions())) == 1
    assert path.exists()


def test_a_log_restored_without_wal_gets_it_back(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make())])
    log.close()
    raw = sqlite3.connect(path, isolation_level=None)
    assert raw.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    raw.close()

    log.append([Entry(make())])

    with log.database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.untraced
def test_importing_the_log_brings_nothing_heavy() -> None:
    code = (
        "import sys; import promptctl.log.sqlite.recovery, promptctl.log.sqlite.store, promptctl.log.sqlite.queries; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    heavy = {"litellm", "aiohttp", "git", "jsonschema", "jinja2", "yaml", "asyncio", "uuid", "uuid_utils", "tempfile"}
    assert heavy.isdisjoint(loaded)


class TestWritingAtOnce:
    def test_it_writes_where_nobody_holds_the_lock(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "log.db") as log:
            log.append([])
            assert log.database.write_at_once(lambda connection: connection.execute("DELETE FROM executions"))

    def test_it_waits_for_nobody(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "log.db") as log:
            log.append([])
            with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert not log.database.write_at_once(lambda connection: pytest.fail("nothing is written"))
            other.close()
            log.append([Entry(make())])
            assert len(list(log.executions())) == 1, "and afterwards waits as before"

    def test_a_failed_write_leaves_nothing(self, tmp_path: Path) -> None:
        def fail(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO taken_in (name, taken_at) VALUES ('a', 'b')")
            connection.execute("INSERT INTO nowhere VALUES (1)")

        with SqliteStore(tmp_path / "log.db") as log:
            log.append([])
            assert not log.database.write_at_once(fail)
            with log.database.reading() as connection:
                assert connection.execute("SELECT count(*) FROM taken_in").fetchone() == (0,)

    def test_a_log_that_was_moved_away_is_left_to_write(self, tmp_path: Path) -> None:
        with SqliteStore(tmp_path / "log.db") as log:
            log.append([])
            for file in tmp_path.glob("log.db*"):
                file.rename(tmp_path / f"away-{file.name}")
            assert not log.database.write_at_once(lambda connection: None)
