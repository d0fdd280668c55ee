"""A call as it arrives, in the hands of whoever asked for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from promptctl.calls.call import Piece
from promptctl.context import Context


class OpenStream(AsyncGenerator[Piece, None]):
    """A call as it arrives. Ending it early waits for the record, which the generators in it must not.

    An event loop that ends closes those all at once, and none that another one waits for.
    """

    def __init__(self, pieces: AsyncGenerator[Piece, None], context: Context) -> None:
        self._pieces = pieces
        self._context = context

    def __anext__(self) -> Coroutine[Any, Any, Piece]:
        return self._pieces.__anext__()

    async def asend(self, value: None) -> Piece:
        """Return the next piece."""
        return await self._pieces.asend(value)

    async def athrow(self, *error: Any) -> Piece:
        """Raise an error where the call is; then the log has it."""
        try:
            return await self._pieces.athrow(*error)
        finally:
            await self._written()

    async def aclose(self) -> None:
        """Cancel what is left of the call; then the log has it."""
        await self._pieces.aclose()
        await self._written()

    async def _written(self) -> None:
        if self._context.has_made("recorder"):
            await self._context.recorder.written()
