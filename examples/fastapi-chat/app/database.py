"""The database that DATABASE_URL names: SQLite or PostgreSQL, both asynchronous."""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.models.chat import Base

DEFAULT_DATABASE = "sqlite+aiosqlite:///data/chat.db"
Sessions = async_sessionmaker[AsyncSession]


def make_engine(url: str) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///…` or `postgresql+psycopg://…`."""
    is_sqlite = url.startswith("sqlite")
    # Without hide_parameters an error would carry what people wrote into the log.
    engine = create_async_engine(url, pool_pre_ping=not is_sqlite, hide_parameters=True)
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Return the maker of database sessions; what they loaded can be read after their commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def create_tables(engine: AsyncEngine) -> None:
    """Create the tables that are missing."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def _prepare_sqlite(connection: DBAPIConnection, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")  # readers and one writer at the same time
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
