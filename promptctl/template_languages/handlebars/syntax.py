"""Syntax of Handlebars, into nodes: https://handlebarsjs.com/guide."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from promptctl.errors import InvalidFiles, Place, Problem, printable
from promptctl.files.wording import clip
from promptctl.template_languages.handlebars.nodes import (
    Block,
    Comment,
    Constant,
    Node,
    Partial,
    PathNode,
    PlainText,
    Print,
    TagCall,
)
from promptctl.template_languages.handlebars.space import control

MAX_DEPTH = 40
MAX_OPEN = 150

PlaceOf = Callable[[int], Place]

_OPEN = re.compile(r"(\{\{\{\{/?|\{\{(?P<strip>~?)(?P<kind>\{|!--|!|#>|#\*|#|>|/|\^|&|\*|(?=else[\s~}])|))")
# What ends a text that a backslash made of a tag.
_ESCAPED_UNTIL = re.compile(r"\\{0,2}\{\{")
_ELSE = re.compile(r"\{\{(~?)(?:\^|\s*else)\s*(~?)\}\}")


def parse(text: str, place_of: PlaceOf) -> list[Node]:
    """Return the nodes of a template, with white space control done. Raises `InvalidFiles`, with its place."""
    nodes = _Parser(text, place_of).parse()
    control(nodes)
    return nodes


class _Parser:
    """One pass over a template: tags open and close blocks, of which `_open` is the stack."""

    def __init__(self, text: str, place_of: PlaceOf) -> None:
        self._text = text
        self._place_of = place_of
        self._at = 0
        self._line = 1
        self._counted = 0
        self._root: list[Node] = []
        self._body = self._root
        self._open: list[tuple[Block, list[Node]]] = []

    def parse(self) -> list[Node]:
        """Return the nodes of the whole template."""
        try:
            for opened in self._texts():
                self._tag(opened)
        except BadTag as error:
            raise self._refusal(error, self._place(self._at)) from None
        if self._open:
            call = self._open[-1][0].call
            raise self._refusal(BadTag(f"`{call.text}` is never closed"), call.place)
        return self._root

    def _refusal(self, error: BadTag, place: Place) -> InvalidFiles:
        is_of_go = error.message.startswith("`{{.")
        hint = "`{{.Name}}` is of Go's text/template: Dotprompt has `{{Name}}`" if is_of_go else error.hint
        return InvalidFiles([Problem(printable(error.message), place, hint, "bad-handlebars")])

    def _place(self, at: int) -> Place:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._place_of(self._line)

    def _texts(self) -> Iterator[re.Match[str]]:
        """Add the text before each tag, and yield the tag's opening. A `\\` before it makes it text, two do not."""
        while True:
            found = _OPEN.search(self._text, self._at)
            text = self._text[self._at : found.start() if found else len(self._text)]
            place = self._place(self._at)
            if found is None:
                self._add_text(text, place)
                return
            self._at = found.start()
            if not text.endswith("\\"):
                self._add_text(text, place)
                yield found
                continue
            self._add_text(text[:-1], place)
            if text.endswith("\\\\"):
                yield found
                continue
            ends = _ESCAPED_UNTIL.search(self._text, self._at + 2)
            end = ends.start() if ends else len(self._text)
            self._add_text(self._text[self._at : end], self._place(self._at))
            self._at = end

    def _add_text(self, text: str, place: Place) -> None:
        if text:
            self._body.append(PlainText(text, place))

    def _tag(self, opened: re.Match[str]) -> None:
        start, kind, left = self._at, opened["kind"], bool(opened["strip"])
        place = self._place(start)
        if opened[1].startswith("{{{{"):
            raise BadTag("`{{{{` opens a raw block, which needs a helper of an application", "write `\\{{` for braces")
        if kind in ("!", "!--"):
            self._comment(start, place, left=left)
            return
        if turned := _ELSE.match(self._text, start):
            self._at = turned.end()
            self._turn([], (bool(turned[1]), bool(turned[2])), turned[0], place)
            return
        tokens, right, self._at = tokens_of(self._text, start, opened.end(), is_triple=kind == "{")
        text = shortened(self._text[start : self._at])
        strips = (left, right)
        if kind in ("#>", "#*", "*"):
            why = f"`{text}` is a block with a partial, or a decorator, which is not read"
            raise BadTag(why, "write its text in its place")
        if kind == "/":
            self._close(tokens, strips, text)
        elif kind == "^":
            raise BadTag(f"`{text}` is a section of Mustache", "write it as `#unless`")
        elif kind == "" and tokens and tokens[0].text == "else" and tokens[0].kind == "id":
            self._turn(tokens[1:], strips, text, place)
        else:
            call, names = TagReader(tokens, text, place).read(is_block=kind == "#")
            self._add(kind, call, names, strips)

    def _add(self, kind: str, call: TagCall, names: tuple[str, ...], strips: tuple[bool, bool]) -> None:
        if kind == "#":
            self._enter(Block(call, names, strips))
        elif kind == ">":
            self._body.append(Partial(call, strips))
        else:
            self._body.append(Print(call, strips))

    def _comment(self, start: int, place: Place, *, left: bool) -> None:
        is_long = re.compile(r"\{\{~?!--").match(self._text, start) is not None
        found = re.compile(r"--(~?)\}\}" if is_long else r"(~?)\}\}").search(self._text, start)
        if found is None:
            raise BadTag("the comment is never closed")
        self._at = found.end()
        self._body.append(Comment(self._text[start : self._at], place, (left, bool(found[1]))))

    def _enter(self, block: Block) -> None:
        if len(self._open) >= MAX_OPEN or sum(not each.is_chained for each, _ in self._open) >= MAX_DEPTH:
            hint = "move some of them into partials"
            raise BadTag(f"blocks are nested more than {MAX_DEPTH} deep, or too many `else` follow one another", hint)
        self._body.append(block)
        self._open.append((block, self._body))
        self._body = block.body

    def _turn(self, tokens: list[Token], strips: tuple[bool, bool], text: str, place: Place) -> None:
        """Go on with what is printed if the block's condition does not hold: `{{else}}`, `{{else if x}}`."""
        block = self._open[-1][0] if self._open else None
        if block is None or block.otherwise is not None:
            raise BadTag(f"`{text}` belongs to no block here")
        block.otherwise = []
        block.turned = strips
        self._body = block.otherwise
        if tokens:
            call, names = TagReader(tokens, text, place).read(is_block=True)
            self._enter(Block(call, names, strips, is_chained=True))

    def _close(self, tokens: list[Token], strips: tuple[bool, bool], text: str) -> None:
        named = "".join(token.text for token in tokens)
        while self._open:
            block, self._body = self._open.pop()
            is_deep = block.is_chained and self._open[-1][0].is_chained
            block.closed = block.opened if is_deep else strips  # as handlebars.js does
            if block.is_chained:
                continue
            head = block.call.head
            if not isinstance(head, PathNode) or head.text != named:
                raise BadTag(f"`{text}` closes `{block.call.text}`")
            return
        raise BadTag(f"`{text}` closes nothing")


