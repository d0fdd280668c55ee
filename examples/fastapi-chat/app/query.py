"""Runs a file of queries/ on the chat's database: `python -m app.query audit_trail session_id=1`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text

from app.database import make_engine

FOLDER = Path(__file__).parents[1] / "queries"


async def query(url: str, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    engine = make_engine(url)
    try:
        async with engine.connect() as connection:
            found = await connection.execute(text((FOLDER / f"{name}.sql").read_text()), values)
            return [dict(row) for row in found.mappings()]
    finally:
        await engine.dispose()


def main(name: str, *given: str) -> None:
    """Print the rows."""
    values = {
        key: int(value) if value.isdigit() else value for key, _, value in (each.partition("=") for each in given)
    }
    url = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///data/chat.db")
    for row in asyncio.run(query(url, name, values)):
        print("  ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
