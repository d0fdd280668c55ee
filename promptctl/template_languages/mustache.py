"""Mustache into pieces.

What a section means depends on the value: a list is repeated, a mapping is entered, any other value is a condition.
A template alone does not say which, so whoever reads one says what is known of its variables; the rest is a `guess`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from promptctl.template_languages.pieces import (
    IfBranch,
    IfPiece,
    IfTest,
    IncludePiece,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
)
from promptctl.templates import BadTemplate

_DEEPEST = 30
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_0-9]\w*)*", re.ASCII)
_MOST_TAGS = 10_000
_LINE_REST = re.compile(r"[ \t\r]*(?:\n|\Z)")
_DELIMITERS = re.compile(r"=\s*([^\s=]{1,20})\s+([^\s=]{1,20})\s*=")


@dataclass(frozen=True, slots=True)
class MustacheTag:
    """A tag by its sign (empty for a variable) and its name, or a text, whose sign is `text`."""

    sign: str
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class MustacheNotes:
    """Notes of a reader: variables that Mustache escapes for HTML, and sections whose meaning was a guess."""

    escaped: dict[str, int] = field(default_factory=dict)
    guessed: dict[str, tuple[int, str]] = field(default_factory=dict)


def mustache_pieces(
    text: str, schemas: Mapping[str, Any] | None = None, notes: MustacheNotes | None = None
) -> tuple[Piece, ...]:
    """Return a Mustache template in pieces. Raises `BadTemplate`.

    `schemas` are JSON Schemas of its variables as far as they are known: of a section they say whether it repeats.
    Values are printed as they are: `{{name}}` and `{{{name}}}` are the same here, and `notes` lists the first kind.

    >>> mustache_pieces("{{#tags}}{{.}}, {{/tags}}", {"tags": {"type": "array"}})[0].body
    (VariablePiece(path=('item',), filters=(), line=1), TextPiece(text=', '))
    """
    reader = _SectionReader(_tags_of(text), schemas or {}, notes if notes is not None else MustacheNotes())
    return tuple(reader.body(None, (), 0))


@dataclass(frozen=True, slots=True)
class _Level:
    """A section that a name is looked up in: the loop's variable or the mapping, and the schemas of its keys."""

    path: Path
    keys: Mapping[str, Any] | None


