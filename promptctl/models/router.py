"""The way to every model: picks the lane, and adds what a request needs beyond the model's id."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from promptctl.errors import AuthenticationFailed, ModelConfigurationError, ModelError
from promptctl.formats.names import RECORDINGS, nearest
from promptctl.formats.settings_file import ModelRule, Settings
from promptctl.models.gateway import Delta, Embeddings, Endpoint, Gateway, Reply, Request
from promptctl.models.model_map import ModelMap
from promptctl.models.prices import Prices
from promptctl.models.providers import first_set, known_provider, known_providers
from promptctl.models.replay import PREFIX, recorded_model
from promptctl.models.retries import RetryPolicy

if TYPE_CHECKING:
    from promptctl.models.echo import Echo
    from promptctl.models.litellm_lane import LiteLLM
    from promptctl.models.openai_lane import OpenAILane
    from promptctl.models.replay import Replay

Lane = Literal["echo", "replay", "direct", "litellm"]
DEFAULT_TIMEOUT_S = 60.0
CONNECTIONS = 100
_HOW_IDS_ARE_WRITTEN = (
    "ids are written provider/model: openai/gpt-4o-mini, anthropic/claude-sonnet-4-5, replay/openai/gpt-4o-mini, "
    "echo/echo; a server of your own gets any provider's name and an `api_base` under `models:` in promptctl.yaml"
)


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What a model needs beyond its id, from `promptctl.yaml` and the environment.

    `parameters` are sent with each request; a prompt's own win over them. `key_variable` is where the key was found.
    """

    model: str
    provider: str
    lane: Lane
    timeout_s: float
    retry: RetryPolicy
    parameters: Mapping[str, Any]
    supports_schema: bool
    key_variable: str | None
    endpoint: Endpoint = field(repr=False)


