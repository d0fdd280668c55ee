"""Dialects: the addresses of providers that speak the chat-completions protocol, and what each of them lacks of it.

`source` is the page that says so; what it does not say was taken from LiteLLM's adapter of the provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from promptctl.errors import ModelConfigurationError

CACHE_MARK = "cache_control"
# What is known to be a parameter of a model. Nothing else of a prompt reaches LiteLLM, which takes settings of its own
# (addresses, keys, files to read, callbacks) as arguments beside them; and nobody can tell what anything else costs.
PARAMETERS = frozenset(
    {"temperature", "top_p", "top_k", "top_a", "min_p", "n", "stop", "seed", "user", "max_tokens", "min_tokens"}
    | {"max_completion_tokens", "presence_penalty", "frequency_penalty", "repetition_penalty", "length_penalty"}
    | {"logit_bias", "logprobs", "top_logprobs", "parallel_tool_calls", "tool_choice", "functions", "function_call"}
    | {"reasoning_effort", "thinking", "verbosity", "modalities", "prediction", "audio", "web_search_options"}
    | {"service_tier", "store", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "safety_settings"}
    | {"extra_body", "safe_prompt", "prompt_mode", "best_of", "ignore_eos", "skip_special_tokens", "use_beam_search"}
    | {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "num_ctx", "num_predict"}
    | {"mirostat", "keep_alive"}
)
_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
# OpenAI's reasoning models refuse `max_tokens`.
_REASONING = re.compile(r"(?:ft:)?(?:o[1-9]|gpt-[5-9](?!-chat))(?:\D.*)?")
_LARGER_FIRST = {"max_tokens": "max_completion_tokens"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """A provider's own form of the protocol.

    `has_schema` is None if LiteLLM's list of models says for which. With `streams_formats` false a request for a form
    of reply is not streamed; without `takes_parts` content of texts is sent as one text. `marks_cache` says that
    `cache_control` is the provider's own, `tells_cost` that its usage has what a call cost. `renames` maps parameters
    to the provider's names for them, `tool_choices` values of `tool_choice`; `lacks` names parameters that the provider
    would pass over without a word. `extra` is added to each body, `name_prefix` to a model's name that has no slash.
    """

    source: str = ""
    address: str | None = None
    has_stream_options: bool = True
    has_schema: bool | None = True
    has_json_object: bool = True
    streams_formats: bool = True
    takes_parts: bool = True
    marks_cache: bool = False
    tells_cost: bool = False
    renames: Mapping[str, str] = field(default_factory=dict)
    tool_choices: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    extra: Mapping[str, Any] = field(default_factory=dict)
    name_prefix: str = ""

    def name_of(self, model: str) -> str:
        """Return the model's name as the provider wants it."""
        return model if "/" in model or "#" in model else self.name_prefix + model

    def messages(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return the messages without what the provider does not take in them."""
        return [self._message(message) if isinstance(message.get("content"), list) else message for message in messages]

    def marked(self, items: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return parts or tools, with `cache_control` only if it is the provider's own."""
        if self.marks_cache:
            return list(items)
        return [{name: item[name] for name in item if name != CACHE_MARK} for item in items]

    def _message(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        parts = self.marked(message["content"])
        if not self.takes_parts and all(part.get("type") == "text" for part in parts):
            return {**message, "content": "\n".join(str(part["text"]) for part in parts)}
        return {**message, "content": parts}


def dialect_of(provider: str) -> Dialect:
    """Return the provider's dialect; one like OpenAI's if it is not listed here."""
    return _DIALECTS.get(provider) or _ANY


def is_reasoning(model: str) -> bool:
    """Return True for the name of a model of OpenAI's that reasons before it replies."""
    return _REASONING.fullmatch(model) is not None


def with_path(provider: str, base: str) -> str:
    """Return an address from the environment, with the path of the provider's own if it has none."""
    own, parts = dialect_of(provider).address, urlsplit(base)
    return urlunsplit(parts._replace(path=urlsplit(own).path)) if own and parts.path in {"", "/"} else base


def spoken(provider: str, model: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as the provider names them. Raises `ModelConfigurationError` for one that it lacks."""
    dialect = dialect_of(provider)
    lacking = min(dialect.lacks.intersection(parameters), default=None)
    if lacking is not None:
        raise ModelConfigurationError(
            f"`{lacking}` is not a parameter that {provider} takes in the chat-completions protocol",
            hint=f"leave it out, or set `lane: litellm` for {provider}/{model} under `models:` in promptctl.yaml",
        )
    renames = _LARGER_FIRST if provider == "openai" and is_reasoning(model) else dialect.renames
    for name in renames.keys() & parameters.keys():
        value = parameters.pop(name)
        parameters.setdefault(renames[name], value)
    choice = parameters.get("tool_choice")
    if isinstance(choice, str) and choice in dialect.tool_choices:
        parameters["tool_choice"] = dialect.tool_choices[choice]
    return parameters


_OPENAI = Dialect("https://platform.openai.com/docs/api-reference/chat/create")
# A gateway may lead to a provider that knows marks of its cache.
_ANY = Dialect(_OPENAI.source, marks_cache=True)
_OLLAMA = Dialect(
    "https://docs.ollama.com/api/openai-compatibility",
    "http://localhost:11434/v1",
    renames=_MAX_TOKENS,
    lacks=frozenset({"num_ctx", "num_predict", "mirostat", "keep_alive", "top_k", "min_p", "repetition_penalty"}),
)

_DIALECTS: dict[str, Dialect] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "groq": Dialect(
        "https://console.groq.com/docs/structured-outputs",
        "https://api.groq.com/openai/v1",
        has_schema=None,
        streams_formats=False,
    ),
    "mistral": Dialect(
        "https://docs.mistral.ai/api/endpoint/chat",
        "https://api.mistral.ai/v1",
        has_stream_options=False,  # refuses keys that it does not know, and counts tokens without being asked
        renames={**_MAX_TOKENS, "seed": "random_seed"},
        tool_choices={"required": "any"},
    ),
    "deepseek": Dialect(
        "https://api-docs.deepseek.com/api/create-chat-completion",
        "https://api.deepseek.com/v1",
        has_schema=False,
        renames=_MAX_TOKENS,
    ),
    "xai": Dialect("https://docs.x.ai/docs/api-reference", "https://api.x.ai/v1", tells_cost=True, renames=_MAX_TOKENS),
    "openrouter": Dialect(
        "https://openrouter.ai/docs/api/reference/overview",
        "https://openrouter.ai/api/v1",
        marks_cache=True,
        tells_cost=True,
        extra={"usage": {"include": True}},  # the cost of the call
    ),
    "together_ai": Dialect("https://docs.together.ai/docs/openai-api-compatibility", "https://api.together.xyz/v1"),
    "fireworks_ai": Dialect(
        "https://docs.fireworks.ai/api-reference/post-chatcompletions",
        "https://api.fireworks.ai/inference/v1",
        renames=_MAX_TOKENS,
        tool_choices={"required": "any"},
        name_prefix="accounts/fireworks/models/",
    ),
    "cerebras": Dialect(
        "https://inference-docs.cerebras.ai/resources/openai",
        "https://api.cerebras.ai/v1",
        has_stream_options=False,
        renames=_MAX_TOKENS,
    ),
    "nvidia_nim": Dialect(
        "https://docs.api.nvidia.com/nim/reference/llm-apis",
        "https://integrate.api.nvidia.com/v1",
        renames=_MAX_TOKENS,
    ),
    "perplexity": Dialect(
        "https://docs.perplexity.ai/api-reference/chat-completions-post",
        "https://api.perplexity.ai",
        tells_cost=True,
        has_stream_options=False,
        has_json_object=False,
    ),
    "sambanova": Dialect(
        "https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        "https://api.sambanova.ai/v1",
        takes_parts=False,
        renames=_MAX_TOKENS,
    ),
    "ollama": _OLLAMA,
    "ollama_chat": _OLLAMA,
    "lm_studio": Dialect(
        "https://lmstudio.ai/docs/developer/openai-compat/structured-output",
        "http://localhost:1234/v1",
        has_json_object=False,
        renames=_MAX_TOKENS,
    ),
}
