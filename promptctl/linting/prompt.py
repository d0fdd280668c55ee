"""The prompt that is linted: what a rule asks of it is made once, when the first asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from promptctl.errors import Place
from promptctl.files.document import Document, Key
from promptctl.formats.github_dialect import parameter_keys
from promptctl.formats.settings_file import Settings, sent_parameters
from promptctl.linting.message_texts import MessageText, read_messages
from promptctl.linting.models import ModelFacts, ModelList
from promptctl.prompts.closure import Declared
from promptctl.prompts.prompt import MISSING, Input
from promptctl.prompts.variable_use import PlacedEvent, variable_uses

_FREE_TEXTS = frozenset(("string", "object", "array"))
_MOST_SHORT = 300


@dataclass
class LintedPrompt:
    """One prompt under the linter."""

    declared: Declared
    settings: Settings
    models: ModelList
    today: date

    @property
    def document(self) -> Document:
        """The prompt's file, for places."""
        return self.declared.file.document

    @property
    def data(self) -> Mapping[str, Any]:
        """The prompt's file in native shape."""
        return self.declared.file.data

    @property
    def is_github(self) -> bool:
        """True for a file of GitHub's dialect, which declares no inputs."""
        return self.declared.file.dialect == "github"

    @cached_property
    def events(self) -> list[PlacedEvent]:
        """Everything that the templates do, in reading order."""
        return list(variable_uses(self.declared))

    @cached_property
    def texts(self) -> list[MessageText]:
        """The messages as they are read."""
        return read_messages(self.declared, self.events)

    @property
    def instructions(self) -> list[MessageText]:
        """The messages that instruct the model: all but the assistant's."""
        return [text for text in self.texts if text.role in ("system", "developer", "user")]

    @property
    def model(self) -> str | None:
        """The model that runs: the prompt's, else the workspace's."""
        return self.data.get("model") or self.settings.model

    @cached_property
    def facts(self) -> ModelFacts:
        """Facts about the model that runs."""
        return self.models.facts_of(self.model)

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters that are sent: those of `models:`, and over them the prompt's."""
        merged = sent_parameters(self.facts.rule.parameters, self.data.get("parameters", {}))
        return {name: value for name, value in merged.items() if value is not None}

    def own(self, *names: str) -> list[str]:
        """Return those parameters of these names that the prompt's own file sets."""
        return [name for name in names if name in self.data.get("parameters", {})]

    def removable(self, *names: str) -> tuple[tuple[Key, ...], ...]:
        """Return the keys of these parameters, as what the file can do without; a file of GitHub's is not edited."""
        return () if self.is_github else tuple(("parameters", name) for name in names)

    def declared_at(self, name: str) -> tuple[Place, ...]:
        """Return the place of an input's declaration, if it has one."""
        declared = self.declared.inputs.get(name)
        return () if declared is None or declared.place is None else (declared.place,)

    def parameter_place(self, name: str) -> Place:
        """Return the place of a parameter in the file; GitHub's dialect has its own names for some."""
        return self.document.key_place(*parameter_keys(self.document.data, name))

    def place(self, *keys: Key) -> Place:
        """Return the place of a key of the file."""
        return self.document.key_place(*keys)


def is_free_text(declared: Input | None) -> bool:
    """Return True if any text may be the value of an input, also a long one; of None, which nobody declared."""
    if declared is None:
        return True
    schema = declared.schema
    if not {"enum", "const", "format", "pattern", "contentEncoding"}.isdisjoint(schema):
        return False
    length = schema.get("maxLength")
    if isinstance(length, int | float) and length <= _MOST_SHORT:
        return False
    types = schema.get("type", "string")
    return not _FREE_TEXTS.isdisjoint([types] if isinstance(types, str) else types)


def is_always_given(declared: Input) -> bool:
    """Return True if an input always has a value."""
    return declared.is_required or declared.default is not MISSING
