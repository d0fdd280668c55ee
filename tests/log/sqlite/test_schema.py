from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from promptctl.errors import LogFailure
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite import schema
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

# Sixteen processes that have imported what they need, and wait for each other.
FIRST_WRITES = """
import os, sys, traceback
from pathlib import Path
from promptctl.log.records import Entry
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make
waiting, start = os.pipe()
for _ in range(16):
    if os.fork() == 0:
        os.close(start)
        os.read(waiting, 1)
        try:
            with SqliteStore(Path(sys.argv[1])) as log:
                log.append([Entry(make(), "full")])
        except BaseException:
            traceback.print_exc()
        os._exit(0)
os.close(start)
for _ in range(16):
    os.wait()
"""


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_sixteen_first_writers_at_once_make_one_log_and_lose_nothing(path: Path) -> None:
    command = [sys.executable, "-c", FIRST_WRITES, str(path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert len(list(SqliteStore(path).executions())) == 16
    assert sorted(each.name for each in path.parent.iterdir()) == ["log.db", "log.lock"]


def test_what_a_killed_first_writer_left_is_cleared_away(path: Path) -> None:
    path.parent.mkdir()
    for name in ("log.db.0197e5c2.new", "log.db.0197e5c2.new-journal", "log.db-wal", "log.db-shm"):
        (path.parent / name).write_bytes(b"left behind" * 1000)

    with SqliteStore(path) as log:
        log.append([Entry(make())])

    assert sorted(each.name for each in path.parent.iterdir()) == ["log.db", "log.lock"]
    assert len(list(SqliteStore(path).executions())) == 1


def test_the_log_and_its_side_files_are_for_its_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with SqliteStore(path) as log:
            log.append([Entry(make(), "full")])
            modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600, "log.lock": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_log_is_in_wal_mode_and_knows_its_schema(log: SqliteStore) -> None:
    log.append([])
    with log.database.reading() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.NEWEST,)
        assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
        tables = connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict"
        ).fetchall()

    assert [name for (name,) in tables if not name.startswith("sqlite_")] == []


def test_the_migrations_make_the_same_tables(log: SqliteStore) -> None:
    log.append([])
    by_hand = connect(Path(":memory:"))
    for number in range(1, schema.NEWEST + 1):
        by_hand.executescript(schema.migration_sql(number))
    by_hand.executescript(schema.views_sql())
    listing = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with log.database.reading() as connection:
        assert connection.execute(listing).fetchall() == by_hand.execute(listing).fetchall()
    by_hand.close()


