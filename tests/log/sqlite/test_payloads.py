from __future__ import annotations

import random
import sqlite3
import string

import pytest

from promptctl.log.records import Entry
from promptctl.log.sqlite.payloads import load
from promptctl.log.sqlite.store import SqliteStore
from promptctl.log.stamps import new_id
from tests.log.conftest import make


def stored(log: SqliteStore) -> list[tuple[int, str]]:
    with log.database.reading() as connection:
        return connection.execute("SELECT bytes, typeof(content) FROM payloads ORDER BY bytes").fetchall()


def test_equal_contents_are_stored_once(log: SqliteStore) -> None:
    log.append([Entry(make(), "full") for _ in range(5)])
    log.append([Entry(make(), "full")])

    assert len(stored(log)) == 3


def test_small_contents_are_plain_text_and_large_ones_are_compressed(log: SqliteStore) -> None:
    long = "All work and no play. " * 2_000
    noise = "".join(random.Random(1).choices(string.digits + string.ascii_letters + string.punctuation[:-4], k=45_000))
    execution_id = new_id()
    log.append([Entry(make(id=execution_id, reply=long, inputs={"n": noise}, messages=[]), "full")])

    assert [kind for _, kind in stored(log)] == ["text", "blob", "text"]
    read_back = log.execution(execution_id)
    assert (read_back.reply, read_back.inputs) == (long, {"n": noise})


def test_a_hash_that_is_not_there_loads_as_none(log: SqliteStore) -> None:
    log.append([])
    with log.database.reading() as connection:
        assert load(connection, b"never stored") is None
        assert load(connection, None) is None


def test_a_row_without_content_has_no_hash_to_guess_it_from(log: SqliteStore) -> None:
    log.append([Entry(make(), "metadata")])
    with log.database.reading() as connection:
        row = connection.execute("SELECT inputs_hash, messages_hash, reply_hash FROM executions").fetchone()

    assert row == (None, None, None)
    assert stored(log) == []


def test_contents_that_rows_refer_to_are_not_replaced(log: SqliteStore) -> None:
    log.append([Entry(make(reply="kept"), "full")])
    log.append([Entry(make(reply="kept"), "full")])

    with log.database.reading() as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM payloads")
