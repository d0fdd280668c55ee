"""Parts of a prompt's file that could be left out: paragraphs, items of lists, examples, and descriptions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from promptctl.files.document import Document, Key
from promptctl.files.wording import clip
from promptctl.files.yaml_editing import Edit, Remove, Set
from promptctl.models.tokens import token_counter
from promptctl.prompts.closure import message_texts
from promptctl.templates.reading import check_syntax

Keys = tuple[Key, ...]

_BLANK_LINES = re.compile(r"(\n(?:[ \t]*\n)+)")
_ITEM = re.compile(r"(\n)(?=[ \t]*(?:[-*+•]|\d{1,2}[.)])[ \t])")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Cut:
    """One part that could be left out. `about` says what and where it is; `keys` name the text or value it is in.

    `unit` counts the parts of that text; None is the whole value. Its `messages` go as a whole: those of an example.
    """

    about: str
    text: str
    line: int
    keys: Keys
    unit: int | None = None
    messages: tuple[int, ...] = ()
    tokens: int = field(default=0, compare=False)

    @property
    def words(self) -> str:
        """The beginning of its text, in one line."""
        return clip(" ".join(self.text.split()), _SHOWN)


class Cuts:
    """The parts of one prompt's file that could be left out, the longest first, and the file without some of them.

    A part that prints an input is none, nor is anything of another file: partials and schemas are of other prompts too.
    """

    def __init__(self, document: Document, *, is_template: bool) -> None:
        self._document = document
        self._is_template = is_template
        self._units: dict[Keys, list[str]] = {}
        count = token_counter()[0]
        found = [*self._in_messages(), *self._descriptions()]
        counted = [replace(cut, tokens=count(cut.text)) for cut in found]
        self.all = tuple(sorted((cut for cut in counted if cut.tokens), key=lambda cut: -cut.tokens))

    def edits(self, dropped: Collection[Cut]) -> list[Edit]:
        """Return the edits that leave these parts out; a message or piece of one of which nothing is left goes too."""
        gone = {index for cut in dropped for index in cut.messages}
        edits: list[Edit] = []
        blank: dict[int, list[Keys]] = {}
        for keys in dict.fromkeys(cut.keys for cut in dropped if cut.unit is not None):
            numbers = {cut.unit for cut in dropped if cut.keys == keys}
            text = _without(self._units[keys], numbers)
            if text.strip():
                edits.append(Set(keys, text))
            else:
                blank.setdefault(int(keys[1]), []).append(keys[:4])
        for index, parts in blank.items():
            content = self._document.data["messages"][index]["content"]
            if isinstance(content, str) or len(parts) == len(content):
                gone.add(index)
            else:
                edits += [Remove(part) for part in sorted(parts, key=lambda keys: int(keys[3]), reverse=True)]
        edits += [Remove(cut.keys) for cut in dropped if cut.unit is None and not cut.messages]
        return [*edits, *(Remove(("messages", index)) for index in sorted(gone, reverse=True))]

    def _in_messages(self) -> Iterator[Cut]:
        messages: Sequence[Mapping[str, Any]] = self._document.data["messages"]
        examples = dict(_examples(messages))
        in_examples = {index for pair in examples.values() for index in pair}
        for index, pair in examples.items():
            text = "\n".join(messages[each]["content"] for each in pair)
            line = self._document.place("messages", index).line or 1
            yield Cut(f"the example in message {index + 1}", text, line, ("messages", index), messages=pair)
        for text, keys in message_texts(messages):
            if (index := int(keys[1])) not in in_examples and keys[4:] in ((), ("text",)):
                yield from self._in_text(text, keys, f"message {index + 1} ({messages[index].get('role', '')})")

    def _in_text(self, text: str, keys: Keys, where: str) -> Iterator[Cut]:
        units = self._units[keys] = _split(text, is_template=self._is_template)
        line = 0
        for number, unit in enumerate(units):
            if not number % 2 and not _prints(unit):
                what = "an item" if _ITEM.match("\n" + unit) else "a paragraph"
                at = self._document.line_place(line + 1, *keys).line or 1
                yield Cut(f"{what} of {where}", unit, at, keys, number)
            line += unit.count("\n")

    def _descriptions(self) -> Iterator[Cut]:
        data = self._document.data
        for index, tool in enumerate(data.get("tools") or ()):
            function = tool.get("function") if isinstance(tool, dict) else None
            if isinstance(function, dict):
                where = f"the tool {function.get('name')}"
                yield from self._described(function, ("tools", index, "function"), where)
                keys: Keys = ("tools", index, "function", "parameters")
                yield from self._in_schema(function.get("parameters"), keys, where)
        output = data.get("output")
        if isinstance(output, dict):
            yield from self._in_schema(output.get("schema"), ("output", "schema"), "the output's schema")

    def _in_schema(self, schema: Any, keys: Keys, where: str) -> Iterator[Cut]:
        if isinstance(schema, list):
            for index, each in enumerate(schema):
                yield from self._in_schema(each, (*keys, index), where)
        if not isinstance(schema, dict):
            return
        yield from self._described(schema, keys, where)
        for name, below in schema.items():
            if name in ("properties", "$defs", "patternProperties") and isinstance(below, dict):
                for key, each in below.items():
                    yield from self._in_schema(each, (*keys, name, key), f"`{key}` of {where}")
            elif name in ("items", "anyOf", "oneOf", "allOf", "additionalProperties", "prefixItems"):
                yield from self._in_schema(below, (*keys, name), where)

    def _described(self, mapping: Mapping[str, Any], keys: Keys, where: str) -> Iterator[Cut]:
        if isinstance(text := mapping.get("description"), str):
            line = self._document.place(*keys, "description").line or 1
            yield Cut(f"the description of {where}", text, line, (*keys, "description"))


def _examples(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield each example: a message of the user and the assistant's reply to it, both literal text."""
    for index in range(1, len(messages)):
        pair = messages[index - 1], messages[index]
        are_texts = all(isinstance(each.get("content"), str) and not _prints(each["content"]) for each in pair)
        if are_texts and [each.get("role") for each in pair] == ["user", "assistant"]:
            yield index - 1, (index - 1, index)


def _prints(text: str) -> bool:
    return "{{" in text


def _split(text: str, *, is_template: bool) -> list[str]:
    """Return a text cut into units with what stands between them: unit, blank lines, unit, …

    A unit is a paragraph or an item of a list. A block of the template that goes over several is one unit.
    """
    pieces: list[str] = []
    for number, paragraph in enumerate(_BLANK_LINES.split(text)):
        pieces += [paragraph] if number % 2 else _ITEM.split(paragraph)
    units = [pieces[0]]
    for number in range(1, len(pieces), 2):
        if is_template and check_syntax(units[-1]) is not None:
            units[-1] += pieces[number] + pieces[number + 1]
        else:
            units += pieces[number : number + 2]
    return units


def _without(units: Sequence[str], dropped: Collection[int | None]) -> str:
    """Return the text without these units; of what stands on both sides of one, the longer stays."""
    kept = ""
    between = ""
    for number, unit in enumerate(units):
        if number % 2:
            between = max(between, unit, key=lambda each: each.count("\n"))
        elif number not in dropped:
            kept += (between if kept else "") + unit
            between = ""
    return kept + ("\n" if units[-1].endswith("\n") and not kept.endswith("\n") else "")
