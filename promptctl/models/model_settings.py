"""Settings of each model beyond its id: lane, endpoint, key, deadline, parameters, from settings and environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

from promptctl.errors import MissingKey, ModelConfigurationError, printable
from promptctl.files.names import SETTINGS, did_you_mean
from promptctl.formats.settings_file import ModelRule, Settings
from promptctl.models.gateway import Endpoint, recorded_model

if TYPE_CHECKING:
    from promptctl.models.endpoints import Provider
    from promptctl.models.model_map import ModelMap
    from promptctl.models.prices import Prices
    from promptctl.models.reply_format import ReplyFormats

Lane = Literal["echo", "replay", "direct", "litellm"]
# LiteLLM drops a request for any JSON object on its way to these.
_NO_JSON_OBJECT = re.compile(r"(?:anthropic|bedrock|sagemaker|replicate)/|(?:vertex_ai|databricks)/.*claude")
DEFAULT_TIMEOUT_S = 60.0
_NOT_IN_IDS = re.compile(r"[^\w.:@/+~-]")
_ARN = re.compile(r"(?:^|/)arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:[^:]")
_HOW_IDS_ARE_WRITTEN = (
    "ids are written provider/model: openai/gpt-4o-mini, anthropic/claude-sonnet-4-6, replay/openai/gpt-4o-mini, "
    "echo/echo; a server of your own gets any provider's name and an `api_base` under `models:` in promptctl.yaml"
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The bounds of asking again.

    A wait doubles from `base_s` up to `cap_s`, of which a random half is taken off, so that calls that failed together
    do not come back together. What the provider asks for in Retry-After is waited in full, up to `retry_after_cap_s`;
    asked for more, a call gives up. All waits of a call together last at most `budget_s`. If `max_refusals` is more
    than `max_attempts`, a call that is only told that there are too many is asked that often.
    """

    max_attempts: int = 3
    max_refusals: int = 0
    base_s: float = 0.5
    cap_s: float = 20.0
    budget_s: float = 120.0
    retry_after_cap_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Settings of one model beyond its id, from `promptctl.yaml` and the environment.

    `parameters` are sent with each request; a prompt's own win over them. With `drops_reasoning` a reply loses the
    block of reasoning that it begins with. `key_variable` is where the key was found.
    """

    model: str
    provider: str
    lane: Lane
    timeout_s: float
    retry: RetryPolicy
    parameters: Mapping[str, Any]
    drops_reasoning: bool
    key_variable: str | None
    endpoint: Endpoint = field(repr=False)


class Models:
    """Settings and prices of models, each looked up once. Keys come from `environ` alone.

    A key that no rule names goes only to the provider's own address, or to one that `environ` names, and never to an
    `api_base` out of a file. Without `needs_keys` a missing key is no error, for those who ask nothing. Prices are
    those of the settings that `now` returns.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        needs_keys: bool = True,
        now: Callable[[], Settings] | None = None,
    ) -> None:
        self._needs_keys = needs_keys
        self.environ = environ
        self._settings = self._priced_by = settings
        self._now = now or (lambda: settings)
        self._known: dict[str, ModelSettings] = {}
        self._formats: dict[str, ReplyFormats] = {}

    @cached_property
    def _map(self) -> ModelMap:
        from promptctl.models.model_map import ModelMap

        return ModelMap()

    @cached_property
    def _prices(self) -> Prices:
        from promptctl.models.prices import Prices

        settings = self._settings
        return Prices(settings.prices, self._map, _priced_as(settings), settings.price_places)

    @property
    def prices(self) -> Prices:
        """Prices of models; whoever keeps them has those that hold when the model's settings are next looked up."""
        prices, now = self._prices, self._now()
        if now is not self._priced_by:
            self._priced_by = now
            prices.take(now.prices, now.price_places, _priced_as(now))
        return prices

    def settings_of(self, model: str) -> ModelSettings:
        """Return what the model needs. Raises `ModelConfigurationError` if its provider or its key is missing."""
        if "_prices" in self.__dict__:
            _ = self.prices  # which lanes keep
        if model not in self._known:
            self._known[model] = self._find(self.whole_id(model))
        return self._known[model]

    def whole_id(self, model: str) -> str:
        """Return a model's id with its provider: `gpt-4o-mini`, as some write it, is looked up.

        Raises `ModelConfigurationError` for one that is no id, or is not known.
        """
        if wrong := _what_is_wrong_with(model, is_sent_as_text=self._is_at_own_server(model)):
            hint = _HOW_IDS_ARE_WRITTEN
            raise ModelConfigurationError(f"`{printable(model)}` is not a model's id: it {wrong}", hint=hint)
        provider, slash, name = model.partition("/")
        if slash and provider and name:
            return model
        found = None if slash else self._map.provider_of(model)
        if found is None:
            near = [] if slash else self._map.ids_like(model)
            meant = f"did you mean {' or '.join(f'`{each}`' for each in near)}? " if near else ""
            raise ModelConfigurationError(
                f"`{printable(model)}` is not a model's id", hint=f"{meant}{_HOW_IDS_ARE_WRITTEN}"
            )
        return f"{found}/{model}"

    def _is_at_own_server(self, model: str) -> bool:
        """Return True if the id is sent as text alone, to the address that `promptctl.yaml` gives."""
        rule = self._settings.model_rule(model)
        provider, _, name = model.partition("/")
        is_ours = provider not in {"echo", "replay"} and _NOT_IN_IDS.search(provider) is None
        return is_ours and bool(name) and rule.api_base is not None and rule.lane in (None, "direct")

    def _find(self, model: str) -> ModelSettings:
        provider = model.partition("/")[0]
        rule = self._settings.model_rule(recorded_model(model))
        lane = self._lane(model, rule)
        endpoint, variable = Endpoint(), None
        if lane == "echo":
            from promptctl.models.echo import check_model

            check_model(model)
        elif lane != "replay":
            endpoint, variable = self._endpoint(model, provider, rule, lane)
        return ModelSettings(
            model=model,
            provider=provider,
            lane=lane,
            timeout_s=rule.timeout_s or DEFAULT_TIMEOUT_S,
            retry=RetryPolicy() if rule.max_attempts is None else RetryPolicy(max_attempts=rule.max_attempts),
            parameters=rule.parameters,
            drops_reasoning=rule.reasoning_block == "drop",
            key_variable=variable,
            endpoint=endpoint,
        )

    def formats_of(self, model: str) -> ReplyFormats:
        """Return the forms of a reply that a model takes; a replayed one is asked as the recorded model was."""
        if model not in self._formats:
            self._formats[model] = self._find_formats(model)
        return self._formats[model]

    def _find_formats(self, model: str) -> ReplyFormats:
        from promptctl.models.reply_format import ReplyFormats

        model = recorded_model(self.whole_id(model))
        if "/" not in model and self._map.entry(model) is None:
            return ReplyFormats()
        model = self.whole_id(model)
        rule, provider = self._settings.model_rule(model), model.partition("/")[0]
        lane = self._lane(model, rule)
        if lane in {"echo", "replay"} or (rule.api_base is None and self._is_unknown(provider, model)):
            return ReplyFormats()
        from promptctl.models.dialects import dialect_of

        dialect = dialect_of(provider)
        is_direct = lane == "direct"
        has_object = dialect.has_json_object if is_direct else not _NO_JSON_OBJECT.match(model)
        has_schema = dialect.has_schema if is_direct else None
        if "response_format" in (rule.leave_out or ()):
            has_schema = has_object = False
        elif rule.supports_schema is not None:
            has_schema = rule.supports_schema
        elif has_schema is None:
            entry = self._map.entry(rule.priced_as or model) or {}
            has_schema = entry.get("supports_response_schema") is True
        return ReplyFormats(has_schema, has_object, is_direct and has_object and dialect.address is not None)

    def _lane(self, model: str, rule: ModelRule) -> Lane:
        provider = model.partition("/")[0]
        if provider == "echo":
            return "echo"
        if provider == "replay":
            return "replay"
        if rule.lane is not None:
            return rule.lane
        if rule.api_base is not None:
            return "direct"
        if not _has_own_address(provider):
            return "litellm"
        mode = (self._map.entry(model) or {}).get("mode")
        is_other_protocol = mode == "responses" or (mode == "completion" and provider == "openai")
        return "litellm" if is_other_protocol else "direct"

    def _endpoint(self, model: str, name: str, rule: ModelRule, lane: Lane) -> tuple[Endpoint, str | None]:
        """Return the address and key of a model of the provider `name`, and the variable that holds the key."""
        from promptctl.models.dialects import dialect_of, with_path
        from promptctl.models.endpoints import first_set, first_variable, known_provider

        if rule.api_base is None:
            self._check_provider(model, name, lane)
        provider = known_provider(name)
        headers = {**_account_headers(name, rule, self.environ), **rule.headers}
        named_in, named = first_variable(self.environ, provider.bases)
        base, set_by = named, SETTINGS if rule.api_base else named_in
        leaves_out = frozenset(rule.leave_out or ())
        if lane == "direct":
            base = dialect_of(name).address if named is None else with_path(name, named)
        elif named is None and rule.api_base is None:
            _check_address(model, name, provider, self.environ)
        if rule.api_key_env is not None:
            key = first_set(self.environ, (rule.api_key_env,))
            if key is None and self._needs_keys:
                raise _missing_key(model, (rule.api_key_env,), "promptctl.yaml names it as `api_key_env`")
            return Endpoint(rule.api_base or base, key, headers, set_by, leaves_out), rule.api_key_env
        if rule.api_base is not None:
            return Endpoint(rule.api_base, None, headers, set_by, leaves_out), None
        if self._needs_keys and named is None and provider.is_missing_key(self.environ):
            raise _missing_key(model, provider.keys, "it is read from the environment alone")
        variable, key = first_variable(self.environ, provider.keys)
        # Signed in another way, LiteLLM finds the address where it finds the rest.
        is_ours = variable is not None or lane == "direct" or provider.is_local
        return Endpoint(base if is_ours else None, key, headers, set_by, leaves_out), variable

    def _check_provider(self, model: str, provider: str, lane: Lane) -> None:
        if lane == "direct" and not _has_own_address(provider):
            raise ModelConfigurationError(
                f"`{model}` is set to `lane: direct`, which needs to know where",
                hint="give it an `api_base` under `models:` in promptctl.yaml",
            )
        if not self._is_unknown(provider, model):
            return
        meant = did_you_mean(provider, self._providers(), "{}/…")
        raise ModelConfigurationError(
            f"unknown provider `{printable(provider)}` in the model's id `{printable(model)}`",
            hint=f"{meant} {_HOW_IDS_ARE_WRITTEN}".strip(),
        )

    def hint_for_idle(self, glob: str) -> str | None:
        """Return what to write in the place of a glob that no model's id can match; None if some may match."""
        from promptctl.log.filter import is_glob

        provider, slash, _ = glob.partition("/")
        if is_glob(provider) or not (slash or self._map.providers):
            return None
        if not slash:
            found = self._map.provider_of(provider)
            return f"did you mean `{found}/{provider}`?" if found else "ids are written provider/model"
        if not self._is_unknown(provider, glob) or provider in {*self._own_providers(), "echo", "replay"}:
            return None
        meant = did_you_mean(provider, self._providers(), "{}/…")
        return meant or "ids are written provider/model; a server of your own has a rule under `models:`"

    def _providers(self) -> list[str]:
        from promptctl.models.endpoints import known_providers

        return sorted({*known_providers(), *self._map.providers, *self._own_providers(), "echo", "replay"})

    def _own_providers(self) -> set[str]:
        """Return the providers that the workspace's rules name."""
        return {rule.pattern.partition("/")[0] for rule in self._settings.models}

    def _is_unknown(self, provider: str, model: str) -> bool:
        from promptctl.models.endpoints import known_providers

        if provider in known_providers() or not self._map.providers or provider in self._map.providers:
            return False
        return self._map.entry(model) is None


