"""Mustache into pieces, and back.

What a section means depends on the value: a list is repeated, a mapping is entered, any other value is a condition.
A template alone does not say which, so whoever reads one says what is known of its variables; the rest is a `guess`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.template_languages.jinja import jinja_path
from promptctl.template_languages.mustache_tags import BadMustache, MustacheTag, tags_of
from promptctl.template_languages.pieces import (
    CodePiece,
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

_DEEPEST = 30
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_0-9]\w*)*", re.ASCII)
# What a text cannot hold as it is: the beginning of a tag, and a brace that the next one would begin with.
_BRACES = re.compile(r"\{\{|\{\Z")


@dataclass(frozen=True, slots=True)
class MustacheNotes:
    """Notes of a reader: variables that Mustache escapes for HTML, and sections whose meaning was a guess."""

    escaped: dict[str, int] = field(default_factory=dict)
    guessed: dict[str, tuple[int, str]] = field(default_factory=dict)


def mustache_pieces(
    text: str, schemas: Mapping[str, Any] | None = None, notes: MustacheNotes | None = None
) -> tuple[Piece, ...]:
    """Return a Mustache template in pieces. Raises `BadMustache`.

    `schemas` are JSON Schemas of its variables as far as they are known: of a section they say whether it repeats.
    Values are printed as they are: `{{name}}` and `{{{name}}}` are the same here, and `notes` lists the first kind.

    >>> mustache_pieces("{{#tags}}{{.}}, {{/tags}}", {"tags": {"type": "array"}})[0].body
    (VariablePiece(path=('item',), filters=(), line=1), TextPiece(text=', '))
    """
    tags = tags_of(text)
    reader = _SectionReader(tags, schemas or {}, notes if notes is not None else MustacheNotes())
    pieces = reader.body(None, (), 0)
    return tuple(pieces)


def mustache_text(pieces: Iterable[Piece]) -> str:
    """Return pieces as a Mustache template; variables are written `{{{name}}}`, which nothing escapes.

    Raises `BadMustache` for what Mustache cannot say: filters, comparisons, several tests, values of a loop.

    >>> mustache_text((IfPiece((IfBranch((IfTest(("vip",)),), (TextPiece("Hi"),)),)),))
    '{{#vip}}Hi{{/vip}}'
    """
    return _unlonely(_written(tuple(pieces), ()))


@dataclass(frozen=True, slots=True)
class _Level:
    """A section that a name is looked up in: the loop's variable or the mapping, and the schemas of its keys."""

    path: Path
    keys: Mapping[str, Any] | None


class _SectionReader:
    def __init__(self, tags: Sequence[MustacheTag], schemas: Mapping[str, Any], notes: MustacheNotes) -> None:
        self._tags = list(tags)
        self._schemas = schemas
        self._notes = notes
        self._at = 0

    def body(self, section: MustacheTag | None, levels: tuple[_Level, ...], depth: int) -> list[Piece]:
        """Return the pieces until the section's end, which is read too."""
        if depth > _DEEPEST:
            raise BadMustache(
                f"sections stand in one another more than {_DEEPEST} deep", section.line if section else 1
            )
        pieces: list[Piece] = []
        while self._at < len(self._tags):
            tag = self._tags[self._at]
            self._at += 1
            if tag.sign == "/":
                if section is None or tag.name != section.name:
                    raise BadMustache(f"`{{{{/{tag.name}}}}}` ends a section that was not begun", tag.line)
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
            raise BadMustache(f"the section `{section.name}` has no end", section.line)
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
                raise BadMustache("`{{.}}` stands outside of any section", tag.line)
            return levels[-1].path, None
        if not _NAME.fullmatch(tag.name):
            raise BadMustache(f"`{tag.name}` is no name that a variable of promptctl can have", tag.line)
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
    return int(name) if name.isdigit() else name


def _below(schema: Any, names: Sequence[str]) -> Any:
    for name in names:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(name) if isinstance(properties, Mapping) else None
    return schema


def _written(pieces: Sequence[Piece], items: tuple[str, ...]) -> list[tuple[bool, str]]:
    """Return the texts and tags of pieces, each with whether it is a tag that a line must not hold alone."""
    written: list[tuple[bool, str]] = []
    for piece in pieces:
        match piece:
            case TextPiece(text):
                written.append((False, _BRACES.sub(r"{{=<% %>=}}\g<0><%={{ }}=%>", text)))
            case VariablePiece(path, ()):
                written.append((False, f"{{{{{{{_name(path, items, piece.line)}}}}}}}"))
            case IfPiece((IfBranch((IfTest(path, "", None, negated),), body),), otherwise):
                _refuse_item(path, items, piece.line)
                name = _name(path, items, piece.line)
                written += _section("^" if negated else "#", name, body, items)
                if otherwise:
                    written += _section("#" if negated else "^", name, otherwise, items)
            case LoopPiece(item, over, body, otherwise, None):
                name = _name(over, items, piece.line)
                written += _section("#", name, body, (*items, item))
                if otherwise:
                    written += _section("^", name, otherwise, items)
            case IncludePiece(path):
                written.append((True, f"{{{{> {path}}}}}"))
            case CodePiece():
                raise BadMustache(f"{piece.kind} has no form in Mustache", piece.line)
            case _:
                raise BadMustache("a filter, a comparison, several tests or a loop over keys", piece.line)
    return written


def _section(sign: str, name: str, body: Sequence[Piece], items: tuple[str, ...]) -> list[tuple[bool, str]]:
    return [(True, f"{{{{{sign}{name}}}}}"), *_written(body, items), (True, f"{{{{/{name}}}}}")]


def _refuse_item(path: Path, items: tuple[str, ...], line: int) -> None:
    if items and path == (items[-1],):
        raise BadMustache("a condition on the item of a loop", line)


def _name(path: Path, items: tuple[str, ...], line: int) -> str:
    root, *keys = path
    if items and root == items[-1]:
        keys_name = ".".join(map(str, keys))
    elif root in (*items, "loop"):
        raise BadMustache(f"`{jinja_path(path)}` is a value of an outer loop, or of the loop itself", line)
    else:
        keys_name = ".".join(map(str, path))
    if keys_name and not _NAME.fullmatch(keys_name):
        raise BadMustache(f"`{jinja_path(path)}` has no name in Mustache", line)
    return keys_name or "."


def _unlonely(parts: Sequence[tuple[bool, str]]) -> str:
    """Join texts and tags; a tag that would stand alone on its line gets an empty comment, so that the line stays."""
    texts = [text for _, text in parts]
    for number, (is_block, text) in enumerate(parts):
        if not is_block:
            continue
        before = _neighbour((texts[at] for at in range(number - 1, -1, -1)), _line_end)
        after = _neighbour((texts[at] for at in range(number + 1, len(texts))), _line_begin)
        if not before.strip(" \t") and not after.strip(" \t\r"):
            texts[number] = text + "{{!}}"
    return "".join(texts)


def _neighbour(texts: Iterable[str], part: Callable[[str], str]) -> str:
    """Return the rest of the line on one side: of the texts up to the one that holds a line's end."""
    rest = ""
    for text in texts:
        rest = part(text) + rest if part is _line_end else rest + part(text)
        if "\n" in text or rest.strip(" \t\r"):
            break
    return rest


def _line_end(text: str) -> str:
    return text.rpartition("\n")[2]


def _line_begin(text: str) -> str:
    return text.partition("\n")[0]