_TOKEN = re.compile(
    r"""\s+|(?P<close>\}{4}|\}~?\}\}|~?\}\})|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<params>as\s+\|)"""
    r"""|(?P<number>-?[0-9]{1,99}(?:\.[0-9]+)?(?=[=~}\s/.)|\]]))|(?P<id>\[(?:\\.|[^\]\\])*\]|[^\s!"#%-,./;->@\[-^`{-~]+(?=[=~}\s/.)|\]]))"""
    r"""|(?P<up>\.\.)|(?P<here>\.(?=[=~}\s/.)|\]]))|(?P<sign>[=|()@./])""",
    re.DOTALL,
)
_CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}

MAX_WORDS = 500
MAX_SHOWN = 60
_NO_HANDLEBARS = "correct the template, which Handlebars would not take either"


class Token(NamedTuple):
    """A word or a sign within a tag."""

    kind: str
    text: str


class BadTag(Exception):
    """A tag that is none of Handlebars; with a hint, one that is and that is not read."""

    def __init__(self, message: str, hint: str = _NO_HANDLEBARS) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def shortened(text: str) -> str:
    """Return a tag as it is named to people: in one line, and not too long."""
    return clip(" ".join(text.split()), MAX_SHOWN)


def tokens_of(text: str, start: int, at: int, *, is_triple: bool) -> tuple[list[Token], bool, int]:
    """Return the words of the tag that begins at `start`, read from `at`; if it ends by `~`; and where it ends."""
    tokens: list[Token] = []
    while True:
        if len(tokens) > MAX_WORDS:
            raise BadTag(f"a tag has more than {MAX_WORDS:,} words", "shorten it")
        found = _TOKEN.match(text, at)
        shown = shortened(text[start : at + 12]) if found is None or found.lastgroup == "close" else ""
        if found is None:
            raise BadTag(f"`{shown}` is not closed" if "}}" not in text[at:] else f"`{shown}` does not parse")
        at = found.end()
        if found.lastgroup == "close":
            if found[0].count("}") != 2 + is_triple:
                raise BadTag(f"`{shown}` is closed by `{found[0]}`")
            return tokens, "~" in found[0], at
        if found.lastgroup is not None:
            tokens.append(Token(found.lastgroup, found[0]))


