"""Messages of a registry's prompts as ours, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.exchange.drafts import ImportNote
from promptctl.exchange.registries.items import RegistryItem
from promptctl.files.yaml_reader import MAX_BYTES
from promptctl.template_languages.double_braces import InputNames, double_brace_pieces
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.mustache import MustacheNotes, mustache_pieces
from promptctl.template_languages.pieces import Piece, TextPiece
from promptctl.templates import BadTemplate
from promptctl.templates.events import Include, Use
from promptctl.templates.uses import uses

# Uses of a variable that ask whether it has a value.
_ASKED = ("truth", "defined", "default", "null")
_ROLES = ("system", "developer", "user", "assistant")
_MEANT = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant"}

Split = Callable[[str], Iterable[Piece]]


@dataclass(slots=True)
class MessageReader:
    """Reads the messages of one version. `split` makes pieces of what is text between variables: includes.

    If texts may have sections and triple braces of Mustache, it `has_sections`. `inputs` are known after `texts`.
    """

    item: RegistryItem
    split: Split | None = None
    has_sections: bool = False
    names: InputNames = field(init=False)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[ImportNote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = InputNames(self.has_sections)

    def role(self, role: Any, at: int, key: str) -> str:
        """Return the role of a message. Raises `InvalidFiles` for one that no message here can have."""
        if role in _ROLES:
            return str(role)
        meant = _MEANT.get(role) if isinstance(role, str) else None
        if meant is None:
            hint = f"a message here is by {', '.join(_ROLES)}; change the role, or leave this version out of the file"
            raise self.item.refuse(f"message {at + 1} has the role `{role}`", "role", hint)
        self.notes.append(self.item.note("changed", f"{key}[{at}].role", f"`{role}` is written as `{meant}`"))
        return meant

    def pieces(self, text: str) -> tuple[Piece, ...]:
        """Return the pieces of a text, its variables by their names here."""
        found: list[Piece] = []
        for piece in double_brace_pieces(text, self.names):
            found += self.split(piece.text) if isinstance(piece, TextPiece) and self.split else [piece]
        return tuple(found)

    def notes_of_names(self, key: str) -> Iterable[ImportNote]:
        """Yield what became of variables that have a different name or meaning here."""
        names, note = self.names, self.item.note
        for old, new in names.changed.items():
            yield note("changed", key, f"the variable `{old}` is the input `{new}`, a name that an input may have")
        for name in names.dotted:
            root, _, rest = name.partition(".")
            yield note("changed", key, f"`{{{{{name}}}}}` is the key `{rest}` of the input `{root}`")
        for name in names.triples:
            yield note("changed", key, f"`{{{{{{{name}}}}}}}` is the variable `{name}` without braces around it")
        for name in names.loose if self.has_sections else ():
            why = "to its Python SDK, with braces that stand open before it, it is text"
            yield note("changed", key, f"`{name}` is a variable, as in Langfuse's editor; {why}")

    def texts(self, texts: Sequence[str]) -> tuple[list[str], str | None]:
        """Return texts as templates of ours, and their engine if it is not Jinja."""
        if sum(map(len, texts)) > MAX_BYTES:
            hint = "leave this version out of the file"
            raise self.item.refuse(f"the texts have more than {MAX_BYTES:,} characters", "prompt", hint)
        pieces = [self.pieces(text) for text in texts]
        self.inputs = {name: {} for name in self.names.inputs}
        if self.names.sections and self.has_sections:
            written = [self._mustache(text) for text in texts]
            self.inputs = jinja_inputs(written)
            return written, None
        if all(isinstance(piece, TextPiece) for each in pieces for piece in each):
            written = [jinja_text(each) for each in pieces]
            return list(texts), None if written == list(texts) else "none"
        return [jinja_text(each) for each in pieces], None

    def _mustache(self, text: str) -> str:
        """Return a text with sections of Mustache as a template of ours."""
        told = MustacheNotes()
        try:
            written = jinja_text(mustache_pieces(text, notes=told))
            if any(isinstance(event, Include) for event in uses(written)):
                raise BadTemplate("a partial is included, and Langfuse has none")
        except BadTemplate as error:
            message = f"the text has sections of Mustache that cannot be read: {error.message}"
            raise self.item.refuse(message, "prompt", "write it without them, or leave this version out") from None
        self.names = InputNames(self.has_sections)
        message = "has sections of Mustache, as the JavaScript SDK fills them in; the Python SDK leaves them as text"
        self.notes.append(self.item.note("changed", "prompt", message))
        for name, (_, guess) in told.guessed.items():
            self.notes.append(
                self.item.note("changed", "prompt", f"the section `{name}` is read as a {guess}: nothing says which")
            )
        return written


def jinja_inputs(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the inputs that Jinja templates read; those may be left out of which one asks whether they have a value.

    Raises `BadTemplate`.
    """
    inputs: dict[str, dict[str, Any]] = {}
    for text in texts:
        for event in uses(text):
            if isinstance(event, Use) and (event.act in _ASKED or event.path[0] not in inputs):
                inputs[event.path[0]] = {"required": False} if event.act in _ASKED else {}
    return inputs


def with_messages(messages: Sequence[dict[str, Any]], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return messages whose contents are the next of the texts, in their order."""
    rest = iter(texts)
    return [{**each, "content": next(rest)} if "content" in each else each for each in messages]
