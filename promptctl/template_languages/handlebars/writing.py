"""Pieces as nodes of Handlebars, with every part that it has no word for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.template_languages.handlebars.layout import WrittenBlock, WrittenNode, WrittenTag
from promptctl.template_languages.handlebars.scopes import TagValue
from promptctl.template_languages.pieces import (
    CodePiece,
    FilterCall,
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

_ID = re.compile(r"[^\s!\"#%-,./;->@\[-^`{-~]+\Z")
_DIGITS = re.compile(r"[0-9]+\Z")
# Names that a tag would take for a helper, a constant or a word of its own.
_HELPERS = frozenset(
    ("role", "history", "media", "section", "json", "ifEquals", "unlessEquals", "if", "unless", "each", "with", "log")
) | {"lookup", "helperMissing", "blockHelperMissing"}
_WORDS = frozenset(("true", "false", "null", "undefined", "else", "this", "as"))
_MARKS = {"index0": "@index", "first": "@first", "last": "@last"}
_MOST_NODES = 20_000

# Says that a part of a template, on a line of it, is lost.
Lose = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class _Around:
    """The loop around: its variables by the names that its tag gives them, or as `this` and `@key`."""

    item: str | None = None
    key: str | None = None
    values: Mapping[str, TagValue] | None = None
    names: frozenset[str] = frozenset()


class HandlebarsWriter:
    """Writes pieces for a prompt with these inputs. `partial` returns the name of an included file."""

    def __init__(self, inputs: Mapping[str, TagValue], lose: Lose, partial: Callable[[str], str]) -> None:
        self._inputs = inputs
        self._lose = lose
        self._partial = partial
        self._count = 0

    def nodes(self, pieces: Iterable[Piece]) -> tuple[WrittenNode, ...]:
        """Return the pieces as nodes."""
        return self._body(pieces, _Around())

    def path(self, path: Path) -> str:
        """Return a variable outside of loops as a tag names it."""
        return self._path(path, _Around(), 1)

    def _body(self, pieces: Iterable[Piece], around: _Around) -> tuple[WrittenNode, ...]:
        return tuple(node for piece in pieces for node in self._nodes(piece, around))

    def _nodes(self, piece: Piece, around: _Around) -> Iterator[WrittenNode]:
        self._count += 1
        if self._count > _MOST_NODES:
            if self._count == _MOST_NODES + 1:
                self._lose("has conditions that Handlebars says only by repeating too much", 1)
            return
        match piece:
            case TextPiece(text):
                yield text
            case VariablePiece():
                yield from self._variable(piece, around)
            case IfPiece(branches, otherwise, line):
                yield from self._condition(list(branches), otherwise, line, around)
            case LoopPiece():
                yield self._loop(piece, around)
            case IncludePiece(path, line):
                if around.item is not None:
                    self._lose(f"includes `{path}` within a loop, where it would see nothing but the item", line)
                yield WrittenTag(f"{{{{> {self._partial(path)}}}}}", is_partial=True)
            case CodePiece(_, kind, line):
                self._lose(f"has {kind}, which Handlebars has no word for", line)

    # Values

    def _value(self, path: Path, around: _Around) -> TagValue:
        root = str(path[0])
        known = (around.values or {}).get(root) or self._inputs.get(root)
        return (known or TagValue((root,))).within(tuple(map(str, path[1:])))

    def _path(self, path: Path, around: _Around, line: int) -> str:
        root, keys = str(path[0]), path[1:]
        if root == "loop" and around.item is not None:
            mark = _MARKS.get(str(keys[0])) if len(keys) == 1 else None
            if mark is None:
                self._lose(
                    f"uses `loop.{'.'.join(map(str, keys))}`: a loop there knows its index, first and last", line
                )
            return mark or "@index"
        if root in around.names:
            return self._keyed(root, keys, line)
        if root == around.item:
            return self._keyed("this", keys, line)
        if root == around.key:
            return "@key"
        start = "@root." if around.item is not None else "this." if root in _HELPERS | _WORDS else ""
        return self._keyed(start + self._key(root, line), keys, line)

    def _keyed(self, start: str, keys: Iterable[str | int], line: int) -> str:
        return start + "".join(f".{self._key(key, line)}" for key in keys)

    def _key(self, key: str | int, line: int) -> str:
        text = str(key)
        if _ID.match(text) and not _DIGITS.match(text) and text not in _WORDS:
            return text
        if "]" in text or "\\" in text:
            self._lose(f"uses the key `{text}`, which Handlebars cannot name", line)
        return f"[{text}]"

    def _variable(self, piece: VariablePiece, around: _Around) -> Iterator[WrittenNode]:
        path, line = self._path(piece.path, around, piece.line), piece.line
        value = self._value(piece.path, around)
        filters = list(piece.filters)
        if filters[:1] == [FilterCall("default", (None,))] and filters[1:2] and filters[1].name == "tojson":
            del filters[0]
        if filters[:1] == [FilterCall("default", ("",))]:
            del filters[0]
        match filters:
            case [] | [FilterCall("string")]:
                yield from self._printed(path, value, line)
            case [FilterCall("default", (str(text), *_) as arguments)]:
                yield self._defaulted(path, value, text, line, is_falsy=arguments[1:] == (True,))
            case [FilterCall("join", arguments)] if not arguments or isinstance(arguments[0], str):
                yield from self._list(path, value, arguments[0] if arguments else "")
            case [FilterCall("length" | "count")]:
                if not {"array", "string"} & {*value.types}:
                    self._lose("has `length`, which there only lists and texts have", line)
                yield _tag(f"{path}.length")
            case [FilterCall("tojson", ())]:
                self._lose('has `tojson`: there JSON has no blanks (`{"a":1}`), unless it has an indent', line)
                yield _tag(f"json {path}")
            case [FilterCall("tojson", (int(indent),))]:
                yield _tag(f"json {path} indent={indent}")
            case _:
                names = ", ".join(f"`{each.name}`" for each in filters)
                self._lose(f"has {names}, for which Handlebars has no helper", line)
                yield _tag(path)

    def _defaulted(self, path: str, value: TagValue, text: str, line: int, *, is_falsy: bool) -> WrittenNode:
        if is_falsy and not {"string", "null"} & {*value.types}:
            self._lose("has `default`, which here takes false and 0 for nothing, too", line)
        if is_falsy and not text:
            return _tag(path)
        if not is_falsy:
            self._lose("has `default`: there an empty text counts as none, too", line)
        return WrittenBlock((f"{{{{#if {path}}}}}", "{{else}}", "{{/if}}"), ((_tag(path),), (text,)))

    def _printed(self, path: str, value: TagValue, line: int) -> Iterator[WrittenNode]:
        if {"array", "object"} & {*value.types}:
            self._lose('prints JSON, which has no blanks there (`{"a":1}`): `| tojson(2)` is the same in both', line)
            yield _tag(f"json {path}")
        else:
            yield _tag(path)

    def _list(self, path: str, value: TagValue, separator: str) -> Iterator[WrittenNode]:
        if separator == "," and value.types == ("array",):
            yield _tag(path)
            return
        unless = WrittenBlock(("{{#unless @last}}", "{{/unless}}"), ((separator,),))
        yield WrittenBlock((f"{{{{#each {path}}}}}", "{{/each}}"), ((_tag("this"), *((unless,) if separator else ())),))

    # Blocks

    def _condition(
        self, branches: list[IfBranch], otherwise: Sequence[Piece], line: int, around: _Around
    ) -> Iterator[WrittenNode]:
        """Yield a block. Tests that no helper takes together are blocks within one another, which say a text twice."""
        tags: list[str] = []
        bodies: list[tuple[WrittenNode, ...]] = []
        while branches:
            branch = branches.pop(0)
            tests = _without_defined(branch)
            if len(tests) > 1:
                first, rest = replace(branch, tests=tests[:1]), replace(branch, tests=tests[1:])
                left = (IfPiece(tuple(branches), tuple(otherwise), line),) if branches else tuple(otherwise)
                inner = IfPiece((rest, *branches), tuple(otherwise), line)
                split = IfPiece((first,), (inner,), line)
                if not branch.is_any:
                    split = IfPiece((replace(first, body=(inner,)),), left, line)
                if not tags:
                    yield from self._condition(list(split.branches), split.otherwise, line, around)
                    return
                otherwise, branches = (split,), []
                break
            opened = self._test(tests[0], line, around)
            tags.append(f"{{{{else {opened}}}}}" if tags else f"{{{{#{opened}}}}}")
            bodies.append(self._body(branch.body, around))
        if otherwise:
            tags.append("{{else}}")
            bodies.append(self._body(otherwise, around))
        closing = tags[0].removeprefix("{{#").partition(" ")[0]
        yield WrittenBlock((*tags, f"{{{{/{closing}}}}}"), tuple(bodies))

    def _test(self, test: IfTest, line: int, around: _Around) -> str:
        """Return the helper of a condition with what it takes."""
        path = self._path(test.path, around, line)
        truth = f"{'unless' if test.is_negated else 'if'} {path}"
        if not test.operator:
            if "object" in self._value(test.path, around).types:
                self._lose(f"tests the mapping `{path}`: there an empty one counts as true", line)
            return truth
        if test.operator == "is" and test.operand in ("defined", "undefined"):
            self._lose(f"tests if `{path}` is {test.operand}: there an empty value counts as not given", line)
            is_negated = test.is_negated is not (test.operand == "undefined")
            return f"{'unless' if is_negated else 'if'} {path}"
        is_none = test.operator == "is" and test.operand == "none"
        if is_none or test.operator in ("==", "!="):
            operand = "null" if is_none else self._operand(test.operand, line, around)
            is_negated = test.is_negated is not (test.operator == "!=")
            return f"{'unless' if is_negated else 'if'}Equals {path} {operand}"
        self._lose(f"compares `{path}` by `{test.operator}`, for which Handlebars has no helper", line)
        return truth

    def _operand(self, operand: Any, line: int, around: _Around) -> str:
        if isinstance(operand, tuple):
            return self._path(operand, around, line)
        if isinstance(operand, bool) or operand is None:
            return "null" if operand is None else "true" if operand else "false"
        if isinstance(operand, str):
            if operand.endswith("\\") or '\\"' in operand:
                self._lose("compares with a text that Handlebars cannot write", line)
            return '"' + operand.replace('"', '\\"') + '"'
        if not isinstance(operand, int | float) or "e" in repr(operand):
            self._lose("compares with a value that Handlebars cannot write", line)
        return repr(operand)

    def _loop(self, piece: LoopPiece, around: _Around) -> WrittenNode:
        over = self._value(piece.over, around)
        schema = over.schema or {}
        items = schema.get("additionalProperties" if piece.key else "items")
        item = TagValue((piece.item,), items if isinstance(items, Mapping) else None)
        is_named = piece.item != "item" or _has_loop(piece.body)
        names = [piece.item] if is_named else []
        if piece.key is not None and (piece.key != "key" or _has_loop(piece.body)) and "object" in over.types:
            names = [piece.item, piece.key]
        inner = _Around(
            piece.item,
            piece.key,
            {**(around.values or {}), piece.item: item, **({piece.key: TagValue((piece.key,))} if piece.key else {})},
            around.names | {*names},
        )
        opened = f"{{{{#each {self._path(piece.over, around, piece.line)}"
        opened += f" as |{' '.join(names)}|}}}}" if names else "}}"
        bodies = (self._body(piece.body, inner), *((self._body(piece.otherwise, around),) if piece.otherwise else ()))
        return WrittenBlock((opened, *(("{{else}}",) if piece.otherwise else ()), "{{/each}}"), bodies)


def _tag(text: str) -> WrittenTag:
    return WrittenTag(f"{{{{{text}}}}}")


def _has_loop(pieces: Iterable[Piece]) -> bool:
    for piece in pieces:
        if isinstance(piece, LoopPiece):
            return True
        if isinstance(piece, IfPiece) and any(
            map(_has_loop, [*(branch.body for branch in piece.branches), piece.otherwise])
        ):
            return True
    return False


def _without_defined(branch: IfBranch) -> tuple[IfTest, ...]:
    """Return the tests without those that a value is there: `x is defined and x` is what `#if x` tests."""
    used = {
        test.path
        for test in branch.tests
        if test.operator != "is" and (test.is_negated or test.operator == "!=") is branch.is_any
    }
    asked = ("is", "defined", branch.is_any)
    return tuple(
        each
        for each in branch.tests
        if (each.operator, each.operand, each.is_negated) != asked or each.path not in used
    )
