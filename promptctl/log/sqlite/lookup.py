"""Finds a row by an id that a person typed."""

from __future__ import annotations

import sqlite3
from typing import Any

from promptctl.errors import LogError, UsageError
from promptctl.files.names import did_you_mean
from promptctl.files.wording import check_text

_SHORTEST = 4
_MOST_SHOWN = 5
_MOST_COMPARED = 2000
_AFTER_ALL = "\U0010ffff"  # sorts after whatever follows in an id


def row_by_id(connection: sqlite3.Connection, select: str, wanted: str, noun: str, command: str) -> tuple[Any, ...]:
    """Return the row whose id is `wanted`, or the only one whose id begins or, if none does, ends with it.

    `command` lists the ids. Raises `UsageError` for fewer than 4 characters and `LogError` if none or several match.
    """
    check_text("an id", wanted)
    text = wanted.strip()
    if len(text) < _SHORTEST:
        raise UsageError(f"`{wanted}` is too short for an id", hint=f"give at least {_SHORTEST} characters")
    ids = f"SELECT id FROM {noun}s WHERE"  # noqa: S608 - made of our own words
    beginning = connection.execute(f"{ids} id >= ? AND id < ? LIMIT ?", (text, text + _AFTER_ALL, _MOST_SHOWN))
    found = beginning.fetchall()
    if not found:
        found = connection.execute(f"{ids} substr(id, ?) = ? LIMIT ?", (-len(text), text, _MOST_SHOWN)).fetchall()
    if len(found) > 1:
        shown = ", ".join(id_ for (id_,) in found)
        raise LogError(f"several {noun}s match `{wanted}`: {shown}", hint="give more of the id")
    if not found:
        hint = _nearest(connection, ids, text) or f"see the ids with: {command}"
        raise LogError(f"no {noun} `{wanted}` in the log", hint=hint)
    row: tuple[Any, ...] = connection.execute(f"{select} WHERE id = ?", found[0]).fetchone()
    return row


def _nearest(connection: sqlite3.Connection, ids: str, text: str) -> str:
    """Return the question that names beginnings or ends of ids with one character different; empty if there are none.

    One of its halves is then as it was typed, which leaves few ids to compare.
    """
    size, half = len(text), len(text) // 2
    first, second = text[:half], text[half:]
    halves = f"{ids} substr(id, 1, ?) = ? OR substr(id, ?, ?) = ? OR substr(id, ?, ?) = ? OR substr(id, ?) = ?"
    similar = connection.execute(
        f"{halves} ORDER BY id DESC LIMIT ?",
        (half, first, half + 1, size - half, second, -size, half, first, half - size, second, _MOST_COMPARED),
    )
    known = [part for (id_,) in similar for part in (id_[:size], id_[-size:])]
    return did_you_mean(text, known, mistakes=1)
