"""The application: `uvicorn app.main:create_app --factory`."""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

import promptctl
from app.api.v1 import chat
from app.database import DEFAULT_DATABASE, create_tables, make_engine, make_sessions
from app.services.failures import failure_of
from app.services.llm_service import PROMPTS
from promptctl import PromptctlError

PAGE = Path(__file__).parent / "page"
logger = logging.getLogger(__name__)


def create_app(environ: Mapping[str, str] | None = None) -> FastAPI:
    """Return the application. Of the environment promptctl reads the keys, and the application these.

    DATABASE_URL; PROMPTS, the folder of the prompts' repository; PROMPTS_SNAPSHOT, a snapshot to use instead of it;
    CHAT_MODEL, which overrides the model of the prompts.
    """
    environ = os.environ if environ is None else environ

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = make_engine(environ.get("DATABASE_URL", DEFAULT_DATABASE))
        try:
            await create_tables(engine)  # a service that is moved over has its tables, and its migrations
            # One workspace for each process: it keeps connections, compiled templates and the labels it has read.
            prompts, snapshot = environ.get("PROMPTS", "data/prompts"), environ.get("PROMPTS_SNAPSHOT")
            async with promptctl.open_workspace(prompts, environ, snapshot=snapshot) as workspace:
                model = environ.get("CHAT_MODEL")
                if model is None:  # a prompt or a key that is missing stops the service now, not its first reader
                    await asyncio.to_thread(workspace.preload, *PROMPTS)
                app.state.services = chat.Services(workspace, make_sessions(engine), model)
                yield
        finally:
            await engine.dispose()

    app = FastAPI(title="Chat", lifespan=lifespan)
    app.include_router(chat.router, prefix="/api/v1")
    app.add_exception_handler(PromptctlError, _refused)
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """Answer with a status where a reply failed before it began."""
    assert isinstance(error, PromptctlError)
    failure = failure_of(error)
    logger.warning("no reply (%s): %s", failure.status, error)
    seconds = getattr(error, "retry_after_s", None)
    headers = {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}
    return JSONResponse({"detail": failure.words}, failure.status, headers)