def _has_own_address(provider: str) -> bool:
    """Return True if the address is known at which a provider speaks the chat-completions protocol."""
    from promptctl.models.dialects import dialect_of

    return provider == "openai" or dialect_of(provider).address is not None


def _priced_as(settings: Settings) -> Callable[[str], str | None]:
    return cache(lambda model: settings.model_rule(model).priced_as)


def _what_is_wrong_with(model: str, *, is_sent_as_text: bool) -> str | None:
    """Return what makes a text no model's id; None if nothing does.

    LiteLLM builds hosts and paths out of ids, which come from prompts: what parts an address has no place in them. Of
    one that `is_sent_as_text` nothing is built.
    """
    if "://" in model:
        return "names an address, which is given as `api_base` under `models:` in promptctl.yaml"
    if not model.isprintable():
        return "holds a character that cannot be shown"
    stray = None if is_sent_as_text else _NOT_IN_IDS.search(model)
    if stray is not None and not (stray[0] == "#" and model.startswith("fireworks_ai/")):
        return f"holds `{stray[0]}`; letters, digits and . _ : @ / + ~ - are what ids are made of"
    if not {".", ".."}.isdisjoint(model.split("/")):
        return "climbs with `.` or `..`"
    if "arn:" in model and not _ARN.search(model):
        return "holds an ARN that is none: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"
    return None


