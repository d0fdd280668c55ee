"""The hash chain of rows and events: what maintenance does to rows goes on record, and the chain still holds.

A link is SHA-256 of the link before it and of the hash of its record, an execution or an event. The hash of a record is
that of a random salt and its columns. As long as the record is as it was written, it has that salt as its `seal`, and
anybody can compute the hash again. Before a record is changed or deleted, the hash takes the place of the salt: the
links go on to hold, and nothing can be guessed from a hash whose salt is gone. `changes` has what became of the record
in each event, its new hash or none, and the event has the hash of its changes. Links of deleted rows are in `gone`.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from promptctl.log.encoding import to_json, well_formed
from promptctl.log.evidence import Event, EventKind, Note
from promptctl.log.sqlite.batch import HASHED, NO_LINK, SALT_BYTES, last_link, next_link, record_hash
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.filters import Condition
from promptctl.log.sqlite.schema import SUM_COLUMNS, adding
from promptctl.log.sqlite.sums import STATS_KEY_OF_ROW, sums_of_rows
from promptctl.log.stamps import new_id, utc_now

COLUMNS = ", ".join(f"e.{name}" for name in HASHED)
EVENT_COLUMNS = ("id", "at", "kind", "by", "reason", "detail", "changes_hash")
_INSERT_EVENT = f"""
INSERT INTO events ({", ".join(EVENT_COLUMNS)}, number, link, seal)
VALUES ({", ".join("?" * (len(EVENT_COLUMNS) + 3))})
"""  # noqa: S608 - made of our own names
_RELEASED = "CREATE TEMP TABLE IF NOT EXISTS released (number INTEGER PRIMARY KEY, id TEXT, link BLOB, hash BLOB)"


def release(connection: sqlite3.Connection, condition: Condition) -> None:
    """Get the executions that a condition means ready to be changed or deleted: their hashes take their salts' place.

    `add_event` then says what became of them.
    """
    where, parameters = condition
    connection.execute(_RELEASED)
    found = connection.execute(
        f"SELECT e.number, e.link, e.seal, {COLUMNS} FROM executions AS e {where} AND e.number IS NOT NULL",  # noqa: S608
        parameters,
    )
    records = (
        (number, values[0], link, record_hash(seal, values) if len(seal) == SALT_BYTES else seal)
        for number, link, seal, *values in found
    )
    connection.executemany("INSERT OR IGNORE INTO temp.released VALUES (?, ?, ?, ?)", records)
    connection.execute("UPDATE executions SET seal = r.hash FROM temp.released AS r WHERE r.id = executions.id")
    connection.execute("UPDATE changes SET salt = NULL WHERE number IN (SELECT number FROM temp.released)")


def add_event(connection: sqlite3.Connection, kind: EventKind, note: Note | None, detail: Mapping[str, Any]) -> None:
    """Put an event on record, with what became of the executions released before it."""
    note = note or Note()
    connection.execute(_RELEASED)
    last = connection.execute("SELECT number, link FROM temp.released ORDER BY number DESC LIMIT 1").fetchone()
    number, link = max(last_link(connection), last or (0, NO_LINK))  # the newest row may be deleted
    changes_hash = _add_changes(connection, number + 1)
    reason = None if note.reason is None else well_formed(note.reason)
    event = (new_id(), utc_now(), kind, well_formed(note.actor), reason, to_json(detail), changes_hash)
    salt = os.urandom(SALT_BYTES)
    connection.execute(_INSERT_EVENT, (*event, number + 1, next_link(link, event_hash(salt, event)), salt))


def event_hash(salt: bytes, values: Iterable[Any]) -> bytes:
    """Return the hash of a row of `EVENT_COLUMNS`."""
    texts = [value.hex() if isinstance(value, bytes) else value for value in values]
    text = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(salt + text.encode("utf-8", "surrogatepass")).digest()


def change_bytes(number: int, digest: bytes | None) -> bytes:
    """Return what a change adds to the hash of its event's changes."""
    return number.to_bytes(8, "big") + (digest or b"")


def events(connection: sqlite3.Connection) -> list[Event]:
    """Return every event, oldest first."""
    found = connection.execute("SELECT id, at, kind, by, reason, detail FROM events ORDER BY number")
    return [
        Event(id=id_, at=at, kind=kind, by=by, reason=reason, detail=json.loads(detail))
        for id_, at, kind, by, reason, detail in found
    ]


def unlist(connection: sqlite3.Connection, condition: Condition) -> None:
    """Count the executions that a condition means among those without a row, before they are deleted.

    Those that no link would remember are put down, so that they stay out when a log that has them is merged.
    """
    where, parameters = condition
    unchained = f"FROM executions {where} AND number IS NULL"
    connection.execute(f"INSERT OR IGNORE INTO kept_out SELECT id {unchained}", parameters)
    first = "(SELECT rowid FROM executions WHERE number IS NOT NULL ORDER BY rowid LIMIT 1)"
    earlier = f"(SELECT count(*) {unchained} AND ifnull(rowid < {first}, 1))"
    connection.execute(f"UPDATE maintenance SET unchained = unchained - {earlier}", parameters)  # noqa: S608
    source = rows(connection)
    names = ", ".join(SUM_COLUMNS)
    sums = ", ".join(f"{sql} AS {name}" for name, sql in sums_of_rows(SUM_COLUMNS, source).items())
    connection.execute(
        f"INSERT INTO unlisted (stats_id, {names}) SELECT s.id, {', '.join(f'r.{name}' for name in SUM_COLUMNS)} "  # noqa: S608
        f"FROM (SELECT {STATS_KEY_OF_ROW}, {sums} FROM {source.table} {where} GROUP BY 1, 2, 3, 4) AS r "
        "JOIN prompt_stats AS s ON "
        "(s.prompt, s.digest, ifnull(s.version, 0), s.source) = (r.prompt, r.digest, r.version_or_0, r.source) "
        f"WHERE true ON CONFLICT (stats_id) DO UPDATE SET {adding(SUM_COLUMNS)}",
        parameters,
    )


def _add_changes(connection: sqlite3.Connection, event: int) -> bytes | None:
    """Add what became of the released executions; return the hash of it all, None if none was released."""
    whole = hashlib.sha256()
    changes, gone = [], []
    for number, id_, link, digest, *values in connection.execute(
        f"SELECT r.*, {COLUMNS} FROM temp.released AS r LEFT JOIN executions AS e ON e.id = r.id ORDER BY r.number"  # noqa: S608
    ):
        salt = after = None
        if values[0] is None:
            gone.append((number, id_, link, digest))
        else:
            salt = os.urandom(SALT_BYTES)
            after = record_hash(salt, values)
        changes.append((number, event, after, salt))
        whole.update(change_bytes(number, after))
    connection.execute("DROP TABLE temp.released")
    connection.executemany("INSERT INTO gone (number, id, link, hash) VALUES (?, ?, ?, ?)", gone)
    connection.executemany("INSERT INTO changes (number, event, hash, salt) VALUES (?, ?, ?, ?)", changes)
    return whole.digest() if changes else None
