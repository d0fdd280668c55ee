"""The prompt that is linted, its model, and its messages as one reads them: each made once, when a rule asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any

from promptctl.errors import Place
from promptctl.files.document import Document, Key
from promptctl.formats.settings_file import ModelRule, Settings, sent_parameters
from promptctl.models.gateway import recorded_model
from promptctl.models.model_map import ModelMap
from promptctl.prompts.closure import Declared
from promptctl.prompts.prompt import MISSING, Input
from promptctl.prompts.variable_use import PlacedEvent, variable_uses
from promptctl.templates.events import Condition, Printed, Text, Use

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
        for keys in (("parameters", name), ("modelParameters", name), ("modelParameters", _camel(name))):
            place = self.document.key_place(*keys)
            if place != self.document.key_place(*keys[:1], "\0"):
                return place
        return self.document.key_place("modelParameters" if self.is_github else "parameters")

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


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


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
        from promptctl.errors import ModelConfigurationError
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


VALUE = "\ufffc"
"""The character that stands for a value in a text."""

_MOST_PIECES = 20_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Constant text, or a value: then `inputs` are those whose text is in it, through the `filters`.

    `holds` are the tests under which it is sent.
    """

    text: str
    place: Place
    line: int
    holds: tuple[Condition, ...] = ()
    is_repeated: bool = False
    is_value: bool = False
    inputs: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()

    @property
    def is_always_sent(self) -> bool:
        """True if each call sends it, once."""
        return not self.holds and not self.is_repeated


@dataclass(frozen=True)
class MessageText:
    """One text of the messages with its partials. `keys` lead to it; `pieces` are in reading order.

    The role of a placeholder is `placeholder`, that of an image's or a file's address is `media`.
    """

    role: str
    keys: tuple[Key, ...]
    pieces: Sequence[Piece]
    document: Document

    @cached_property
    def flat(self) -> str:
        """The text with `VALUE` in the place of each value."""
        return "".join([VALUE if piece.is_value else piece.text for piece in self.pieces])

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((1 if piece.is_value else len(piece.text) for piece in self.pieces), initial=0))[:-1]

    def piece(self, offset: int) -> Piece:
        """Return the piece that holds a character of `flat`."""
        return self.pieces[bisect_right(self._starts, offset) - 1]

    def place(self, offset: int) -> Place:
        """Return the place of a character of `flat`."""
        index = bisect_right(self._starts, offset) - 1
        return self.place_in(self.pieces[index], offset - self._starts[index])

    def place_in(self, piece: Piece, offset: int) -> Place:
        """Return the place of a character of a piece's text."""
        more = piece.text.count("\n", 0, offset)
        if not more:
            return piece.place
        is_own = piece.place.path == self.document.path
        line = piece.line + more
        return self.document.line_place(line, *self.keys) if is_own else Place(piece.place.path, line)


def read_messages(declared: Declared, events: Sequence[PlacedEvent]) -> list[MessageText]:
    """Return the texts of a prompt's messages, out of all that its templates do."""
    texts: list[MessageText] = []
    messages, document = declared.file.data["messages"], declared.file.document
    for (message, part), group in groupby(events, key=lambda each: (each.message, each.part)):
        given = messages[message]
        keys: tuple[Key, ...] = ("messages", message, "content")
        role = given.get("role", "placeholder")
        if part is not None:
            keys = (*keys, part, "text")
            role = role if given["content"][part]["type"] == "text" else "media"
        pieces = [piece for each in group if (piece := _piece(each)) is not None][:_MOST_PIECES]
        if pieces:
            texts.append(MessageText(role, keys, pieces, document))
    return texts


def _piece(each: PlacedEvent) -> Piece | None:
    event = each.event
    if isinstance(event, Text):
        return Piece(event.text, each.place, event.line, event.holds, event.is_repeated)
    if isinstance(event, Printed):
        names = tuple(dict.fromkeys(source[0] for source in event.sources))
        return Piece("", each.place, event.line, event.holds, event.is_repeated, True, names, event.filters)  # noqa: FBT003
    if isinstance(event, Use) and event.act == "messages":
        return Piece("", each.place, event.line, is_value=True, inputs=event.path)
    return None
