"""Names of one person or session: the plain one, and the keyed hash in rows of calls whose sensitive inputs hold it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from promptctl.log.sqlite.schema import adding
from promptctl.log.sqlite.sums import COST_SUMS
from promptctl.prompts.prompt import HASHED

_SUMS = ", ".join((*COST_SUMS, "last_at"))
_ADD_SUMS = f"""
INSERT INTO user_stats (user, source, {_SUMS}) SELECT ?, source, {_SUMS} FROM user_stats WHERE user = ?
ON CONFLICT DO UPDATE SET {adding(COST_SUMS)}, last_at = max(last_at, excluded.last_at)
"""  # noqa: S608 - our own names
_NAMES = """
SELECT DISTINCT user FROM executions WHERE user IS NOT NULL
UNION SELECT DISTINCT session FROM executions WHERE session IS NOT NULL
"""
_ARM_KEYS = "SELECT DISTINCT arm_key FROM executions WHERE experiment = ? AND arm_key IS NOT NULL"
_TWINS = """
SELECT a.id, b.id FROM budget_accounts AS a LEFT JOIN budget_accounts AS b
  ON b.budget = a.budget AND b.key = :name AND b.window_start = a.window_start AND b.unit = a.unit
WHERE a.key = :other AND (:budget IS NULL OR a.budget = :budget)
"""
_ADD_ACCOUNT = """
UPDATE budget_accounts SET (spent, kept) = (SELECT sum(spent), sum(kept) FROM budget_accounts WHERE id IN (:to, :of)),
  reserved = (SELECT coalesce(sum(amount), 0) FROM budget_reservations WHERE account = :to)
WHERE id = :to
"""


def folder_of(connection: sqlite3.Connection) -> Path:
    """Return the folder of the log, where the key of its hashes is."""
    return Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent


def plain_names(connection: sqlite3.Connection, names: Collection[Any]) -> dict[Any, str]:
    """Return the plain name of each hash, if both are among the names."""
    hashed = {name for name in names if isinstance(name, str) and name.startswith(HASHED)}
    if not hashed:
        return {}
    from promptctl.log.keyed_hashes import hashes_of

    hashes = hashes_of(folder_of(connection), (name for name in names if isinstance(name, str)))
    return {each: name for name, each in hashes.items() if each in hashed}


def known_names(connection: sqlite3.Connection, keys: Iterable[str | None]) -> dict[Any, str]:
    """Return the plain name of each hash among keys of accounts, if rows of the log have it.

    It reads all names of the log: not for a transaction that writes, for which others wait.
    """
    hashed = {key for key in keys if key and key.startswith(HASHED)}
    return plain_names(connection, {*hashed, *(name for (name,) in connection.execute(_NAMES))}) if hashed else {}


def plain_arm_keys(connection: sqlite3.Connection, experiment: str) -> dict[str | None, str]:
    """Return the plain arm key by the one that rows of calls with a hidden key have, if the experiment has both."""
    from promptctl.log.keyed_hashes import keyed_digests

    keys = {key for (key,) in connection.execute(_ARM_KEYS, (experiment,))}
    return {hidden: key for key, hidden in keyed_digests(folder_of(connection), keys).items() if hidden in keys}


def join_accounts(connection: sqlite3.Connection, other: str, name: str, budget: str | None = None) -> None:
    """Make the accounts of a name, and what of them is disabled, those of another: of one budget, or of all."""
    names = {"name": name, "other": other, "budget": budget}
    for id_, twin in connection.execute(_TWINS, names).fetchall():
        if twin is None:
            connection.execute("UPDATE budget_accounts SET key = ? WHERE id = ?", (name, id_))
            continue
        connection.execute("UPDATE OR IGNORE budget_reservations SET account = ? WHERE account = ?", (twin, id_))
        connection.execute(_ADD_ACCOUNT, {"to": twin, "of": id_})
        connection.execute("DELETE FROM budget_reservations WHERE account = ?", (id_,))
        connection.execute("DELETE FROM budget_accounts WHERE id = ?", (id_,))
    sql = (
        "UPDATE OR REPLACE budget_disabled SET key = :name WHERE key = :other AND (:budget IS NULL OR budget = :budget)"
    )
    connection.execute(sql, names)


def join_sums(connection: sqlite3.Connection, other: str, name: str) -> None:
    """Add the costs of a user's name to those of another."""
    connection.execute(_ADD_SUMS, (name, other))
    connection.execute("DELETE FROM user_stats WHERE user = ?", (other,))
