from __future__ import annotations

import random
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from promptctl.log.filter import Filter
from promptctl.log.records import CostCorrection, Entry
from promptctl.log.retention import Retention
from promptctl.log.search import parse_query
from promptctl.log.sqlite import corrections, search_index
from promptctl.log.sqlite.store import SqliteStore
from tests.log.conftest import make

CUT = "2026-03-01T00:00:00.000Z"
OLD = "2026-01-01T00:00:00.000Z"


def replies(log: SqliteStore, text: str, wanted: Filter | None = None, *, is_scan: bool = False) -> list[str | None]:
    found = log.search(parse_query(text), wanted, is_scan=is_scan)
    assert (found.no_index is None) is not is_scan
    return [each.reply for each in found.executions]


def say(log: SqliteStore, *texts: str, started_at: str = OLD) -> None:
    log.append([Entry(make(started_at=started_at, reply=text, inputs=None, messages=None), "full") for text in texts])


@pytest.fixture
def index(path: Path) -> Path:
    return path.with_name("search.db")


def test_the_index_and_a_scan_find_the_same(log: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index, "_ROWS", 7)
    dice = random.Random(3)
    words = ["Bill", "billing", "naïve", "NAIVE", "東京", "⑴", "a_b", "x-y", "§", "it's", "refund", "ﬁn", "İ", "ǅ"]
    for day in (3, 1, 2):  # a log that was merged is not in the order of time
        for number in range(20):
            text = dice.choice([" ", ", ", "\n"]).join(dice.choices(words, k=6))
            moment = f"2026-05-0{day}T00:00:00.{number % 4:03}Z"
            content = dict.fromkeys(dice.sample(["reply", "inputs", "messages"], 2))
            execution = make(
                started_at=moment, prompt=dice.choice("ab"), **{"reply": text, **content, "messages": None}
            )
            log.append([Entry(execution, dice.choice(["full", "full", "metadata"]))])
        replies(log, "bill")
    queries = [
        "bill",
        "bill*",
        '"bill billing"',
        "naive refund",
        "東",
        "京東",
        "1",
        '"a b x"',
        "it",
        "fin i",
        "dž",
        "zz",
    ]
    for text in queries:
        for wanted in (Filter(), Filter(prompt="a", limit=3), Filter(since="2026-05-02T00:00:00.001Z", limit=50)):
            query = parse_query(text)
            found, scanned = log.search(query, wanted), log.search(query, wanted, is_scan=True)
            assert [each.id for each in found.executions] == [each.id for each in scanned.executions], (text, wanted)
            assert found.executions == scanned.executions
    assert replies(log, "bill"), "the queries find something"


def test_what_is_new_is_found_and_only_its_owner_reads_the_index(log: SqliteStore, index: Path) -> None:
    say(log, "first words")
    assert replies(log, "words") == ["first words"]
    say(log, "more words", started_at=CUT)
    assert replies(log, "words") == ["more words", "first words"]
    assert stat.S_IMODE(index.stat().st_mode) == 0o600


def test_what_was_pruned_is_gone_from_the_index_too(log: SqliteStore, index: Path) -> None:
    say(log, "canaryword of old")
    say(log, "of today", started_at=CUT)
    assert replies(log, "of") == ["of today", "canaryword of old"]
    assert b"canaryword" in index.read_bytes()
    log.prune(Retention(content_before=CUT), is_dry_run=True)
    assert replies(log, "canaryword") == ["canaryword of old"]
    log.prune(Retention(content_before=CUT))
    assert b"canaryword" not in b"".join(each.read_bytes() for each in index.parent.glob("search.db*"))
    assert replies(log, "of") == ["of today"]


def test_an_index_of_what_others_deleted_is_made_anew(log: SqliteStore, path: Path, index: Path) -> None:
    say(log, "canaryword", "kept")
    replies(log, "kept")
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("UPDATE maintenance SET is_open = 1")
        raw.execute("UPDATE executions SET content = 'pruned', reply_hash = NULL WHERE rowid = 1")
        raw.execute("DELETE FROM payloads WHERE content = 'canaryword'")
    raw.close()
    assert replies(log, "kept") == ["kept"]
    assert b"canaryword" not in index.read_bytes()


def test_a_damaged_index_is_made_anew(log: SqliteStore, index: Path) -> None:
    say(log, "some words")
    replies(log, "words")
    index.write_bytes(b"no database " * 400)
    assert replies(log, "words") == ["some words"]
    index.write_bytes(b"no database " * 400)
    log.prune(Retention(content_before=CUT))
    assert not index.exists()


@pytest.mark.parametrize("why", ["no such module", "unable to open"])
def test_without_an_index_the_contents_are_read(
    log: SqliteStore, index: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    say(log, "some words", "more words")
    if why == "no such module":
        create, *others = search_index._TABLES
        monkeypatch.setattr(search_index, "_TABLES", (create.replace("fts5", "fts0"), *others))
    else:
        index.mkdir()
    found = log.search(parse_query("more words"))
    assert [each.reply for each in found.executions] == ["more words"]
    assert why in str(found.no_index)


def test_a_log_that_is_not_there_has_no_index(log: SqliteStore, index: Path) -> None:
    assert log.search(parse_query("word")).executions == ()
    assert not index.exists()


def test_what_is_found_has_the_cost_that_holds(log: SqliteStore) -> None:
    say(log, "some words")
    (found,) = log.executions()
    correction = CostCorrection(CUT, found.cost_nano_usd, 5, "corrected")
    log.database.write(lambda connection: corrections.write(connection, {found.id: correction}))
    assert [each.cost_nano_usd for each in log.search(parse_query("words")).executions] == [5]


def test_a_bounded_search_adds_some_calls_to_the_index_and_says_how_far_it_is(
    log: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "_ROWS", 4)
    say(log, *(f"sorry {number}" for number in range(10)))
    told = []
    for _ in range(4):
        found = log.search(parse_query("sorry"), Filter(limit=20), is_bounded=True)
        told.append((len(found.executions), found.indexed))
    assert told == [(4, 0.4), (8, 0.8), (10, 1.0), (10, 1.0)]
    newest = log.search(parse_query("sorry"), Filter(limit=2), is_bounded=True).executions
    rest = log.search(parse_query("sorry"), Filter(before=newest[-1].id), is_bounded=True).executions
    assert [each.reply for each in (*newest, *rest)] == [f"sorry {number}" for number in reversed(range(10))]