class Router:
    """A gateway to every model: `echo/echo`, `replay/<model>`, the direct lane and LiteLLM.

    The direct lane serves `openai/*` and every model to which a rule of the settings gives an `api_base`; a rule's
    `lane` forces either. Keys come from `environ` alone. A key that no rule names goes only to the provider's own
    address, or to one that `environ` names, and never to an `api_base` out of a file.

    `recordings` is the folder that `replay/` answers from. `connections` bounds the direct lane's connection pool.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        recordings: Path | None = None,
        *,
        connections: int = CONNECTIONS,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._recordings = recordings
        self._connections = connections
        self._models = ModelMap()
        self._known: dict[str, ModelSettings] = {}

    @cached_property
    def prices(self) -> Prices:
        """What models cost."""
        return Prices(self._settings.prices, self._models)

    def settings_of(self, model: str) -> ModelSettings:
        """What the model needs. Raises `ModelConfigurationError` where its provider or its key is missing."""
        if model not in self._known:
            self._known[model] = self._find_settings(model)
        return self._known[model]

    def provider(self, model: str) -> str:
        """The provider of a model: what stands before the first slash of its id."""
        return self._whole_id(model).partition("/")[0]

    def lane(self, model: str) -> Lane:
        """The lane that a model's requests take."""
        whole = self._whole_id(model)
        return self._lane(whole, self._settings.model_rule(recorded_model(whole)))

    def supports_schema(self, model: str) -> bool:
        """Whether a JSON Schema is sent to the model; of one that nothing is known of, only the direct lane's is."""
        whole = self._whole_id(model)
        rule = self._settings.model_rule(recorded_model(whole))
        return self._supports_schema(whole, rule)

    def prepare(self, request: Request) -> Request:
        """The request with its model's endpoint, deadline and parameters filled in, as it will be sent.

        Raises `ModelConfigurationError` where the model's provider or its key is missing.
        """
        settings = self.settings_of(request.model)
        return replace(
            request,
            parameters={**settings.parameters, **request.parameters},
            timeout_s=settings.timeout_s,
            endpoint=settings.endpoint,
        )

    def preload(self, model: str) -> None:
        """Begin to import what the model's lane needs, on a thread of its own. Nothing is raised, nothing sent."""
        with suppress(ModelError):
            lane = self.lane(model)
            if lane == "litellm":
                self._litellm.preload()
            elif lane == "direct":
                from promptctl.models import openai_lane

                threading.Thread(target=openai_lane.preload, name="import-aiohttp", daemon=True).start()

    async def complete(self, request: Request) -> Reply:
        """The whole reply, from the model's lane."""
        settings = self.settings_of(request.model)
        try:
            return await self._gateway(settings.lane).complete(_addressed(request, settings))
        except AuthenticationFailed as error:
            _name_variable(error, settings)
            raise

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply, None]:
        """The reply as it arrives, from the model's lane."""
        settings = self.settings_of(request.model)
        try:
            async with aclosing(self._gateway(settings.lane).stream(_addressed(request, settings))) as pieces:
                async for piece in pieces:
                    yield piece
        except AuthenticationFailed as error:
            _name_variable(error, settings)
            raise

    async def embed(
        self,
        model: str,
        texts: Sequence[str],
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        endpoint: Endpoint | None = None,
    ) -> Embeddings:
        """One embedding vector for each text, from the model's lane."""
        settings = self.settings_of(model)
        gateway = self._gateway(settings.lane)
        where = endpoint if endpoint is not None and _is_set(endpoint) else settings.endpoint
        return await gateway.embed(settings.model, texts, timeout_s=timeout_s, endpoint=where)

    async def close(self) -> None:
        """Close the running event loop's connections; the router may be used again afterwards."""
        for name in ("_direct", "_litellm"):
            if name in self.__dict__:
                await self.__dict__[name].close()

    def _find_settings(self, model: str) -> ModelSettings:
        whole = self._whole_id(model)
        rule = self._settings.model_rule(recorded_model(whole))
        lane = self._lane(whole, rule)
        endpoint, variable = Endpoint(), None
        if lane == "echo":
            from promptctl.models.echo import check_model

            check_model(whole)
        elif lane != "replay":
            endpoint, variable = self._endpoint(whole, rule, lane)
        return ModelSettings(
            model=whole,
            provider=whole.partition("/")[0],
            lane=lane,
            timeout_s=rule.timeout_s or DEFAULT_TIMEOUT_S,
            retry=RetryPolicy() if rule.max_attempts is None else RetryPolicy(max_attempts=rule.max_attempts),
            parameters=rule.parameters,
            supports_schema=self._supports_schema(whole, rule),
            key_variable=variable,
            endpoint=endpoint,
        )

    def _whole_id(self, model: str) -> str:
        """The id with its provider: `gpt-4o-mini`, as some write it, is looked up."""
        provider, slash, name = model.partition("/")
        if slash and provider and name:
            return model
        found = None if slash else self._models.provider_of(model)
        if found is None:
            raise ModelConfigurationError(f"{model!r} is not a model's id", hint=_HOW_IDS_ARE_WRITTEN)
        return f"{found}/{model}"

    def _lane(self, model: str, rule: ModelRule) -> Lane:
        provider = model.partition("/")[0]
        if provider == "echo":
            return "echo"
        if provider == "replay":
            return "replay"
        if rule.lane is not None:
            return rule.lane
        return "direct" if provider == "openai" or rule.api_base is not None else "litellm"

    def _supports_schema(self, model: str, rule: ModelRule) -> bool:
        if model.startswith(PREFIX):
            return True
        if rule.supports_schema is not None:
            return rule.supports_schema
        if self._lane(model, rule) != "litellm":
            return True
        entry = self._models.entry(model)
        return entry is not None and entry.get("supports_response_schema") is True

    def _endpoint(self, model: str, rule: ModelRule, lane: Lane) -> tuple[Endpoint, str | None]:
        """Where requests go and with what key, and the variable that the key was found in."""
        name = model.partition("/")[0]
        if rule.api_base is None:
            self._check_provider(model, name, lane)
        provider = known_provider(name)
        headers = {**_account_headers(name, rule, self._environ), **rule.headers}
        if rule.api_key_env is not None:
            key = first_set(self._environ, (rule.api_key_env,))
            if key is None:
                raise _missing_key(model, (rule.api_key_env,), "promptctl.yaml names it as `api_key_env`")
            return Endpoint(rule.api_base or provider.base(self._environ), key, headers), rule.api_key_env
        if rule.api_base is not None:
            return Endpoint(rule.api_base, None, headers), None
        base = provider.base(self._environ)
        if base is None and provider.is_missing_key(self._environ):
            raise _missing_key(model, provider.keys, "it is read from the environment alone")
        variable = next((key for key in provider.keys if first_set(self._environ, (key,))), None)
        return Endpoint(base if variable or lane == "direct" else None, provider.key(self._environ), headers), variable

    def _check_provider(self, model: str, provider: str, lane: Lane) -> None:
        if lane == "direct" and provider != "openai":
            raise ModelConfigurationError(
                f"{model} is set to `lane: direct`, which needs to know where",
                hint="give it an `api_base` under `models:` in promptctl.yaml",
            )
        if provider in known_providers() or not self._models.providers or provider in self._models.providers:
            return
        if self._models.entry(model) is not None:
            return
        meant = nearest(provider, {*known_providers(), *self._models.providers, "echo", "replay"})
        did_you_mean = f"did you mean {meant[0]}/…? " if meant else ""
        raise ModelConfigurationError(
            f"unknown provider {provider!r} in the model's id {model!r}", hint=did_you_mean + _HOW_IDS_ARE_WRITTEN
        )

    def _gateway(self, lane: Lane) -> Gateway:
        if lane == "direct":
            return self._direct
        if lane == "litellm":
            return self._litellm
        return self._echo if lane == "echo" else self._replay

    @cached_property
    def _direct(self) -> OpenAILane:
        from promptctl.models.openai_lane import OpenAILane

        return OpenAILane(self.prices, self._environ, connections=self._connections)

    @cached_property
    def _litellm(self) -> LiteLLM:
        from promptctl.models.litellm_lane import LiteLLM

        return LiteLLM(self.prices, self._environ)

    @cached_property
    def _echo(self) -> Echo:
        from promptctl.models.echo import Echo

        return Echo()

    @cached_property
    def _replay(self) -> Replay:
        from promptctl.models.replay import Replay

        if self._recordings is None:
            raise ModelConfigurationError("there is no folder of recordings", hint=f"a workspace has {RECORDINGS}/")
        return Replay(self._recordings)


