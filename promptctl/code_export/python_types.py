"""Types of Python for shapes: `TypedDict`s with names of their own, and aliases."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from typing import Any
from unicodedata import normalize

from promptctl.code_export.naming import shown
from promptctl.code_export.shapes import (
    Choice,
    Field,
    Keys,
    ListOf,
    NamedShape,
    OneOf,
    Plain,
    Shape,
    Shapes,
)

_BASICS = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "any": "Any",
    "never": "Never", "message": "Mapping[str, Any]",
}  # fmt: skip
_TYPING = ("Any", "Literal", "Never", "NotRequired", "TypeAlias")
_COLLECTIONS = ("Mapping", "Sequence")
_QUOTE = re.compile(r'"(?="|\Z)')
WORDS = frozenset((*_TYPING, *_COLLECTIONS, "TypedDict", "Unpack", "str", "int", "float", "bool", "list", "dict"))
"""The names of types that modules use, which no type of theirs may have."""


class PythonTypes:
    """Definitions of one module's types, and the names that they import."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._definitions: dict[str, str] = {}
        self._names: set[str] = set()
        self._given: set[str] = set()

    @property
    def definitions(self) -> list[str]:
        """The definitions, in the order in which they were asked for."""
        return list(self._definitions.values())

    @property
    def used(self) -> list[str]:
        """The names that the definitions take from `typing`."""
        return [name for name in _TYPING if name in self._names]

    @property
    def used_collections(self) -> list[str]:
        """The names that the definitions take from `collections.abc`."""
        return [name for name in _COLLECTIONS if name in self._names]

    def define(self, name: str, shape: Shape, about: str, *, is_given: bool = False) -> None:
        """Define a type by its name: a `TypedDict`, or an alias of anything else."""
        self._definitions[name] = ""  # its place, before those that it needs
        if isinstance(shape, Keys) and (shape.fields or name == "Inputs"):
            made = self._typed_dict(name, shape, about, is_given)
        else:
            self._names.add("TypeAlias")
            text = self.text(shape, name, is_given=is_given)
            made = f"{name}: TypeAlias = {_quoted(text)}\n{docstring([about])}".rstrip("\n")
        self._definitions[name] = made

    def define_named(self) -> None:
        """Define the types that schemas name themselves."""
        for name, shape in reversed(self._shapes.named.items()):
            self.define(name, shape, "", is_given=name in self._given)

    def constant(self, value: Any) -> str:
        """Return plain data as an expression of Python."""
        if isinstance(value, dict):
            return "{" + ", ".join(f"{self.constant(key)}: {self.constant(each)}" for key, each in value.items()) + "}"
        return _quoted(value) if isinstance(value, str) else repr(value)

    def _use(self, name: str) -> str:
        self._names.add(name)
        return name

    def text(self, shape: Shape, path: str, *, is_given: bool = False) -> str:
        """Return a type as it is written; `path` names what in it needs a name."""
        match shape:
            case Plain(name):
                text = _BASICS[name]
                self._names |= {word for word in (*_TYPING, *_COLLECTIONS) if word in text}
                return text
            case Choice(values):
                return f"{self._use('Literal')}[{', '.join(self.constant(value) for value in values)}]"
            case ListOf(item):
                outer = self._use("Sequence") if is_given else "list"
                return f"{outer}[{self.text(item, f'{path}Item', is_given=is_given)}]"
            case OneOf(options):
                return " | ".join(dict.fromkeys(self.text(each, path, is_given=is_given) for each in options))
            case NamedShape(name):
                if is_given:
                    self._given.add(name)
                return name
            case Keys():
                return self._keys(shape, path, is_given)

    def _keys(self, shape: Keys, path: str, is_given: bool) -> str:
        if shape.fields:
            name = self._shapes.free_name(path)
            self.define(name, shape, "", is_given=is_given)
            return name
        rest = self._use("Never") if shape.rest is None else self.text(shape.rest, f"{path}Value", is_given=is_given)
        return f"{self._use('Mapping') if is_given else 'dict'}[str, {rest}]"

    def _typed_dict(self, name: str, shape: Keys, about: str, is_given: bool) -> str:
        types = [(each, self._field(each, name, is_given)) for each in shape.fields]
        names = [each.name for each in shape.fields]
        if not all(map(_is_plain, names)) or any(name in self._shapes.taken for name in names):
            return self._called(name, types, about)
        lines = [f"class {name}(TypedDict):"]
        if about or not types:
            lines += [docstring([about], "    "), ""] if about else ["    pass"]
        for each, text in types:
            lines.append(f"    {each.name}: {text}")
            if told := docstring(_told(each), "    "):
                lines.append(told)
        return "\n".join(lines).rstrip("\n")

    def _called(self, name: str, types: Sequence[tuple[Field, str]], about: str) -> str:
        """Return the definition for keys that no attribute can have."""
        lines = [*_comment([about]), f"{name} = TypedDict({_quoted(name)}, {{"]
        for each, text in types:
            lines += _comment(_told(each), "    ")
            lines.append(f"    {_quoted(each.name)}: {_quoted(text)},")
        return "\n".join([*lines, "})"])

    def _field(self, each: Field, owner: str, is_given: bool) -> str:
        text = self.text(each.shape, f"{owner} {each.name}", is_given=is_given)
        return text if each.is_required else f"{self._use('NotRequired')}[{text}]"


def _is_plain(name: str) -> bool:
    """Return True for a key that the body of a class can name: no word of Python's, nothing that it would mangle."""
    is_name = name.isidentifier() and not keyword.iskeyword(name) and normalize("NFKC", name) == name
    return is_name and not name.startswith("__")


def _told(each: Field) -> list[str]:
    return [each.description, f"By default {each.default}." if each.default is not None else ""]


def docstring(texts: Sequence[str], indent: str = "") -> str:
    """Return a docstring of texts, a paragraph each, which no text of it can end; empty without any.

    >>> docstring(['ends \"\"\" here'])
    '\"\"\"ends \\\\"\\\\"\" here\"\"\"'
    """
    paragraphs = [[_literal(line) for line in text.splitlines() if line.strip()] for text in texts]
    lines = [line for number, part in enumerate(filter(None, paragraphs)) for line in (["", *part] if number else part)]
    if not lines:
        return ""
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""'
    return "\n".join(
        [f'{indent}"""{lines[0]}', *(f"{indent}{line}" if line else "" for line in lines[1:]), f'{indent}"""']
    )


def _literal(line: str) -> str:
    """Return a line of a docstring in which no two quotes stand together, and none at the end."""
    return shown(_QUOTE.sub(r'\\"', line.strip().replace("\\", "\\\\")))


def _comment(texts: Sequence[str], indent: str = "") -> list[str]:
    return [f"{indent}# {shown(line)}" for text in texts for line in text.splitlines() if line.strip()]


def _quoted(text: str) -> str:
    """Return a text as a literal; whatever is not seen is written as its number."""
    return '"' + shown(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) + '"'
