"""One answer on its way to the browser, and its message in the database: stored once, however the stream ends."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from anyio import CancelScope
from fastapi.responses import StreamingResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from app.crud.chat import create_chat_message
from app.database import Sessions
from app.models.chat import ChatMessage, MessageRole
from app.services.failures import failure_of
from promptctl import Execution, PromptctlError

logger = logging.getLogger(__name__)


class Reply:
    """An answer that has begun: its first item, the metadata, has arrived.

    The end of the stream completes `meta` in place with latency, tokens and cost. Of a reply that is not whole,
    `meta["status"]` says why: `cancelled` if the reader left, `error` if the model broke off, `invalid_output` if it
    was cut at `max_tokens`.
    """

    def __init__(
        self,
        stream: AsyncGenerator[dict[str, Any] | str | Execution, None],
        meta: dict[str, Any],
        sessions: Sessions,
        session_id: int,
    ) -> None:
        self._stream = stream
        self._meta = meta
        self._sessions = sessions
        self._session_id = session_id
        self._pieces: list[str] = []
        self._status: str = "cancelled"  # until the stream has come to its end
        self._message: ChatMessage | None = None

    async def events(self) -> AsyncIterator[str]:
        """Yield server-sent events: `meta`, then text, then `done` with the stored message or `error`."""
        yield _event("meta", self._meta)
        failed: Exception | None = None
        try:
            async for item in self._stream:
                if isinstance(item, str):
                    self._pieces.append(item)
                    yield _event("text", item)
                elif isinstance(item, Execution):
                    self._status = item.status
        except Exception as error:
            self._status, failed = "error", error
            logger.warning("a reply broke off: %s", error, exc_info=not isinstance(error, PromptctlError))
        try:
            message = await self.keep()
        except SQLAlchemyError as error:  # it is tried once more when the response ends
            logger.warning("a reply was not stored: %s", error)
            yield _event("error", {"id": None, "meta": self._meta, "error": "This answer could not be stored."})
            return
        stored = {"id": message.id, "meta": message.meta}
        yield (
            _event("done", stored) if failed is None else _event("error", stored | {"error": failure_of(failed).words})
        )

    async def keep(self) -> ChatMessage:
        """Close the stream and store the message, unless that was done."""
        with CancelScope(shield=True):  # a reader who leaves cancels what is awaited here, but not this
            await self._stream.aclose()  # completes the metadata
            if self._message is None:
                meta = self._meta if self._status == "ok" else {**self._meta, "status": self._status}
                async with self._sessions() as db:
                    self._message = await create_chat_message(
                        db, self._session_id, MessageRole.ASSISTANT, "".join(self._pieces), meta
                    )
        assert self._message is not None
        return self._message


class EventStream(StreamingResponse):
    """The response that sends a reply's events, and keeps its message when the reader leaves half-way."""

    def __init__(self, reply: Reply) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx passes each event on at once
        super().__init__(reply.events(), media_type="text/event-stream", headers=headers)
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._reply.keep()


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
