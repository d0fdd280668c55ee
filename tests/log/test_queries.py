from __future__ import annotations

from typing import Any

import pytest

from promptctl.errors import LogError, UsageError
from promptctl.log.filter import Filter
from promptctl.log.records import Entry
from promptctl.log.sqlite.queries import select_executions as select
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make


def at(hour: int) -> str:
    return f"2026-05-03T{hour:02}:00:00.000Z"


def plan(log: SqliteStore, wanted: Filter) -> str:
    with log.database.reading() as connection:
        sql, parameters = select(wanted)
        return " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


def found(log: SqliteStore, **wanted: Any) -> list[str | None]:
    return [each.case_id for each in log.executions(Filter(**wanted))]


@pytest.fixture
def filled(log: SqliteStore) -> SqliteStore:
    log.append(
        [
            Entry(make(case_id="a", started_at=at(1), prompt="support/triage", user="ada")),
            Entry(make(case_id="b", started_at=at(2), prompt="support/reply", status="error", session="s-2")),
            Entry(make(case_id="c", started_at=at(3), prompt="chat", version=2, label=None, model="local/llama")),
            Entry(
                make(case_id="d", started_at=at(4), prompt="chat", version=2, is_dirty=True, source="api", user="bo")
            ),
            Entry(make(case_id="e", started_at=at(5), prompt="old/chat", source="eval", evaluation_id="e-1")),
        ]
    )
    return log


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, "edcba"),
        ({"limit": 2}, "ed"),
        ({"prompt": "chat"}, "dc"),
        ({"prompt": "support/*"}, "ba"),
        ({"prompt": "*a[!x]*"}, "edca"),
        ({"prompt": "chat", "renames": {"old/chat": "chat"}}, "edc"),
        ({"prompt": "ch?t", "renames": {"old/chat": "older", "older": "chat"}}, "edc"),
        ({"prompt": "nothing"}, ""),
        ({"version": 2}, "c"),
        ({"label": "production"}, "edba"),
        ({"status": "error"}, "b"),
        ({"status": "ok", "limit": 1}, "e"),
        ({"since": at(2), "until": at(4)}, "cb"),
        ({"user": "ada", "session": "s-1"}, "eca"),
        ({"session": "s-2"}, "b"),
        ({"source": "api"}, "d"),
        ({"model": "local/*"}, "c"),
        ({"evaluation_id": "e-1"}, "e"),
    ],
)
def test_a_filter_finds_what_it_says_newest_first(filled: SqliteStore, wanted: dict[str, Any], ids: str) -> None:
    assert found(filled, **wanted) == list(ids)


def test_the_attempts_of_one_call_are_found_together(log: SqliteStore) -> None:
    first = make(case_id="1", status="error")
    log.append([Entry(first), Entry(make(case_id="2", call_id=first.call_id, attempt=2)), Entry(make(case_id="3"))])

    assert found(log, call_id=first.call_id) == ["2", "1"]


def test_a_version_never_means_uncommitted_changes(filled: SqliteStore) -> None:
    assert found(filled, prompt="chat", version=2) == ["c"]


def test_contents_are_read_only_when_asked_for(log: SqliteStore) -> None:
    log.append([Entry(make(), "full")])

    [without] = log.executions()
    [whole] = log.executions(with_content=True)

    assert (without.messages, without.kept_content) == (None, "full")
    assert whole.messages == [{"role": "user", "content": "I was charged twice."}]


def test_a_stream_that_is_not_read_to_its_end_can_be_left(
    filled: SqliteStore, recwarn: pytest.WarningsRecorder
) -> None:
    next(filled.executions())
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(limit=20),
        Filter(since=at(2)),
        Filter(prompt="chat"),
        Filter(prompt="chat", since=at(2)),
        Filter(status="error"),
        Filter(user="ada"),
        Filter(session="s-1"),
        Filter(evaluation_id="e-1"),
    ],
)
def test_each_usual_filter_walks_an_index_and_sorts_nothing(filled: SqliteStore, wanted: Filter) -> None:
    steps = plan(filled, wanted)

    assert "USING INDEX" in steps
    assert "TEMP B-TREE" not in steps


def test_the_attempts_of_a_call_are_looked_up(filled: SqliteStore) -> None:
    assert "USING INDEX executions_by_call" in plan(filled, Filter(call_id="x"))


def test_an_execution_is_found_by_its_id_its_beginning_or_its_end(log: SqliteStore) -> None:
    written = make(id="0197e5c2-91ab-7cde-8f01-23456789abcd")
    log.append([Entry(written, "full"), Entry(make(id="0198ffff-0000-7000-8000-000000000000"))])

    for wanted in (written.id, "0197", "0197e5c2-91ab", "abcd", "23456789abcd", " 6789abcd\n"):
        assert log.execution(wanted).id == written.id


def test_an_ambiguous_id_names_those_it_could_be(log: SqliteStore) -> None:
    log.append([Entry(make(id=f"0197e5c2-91ab-7cde-8f01-00000000{n}bcd")) for n in (1, 2)])

    with pytest.raises(LogError, match="several executions match '0197': 0197e5c2-91ab-7cde-8f01-000000001bcd, 0197"):
        log.execution("0197")


def test_an_unknown_or_too_short_id_says_what_to_do(log: SqliteStore) -> None:
    with pytest.raises(LogError, match="no execution 'abcdef'") as unknown:
        log.execution("abcdef")
    with pytest.raises(UsageError, match="too short") as short:
        log.execution("abc")

    assert "promptctl log list" in str(unknown.value.hint)
    assert "4 characters" in str(short.value.hint)


def test_an_id_is_text_and_never_a_pattern(filled: SqliteStore) -> None:
    for wanted in ("%%%%", "____", "' OR 1=1 --", "*****"):
        with pytest.raises(LogError, match="no execution"):
            filled.execution(wanted)


def test_the_latest_call_of_a_renamed_prompt_is_the_latest_under_any_of_its_names(log: SqliteStore) -> None:
    log.append([Entry(make(prompt="old", started_at=at(2), reply="later"))])
    log.append([Entry(make(prompt="new", started_at=at(1), reply="earlier"))])

    latest = log.latest_call("new", formerly=("old", "older"))

    assert latest
    assert latest.reply == "later"
    assert log.latest_call("other") is None


def test_a_record_read_back_is_a_dict_of_the_same_keys_as_a_fresh_one(log: SqliteStore) -> None:
    fresh = make()
    log.append([Entry(fresh, "full")])

    stored = log.execution(fresh.id).as_dict()

    assert stored == {**fresh.as_dict(), "content": "full"}
