"""Facts about models and providers from LiteLLM's bundled files, read without importing LiteLLM (2 s, 165 MB)."""

from __future__ import annotations

import json
import re
import time
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from promptctl.files.names import nearest

_PRICES = "model_prices_and_context_window_backup.json"
_PROVIDERS = "provider_endpoints_support_backup.json"
# A model that is listed without its provider.
_NAME = re.compile(rb'^ +"([\w:.-]+)": \{', re.MULTILINE)
_OPENING = re.compile(rb"\s*:\s*\{")
# The longest entry has some 4,000 bytes.
_LONGEST_ENTRY = 64 * 1024
# The map names a provider's kinds of models apart; in a model id they share one prefix.
_BEDROCK_ROUTE = re.compile(r"^(?:converse|invoke)/")
_KINDS = {"bedrock_converse": "bedrock", "cohere_chat": "cohere", "text-completion-openai": "openai"}


class ModelMap:
    """The map of models that comes with LiteLLM. Nothing is read before it is asked for.

    Its 3 MB are not parsed: the one entry that is wanted is found in the text, in 1 ms instead of 20, and nothing else
    stays in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._given_folder = folder
        self._entries: dict[str, dict[str, Any] | None] = {}
        self._like: dict[str, list[str]] = {}

    @cached_property
    def _folder(self) -> Path | None:
        if self._given_folder is not None:
            return self._given_folder
        spec = find_spec("litellm")
        return Path(spec.origin).parent if spec is not None and spec.origin is not None else None

    @cached_property
    def source(self) -> str:
        """The source of its prices: `litellm`, its version, and the day on which its list came to this machine."""
        if self._folder is None:
            return "litellm"
        found = sorted(self._folder.parent.glob("litellm-*.dist-info"))
        names = [folder.name.removeprefix("litellm-").removesuffix(".dist-info") for folder in found]
        version = f"litellm {names[0]}" if len(names) == 1 else "litellm"
        try:
            since = time.gmtime((self._folder / _PRICES).stat().st_mtime)
        except OSError:
            return version
        return f"{version} ({time.strftime('%Y-%m-%d', since)})"

    @cached_property
    def providers(self) -> frozenset[str]:
        """The names of the providers that LiteLLM reaches; empty if the list cannot be read."""
        try:
            listed = json.loads(self._read(_PROVIDERS))["providers"]
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()
        return frozenset(name for name in listed if "/" not in name)

    def entry(self, model: str) -> dict[str, Any] | None:
        """Return the entry of a model (`openai/gpt-4o-mini`, or without its provider); None if it is not known."""
        if model not in self._entries:
            self._entries[model] = self._look_up(model)
        return self._entries[model]

    def provider_of(self, model: str) -> str | None:
        """Return the provider of a model given without one (`gpt-4o-mini`); None if the map does not know it."""
        entry = self.entry(model)
        return None if entry is None else _prefix_of(str(entry.get("litellm_provider", "")))

    def ids_like(self, name: str) -> list[str]:
        """Return the ids of models that a name without its provider may be a typo of: `gpt4o`; at most three.

        Many prompts may name one model that nobody knows, and looking takes 50 ms: what was found is kept.
        """
        if name not in self._like:
            self._like[name] = self._find_like(name)
        return self._like[name]

    def _find_like(self, name: str) -> list[str]:
        try:
            known = [key.decode() for key in _NAME.findall(self._read(_PRICES))]
        except OSError:
            return []
        written = re.sub(r"\W", "", name.lower())
        near = [each for each in known if re.sub(r"\W", "", each.lower()) == written]
        near = near or nearest(name, [each for each in known if each[0] == name[:1].lower()], mistakes=2)
        return [f"{provider}/{each}" for each in near[:3] if (provider := self.provider_of(each))]

    def _look_up(self, model: str) -> dict[str, Any] | None:
        try:
            text = self._read(_PRICES)
        except OSError:
            return None
        exact = _find(text, model)
        if exact is not None or "/" not in model:
            return exact
        provider, _, name = model.partition("/")
        entry = _find(text, name if provider != "bedrock" else _BEDROCK_ROUTE.sub("", name))
        # `mistral/x` must not be priced as some other provider's `x`.
        if entry is not None and _prefix_of(str(entry.get("litellm_provider", ""))) == provider:
            return entry
        return None

    def _read(self, name: str) -> bytes:
        if self._folder is None:
            raise FileNotFoundError(name)
        return (self._folder / name).read_bytes()


def _find(text: bytes, key: str) -> dict[str, Any] | None:
    quoted = json.dumps(key).encode()
    end = len(text)
    while (at := text.rfind(quoted, 0, end)) >= 0:
        end = at
        opening = _OPENING.match(text, at + len(quoted))
        if opening is None:
            continue
        start = opening.end() - 1
        try:
            entry, _ = json.JSONDecoder().raw_decode(text[start : start + _LONGEST_ENTRY].decode(errors="replace"))
        except ValueError:
            continue
        if isinstance(entry, dict) and "litellm_provider" in entry:
            return entry
    return None


def _prefix_of(provider: str) -> str:
    provider = _KINDS.get(provider, provider)
    return "vertex_ai" if provider.startswith("vertex_ai-") else provider
