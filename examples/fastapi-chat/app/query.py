"""Runs a file of queries/ on the chat's database: `python -m app.query audit_trail session_id=1`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.database import DEFAULT_DATABASE, make_engine

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


def main(name: str = "", *given: str) -> None:
    """Print the rows."""
    known = sorted(file.stem for file in FOLDER.glob("*.sql"))
    if name not in known:
        sys.exit(f"name a query, one of {', '.join(known)}, and its values, such as session_id=1")
    values: dict[str, Any] = dict(each.split("=", 1) for each in given if "=" in each)
    wanted = text((FOLDER / f"{name}.sql").read_text()).compile().params
    if missing := [f"{each}=…" for each in wanted if each not in values]:
        sys.exit(f"{name} needs {' '.join(missing)}")
    if values.get("session_id", "").isdigit():
        values["session_id"] = int(values["session_id"])
    try:
        rows = asyncio.run(query(os.environ.get("DATABASE_URL", DEFAULT_DATABASE), name, values))
    except SQLAlchemyError as error:
        sys.exit(str(error).splitlines()[0])
    for row in rows:
        print("  ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
