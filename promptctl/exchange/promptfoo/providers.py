"""promptfoo's providers: the model that each stands for, and what its config asks of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.exchange.promptfoo.spots import Notes, Spot
from promptctl.formats.schemas import load_schema

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
_CODE = re.compile(r"(?:file://|python:|exec:|ruby:|golang:|package:)|.*\.(?:js|mjs|cjs|ts|py|rb|go|sh)(?::\w+)?\Z")
_NETWORK = re.compile(r"(?:https?|wss?|webhook|websocket|browser|mcp|http|ws)(?::|\Z)")
_CONNECTION = ("apiKey", "apiKeyEnvar", "apiHost", "apiBaseUrl", "organization", "headers", "apiVersion", "region")
_RENAMED = {
    **dict.fromkeys(("max_output_tokens", "maxOutputTokens", "maxTokens"), "max_tokens"),
    **dict.fromkeys(("stopSequences", "stop_sequences"), "stop"),
    "topP": "top_p",
    "topK": "top_k",
    "passthrough": "extra_body",
}
_PARAMETERS = frozenset(load_schema("prompt")["$defs"]["parameters"]["properties"])
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

    def takes(self, labels: set[str]) -> bool:
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
    if _CODE.match(provider) or _NETWORK.match(provider):
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


def read_providers(config: Spot, prompts: Iterable[set[str]], notes: Notes) -> list[PromptfooProvider]:
    """Return the providers, in their order, with a note for each; `prompts` are the names of each prompt."""
    key = "providers" if config.get("providers") else "targets"
    given = config.get(key)
    if given is None:
        return []
    found = [each for spot in given.items() if (each := _read(spot, notes)) is not None]
    usable = [each for each in found if each.model is not None]
    used = [next((each for each in usable if each.takes(names)), None) for names in prompts]
    for each in found:
        part = f"{key}: {each.id}"
        if any(each is other for other in used):
            notes.add("changed", part, f"is the model `{each.model}`", each.spot.place)
            each.data = read_config(each.config, part, notes) if each.config is not None else {}
            continue
        if each.model is not None:
            message = f"is `{each.model}`: a prompt has one model, that of the first provider for it"
            notes.add("dropped", part, message, each.spot.place, _EVAL_HINT.format(model=each.model))
        for name in each.config.value if each.config is not None and isinstance(each.config.value, dict) else ():
            notes.add("dropped", f"{part}: {name}", "goes with its provider", each.config.at(name).place)  # type: ignore[union-attr]
    return usable


def _read(spot: Spot, notes: Notes, *, is_beside: bool = False) -> PromptfooProvider | None:
    value, config = spot.value, None
    if isinstance(value, dict) and "id" not in value and len(value) == 1:
        [(id_, inner)] = value.items()
        spot = spot.at(id_)
        config, labels = spot.get("config"), spot.get("prompts")
        id_ = inner["id"] if isinstance(inner, dict) and isinstance(inner.get("id"), str) else id_
    elif isinstance(value, dict):
        id_, config, labels = value.get("id"), spot.get("config"), spot.get("prompts")
    else:
        id_, labels = value, None
    if not isinstance(id_, str):
        notes.add("dropped", "providers", "is no provider by its id", spot.place)
        return None
    if id_.startswith("file://") and id_.endswith((".yaml", ".yml", ".json")) and not is_beside:
        beside = spot.source.beside(id_.removeprefix("file://"), spot.place.line)
        return _read(next(Spot.of(beside).items(), spot), notes, is_beside=True)
    model = model_of(id_)
    if model is None:
        hint = (
            "name the model: `model:` in the prompt, with `api_base` under `models:` in promptctl.yaml if it is yours"
        )
        notes.add("dropped", f"providers: {id_}", _why_no_model(id_), spot.place, hint)
    if "responses:" in id_ and model is not None:
        notes.add("changed", f"providers: {id_}", "is asked by the chat-completions protocol", spot.place)
    for key in value if isinstance(value, dict) and "id" in value else ():
        if key not in ("id", "config", "prompts") and value[key] not in (None, {}, []):
            notes.add("dropped", f"providers: {id_}: {key}", "has no counterpart here", spot.at(key).place)
    return PromptfooProvider(id_, spot, model, config, prompts=_labels(labels))


def _labels(spot: Spot | None) -> tuple[str, ...] | None:
    return tuple(str(each.value) for each in spot.items()) if spot is not None else None


def _why_no_model(id_: str) -> str:
    if _CODE.match(id_):
        return "is code of that project, which is not run here"
    if _NETWORK.match(id_):
        return "is an address of its own, not a model"
    return "is no provider that is known here by a model's id"


def read_config(config: Spot, part: str, notes: Notes) -> dict[str, Any]:
    """Return the keys of a prompt that a provider's config stands for, with a note for each of its keys."""
    data: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    name: Any
    for key, value in config.value.items() if isinstance(config.value, dict) else ():
        spot, name = config.at(key), _RENAMED.get(key, key)
        if value is None:
            continue
        if name == "extra_body" and isinstance(value, dict):
            own = {each: inner for each, inner in value.items() if each in _PARAMETERS}
            parameters.update(own)
            value = {each: inner for each, inner in value.items() if each not in own}
            told = ", ".join(f"`parameters.{each}`" for each in (*own, *(["extra_body"] if value else [])))
            parameters.update({"extra_body": value} if value else {})
            notes.add("changed", f"{part}: {key}", f"is {told}", spot.place)
        elif name in _PARAMETERS and not _is_template(value):
            parameters.setdefault(name, value)
            fate = "kept" if name == key else "changed"
            notes.add(fate, f"{part}: {key}", f"is `parameters.{name}`", spot.place)  # type: ignore[arg-type]
        elif key == "response_format":
            data |= _response_format(spot, part, notes)
        elif key == "tools":
            data |= _tools(spot, part, notes)
        elif key in _CONNECTION:
            hint = "keys are read from the environment; an address goes under `models:` in promptctl.yaml"
            notes.add("dropped", f"{part}: {key}", "is about the connection, no part of a prompt", spot.place, hint)
        else:
            notes.add("dropped", f"{part}: {key}", "is no parameter that a prompt has here", spot.place)
    return {**({"parameters": parameters} if parameters else {}), **data}


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def _response_format(spot: Spot, part: str, notes: Notes) -> dict[str, Any]:
    spot = loaded(spot)
    value: Any = spot.value
    if isinstance(value, Mapping) and value.get("type") == "json_object":
        notes.add("kept", f"{part}: response_format", "stays", spot.place)
        return {"response_format": {"type": "json_object"}}
    named = value.get("json_schema", value) if isinstance(value, Mapping) else None
    schema = named.get("schema") if isinstance(named, Mapping) else None
    if isinstance(schema, str) and schema.startswith("file://"):
        schema = loaded(spot.at(*(("json_schema", "schema") if "json_schema" in value else ("schema",)))).value
    if not isinstance(schema, Mapping):
        notes.add("dropped", f"{part}: response_format", "is no JSON Schema that can be read", spot.place)
        return {}
    assert isinstance(named, Mapping)
    output: dict[str, Any] = {"schema": schema}
    if isinstance(named.get("name"), str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", named["name"]):
        output["name"] = named["name"]
    output |= {"strict": True} if named.get("strict") is True else {}
    notes.add("changed", f"{part}: response_format", "is `output`: replies are checked against it", spot.place)
    return {"output": output}


def _tools(spot: Spot, part: str, notes: Notes) -> dict[str, Any]:
    spot = loaded(spot)
    tools = [each.value for each in spot.items() if isinstance(each.value, dict) and each.value.get("type")]
    if tools:
        notes.add("kept", f"{part}: tools", "stay", spot.place)
    if len(tools) < len(list(spot.items())):
        notes.add("dropped", f"{part}: tools", "some are no tools of the chat-completions protocol", spot.place)
    return {"tools": tools} if tools else {}


def loaded(spot: Spot) -> Spot:
    """Return the YAML or JSON of the file that a `file://` names; anything else as it is. Raises `InvalidFiles`."""
    value = spot.value
    if isinstance(value, str) and value.startswith("file://") and value.endswith((".json", ".yaml", ".yml")):
        return Spot.of(spot.source.beside(value.removeprefix("file://"), spot.place.line))
    return spot
