"""promptfoo's providers: the model that each stands for, and what its config asks of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.exchange.drafts import Fate
from promptctl.exchange.model_settings import ForeignSettings, parameter_of, tools_of
from promptctl.exchange.promptfoo.named_files import is_code
from promptctl.exchange.promptfoo.spots import Spot

# The beginning of a provider's id, and the beginning of LiteLLM's for the same one.
_PREFIXES: tuple[tuple[str, str], ...] = (
    ("openai:chat:", "openai/"),
    ("openai:responses:", "openai/"),
    ("openai:completion:", "text-completion-openai/"),
    ("openai:embedding:", "openai/"),
    ("openai:embeddings:", "openai/"),
    ("openai:", "openai/"),
    ("azureopenai:chat:", "azure/"),
    ("azure:chat:", "azure/"),
    ("azure:responses:", "azure/"),
    ("azure:embedding:", "azure/"),
    ("anthropic:messages:", "anthropic/"),
    ("anthropic:", "anthropic/"),
    ("google:", "gemini/"),
    ("palm:", "gemini/"),
    ("vertex:", "vertex_ai/"),
    ("bedrock:converse:", "bedrock/converse/"),
    ("bedrock:", "bedrock/"),
    ("mistral:chat:", "mistral/"),
    ("mistral:", "mistral/"),
    ("ollama:chat:", "ollama_chat/"),
    ("ollama:completion:", "ollama/"),
    ("ollama:embeddings:", "ollama/"),
    ("ollama:", "ollama/"),
    ("litellm:chat:", ""),
    ("litellm:", ""),
    ("openrouter:", "openrouter/"),
    ("togetherai:chat:", "together_ai/"),
    ("togetherai:", "together_ai/"),
    ("groq:", "groq/"),
    ("deepseek:", "deepseek/"),
    ("xai:", "xai/"),
    ("perplexity:", "perplexity/"),
    ("fireworks:", "fireworks_ai/"),
    ("cohere:", "cohere_chat/"),
    ("cerebras:", "cerebras/"),
    ("databricks:", "databricks/"),
    ("replicate:", "replicate/"),
    ("github:", "github/"),
    ("sambanova:", "sambanova/"),
    ("nscale:", "nscale/"),
    ("huggingface:text-generation:", "huggingface/"),
    ("huggingface:chat:", "huggingface/"),
)
_CODE = re.compile(r"file://|python:|exec:|ruby:|golang:|package:")
_NETWORK = re.compile(r"(?:https?|wss?|webhook|websocket|browser|mcp|http|ws)(?::|\Z)")
_CONNECTION = ("apiKey", "apiKeyEnvar", "apiHost", "apiBaseUrl", "organization", "headers", "apiVersion", "region")
_WORDS = {"tools": "stay", "response_format": "stays", "output.schema": "is `output`: replies are checked against it"}
_EVAL_HINT = "evaluate on it as well: promptctl eval ID -m {model}"


@dataclass
class PromptfooProvider:
    """A provider: its model, None if there is none here; the keys of a prompt its config gives; its prompts' labels."""

    id: str
    spot: Spot
    model: str | None
    config: Spot | None = None
    data: dict[str, Any] = field(default_factory=dict)
    prompts: tuple[str, ...] | None = None

    def takes(self, labels: frozenset[str]) -> bool:
        """Return True for a prompt with one of these names that it is not kept from."""
        if self.prompts is None:
            return True
        return any(
            name in labels or any(each.startswith(f"{name.removesuffix('*').removesuffix(':')}:") for each in labels)
            for name in self.prompts
        )


def model_of(provider: str) -> str | None:
    """Return LiteLLM's id of a provider's model; None for code, for addresses and for what is unknown.

    >>> model_of("openai:gpt-4o"), model_of("anthropic:messages:claude-sonnet-4-5"), model_of("file://x.py")
    ('openai/gpt-4o', 'anthropic/claude-sonnet-4-5', None)
    """
    if provider == "echo":
        return "echo/echo"
    if _is_program(provider) or _NETWORK.match(provider):
        return None
    found = next(((theirs, ours) for theirs, ours in _PREFIXES if provider.startswith(theirs)), None)
    model = provider.removeprefix(found[0]).removeprefix("embedding:") if found else ""
    if not model or not found or any(character.isspace() for character in model):
        return None
    return found[1] + model


def provider_of(model: str) -> str | None:
    """Return promptfoo's provider of a model of LiteLLM; None if there is none.

    >>> provider_of("openai/gpt-4o"), provider_of("anthropic/claude-sonnet-4-5"), provider_of("x/y")
    ('openai:chat:gpt-4o', 'anthropic:messages:claude-sonnet-4-5', None)
    """
    if model == "echo/echo":
        return "echo"
    found = next(((theirs, ours) for theirs, ours in _PREFIXES if ours and model.startswith(ours)), None)
    return found[0] + model.removeprefix(found[1]) if found else None


def read_providers(config: Spot, prompts: Iterable[frozenset[str]]) -> list[PromptfooProvider]:
    """Return the providers, in their order, with a note for each; `prompts` are the names of each prompt."""
    key = "providers" if config.get("providers") else "targets"
    given = config.get(key)
    if given is None:
        return []
    found = [each for spot in given.items() if (each := _read(spot)) is not None]
    usable = [each for each in found if each.model is not None]
    used = [next((each for each in usable if each.takes(names)), None) for names in prompts]
    for each in found:
        part = f"{key}: {each.id}"
        if any(each is other for other in used):
            each.spot.note("changed", part, f"is the model `{each.model}`")
            each.data = read_config(each.config, part) if each.config is not None else {}
            continue
        if each.model is not None:
            message = f"is `{each.model}`: a prompt has one model, that of the first provider for it"
            each.spot.note("dropped", part, message, _EVAL_HINT.format(model=each.model))
        for name in each.config.value if each.config is not None and isinstance(each.config.value, dict) else ():
            each.config.at(name).note("dropped", f"{part}: {name}", "goes with its provider")  # type: ignore[union-attr]
    return usable


