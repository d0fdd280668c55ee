from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptctl.log.evidence import Note, Verification
from promptctl.log.records import Entry
from promptctl.log.results import ResultRow
from promptctl.log.retention import Retention
from promptctl.log.sqlite import opening, schema, verifying, verifying_totals
from promptctl.log.sqlite.corrections import Rows, rows
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make, make_some

OLD = "2026-01-01T00:00:00.000Z"
CUT = "2026-03-01T00:00:00.000Z"
NEW = "2026-05-01T00:00:00.000Z"


def tampered(path: Path, *statements: str) -> SqliteStore:
    """Change the file as somebody does who can write it, whatever the triggers say."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)
    return SqliteStore(path)


def problems(found: Verification) -> list[tuple[str, str | None]]:
    return [(each.kind, each.subject) for each in found.problems]


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    """Rows of every kind, some of them kept whole, some without a row, and a result."""
    kinds = ("full", "metadata", "off")
    entries = [Entry(each, kinds[number % 3]) for number, each in enumerate(make_some(30))]  # type: ignore[arg-type]
    log.append(entries[:1])
    log.append(entries[1:], [ResultRow(evaluation_id="e", case_id="c", status="passed", output="graded")])
    return log


def ids(log: SqliteStore) -> list[str]:
    with log.database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT id FROM executions ORDER BY rowid")]


def test_a_log_as_it_was_written_is_sound_and_has_a_head(filled: SqliteStore) -> None:
    found = filled.verify()

    assert (found.problems, found.rows, found.links) == ([], 20, 20)
    assert found.head is not None
    filled.append([Entry(make())])
    later = filled.verify(found.head)
    assert (later.is_sound, later.expected_link, later.links) == (True, 20, 21)
    assert later.head != found.head


def test_an_empty_log_is_sound(log: SqliteStore) -> None:
    assert (log.verify().is_sound, log.verify().head) == (True, None)


@pytest.mark.parametrize(
    "odd",
    [
        {"label": 5, "case_id": 7.5, "repeat": True},
        {"latency_ms": 3, "first_token_ms": 0, "input_tokens": 7.0, "is_dirty": 1},
        {"error_message": "a\0b \ud800 \x1f", "label": "ü\u2028", "reply": "x" * 20_000},
        {"latency_ms": 1e-320, "call_metadata": {"a": float("nan")}},
    ],
)
def test_what_sqlite_stores_in_a_different_form_is_hashed_as_stored(log: SqliteStore, odd: dict[str, Any]) -> None:
    assert log.append([Entry(make(**odd), "full")]) is None
    assert log.verify().problems == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE executions SET cost_nano_usd = 1 WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET user = 'bob' WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET latency_ms = latency_ms + 1e-9 WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET error_message = CAST(x'ff' AS TEXT) WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET reply_hash = x'00' WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET seal = zeroblob(16) WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET seal = zeroblob(32) WHERE id = '{0}'", "changed"),
        ("UPDATE executions SET link = zeroblob(32) WHERE id = '{0}'", "chain"),
        ("UPDATE executions SET link = NULL, number = NULL, seal = NULL WHERE id = '{0}'", "unchained"),
    ],
)
def test_a_row_that_was_changed_by_hand_is_named(filled: SqliteStore, path: Path, change: str, kind: str) -> None:
    filled.append([Entry(make(latency_ms=1.0), "full"), Entry(make(), "full")])
    meant = ids(filled)[-2]
    filled.close()

    found = problems(tampered(path, change.format(meant)).verify())
    assert (kind, meant) in found
    assert {subject for of, subject in found if of in ("changed", "chain", "unchained")} == {meant}


def test_rows_that_were_deleted_by_hand_are_a_gap(filled: SqliteStore, path: Path) -> None:
    head = filled.verify().head
    gone = ids(filled)[4:6]
    filled.close()

    found = tampered(path, f"DELETE FROM executions WHERE id IN ('{gone[0]}', '{gone[1]}')").verify()
    assert (
        "rows 5 to 6 of the chain are gone" in next(each for each in found.problems if each.kind == "missing").message
    )
    assert {kind for kind, _ in problems(found)} >= {"missing", "totals"}

    shorter = tampered(path, "DELETE FROM executions WHERE number > 10").verify(head)
    assert ("head", head) in problems(shorter)


def test_a_row_that_was_put_in_by_hand_has_a_number_that_is_taken(filled: SqliteStore, path: Path) -> None:
    filled.close()
    found = tampered(path, "INSERT INTO gone VALUES (4, 'other', zeroblob(32), zeroblob(32))").verify()
    assert any(
        each.kind == "chain" and "has a number of the chain that is taken" in each.message for each in found.problems
    )


def test_contents_and_totals_that_were_changed_are_named(filled: SqliteStore, path: Path) -> None:
    full = ids(filled)[0]
    filled.close()
    found = tampered(
        path,
        "UPDATE payloads SET content = content || '!' "
        f"WHERE hash = (SELECT reply_hash FROM executions WHERE id = '{full}')",
        "UPDATE prompt_stats SET cost_nano_usd = cost_nano_usd + 1 WHERE id = 1",
        "INSERT INTO payloads VALUES (x'00', 1, 'x')",
    ).verify()
    assert {kind for kind, _ in problems(found)} == {"content", "orphan", "totals"}
    assert any(full in each.message and "reply" in each.message for each in found.problems if each.kind == "content")


def test_one_changed_byte_of_the_file_is_named(filled: SqliteStore, path: Path) -> None:
    filled.append([Entry(make(user="canary-user", prompt="z"), "metadata")])
    last = ids(filled)[-1]
    filled.close()
    data = path.read_bytes()
    assert data.count(b"canary-user") >= 2  # the row, and an index
    at = data.rindex(b"canary-user")
    for place in (data.index(b"canary-user"), at):
        path.write_bytes(data[:place] + b"k" + data[place + 1 :])
        assert last in {subject for _, subject in problems(SqliteStore(path).verify())}


def test_pruning_is_on_record_and_the_chain_goes_on(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make(started_at=each, reply=each), "full") for each in (OLD, NEW, OLD, NEW)])
    head = log.verify().head
    log.prune(Retention(content_before=CUT), note=Note(by="Ada", reason="policy"))
    log.append([Entry(make(started_at=NEW), "full")])
    log.prune(Retention(rows_before=CUT))
    log.append([Entry(make(started_at=NEW), "metadata")])

    found = log.verify(head)
    assert (found.problems, found.rows, found.links, found.expected_link) == ([], 4, 8, 4)
    first, second = found.events
    assert (first.kind, first.by, first.reason, first.detail["contents"]) == ("prune", "Ada", "policy", 2)
    assert (second.by != "", second.detail["rows"]) == (True, 2)
    everything = Retention(rows_before="2027-01-01T00:00:00.000Z")
    log.prune(everything)
    assert (log.verify(head).problems, log.verify().rows) == ([], 0)
    assert log.prune(everything).rows == 0
    assert len(log.events()) == 3


def test_a_dry_run_of_pruning_is_no_event(log: SqliteStore) -> None:
    log.append([Entry(make(started_at=OLD), "full")])
    log.prune(Retention(content_before=CUT, rows_before=CUT), is_dry_run=True)
    assert (log.events(), log.verify().problems) == ([], [])


def test_what_an_event_left_cannot_be_changed_either(log: SqliteStore, path: Path) -> None:
    log.append([Entry(make(started_at=each, reply=each), "full") for each in (OLD, OLD, NEW)])
    log.prune(Retention(content_before=CUT), note=Note(by="Ada"))
    first, second, _ = ids(log)
    log.close()

    found = tampered(
        path,
        f"UPDATE executions SET model = 'x/y' WHERE id = '{first}'",
        f"DELETE FROM executions WHERE id = '{second}'",
        "UPDATE events SET by = 'Bob'",
    ).verify()
    assert {(kind, subject) for kind, subject in problems(found)} >= {("changed", first)}
    assert {kind for kind, _ in problems(found)} >= {"changed", "missing", "event"}
    assert ("event", found.events[0].id) in problems(tampered(path, "UPDATE changes SET hash = zeroblob(32)").verify())


def test_the_chain_and_its_events_can_only_be_added_to(filled: SqliteStore, path: Path) -> None:
    filled.prune(Retention(rows_before="2027-01-01T00:00:00.000Z"))
    filled.close()
    with closing(sqlite3.connect(path)) as raw:
        for statement in (
            "UPDATE events SET by = 'x'", "DELETE FROM events", "DELETE FROM gone", "UPDATE gone SET id = 'x'",
            "DELETE FROM changes", "UPDATE changes SET hash = NULL",
        ):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)


def test_a_log_from_before_the_chain_is_chained_from_then_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, as_of: Callable[[int], None]
) -> None:
    as_of(4)
    with SqliteStore(path) as log:
        assert log.append([Entry(make(), "full"), Entry(make(started_at=OLD)), Entry(make(), "off")]) is None
        found = log.verify()
        assert (found.problems, found.unchained, found.links, found.rows) == ([], 2, 2, 4)
        log.prune(Retention(rows_before=CUT))
        assert log.verify().problems == []
    assert ("unchained", None) in problems(tampered(path, "DELETE FROM executions WHERE number IS NULL").verify())


def test_an_old_log_that_cannot_be_written_is_verified_and_backed_up_as_it_is(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_of: Callable[[int], None]
) -> None:
    def refuse(path: Path, timeout_s: float) -> None:
        raise PermissionError(path)

    as_of(2)
    monkeypatch.setattr(opening, "open_for_writing", refuse)
    log = SqliteStore(path)
    found = log.verify()
    assert (found.problems, found.rows, found.unchained, found.contents, found.events) == ([], 2, 2, 3, [])
    log.back_up(tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM executions").fetchone() == (2,)
        assert copy.execute("PRAGMA user_version").fetchone() == (2,)

    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE payloads SET content = content || '!'")
        raw.commit()
    assert {kind for kind, _ in problems(log.verify())} == {"content"}


def test_rows_of_before_the_chain_that_were_pruned_stay_out_of_a_merge(
    path: Path, tmp_path: Path, as_of: Callable[[int], None]
) -> None:
    as_of(4)
    with SqliteStore(path) as log:
        log.append([Entry(make())])
        log.back_up(tmp_path / "copy.db")
        log.prune(Retention(rows_before="2027-01-01T00:00:00.000Z"))
        merged = log.merge(tmp_path / "copy.db", Note())
        assert (merged.rows, merged.kept_out) == (0, 3)
        assert (sum(each.calls for each in log.totals()), log.verify().problems) == (4, [])


def test_a_row_without_a_link_does_not_break_the_chain(log: SqliteStore, path: Path) -> None:
    """As a program of an earlier version adds one that still runs; totals count it."""
    log.append([Entry(make()), Entry(make(started_at=OLD))])
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE maintenance SET is_open = 1")
        raw.execute("UPDATE executions SET number = NULL, link = NULL, seal = NULL WHERE number = 2")
        raw.execute("UPDATE maintenance SET is_open = 0")
        raw.commit()
    late = ids(log)[1]
    log.append([Entry(make(latency_ms=1.0))])
    log.append([Entry(make())])

    found = log.verify()
    assert (problems(found), found.links, found.unchained) == ([("unchained", late)], 3, 0)
    assert "a promptctl from before the chain" in found.problems[0].message
    changed = tampered(path, "UPDATE executions SET latency_ms = 2.0 WHERE number = 2").verify()
    assert [kind for kind, _ in problems(changed)].count("changed") == 1
    log.prune(Retention(rows_before=CUT))
    assert ("unchained", late) not in problems(log.verify())


def test_verify_is_as_of_one_moment_while_others_write(filled: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def write_meanwhile(connection: sqlite3.Connection) -> Rows:
        filled.append([Entry(make()), Entry(make(), "off")])
        seen.extend(connection.execute("SELECT count(*) FROM executions").fetchone())
        return rows(connection)

    monkeypatch.setattr(verifying_totals, "rows", write_meanwhile)
    assert (filled.verify().problems, seen) == ([], [20])


@pytest.fixture
def as_of(path: Path) -> Callable[[int], None]:
    """Make a log of an earlier schema with two rows, one of them old, and a call without a row."""

    def write(number: int) -> None:
        path.parent.mkdir(mode=0o700)
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            for each in range(1, number + 1):
                raw.executescript(schema.migration_sql(each))
            raw.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            raw.execute(f"PRAGMA user_version = {number}")
            with SqliteStore(path.with_name("now.db")) as now:
                now.append([Entry(make(), "full"), Entry(make(started_at=OLD), "full"), Entry(make(), "off")])
            raw.execute("ATTACH ? AS now", (str(path.with_name("now.db")),))
            tables = raw.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'maintenance'")
            for (table,) in tables.fetchall():
                columns = ", ".join(row[1] for row in raw.execute(f"PRAGMA main.table_info({table})"))
                raw.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM now.{table}")
            raw.execute("DETACH now")
        path.with_name("now.db").unlink()

    return write


def test_who_interrupts_a_verification_waits_for_no_check(log: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT count(*) FROM n"
    monkeypatch.setattr(verifying_totals, "_wrong_totals", lambda connection: connection.execute(endless).fetchall())

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verifying._Checked, "check_chain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.verify()