class _SectionReader:
    def __init__(self, tags: Iterable[MustacheTag], schemas: Mapping[str, Any], notes: MustacheNotes) -> None:
        self._tags = list(tags)
        self._schemas = schemas
        self._notes = notes
        self._at = 0

    def body(self, section: MustacheTag | None, levels: tuple[_Level, ...], depth: int) -> list[Piece]:
        """Return the pieces until the section's end, which is read too."""
        if depth > _DEEPEST:
            raise BadTemplate(
                f"sections stand in one another more than {_DEEPEST} deep", section.line if section else 1
            )
        pieces: list[Piece] = []
        while self._at < len(self._tags):
            tag = self._tags[self._at]
            self._at += 1
            if tag.sign == "/":
                if section is None or tag.name != section.name:
                    raise BadTemplate(f"`{{{{/{tag.name}}}}}` ends a section that was not begun", tag.line)
                return pieces
            if tag.sign == "text":
                pieces.append(TextPiece(tag.name))
            elif tag.sign == ">":
                pieces.append(IncludePiece(tag.name, tag.line))
            elif tag.sign in ("#", "^"):
                pieces += self._section(tag, levels, depth)
            elif tag.sign not in ("!", "="):
                if not tag.sign:
                    self._notes.escaped.setdefault(tag.name, tag.line)
                pieces.append(VariablePiece(self._path(tag, levels)[0], (), tag.line))
        if section is not None:
            raise BadTemplate(f"the section `{section.name}` has no end", section.line)
        return pieces

    def _section(self, tag: MustacheTag, levels: tuple[_Level, ...], depth: int) -> list[Piece]:
        path, schema = self._path(tag, levels)
        if tag.sign == "^":
            body = tuple(self.body(tag, levels, depth + 1))
            return [IfPiece((IfBranch((IfTest(path, is_negated=True),), body),), (), tag.line)]
        kind = self._kind(tag, schema)
        if kind == "array":
            item = "item" if not levels else f"item{len(levels) + 1}"
            items = schema.get("items") if isinstance(schema, Mapping) else None
            keys = items.get("properties") if isinstance(items, Mapping) else None
            inside = (*levels, _Level((item,), keys if isinstance(keys, Mapping) else None))
            return [LoopPiece(item, path, tuple(self.body(tag, inside, depth + 1)), (), None, tag.line)]
        if kind == "object":
            keys = schema.get("properties") if isinstance(schema, Mapping) else None
            levels = (*levels, _Level(path, keys if isinstance(keys, Mapping) else None))
        body = tuple(self.body(tag, levels, depth + 1))
        return [IfPiece((IfBranch((IfTest(path),), body),), (), tag.line)]

    def _kind(self, tag: MustacheTag, schema: Any) -> str:
        """Return `array`, `object` or `condition`: as the schema says, else by what stands in the section."""
        declared = schema.get("type") if isinstance(schema, Mapping) else None
        if isinstance(declared, str):
            return declared if declared in ("array", "object") else "condition"
        depth, names = 0, set[str]()
        for each in self._tags[self._at :]:
            depth += (each.sign in ("#", "^")) - (each.sign == "/")
            if depth < 0:
                break
            if each.sign in ("", "&", "{", "#", "^"):
                names.add(each.name)
        is_list = "." in names
        if not is_list:
            self._notes.guessed.setdefault(tag.name, (tag.line, "condition"))
        return "array" if is_list else "condition"

    def _path(self, tag: MustacheTag, levels: tuple[_Level, ...]) -> tuple[Path, Any]:
        """Return the variable that a name is looked up as, from the innermost section outwards, and its schema."""
        if tag.name == ".":
            if not levels:
                raise BadTemplate("`{{.}}` stands outside of any section", tag.line)
            return levels[-1].path, None
        if not _NAME.fullmatch(tag.name):
            raise BadTemplate(f"`{tag.name}` is no name that a variable of promptctl can have", tag.line)
        first, *rest = tag.name.split(".")
        for level in reversed(levels):
            if level.keys is None:
                if first in self._schemas:
                    continue
                return (*level.path, first, *map(_step, rest)), None
            if first in level.keys:
                return (*level.path, first, *map(_step, rest)), _below(level.keys[first], rest)
        return (first, *map(_step, rest)), _below(self._schemas.get(first), rest)


def _step(name: str) -> str | int:
    return int(name) if name.isdigit() and len(name) < 10 else name


def _below(schema: Any, names: Sequence[str]) -> Any:
    for name in names:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(name) if isinstance(properties, Mapping) else None
    return schema


def _tags_of(text: str) -> Iterator[MustacheTag]:
    """Yield texts and tags, with the white space of lines that hold nothing but one tag left out."""
    opening, closing, at, line = "{{", "}}", 0, 1
    for number in count():
        start = text.find(opening, at)
        if start < 0:
            break
        line += text.count("\n", at, start)
        if number >= _MOST_TAGS:
            raise BadTemplate(f"the template has more than {_MOST_TAGS:,} tags", line)
        inner = start + len(opening)
        sign = text[inner : inner + 1]
        end_mark = {"{": "}" + closing, "=": "=" + closing}.get(sign, closing)
        end = text.find(end_mark, inner)
        if end < 0:
            raise BadTemplate("a tag has no end", line)
        name = text[inner:end]
        if sign == "=":
            marks = _DELIMITERS.fullmatch(name + "=")
            if marks is None:
                raise BadTemplate("a change of delimiters names none", line)
            opening, closing = marks[1], marks[2]
        sign = sign if sign in "#^/!>&{=" else ""
        first, last = start, end + len(end_mark)
        if sign and sign in "#^/!>=":
            first, last = _lonely_line(text, at, first, last)
        if text[at:first]:
            yield MustacheTag("text", text[at:first], line)
        yield MustacheTag(sign, name.removeprefix(sign).strip(), line)
        line += text.count("\n", start, last)
        at = last
    if text[at:]:
        yield MustacheTag("text", text[at:], line)


def _lonely_line(text: str, at: int, start: int, end: int) -> tuple[int, int]:
    """Return where a tag begins and ends: with its line, if it stands alone there. What is before `at` was read."""
    before, rest = text.rfind("\n", at, start) + 1 or at, _LINE_REST.match(text, end)
    is_first = before > at or text[at - 1 : at] in ("", "\n")
    is_alone = is_first and not text[before:start].strip(" \t")
    return (before, rest.end()) if rest and is_alone else (start, end)
