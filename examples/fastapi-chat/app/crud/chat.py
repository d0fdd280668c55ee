"""What the chat reads from and writes to its tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.chat import ChatMessage, ChatSession, MessageRole


async def create_chat_session(db: AsyncSession, user_id: str, lesson: str) -> ChatSession:
    """Begin a conversation."""
    session = ChatSession(user_id=user_id, lesson=lesson)
    db.add(session)
    await db.commit()
    return session


async def create_chat_message(
    db: AsyncSession, session_id: int, role: MessageRole, content: str, meta: dict[str, Any] | None = None
) -> ChatMessage:
    """Store a message; the assistant's with the metadata of the prompt that wrote it."""
    # PostgreSQL stores no NUL, no database half a surrogate pair; a model can send both, and no reply is lost to it.
    content = content.replace("\0", "\N{REPLACEMENT CHARACTER}")
    content = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    message = ChatMessage(session_id=session_id, role=role, content=content, meta=meta or {})
    db.add(message)
    await db.commit()
    return message


async def get_chat_messages(db: AsyncSession, session_id: int, *, last: int | None = None) -> list[ChatMessage]:
    """Return the messages of a conversation, oldest first; all of them, or the last few."""
    query = select(ChatMessage).where(ChatMessage.session_id == session_id).order_by(ChatMessage.id.desc())
    return list(await db.scalars(query.limit(last)))[::-1]