def _read(spot: Spot, *, is_beside: bool = False) -> PromptfooProvider | None:
    value = spot.value
    id_ = value.get("id") if isinstance(value, dict) else value
    if isinstance(value, dict) and "id" not in value and len(value) == 1:
        [id_] = value
        spot = spot.at(id_)
        own = spot.get("id")
        id_ = own.value if own is not None and isinstance(own.value, str) else id_
    if not isinstance(id_, str):
        spot.note("dropped", "providers", "is no provider by its id")
        return None
    if id_.startswith("file://") and id_.endswith((".yaml", ".yml", ".json")) and not is_beside:
        beside = spot.source.beside(id_.removeprefix("file://"), spot.place.line)
        return _read(next(Spot.of(beside, spot.notes).items(), spot), is_beside=True)
    model = model_of(id_)
    if model is None:
        hint = (
            "name the model: `model:` in the prompt, with `api_base` under `models:` in promptctl.yaml if it is yours"
        )
        spot.note("dropped", f"providers: {id_}", _why_no_model(id_), hint)
    if "responses:" in id_ and model is not None:
        spot.note("changed", f"providers: {id_}", "is asked by the chat-completions protocol")
    for key in value if isinstance(value, dict) and "id" in value else ():
        if key not in ("id", "config", "prompts") and value[key] not in (None, {}, []):
            spot.at(key).note("dropped", f"providers: {id_}: {key}", "has no counterpart here")
    return PromptfooProvider(id_, spot, model, spot.get("config"), prompts=_labels(spot.get("prompts")))


def _labels(spot: Spot | None) -> tuple[str, ...] | None:
    return tuple(str(each.value) for each in spot.items()) if spot is not None else None


def _is_program(id_: str) -> bool:
    return bool(_CODE.match(id_)) or is_code(id_)


def _why_no_model(id_: str) -> str:
    if _is_program(id_):
        return "is code of that project, which is not run here"
    if _NETWORK.match(id_):
        return "is an address of its own, not a model"
    return "is no provider that is known here by a model's id"


def read_config(config: Spot, part: str) -> dict[str, Any]:
    """Return the keys of a prompt that a provider's config stands for, with a note for each of its keys."""
    settings = ForeignSettings()
    for key, value in config.value.items() if isinstance(config.value, dict) else ():
        spot = config.at(key)
        if value is None:
            continue
        if key in ("passthrough", "extra_body") and isinstance(value, dict):
            places = [place for name, each in value.items() if (place := settings.take(name, each)[0])]
            rest = {name: each for name, each in value.items() if f"parameters.{parameter_of(name)}" not in places}
            places += filter(None, [settings.take("extra_body", rest)[0] if rest else None])
            told = ", ".join(f"`{each}`" for each in places)
            spot.note("changed", f"{part}: {key}", f"is {told}")
        elif key in _CONNECTION:
            hint = "keys are read from the environment; an address goes under `models:` in promptctl.yaml"
            spot.note("dropped", f"{part}: {key}", "is about the connection, no part of a prompt", hint)
        elif key in ("model", "model_name") or (isinstance(value, str) and "{{" in value):
            spot.note("dropped", f"{part}: {key}", "is no parameter that a prompt has here")
        else:
            _take(settings, key, spot, part)
    return settings.data


def _take(settings: ForeignSettings, key: str, spot: Spot, part: str) -> None:
    value = _form(spot) if key == "response_format" else loaded(spot).value if key == "tools" else spot.value
    if key == "tools":
        tools = [each for each in (value if isinstance(value, list) else [value]) if tools_of([each])]
        if len(tools) < (len(value) if isinstance(value, list) else 1):
            spot.note("dropped", f"{part}: tools", "some are no tools of the chat-completions protocol")
        if not tools:
            return
        value = tools
    place, why = settings.take(key, value)
    fate: Fate = "dropped" if place is None else "kept" if place.rpartition(".")[2] == key else "changed"
    spot.note(fate, f"{part}: {key}", _WORDS.get(place, f"is `{place}`") if place else why)


def _form(spot: Spot) -> Any:
    """Return the form of replies with its schema in it, whichever file that is in."""
    spot = loaded(spot)
    value: Any = spot.value
    if not isinstance(value, Mapping) or value.get("type") == "json_object":
        return value if not isinstance(value, Mapping) else {"type": "json_object"}
    at = ("json_schema",) if isinstance(value.get("json_schema"), Mapping) else ()
    named: Mapping[str, Any] = value["json_schema"] if at else value
    if "schema" not in named:
        return None
    form = {key: named[key] for key in ("name", "strict") if key in named}
    return {"type": "json_schema", "json_schema": {**form, "schema": loaded(spot.at(*at, "schema")).value}}


def loaded(spot: Spot) -> Spot:
    """Return the YAML or JSON of the file that a `file://` names; anything else as it is. Raises `InvalidFiles`."""
    value = spot.value
    if isinstance(value, str) and value.startswith("file://") and value.endswith((".json", ".yaml", ".yml")):
        return Spot.of(spot.source.beside(value.removeprefix("file://"), spot.place.line), spot.notes)
    return spot