class TagReader:
    """Tokens of one tag, read into a call."""

    def __init__(self, tokens: list[Token], text: str, place: Place) -> None:
        self._tokens = tokens
        self._text = text
        self._place = place

    def read(self, *, is_block: bool) -> tuple[TagCall, tuple[str, ...]]:
        """Return the call, and a block's names: `as |item index|`."""
        tokens, names = self._tokens, tuple[str, ...]()
        marks = [number for number, token in enumerate(tokens) if token.kind == "params"]
        if marks and is_block and tokens[-1].text == "|":
            names = tuple(token.text for token in tokens[marks[0] + 1 : -1])
            self._tokens = tokens[: marks[0]]
        if not self._tokens:
            raise self._bad()
        head = self._value()
        arguments: list[PathNode | Constant] = []
        options: dict[str, PathNode | Constant] = {}
        while self._tokens:
            if len(self._tokens) > 2 and self._tokens[0].kind == "id" and self._tokens[1].text == "=":
                name = _segment(self._tokens[0].text)
                del self._tokens[:2]
                options[name] = self._value()
            elif options:
                raise self._bad()
            else:
                arguments.append(self._value())
        return TagCall(head, tuple(arguments), options, self._text, self._place), names

    def _bad(self) -> BadTag:
        return BadTag(f"`{self._text}` does not parse")

    def _value(self) -> PathNode | Constant:
        token = self._tokens[0]
        if token.kind == "string":
            del self._tokens[0]
            return Constant(token.text[1:-1].replace(f"\\{token.text[0]}", token.text[0]))
        if token.kind == "number":
            del self._tokens[0]
            return Constant(float(token.text) if "." in token.text else int(token.text))
        if token.text == "(":
            hint = "compare with `#ifEquals`, or give the result as an input"
            raise BadTag(f"`{self._text}` calls a helper within a tag, which is an application's code", hint)
        if token.kind == "id" and token.text in _CONSTANTS and not self._is_separator(1):
            del self._tokens[0]
            return Constant(_CONSTANTS[token.text])
        return self._path()

    def _is_separator(self, at: int) -> bool:
        return len(self._tokens) > at and self._tokens[at].kind == "sign" and self._tokens[at].text in "./"

    def _path(self) -> PathNode:
        tokens = self._tokens
        is_data = tokens[0].text == "@"
        start = taken = 1 if is_data else 0
        depth, is_scoped, keys = 0, False, list[str]()
        while taken < len(tokens):
            token = tokens[taken]
            if token.kind == "up" and not keys:
                depth += 1
            elif token.kind == "here" or (token.text == "this" and taken == start):
                is_scoped = True
            elif token.kind == "id":
                keys.append(_segment(token.text))
            else:
                raise self._bad()
            taken += 1
            if not self._is_separator(taken):
                break
            taken += 1
        else:
            raise self._bad()
        text = "".join(token.text for token in tokens[:taken])
        del tokens[:taken]
        return PathNode(tuple(keys), depth, is_data, is_scoped, text)


def _segment(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith("[") else text
