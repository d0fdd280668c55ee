"""The models of one workspace, and the facts about each that rules go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

from promptctl.errors import ModelConfigurationError
from promptctl.formats.settings_file import ModelRule, Settings
from promptctl.models.gateway import recorded_model
from promptctl.models.model_map import ModelMap

# Distinct models of one workspace that are looked up, and of which the nearest name is looked for.
_MOST_MODELS, _MOST_NEAR = 300, 20
# Providers all of whose models are listed: with others anybody may name a model as they like.
_LISTED = frozenset(("openai", "anthropic", "gemini", "mistral", "deepseek", "xai", "groq", "cohere", "perplexity"))
_OWN_NAMES = ("ft:", "accounts/", "chatgpt-")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about one model. `entry` is that of LiteLLM's list, empty if nothing is known.

    `is_own` is true for a server that the workspace names, which may take anything.
    """

    id: str = ""
    provider: str = ""
    name: str = ""
    rule: ModelRule = field(default_factory=ModelRule)
    entry: Mapping[str, Any] = field(default_factory=dict)
    is_own: bool = False
    unknown: str | None = None
    hint: str = ""

    @property
    def retires(self) -> date | None:
        """The day on which the provider retires it, as far as that is known."""
        try:
            return date.fromisoformat(str(self.entry.get("deprecation_date")))
        except ValueError:
            return None

    def count(self, *keys: str) -> int | None:
        """Return the first of these entries of the list that is a number above zero."""
        values = (self.entry.get(key) for key in keys)
        return next((value for value in values if type(value) is int and value > 0), None)


class ModelList:
    """The models of one workspace."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._map = ModelMap()
        self._known: dict[str | None, ModelFacts] = {}
        self._near = _MOST_NEAR

    @cached_property
    def source(self) -> str:
        """The list's name, with its version and day."""
        return self._map.source

    def facts_of(self, model: str | None) -> ModelFacts:
        """Return the facts about a model, as a prompt or the settings name it; of None or too many models, none."""
        if model not in self._known:
            if len(self._known) > _MOST_MODELS:
                return ModelFacts()
            self._known[model] = self._find(model) if model else ModelFacts()
        return self._known[model]

    def formats_has_schema(self, facts: ModelFacts) -> bool:
        """Return True if a reply's schema is sent to the model as such, and not in words."""
        from promptctl.models.model_settings import Models

        try:
            return Models(self._settings, {}, needs_keys=False).formats_of(facts.id).has_schema
        except ModelConfigurationError:
            return True

    def _find(self, model: str) -> ModelFacts:
        recorded = recorded_model(model)
        provider, slash, name = recorded.partition("/")
        if not slash:
            provider, name = self._map.provider_of(recorded) or "", recorded
            if not provider:
                hint = (
                    self._meant(recorded, "") or "an id is written provider/model: `ollama/qwen3`, `openai/gpt-4o-mini`"
                )
                return ModelFacts(recorded, name=name, unknown="is not a model's id", hint=hint)
        whole = f"{provider}/{name}"
        rule = self._settings.model_rule(whole)
        if provider in ("echo", "replay") or not name:
            return ModelFacts(recorded, rule=rule)
        entry = self._map.entry(rule.priced_as or whole)
        facts = ModelFacts(whole, provider, name, rule, entry or {}, is_own=rule.api_base is not None)
        is_named = any(each.pattern.partition("/")[0] == provider for each in self._settings.models)
        if entry is not None or facts.is_own or is_named or provider not in _LISTED or name.startswith(_OWN_NAMES):
            return facts
        return replace(facts, unknown=f"is not in the list of {self.source}", hint=self._meant(name, provider))

    def _meant(self, name: str, provider: str) -> str:
        self._near -= 1
        near = self._map.ids_like(name) if self._near > 0 else []
        near = [each for each in near if not provider or each.startswith(f"{provider}/")]
        return f"did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
