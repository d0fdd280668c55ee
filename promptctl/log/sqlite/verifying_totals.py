"""Checks the file of a log, and its running totals against its rows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from promptctl.errors import LogError
from promptctl.log.evidence import ProblemKind
from promptctl.log.sqlite.corrections import rows
from promptctl.log.sqlite.database import Database
from promptctl.log.sqlite.feedback import wrong
from promptctl.log.sqlite.schema import SUM_COLUMNS, has_table
from promptctl.log.sqlite.sums import STATS_KEY_OF_ROW, sums_of_rows
from promptctl.log.sqlite.totals import wrong_sums

MOST_OF_A_KIND = 20
_ROW_OF_INDEX = re.compile(r"row (\d+) missing from index (\w+)")


def check_file_and_totals(
    database: Database, beside: list[sqlite3.Connection]
) -> list[tuple[ProblemKind, str | None, str]]:
    """Return the problems of the file and the totals; `beside` gets the connection, by which it can be broken off."""
    try:
        with database.reading() as connection:
            beside.append(connection)
            connection.execute("BEGIN")  # others write meanwhile: rows and totals are those of one moment
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({MOST_OF_A_KIND})")]
            problems: list[tuple[ProblemKind, str | None, str]] = []
            problems += [
                ("file", _execution_in(connection, words), f"the file is damaged: {words}")
                for words in found
                if words != "ok"
            ]
            return [*problems, *_wrong_totals(connection), *wrong(connection)]
    except LogError as error:
        return [("file", None, error.message)]


def _execution_in(connection: sqlite3.Connection, words: str) -> str | None:
    """Return the id of the execution that SQLite names by the number of its row."""
    match = _ROW_OF_INDEX.search(words)
    if match is None or "executions" not in match[2]:
        return None
    row = connection.execute("SELECT id FROM executions WHERE rowid = ?", (int(match[1]),)).fetchone()
    return row and str(row[0])


def _wrong_totals(connection: sqlite3.Connection) -> Iterator[tuple[ProblemKind, str | None, str]]:
    """Compare the running totals with the sums of the rows and of the calls that have none.

    A log of an earlier program that cannot be brought up to date does not say what the latter are.
    """
    if not has_table(connection, "unlisted"):
        return
    names = ", ".join(SUM_COLUMNS)
    source = rows(connection)
    added = ", ".join(sums_of_rows(SUM_COLUMNS, source).values())
    # Rows are sorted for it, and versions and sources tell most of them apart faster than long names.
    grouped = f"SELECT {STATS_KEY_OF_ROW}, {added} FROM {source.table} GROUP BY 3, 4, 1, 2"  # noqa: S608 - our own names
    sums = {tuple(row[:4]): row[4:] for row in connection.execute(grouped)}
    unlisted = {row[0]: row[1:] for row in connection.execute(f"SELECT stats_id, {names} FROM unlisted")}  # noqa: S608
    nothing = (0,) * len(SUM_COLUMNS)
    sql = f"SELECT id, prompt, digest, ifnull(version, 0), source, {names} FROM prompt_stats"  # noqa: S608
    for stats_id, *row in connection.execute(sql).fetchall():
        group, totals = tuple(row[:4]), row[4:]
        added_up = [a + b for a, b in zip(sums.pop(group, nothing), unlisted.get(stats_id, nothing), strict=True)]
        for name, total, count in zip(SUM_COLUMNS, totals, added_up, strict=True):
            if abs(total - count) > 1e-6 * max(1, abs(count)) * isinstance(total, float):
                yield "totals", group[0], f"the {name} of {_words(group)} are {total}, but its rows add up to {count}"
    for group in sums:
        yield "totals", group[0], f"{_words(group)} has rows, but no totals"
    for table, key in wrong_sums(connection):
        yield "totals", None, f"the sums of {table} for {key} are not those of its rows"


def _words(group: tuple[Any, ...]) -> str:
    prompt, digest, version, source = group
    return f"{prompt} {f'v{version}' if version else digest[:14]} ({source})"
