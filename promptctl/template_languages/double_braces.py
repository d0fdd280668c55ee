"""Templates of `{{name}}` alone, as registries of prompts keep them: into pieces, and back.

Everything else is text there: `{% if %}`, `{# #}`, braces of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from promptctl.files.free_names import FreeNames
from promptctl.template_languages.input_names import input_name
from promptctl.template_languages.pieces import Path, Piece, TextPiece, VariablePiece, kind_of

# Names as people write them; whatever else is in braces is text.
_NAME = re.compile(r"[^\W\d][\w.-]*\Z")
_SECTION = re.compile(r"[#^/>&!=]")

Clause = tuple[str, int]
"""Why a part of a template is lost, and the line of it."""


@dataclass(slots=True)
class InputNames:
    """The inputs that the variables of one prompt become. `changed` maps each variable of a different name to it.

    If the language `has_triples`, `{{{name}}}` is a variable without braces around it, and not within a pair. `triples`
    are such names, `loose` those with one more pair of braces before them, and `sections` other tags of Mustache.
    """

    has_triples: bool = False
    changed: dict[str, str] = field(default_factory=dict)
    dotted: dict[str, None] = field(default_factory=dict)
    triples: dict[str, None] = field(default_factory=dict)
    loose: dict[str, None] = field(default_factory=dict)
    sections: dict[str, None] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _free: FreeNames = field(default_factory=lambda: FreeNames(sign="_"))

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in the order in which they are used."""
        return list(self._names.values())

    def path(self, name: str) -> Path:
        """Return the variable as ours: `user.name` is the key `name` of the input `user`."""
        root, *keys = name.strip(".").split(".")
        if keys:
            self.dotted[name] = None
        return (self.input(root), *(key for key in keys if key))

    def input(self, name: str) -> str:
        """Return the input of a name, with a name that an input may have, and no other variable has."""
        if name not in self._names:
            self._names[name] = ours = self._free.take(input_name(name))
            if ours != name:
                self.changed[name] = ours
        return self._names[name]


def double_brace_pieces(text: str, names: InputNames) -> Iterator[Piece]:
    """Yield the pieces of a template; the names that its variables have here are put down in `names`.

    >>> list(double_brace_pieces('Say {"to": "{{ name }}"}', InputNames()))[1]
    VariablePiece(path=('name',), filters=(), line=1)
    """
    at = printed = counted = 0
    line = 1
    while (end := text.find("}}", at)) >= 0:
        start = text.rfind("{{", at, end)
        name = text[start + 2 : end].strip() if start >= 0 else ""
        if not _NAME.match(name):
            if start >= 0 and _SECTION.match(name):
                names.sections[name] = None
            at = end + 2
            continue
        after = end + 2
        is_triple = names.has_triples and text[start - 1 : start] == "{" and text[after : after + 1] == "}"
        if is_triple and start > printed:
            names.triples[name] = None
            start, after = start - 1, after + 1
        elif text.find("{{", at) < start:
            names.loose[name] = None
        yield TextPiece(text[printed:start])
        line, counted = line + text.count("\n", counted, start), start
        yield VariablePiece(names.path(name), line=line)
        at = printed = after
    yield TextPiece(text[printed:])


def double_brace_text(pieces: Iterable[Piece], losses: list[Clause]) -> str:
    """Return pieces as such a template; what it cannot say is left out, and a clause about it added to `losses`."""
    texts: list[str] = []
    line = 1
    for piece in pieces:
        line = getattr(piece, "line", line)
        match piece:
            case TextPiece(text):
                if any(
                    isinstance(each, VariablePiece) for each in double_brace_pieces(text, InputNames(has_triples=True))
                ):
                    losses.append(("is text that would be taken for a variable: `{{…}}`", line))
                texts.append(text)
                line += text.count("\n")
            case VariablePiece(path, filters) if not filters and len(path) == 1:
                texts.append(f"{{{{{path[0]}}}}}")
            case VariablePiece(path, filters):
                name = ".".join(map(str, path))
                said = " | ".join([name, *(each.name for each in filters)])
                losses.append((f"has `{{{{ {said} }}}}`: only whole variables are filled in there", line))
                texts.append(f"{{{{{path[0]}}}}}")
            case _:
                losses.append((f"has {kind_of(piece)}, which is said nowhere there", line))
    return "".join(texts)
