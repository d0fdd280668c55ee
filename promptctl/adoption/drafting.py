"""A found prompt as the data of a prompt file: names of its inputs, its templates, what the code gives for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.adoption.expressions import is_loud
from promptctl.adoption.texts import CodeMessage, Entry, Hole, Text, TextChoice, TextPart, wish
from promptctl.files.free_names import first_free
from promptctl.template_languages.input_names import input_name
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import CodePiece, IfBranch, IfPiece, IfTest, Piece, TextPiece, VariablePiece

_RETURN = re.compile(r"(\r)")
_MARKUP = re.compile(r"\{[{%#]")


@dataclass(slots=True)
class CodeDraft:
    """The messages of a prompt file, with its inputs and the expression that the code gives for each."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    is_template: bool = False
    has_markup: bool = False
    _names: dict[object, str] = field(default_factory=dict)
    _holes: dict[str, Hole] = field(default_factory=dict)

    def add(self, entries: Sequence[Entry]) -> None:
        """Add messages, and a placeholder for each stretch of those that stay in the code."""
        for each in entries:
            if isinstance(each, CodeMessage):
                self.messages.append(
                    {"role": each.role, "content": _changed(each.content, self._template), **each.extra}
                )
            elif not self.messages or "placeholder" not in self.messages[-1]:
                name = self._free(each.name)
                self.inputs[name] = {"type": "array", "default": []}
                self.messages.append({"placeholder": name})

    def data(self) -> dict[str, Any]:
        """Return the keys of the file that the messages decide, once all are added."""
        found: dict[str, Any] = {"inputs": self.inputs} if self.inputs else {}
        if self.has_markup and not self.is_template:
            found["template"] = "none"
        return {**found, "messages": _changed(self.messages, lambda text: self._written(text[1]))}

    def ordered_values(self) -> dict[str, str]:
        """Return the values in the order in which the statements of the code evaluate them, if one calls something."""
        places = {name: (each.origin.lineno, each.origin.col_offset) for name, each in self._holes.items()}
        is_free = not any(is_loud(each.value) for each in self._holes.values())
        return self.values if is_free else {name: self.values[name] for name in sorted(places, key=places.__getitem__)}

    def sample(self) -> dict[str, Any]:
        """Return values that no text holds, one for each that the code gives."""
        types = {name: self.inputs[name]["type"] for name in self.values}
        return {
            name: number % 2 == 0 if types[name] == "boolean" else f"<{name} {{{{ {number} }}}}>"
            for number, name in enumerate(types)
        }

    def expected(self, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what the code would send of its own messages if its values were the given ones."""
        code = [each for each in self.messages if "placeholder" not in each]
        filled: list[dict[str, Any]] = _changed(code, lambda text: "".join(self._part(each, given) for each in text[1]))
        return filled

    def _template(self, text: Text) -> tuple[str, Text]:
        self.is_template = self.is_template or any(not isinstance(each, str) for each in text)
        self.has_markup = self.has_markup or any(
            (isinstance(each, str) and _MARKUP.search(each)) or "\r" in str(each) for each in text
        )
        for each in text:
            if isinstance(each, TextChoice):
                self._name(each.test, "boolean")
            elif isinstance(each, Hole):
                self._name(each, "string")
        return "", text

    def _name(self, hole: Hole, type_: str) -> str:
        key = (hole.key, type_)
        if key not in self._names:
            self._names[key] = name = self._free(wish(hole.value))
            self.inputs[name] = {"type": type_}
            self.values[name] = hole.code
            self._holes[name] = hole
        return self._names[key]

    def _free(self, name: str) -> str:
        return first_free(input_name(name), self.inputs.__contains__, sign="_")

    def _written(self, text: Text) -> str:
        if not self.is_template:
            return "".join(each for each in text if isinstance(each, str))
        return jinja_text(piece for each in text for piece in self._pieces(each))

    def _pieces(self, part: TextPart) -> list[Piece]:
        if isinstance(part, str):  # Jinja would make a line end of it
            return [
                CodePiece('{{ "\\r" }}', "a return") if each == "\r" else TextPiece(each)
                for each in _RETURN.split(part)
            ]
        if isinstance(part, TextChoice):
            test = IfTest((self._name(part.test, "boolean"),))
            return [
                IfPiece(
                    (IfBranch((test,), (TextPiece(part.then),)),),
                    (TextPiece(part.otherwise),) if part.otherwise else (),
                )
            ]
        return [VariablePiece((self._name(part, "string"),))]

    def _part(self, part: TextPart, given: Mapping[str, Any]) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, TextChoice):
            return part.then if given[self._name(part.test, "boolean")] else part.otherwise
        return str(given[self._name(part, "string")])


def _changed(value: Any, change: Callable[[tuple[Any, ...]], Any]) -> Any:
    """Return data with each of its texts, which are tuples, changed."""
    if isinstance(value, tuple):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _changed(each, change) for key, each in value.items()}
    return [_changed(each, change) for each in value] if isinstance(value, list) else value
