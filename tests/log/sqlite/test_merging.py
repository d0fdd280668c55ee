from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.errors import LogError
from promptctl.log.evidence import Erasure, Note
from promptctl.log.records import Entry
from promptctl.log.redaction import Redactor
from promptctl.log.results import EvaluationRow, ResultRow, Totals
from promptctl.log.retention import Retention
from promptctl.log.sqlite import payloads
from promptctl.log.sqlite.schema import NEWEST, empty_log
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

OLD = "2026-01-01T00:00:00.000Z"
CUT = "2026-03-01T00:00:00.000Z"
NOTE = Note(by="Ada")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """The log of another machine, open there: rows of every kind, a latest call without a row, an evaluation."""
    path = tmp_path / "other" / "log.db"
    with SqliteStore(path) as there:
        there.append(
            [
                Entry(make(prompt="a", reply="whole", started_at=OLD), "full"),
                Entry(make(prompt="a", reply="numbers"), "metadata"),
                Entry(make(prompt="b", reply="no row"), "off"),
            ]
        )
        there.begin_evaluation(EvaluationRow(id="e-1", started_at=OLD, prompt="a", digest="1:x", model="m"))
        there.append([], [ResultRow(evaluation_id="e-1", case_id="c", status="passed", output="graded")])
        yield path


def test_a_merge_adds_what_is_new_once(log: SqliteStore, other: Path) -> None:
    log.append([Entry(make(prompt="a", started_at=OLD), "full")])
    before = {each.name: each.read_bytes() for each in other.parent.iterdir() if each.suffix == ".db"}
    would = log.merge(other, NOTE, is_dry_run=True)
    assert log.events() == []

    merged = log.merge(other, NOTE)
    assert (merged.rows, merged.known, merged.evaluations, merged.results) == (2, 0, 1, 1)
    assert would == merged
    assert before == {name: (other.parent / name).read_bytes() for name in before}
    kept = {each.reply for each in log.executions(with_content=True)}
    assert kept == {"whole", None, '{"label": "billing"}'}
    assert sum(row.calls for row in log.totals()) == 3
    latest = log.latest_call("a"), log.latest_call("b")
    assert [each and each.reply for each in latest] == ["numbers", "no row"]
    assert [each.output for each in log.results("e-1")] == ["graded"]
    (event,) = log.events()
    assert (event.kind, event.by, event.detail["rows"]) == ("merge", "Ada", 2)
    assert event.detail["head"] == SqliteStore(other).verify().head

    again = log.merge(other, NOTE)
    assert (again.rows, again.known, again.evaluations, again.results) == (0, 2, 0, 0)
    assert sum(row.calls for row in log.totals()) == 3
    assert (len(log.events()), log.verify().problems) == (1, [])
    assert sorted(each.suffix for each in log.path.parent.iterdir() if ".new" in each.name) == []


def test_what_has_one_time_keeps_its_order(log: SqliteStore, tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "other" / "log.db") as there:
        there.append([Entry(make(attempt=n, started_at=OLD), "full") for n in (1, 2, 3)])
        for name in ("e-2", "e-1", "e-3"):
            there.begin_evaluation(EvaluationRow(id=name, started_at=OLD, prompt="a", digest="1:x", model="m"))
        log.merge(there.path, NOTE)
        for each in (there, log):
            assert [row.attempt for row in each.executions()] == [3, 2, 1]
            assert [row.id for row in each.evaluations()] == ["e-3", "e-1", "e-2"]


def test_what_was_pruned_or_erased_here_does_not_come_back(log: SqliteStore, other: Path) -> None:
    log.merge(other, NOTE)
    log.prune(Retention(rows_before=CUT))
    log.redact(Erasure(user="ada"), NOTE)

    merged = log.merge(other, NOTE)
    assert (merged.rows, merged.kept_out, merged.known) == (0, 1, 1)
    assert {each.user for each in log.executions()} != {"ada"}
    for prompt in ("a", "b"):
        latest = log.latest_call(prompt)
        assert latest
        assert (latest.reply, latest.user != "ada") == (None, True)
    assert log.verify().problems == []


def test_an_evaluation_that_went_on_there_is_finished_here_by_the_next_merge(log: SqliteStore, other: Path) -> None:
    with SqliteStore(other) as there:
        there.append([], [ResultRow(evaluation_id="e-1", case_id="d", status="error", error_type="Timeout")])
        log.merge(other, NOTE)
        assert (log.evaluations()[0].status, log.merge(other, NOTE).results) == ("running", 0)
        there.append([], [ResultRow(evaluation_id="e-1", case_id="d", status="passed")])
        there.update_evaluation("e-1", status="finished", totals=Totals(cases=2, passed=2))

    merged = log.merge(other, NOTE)
    assert (merged.evaluations, merged.results) == (1, 1)
    assert log.evaluations() == SqliteStore(other).evaluations()
    assert {each.status for each in log.results("e-1")} == {"passed"}
    assert (log.merge(other, NOTE).evaluations, len(log.events())) == (0, 2)


