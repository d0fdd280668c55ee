"""The index of versions on disk: one SQLite file, a cache that anyone may delete at any time."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# Another process may be building the whole index of a large repository while we wait for it.
_WAIT_S = 120.0

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE line (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE versions (
    prompt TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL,
    digest TEXT NOT NULL, path TEXT NOT NULL, same_as INTEGER,
    PRIMARY KEY (prompt, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE prompts (
    id TEXT PRIMARY KEY, path TEXT, digest TEXT, number INTEGER NOT NULL, is_sound INTEGER NOT NULL,
    asked TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
INDEX_FILE = "index/versions.db"
_TABLES = ("meta", "line", "versions", "prompts")


class VersionRow(NamedTuple):
    """One numbered version: `position` is its commit's place on the line, `same_as` the latest earlier equal one."""

    prompt: str
    number: int
    position: int
    digest: str
    path: str
    same_as: int | None = None


@dataclass(slots=True)
class PromptState:
    """One id at the end of the line that was walked.

    `path` is None while there is no such file. `digest` is that of the last version, None after a deletion: what
    comes back gets a new number. `number` is the highest that the id ever had, 0 before the first. `is_sound` says that
    the file as it is can be loaded, so that `digest` is its own.
    """

    id: str
    path: str | None = None
    digest: str | None = None
    number: int = 0
    is_sound: bool = False
    asked: frozenset[str] = frozenset()


class IndexStore:
    """One open index. Reads and writes go through the methods; a block of `writing()` is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        weakref.finalize(self, connection.close)

    @classmethod
    def open(cls, file: Path) -> IndexStore:
        """Open the index in this file, made if it is missing. Raises `sqlite3.Error`: a link or a pipe is damage."""
        if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
            raise sqlite3.DatabaseError(f"{file} is no regular file")
        with suppress(OSError):  # SQLite reports a folder that cannot be made
            file.parent.mkdir(parents=True, exist_ok=True)
        return cls._connect(str(file))

    @classmethod
    def in_memory(cls, file: Path | None = None) -> IndexStore:
        """Make an index that leaves no trace, begun as a copy of `file` if that can be read."""
        store = cls._connect(":memory:")
        if file is not None and file.exists():
            try:
                with closing(_read_only(file)) as source:
                    source.backup(store._connection)
                store.meta()
            except sqlite3.Error:
                store.close()
                return cls._connect(":memory:")
        return store

    @classmethod
    def _connect(cls, name: str) -> IndexStore:
        connection = sqlite3.connect(name, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        store = cls(connection)
        # The file may come from elsewhere: nothing in its schema may run.
        connection.execute("PRAGMA trusted_schema = OFF")
        return store

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write in one transaction; other writers wait for its end. An exception undoes it."""
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read everything inside the block as of one moment."""
        self._connection.execute("BEGIN")
        with self._connection:
            yield

    def meta(self) -> dict[str, str]:
        """Return the facts that the index was built from; empty for a new file."""
        known = self._connection.execute("SELECT name FROM sqlite_schema WHERE name = 'meta'").fetchone()
        return dict(self._connection.execute("SELECT key, value FROM meta").fetchall()) if known else {}

    def clear(self) -> None:
        """Empty the index and make its tables; inside `writing()`."""
        for name in _TABLES:
            self._connection.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in _SCHEMA.split(";"):
            self._connection.execute(statement)

    def write_meta(self, meta: dict[str, str]) -> None:
        """Set these keys."""
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())

    def write(self, line: Mapping[str, int], versions: Iterable[VersionRow], states: Iterable[PromptState]) -> None:
        """Add commits by their positions, and versions; set the states of these prompts."""
        write = self._connection.executemany
        write("INSERT INTO line VALUES (?, ?)", ((position, commit) for commit, position in line.items()))
        write("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)", versions)
        write(
            "INSERT OR REPLACE INTO prompts VALUES (?, ?, ?, ?, ?, ?)",
            (
                (state.id, state.path, state.digest, state.number, state.is_sound, json.dumps(sorted(state.asked)))
                for state in states
            ),
        )

    def states(self) -> list[PromptState]:
        """Return every id that the line ever had, as it is at the tip."""
        rows = self._connection.execute("SELECT id, path, digest, number, is_sound, asked FROM prompts ORDER BY id")
        return [
            PromptState(id_, path, digest, number, bool(is_sound), frozenset(json.loads(asked)))
            for id_, path, digest, number, is_sound, asked in rows
        ]

    def ids(self) -> list[str]:
        """Return every id that the line ever had, sorted."""
        return [id_ for (id_,) in self._connection.execute("SELECT id FROM prompts ORDER BY id")]

    def is_live(self, prompt: str) -> bool:
        """Return True if the tip of the line has a file of this id."""
        row = self._connection.execute("SELECT path IS NOT NULL FROM prompts WHERE id = ?", (prompt,)).fetchone()
        return bool(row and row[0])

    def versions(self, prompt: str) -> list[VersionRow]:
        """Return a prompt's versions in order."""
        return self._versions("WHERE prompt = ? ORDER BY number", (prompt,))

    def all_versions(self) -> list[VersionRow]:
        """Return every prompt's versions."""
        return self._versions("ORDER BY prompt, number", ())

    def version_at(self, prompt: str, position: int) -> VersionRow | None:
        """Return the prompt's last version at a position of the line."""
        clause = "WHERE prompt = ? AND position <= ? ORDER BY number DESC LIMIT 1"
        return next(iter(self._versions(clause, (prompt, position))), None)

    def version(self, prompt: str, number: int) -> VersionRow | None:
        """Return one version by its number."""
        return next(iter(self._versions("WHERE prompt = ? AND number = ?", (prompt, number))), None)

    def position_of(self, commit: str) -> int | None:
        """Return a commit's position on the line, counted from 1; None for a commit beside it."""
        row = self._connection.execute("SELECT position FROM line WHERE id = ?", (commit,)).fetchone()
        return row[0] if row else None

    def highest_of(self, commits: Sequence[str]) -> int | None:
        """Return the last position of the line that one of these commits has; None if all are beside it."""
        found = self._connection.execute(
            "SELECT MAX(position) FROM line WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(commits),)
        )
        return found.fetchone()[0]  # type: ignore[no-any-return]

    def commits_at(self, positions: Sequence[int]) -> dict[int, str]:
        """Return the commits at these positions, by position."""
        marks = json.dumps(list(positions))
        rows = self._connection.execute(
            "SELECT position, id FROM line WHERE position IN (SELECT value FROM json_each(?))", (marks,)
        )
        commits = dict(rows.fetchall())
        if len(commits) != len(set(positions)):
            raise sqlite3.DatabaseError("versions without their commits")
        return commits

    def _versions(self, clause: str, values: tuple[str | int, ...]) -> list[VersionRow]:
        columns = "prompt, number, position, digest, path, same_as"
        rows = self._connection.execute(f"SELECT {columns} FROM versions {clause}", values)  # noqa: S608 - our own text
        return [VersionRow(*row) for row in rows]


def known_versions(file: Path, prompt: str) -> tuple[str, list[VersionRow]] | None:
    """Return the tip that the index in this file was built for, and a prompt's versions; None without such an index."""
    try:
        with closing(_read_only(file)) as connection:
            store = IndexStore(connection)
            return store.meta()["tip"], store.versions(prompt)
    except (sqlite3.Error, KeyError):
        return None


def _read_only(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