def _addressed(request: Request, settings: ModelSettings) -> Request:
    """The request as its lane gets it. A recording is found by the request as it was asked."""
    if settings.lane in {"echo", "replay"}:
        return request
    wanted = request.response_format
    if wanted is not None and wanted.get("type") == "json_schema" and not settings.supports_schema:
        wanted = None
    endpoint = request.endpoint if _is_set(request.endpoint) else settings.endpoint
    return replace(request, model=settings.model, response_format=wanted, endpoint=endpoint)


def _is_set(endpoint: Endpoint) -> bool:
    return endpoint.api_base is not None or endpoint.api_key is not None or bool(endpoint.headers)


def _account_headers(provider: str, rule: ModelRule, environ: Mapping[str, str]) -> dict[str, str]:
    """OpenAI's account of several, where the environment names one; told to no address but its own."""
    if provider != "openai" or rule.api_base is not None:
        return {}
    named = {"OpenAI-Organization": environ.get("OPENAI_ORG_ID"), "OpenAI-Project": environ.get("OPENAI_PROJECT_ID")}
    return {name: value for name, value in named.items() if value}


def _missing_key(model: str, variables: tuple[str, ...], why: str) -> ModelConfigurationError:
    return ModelConfigurationError(
        f"there is no key for {model}: the variable {' or '.join(variables)} is not set ({why})",
        hint=f"export {variables[0]}=…, or try without a key: --model echo/echo",
    )


def _name_variable(error: AuthenticationFailed, settings: ModelSettings) -> None:
    if settings.key_variable is not None:
        error.hint = f"check the key in the variable {settings.key_variable}"
    elif settings.endpoint.api_base is not None and settings.endpoint.api_key is None:
        error.hint = "no key was sent: name the variable that holds it with `api_key_env` beside `api_base`"
