"""The endpoints of the chat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from app.crud.chat import create_chat_message, create_chat_session, get_chat_messages
from app.database import Sessions
from app.models.chat import ChatMessage, ChatSession, MessageRole
from app.services.lessons import LESSONS
from app.services.llm_service import stream_response
from app.services.reply import EventStream, Reply
from promptctl import LogError, Workspace

REMEMBERED = 20  # messages of a conversation that the model is shown again

router = APIRouter()


@dataclass(frozen=True)
class Services:
    """What a process has once. `model` overrides that of the prompts."""

    workspace: Workspace
    sessions: Sessions
    model: str | None


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Used = Annotated[Services, Depends(_services)]
# PostgreSQL stores no NUL.
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w.@-]+$")]


class NewSession(BaseModel):
    """A conversation to begin. A real service takes the user from its login, not from the request."""

    user_id: Name
    lesson: str


class Question(BaseModel):
    """A message to the tutor."""

    content: Words


class Thumb(BaseModel):
    """What a reader thinks of an answer."""

    thumb: Literal["up", "down"]
    comment: Words | None = None


class Message(BaseModel):
    """A message as the page sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    role: MessageRole
    content: str
    meta: dict[str, Any]
    created_at: datetime


@router.get("/lessons")
async def list_lessons() -> list[dict[str, str]]:
    """Return the lessons that one can chat about."""
    return [{"id": key, "title": lesson.title, "content_type": lesson.content_type} for key, lesson in LESSONS.items()]


@router.post("/sessions", status_code=201)
async def create_session(new: NewSession, services: Used) -> dict[str, Any]:
    """Begin a conversation."""
    if new.lesson not in LESSONS:
        raise HTTPException(404, f"There is no lesson {new.lesson!r}.")
    async with services.sessions() as db:
        session = await create_chat_session(db, new.user_id, new.lesson)
    return {"id": session.id, "lesson": session.lesson}


@router.get("/sessions/{session_id}/messages")
async def list_messages(session_id: Id, services: Used) -> list[Message]:
    """Return a conversation; messages from before prompts were tracked have an empty `meta`."""
    async with services.sessions() as db:
        await _session(db, session_id)
        return [Message.model_validate(message) for message in await get_chat_messages(db, session_id)]


@router.post("/sessions/{session_id}/messages")
async def send_message(session_id: Id, question: Question, services: Used) -> EventStream:
    """Ask the tutor and stream its answer.

    Whatever fails before the answer begins has a status of its own, and nothing is stored; so it can be sent again.
    """
    # No connection to the database is held while the model answers: a pool of ten serves hundreds of streams.
    async with services.sessions() as db:
        session = await _session(db, session_id)
        past = await get_chat_messages(db, session_id, last=REMEMBERED)
    stream = stream_response(services.workspace, session, past, question.content, model=services.model)
    try:
        meta = await anext(stream)  # comes with the first word of the answer
        assert isinstance(meta, dict)
        async with services.sessions() as db:
            await create_chat_message(db, session_id, MessageRole.USER, question.content)
    except BaseException:
        await stream.aclose()
        raise
    return EventStream(Reply(stream, meta, services.sessions, session_id))


@router.post("/messages/{message_id}/feedback", status_code=201)
async def rate_message(message_id: Id, given: Thumb, services: Used) -> dict[str, Any]:
    """Keep what a reader thinks of an answer, beside its call in promptctl's log; a newer thumb replaces an older."""
    async with services.sessions() as db:
        message = await db.get(ChatMessage, message_id)
        session = None if message is None else await db.get(ChatSession, message.session_id)
    if message is None or session is None:
        raise HTTPException(404, f"There is no message {message_id}.")
    execution_id = message.meta.get("execution_id")
    if execution_id is None:
        raise HTTPException(409, "Only answers whose prompt is known can be rated.")
    try:
        kept = await services.workspace.afeedback(
            execution_id, name="helpful", thumb=given.thumb, comment=given.comment, by=session.user_id
        )
    except LogError as error:  # the log was pruned meanwhile
        raise HTTPException(409, "This answer can no longer be rated.") from error
    return {"score": kept.score}


async def _session(db: AsyncSession, session_id: int) -> ChatSession:
    session = await db.get(ChatSession, session_id)
    if session is None:
        raise HTTPException(404, f"There is no conversation {session_id}.")
    return session