def test_an_empty_file_becomes_a_log(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert list(SqliteStore(path).executions()) == []
    with SqliteStore(path) as log:
        log.append([Entry(make())])
        assert len(list(log.executions())) == 1


def test_a_log_of_a_newer_program_is_refused_for_writing_and_can_be_read(path: Path) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    raw = connect(path)
    raw.execute(f"PRAGMA user_version = {schema.NEWEST + 1}")
    raw.close()

    with SqliteStore(path) as log:
        warning = log.append([Entry(make())])
        assert warning
        assert "newer promptctl" in warning.message
        assert warning.reason == "newer"
        assert "upgrade" in str(warning.hint)
        assert len(list(log.executions())) == 1


def test_the_database_of_another_program_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    raw = connect(path)
    raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    before = path.read_bytes()

    with SqliteStore(path) as log:
        warning = log.append([Entry(make())])
        assert warning
        assert warning.reason == "foreign"
        with pytest.raises(LogFailure, match="another program") as caught:
            list(log.executions())
        assert caught.value.reason == "foreign"
    assert path.read_bytes() == before


def add_migration(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    known = {number: schema.migration_sql(number) for number in range(1, schema.NEWEST + 1)}
    newest = schema.NEWEST + 1
    monkeypatch.setattr(schema, "migration_sql", {**known, newest: sql}.__getitem__)
    for module in ("schema", "opening"):
        monkeypatch.setattr(f"promptctl.log.sqlite.{module}.NEWEST", newest)


def test_an_older_log_is_brought_up_to_date_by_whoever_comes_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    add_migration(monkeypatch, "CREATE TABLE later (x INTEGER) STRICT;")

    assert len(list(SqliteStore(path).executions())) == 1
    raw = connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (schema.NEWEST,)
    assert raw.execute("SELECT count(*) FROM later").fetchone() == (0,)
    raw.close()


def test_a_migration_that_fails_half_way_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    newest = schema.NEWEST
    broken = "CREATE TABLE later (x INTEGER) STRICT;\nCREATE TABLE executions (x);"
    add_migration(monkeypatch, broken)

    with SqliteStore(path) as log:
        assert "already exists" in str(log.append([Entry(make())]))
    raw = connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (newest,)
    assert raw.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'later'").fetchone() == (0,)
    raw.close()


@pytest.mark.parametrize("sql", ["UPDATE executions SET cost_nano_usd = 0", "DELETE FROM executions"])
def test_executions_can_only_be_added_by_any_client(path: Path, sql: str) -> None:
    with SqliteStore(path) as log:
        log.append([Entry(make())])
    raw = connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(sql)
    raw.close()


def test_a_value_of_the_wrong_type_is_refused(log: SqliteStore) -> None:
    assert "INTEGER" in str(log.append([Entry(make(cost_nano_usd="much"))]))


def as_first_schema(path: Path) -> None:
    """Make a log as the first version of the program made it."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    newest = path.with_name("newest.db")
    with SqliteStore(newest) as log:
        log.append([Entry(make(cost_nano_usd=1_500_000, reply="Hello"), "full")])
    raw = connect(path)
    raw.executescript(schema.migration_sql(1))
    raw.execute("ATTACH ? AS newest", (str(newest),))
    tables = raw.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'maintenance'")
    for (table,) in tables.fetchall():
        columns = ", ".join(row[1] for row in raw.execute(f"PRAGMA main.table_info({table})"))
        raw.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}")
    raw.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    raw.execute("PRAGMA user_version = 1")
    raw.execute("DETACH newest")
    raw.close()
    newest.unlink()


def test_an_old_log_gets_views_that_people_can_read(path: Path) -> None:
    as_first_schema(path)
    with SqliteStore(path) as log:
        log.append([Entry(make(reply="x" * 20_000), "full"), Entry(make(reply="kept by nobody"), "metadata")])
    raw = connect(path)
    rows = raw.execute(
        "SELECT reply, cost_usd, prompt, status FROM executions_readable ORDER BY started_at, id"
    ).fetchall()
    assert [str(reply)[:12] for reply, *_ in rows] == ["Hello", "(compressed:", "None"]
    assert rows[0][1] == 0.0015
    assert raw.execute("SELECT count(*) FROM results_readable").fetchone() == (0,)
    assert raw.execute("PRAGMA user_version").fetchone() == (schema.NEWEST,)
    raw.close()


def test_an_old_log_that_cannot_be_brought_up_to_date_is_read_as_it_is(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_first_schema(path)

    def refuse(*_: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr("promptctl.log.sqlite.opening.open_for_writing", refuse)
    log = SqliteStore(path)
    assert [each.cost_nano_usd for each in log.executions()] == [1_500_000]
    assert list(log.executions(Filter(feedback="<1"))) == []
    assert list(log.outcomes("tone", ["helpful"])) == []
    assert [row.feedback for row in log.totals(Filter(), ("user",))] == [{}]


KILLED_MIGRATION = """
import os, signal, sys
from pathlib import Path
from promptctl.log.sqlite import schema
from promptctl.log.sqlite.store import SqliteStore
path, number, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
statements = schema._statements
def until_killed(script):
    for place, statement in enumerate(statements(script)):
        if script == schema.migration_sql(number) and place == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement
schema._statements = until_killed
list(SqliteStore(path).executions())
"""


@pytest.mark.parametrize("number", range(2, schema.NEWEST + 1))
def test_a_log_whose_migration_was_killed_is_whole(path: Path, number: int) -> None:
    as_first_schema(path)
    middle = (1 + len(list(schema._statements(schema.migration_sql(number))))) // 2
    command = [sys.executable, "-c", KILLED_MIGRATION, str(path), str(number), str(middle)]
    killed = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)
    assert killed.returncode == -signal.SIGKILL
    raw = connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (number - 1,)
    raw.close()

    with SqliteStore(path) as log:
        assert log.append([Entry(make())]) is None
        found = log.verify()
        assert (found.problems, found.unchained, found.links) == ([], 1, 1)
        assert sum(row.calls for row in log.totals(by=("local_day",))) == 2


def test_no_statement_numbers_its_placeholders() -> None:
    """Python 3.12.0 to 3.12.3 warn of those, which is an error in tests of an application that is strict."""
    sources = Path(schema.__file__).parent.glob("**/*.py")
    assert [path.name for path in sources if re.search(r"\?[0-9]", path.read_text())] == []
