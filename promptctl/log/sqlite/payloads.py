"""Contents beside the rows: each stored once under the SHA-256 of its text, and deletable without its rows.

Texts of 16 KiB and more are compressed if that saves a fifth. Below, they stay readable to any SQLite client:
measured on prompts, zlib halves them but costs 80 µs for 4 KB, twice what inserting the row does.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable

from promptctl.log.records import CONTENT_FIELDS

HASH_COLUMNS = tuple(f"{name}_hash" for name in CONTENT_FIELDS)

_COMPRESS_FROM = 16 * 1024
_WORTH_IT = 0.8

Payload = tuple[bytes, int, str | bytes]


def payload(text: str | None) -> Payload | None:
    """Return the row of a text: its hash, its size in bytes, and its content as it is stored; None without a text."""
    if text is None:
        return None
    data = text.encode()
    digest = hashlib.sha256(data).digest()
    if len(data) >= _COMPRESS_FROM:
        packed = zlib.compress(data, 1)
        if len(packed) < _WORTH_IT * len(data):
            return digest, len(data), packed
    return digest, len(data), text


def store(connection: sqlite3.Connection, payloads: Iterable[Payload]) -> None:
    """Add the contents that are not there yet."""
    connection.executemany(
        "INSERT INTO payloads (hash, bytes, content) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", payloads
    )


def load(connection: sqlite3.Connection, digest: bytes | None) -> str | None:
    """Return the text of that hash; None if there is none, or no longer."""
    if digest is None:
        return None
    row = connection.execute("SELECT content FROM payloads WHERE hash = ?", (digest,)).fetchone()
    return None if row is None else text_of(row[0])


def text_of(content: str | bytes | None) -> str | None:
    """Return the text of a content as it is stored."""
    return zlib.decompress(content).decode() if isinstance(content, bytes) else content


ORPHANS = """
FROM payloads WHERE hash NOT IN (
  SELECT inputs_hash FROM executions WHERE inputs_hash IS NOT NULL
  UNION ALL SELECT messages_hash FROM executions WHERE messages_hash IS NOT NULL
  UNION ALL SELECT reply_hash FROM executions WHERE reply_hash IS NOT NULL
  UNION ALL SELECT tool_calls_hash FROM executions WHERE tool_calls_hash IS NOT NULL
  UNION ALL SELECT output_hash FROM results WHERE output_hash IS NOT NULL
)
"""


def delete_orphans(connection: sqlite3.Connection) -> tuple[int, int]:
    """Delete contents that no row refers to; return how many, and how many bytes of text they were."""
    count, size = connection.execute(f"SELECT count(*), ifnull(sum(bytes), 0) {ORPHANS}").fetchone()
    if count:
        connection.execute(f"DELETE {ORPHANS}")
    return count, size
