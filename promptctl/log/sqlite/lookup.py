"""Finds a row by an id that a person typed."""

from __future__ import annotations

import sqlite3
from typing import Any

from promptctl.errors import LogError, UsageError

_SHORTEST = 4
_MOST_SHOWN = 5
_AFTER_ALL = "\U0010ffff"  # sorts after whatever follows in an id


def row_by_id(connection: sqlite3.Connection, select: str, wanted: str, noun: str, command: str) -> tuple[Any, ...]:
    """Return the row whose id is `wanted`, or the only one whose id begins or, if none does, ends with it.

    `command` lists the ids. Raises `UsageError` for fewer than 4 characters and `LogError` if none or several match.
    """
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
        raise LogError(f"no {noun} `{wanted}` in the log", hint=f"see the ids with: {command}")
    row: tuple[Any, ...] = connection.execute(f"{select} WHERE id = ?", found[0]).fetchone()
    return row
