"""The way to every model: picks the lane, and adds what a request needs beyond the model's id."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.errors import AuthenticationFailed, ModelConfigurationError, ModelError
from promptctl.files.names import RECORDINGS
from promptctl.models.gateway import Delta, Gateway, Reply, Request
from promptctl.models.model_settings import Lane, Models, ModelSettings

if TYPE_CHECKING:
    from promptctl.models.recorded_reply import Redact

# A stream holds one to its end, so a service needs many; most systems allow a process 1,024 open files.
CONNECTIONS = 500


class Router:
    """A gateway to every model: `echo/echo`, `replay/<model>`, the direct lane and LiteLLM.

    The direct lane serves the providers whose address is in `dialects`, and every model to which a rule of the settings
    gives an `api_base`; a rule's `lane` forces either. A key that no rule names goes only to the provider's own
    address, or to one that `environ` names, and never to an `api_base` out of a file.

    `recordings` is the folder that `replay/` answers from. `connections` bounds the direct lane's connection pool.
    `on_warning` is given each warning of a reply once. Each lane that asks a model is what `wrap` makes of it.
    `redact` takes secrets out of what an error quotes of a request.
    """

    def __init__(
        self,
        models: Models,
        recordings: Path | None = None,
        *,
        connections: int | None = None,
        on_warning: Callable[[str], None] = lambda _: None,
        wrap: Callable[[Gateway], Gateway] | None = None,
        redact: Redact | None = None,
    ) -> None:
        self._models = models
        self._on_warning = on_warning
        self._warned: set[str] = set()
        self._recordings = recordings
        self._connections = connections or CONNECTIONS
        self._wrap, self._redact = wrap, redact
        self._gateways: dict[Lane, Gateway] = {}

    def settings_of(self, model: str) -> ModelSettings:
        """Return what the model needs. Raises `ModelConfigurationError` if its provider or its key is missing."""
        return self._models.settings_of(model)

    def preload(self, model: str) -> None:
        """Begin to import what the model's lane needs, on a thread of its own. Nothing is raised, nothing sent."""
        with suppress(ModelError):
            lane = self.settings_of(model).lane
            if lane == "litellm":
                from promptctl.models.litellm_library import preload

                preload()
            elif lane == "direct":
                from promptctl.models.openai_lane import preload

                preload()

    def load(self, model: str | None = None) -> None:
        """Import what the model's lane needs, without a model LiteLLM, and return when that is done.

        Raises `ModelConfigurationError` if its provider or its key is missing.
        """
        lane = "litellm" if model is None else self.settings_of(model).lane
        if lane == "litellm":
            from promptctl.models.litellm_library import load_litellm

            load_litellm()
        elif lane == "direct":
            from promptctl.models.openai_lane import load

            load()

    async def complete(self, request: Request) -> Reply:
        """Return the whole reply, from the model's lane."""
        settings = self.settings_of(request.model)
        with _naming_key(settings):
            return self._told(await self._gateway(settings.lane).complete(_addressed(request, settings)))

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """Yield the reply as it arrives, from the model's lane."""
        settings = self.settings_of(request.model)
        with _naming_key(settings):
            async with aclosing(self._gateway(settings.lane).stream(_addressed(request, settings))) as pieces:
                async for piece in pieces:
                    yield self._told(piece) if isinstance(piece, Reply) else piece

    async def close(self) -> None:
        """Close the running event loop's connections; the router may be used again afterwards."""
        for gateway in list(self._gateways.values()):
            await gateway.close()

    def _told(self, reply: Reply) -> Reply:
        """Return the reply, after a report of what the user should know of it: once for each model."""
        if reply.warning is not None and reply.model not in self._warned:
            self._warned.add(reply.model)
            self._on_warning(reply.warning)
        return reply

    def _gateway(self, lane: Lane) -> Gateway:
        if lane not in self._gateways:
            made = self._make(lane)
            self._gateways[lane] = made if self._wrap is None or lane == "replay" else self._wrap(made)
        return self._gateways[lane]

    def _make(self, lane: Lane) -> Gateway:
        if lane == "direct":
            from promptctl.models.openai_lane import OpenAILane

            return OpenAILane(self._models.prices, self._models.environ, connections=self._connections)
        if lane == "litellm":
            from promptctl.models.litellm_lane import LiteLLM

            return LiteLLM(self._models.prices, self._models.environ)
        if lane == "echo":
            from promptctl.models.echo import Echo

            return Echo()
        from promptctl.models.replay import Replay

        if self._recordings is None:
            raise ModelConfigurationError("there is no folder of recordings", hint=f"a workspace has {RECORDINGS}/")
        return Replay(self._recordings) if self._redact is None else Replay(self._recordings, self._redact)


def _addressed(request: Request, settings: ModelSettings) -> Request:
    """Return the request as its lane gets it. A recording is found by the request as it was asked."""
    if settings.lane in {"echo", "replay"}:
        return request
    # Not `replace`, which takes four times as long.
    return Request(
        settings.model,
        request.messages,
        request.parameters,
        request.tools,
        request.response_format,
        request.timeout_s,
        settings.endpoint,
        request.repeat,
        request.is_embedding,
    )


@contextmanager
def _naming_key(settings: ModelSettings) -> Iterator[None]:
    """Say in the error of a refused key which variable it came from."""
    try:
        yield
    except AuthenticationFailed as error:
        if settings.key_variable is not None:
            error.hint = f"check the key in the variable {settings.key_variable}"
        elif settings.endpoint.api_base is not None and settings.endpoint.api_key is None:
            error.hint = "no key was sent: name the variable that holds it with `api_key_env` beside `api_base`"
        raise