def _account_headers(provider: str, rule: ModelRule, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that choose one of several OpenAI accounts; no address but OpenAI's own gets them."""
    if provider != "openai" or rule.api_base is not None:
        return {}
    named = {"OpenAI-Organization": environ.get("OPENAI_ORG_ID"), "OpenAI-Project": environ.get("OPENAI_PROJECT_ID")}
    return {name: value for name, value in named.items() if value}


def _check_address(model: str, name: str, provider: Provider, environ: Mapping[str, str]) -> None:
    """Raise `ModelConfigurationError` if nobody names an address: LiteLLM would send the key to OpenAI."""
    from promptctl.models.hosts import has_address

    if not has_address(name, environ):
        variable = provider.bases[0] if provider.bases else f"{name.upper().replace('-', '_')}_API_BASE"
        raise ModelConfigurationError(
            f"`{printable(model)}` has no address: `{printable(name)}` has none of its own, and none is set",
            hint=f"set `api_base` for it under `models:` in promptctl.yaml, or the variable {variable}",
        )


def _missing_key(model: str, variables: tuple[str, ...], why: str) -> MissingKey:
    return MissingKey(
        f"there is no key for `{model}`: the variable {' or '.join(variables)} is not set ({why})",
        hint=f"export {variables[0]}=…, or try without a key: --model echo/echo",
    )