def test_an_evaluation_that_was_deleted_here_does_not_come_back(log: SqliteStore, other: Path) -> None:
    log.merge(other, NOTE)
    log.delete_evaluation("e-1")
    merged = log.merge(other, NOTE)
    assert (merged.evaluations, merged.results, log.evaluations()) == (0, 0, [])


def test_a_merge_reads_the_contents_of_new_rows_alone(
    log: SqliteStore, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.merge(other, NOTE)
    with SqliteStore(other) as there:
        there.append([Entry(make(prompt="a", reply="new"), "full")])
    read: list[bytes] = []

    def load(connection: sqlite3.Connection, digest: bytes | None) -> str | None:
        read.extend([digest] if digest else [])
        return None

    monkeypatch.setattr(payloads, "load", load)
    assert log.merge(other, NOTE).rows == 1
    assert len(read) == 3  # inputs, messages, reply


def test_secrets_of_this_workspace_are_hidden_in_what_comes_in(path: Path, other: Path) -> None:
    with SqliteStore(path, redactor=Redactor(["whole", "graded-secret-text", "numbers-x"])) as log:
        with SqliteStore(other) as there:
            there.append([Entry(make(prompt="s", reply="a graded-secret-text here"), "full")])
        log.merge(other, NOTE)
        latest = log.latest_call("s")
        assert latest
        assert latest.reply == "a [redacted] here"
        assert log.verify().problems == []


def test_a_file_that_cannot_be_merged_is_refused_with_words(log: SqliteStore, other: Path, tmp_path: Path) -> None:
    log.append([Entry(make())])
    SqliteStore(other).close()
    newer = Path(shutil.copy(other, tmp_path / "newer.db"))
    with closing(sqlite3.connect(newer)) as raw:
        raw.execute("PRAGMA user_version = 999")
    text = tmp_path / "text.db"
    text.write_text("no database" * 100)
    empty = tmp_path / "empty.db"
    empty.touch()
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    for file, words in (
        (newer, "newer promptctl"),
        (text, "damaged"),
        (empty, "not a log"),
        (foreign, "not a log"),
        (log.path, "this log itself"),
        (tmp_path / "none.db", "there is no log"),
        (tmp_path, "there is no log"),
    ):
        with pytest.raises(LogError, match=words):
            log.merge(file, NOTE)
    assert (log.events(), len(list(log.executions()))) == ([], 1)


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_a_log_of_any_earlier_program_is_merged(log: SqliteStore, tmp_path: Path, version: int) -> None:
    earlier = tmp_path / "earlier.db"
    earlier.write_bytes(empty_log(version))
    assert log.merge(earlier, NOTE).rows == 0


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE executions SET started_at = '2026-02-31T00:00:00.000Z'", "it began at no time"),
        ("UPDATE executions SET id = id || char(27)", "its id is none of promptctl's"),
        ("UPDATE executions SET arm = '=cmd()'", "its experiment or arm has no name"),
        ("UPDATE executions SET metadata = '[1]'", "no JSON object"),
        ("UPDATE executions SET cost_nano_usd = 9000000000000000000", "a number is none"),
        ("UPDATE payloads SET content = '[1]' WHERE content LIKE '{%'", "a content is of another kind"),
        ("UPDATE payloads SET content = '{'", "a content cannot be read"),
        ("UPDATE evaluations SET started_at = 'never'", "'never' is no time"),
        ("UPDATE evaluations SET totals = 'x'", "is not what promptctl writes"),
        ("UPDATE latest_calls SET execution = '{}'", "is not what promptctl writes"),
        ("ALTER TABLE results ADD COLUMN more TEXT", "tables or triggers that promptctl did not make"),
        ("ALTER TABLE feedback RENAME TO theirs", "tables or triggers that promptctl did not make"),
        (
            "CREATE TRIGGER t DELETE ON executions BEGIN DELETE FROM gone; END",
            "tables or triggers that promptctl did not make",
        ),
    ],
)
def test_what_no_promptctl_wrote_is_refused_before_anything_is_taken(
    log: SqliteStore, other: Path, sql: str, words: str
) -> None:
    log.append([Entry(make())])
    with closing(sqlite3.connect(other)) as raw:
        raw.execute("UPDATE maintenance SET is_open = 1")
        for (view,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
            raw.execute(f"DROP VIEW {view}")  # SQLite would rename the table in it
        raw.execute(sql)
        raw.execute("UPDATE maintenance SET is_open = 0")
        raw.commit()
    with pytest.raises(LogError, match="nothing was merged") as refused:
        log.merge(other, NOTE)
    assert words in refused.value.message
    assert str(other) in refused.value.message
    assert (log.events(), len(list(log.executions())), log.evaluations()) == ([], 1, [])
