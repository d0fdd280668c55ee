"""One call of several models: each is asked only after the one before it failed for good."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from itertools import pairwise

from promptctl.calls.call import Call, Piece
from promptctl.errors import ModelConfigurationError, ModelError
from promptctl.log.records import Execution


async def run_first(run: Callable[[Call], Awaitable[Execution]], calls: Sequence[Call]) -> Execution:
    """Return the last attempt of the first call whose provider did not fail; raises what the last one raises."""
    for call, following in pairwise(calls):
        try:
            return await run(call)
        except ModelError as error:
            _go_on(call, following, error)
    return await run(calls[-1])


async def stream_first(
    stream: Callable[[Call], AsyncGenerator[Piece, None]], calls: Sequence[Call]
) -> AsyncGenerator[Piece, None]:
    """Yield the first call whose provider did not fail before anything had arrived."""
    for call, following in zip(calls, [*calls[1:], None], strict=True):
        is_open = False
        try:
            async with aclosing(stream(call)) as items:
                async for item in items:
                    is_open = True
                    yield item
            return
        except ModelError as error:
            if is_open or following is None:
                raise
            _go_on(call, following, error)


def _go_on(call: Call, following: Call, error: ModelError) -> None:
    """Report that the next model is asked. A mistake in the settings is raised: it is no failure of the provider."""
    if isinstance(error, ModelConfigurationError):
        raise error
    if call.options.on_retry is not None:
        call.options.on_retry(f"asking {following.request.model} instead: {error.message}")
