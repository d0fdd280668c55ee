"""Tags of a Handlebars template, read by the lexer's rules of handlebars.js."""

from __future__ import annotations

import re
from typing import NamedTuple

from promptctl.errors import Place
from promptctl.files.wording import clip
from promptctl.template_languages.handlebars.nodes import Constant, PathNode, TagCall

_TOKEN = re.compile(
    r"""\s+|(?P<close>\}{4}|\}~?\}\}|~?\}\})|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<params>as\s+\|)"""
    r"""|(?P<number>-?[0-9]+(?:\.[0-9]+)?(?=[=~}\s/.)|\]]))|(?P<id>\[(?:\\.|[^\]\\])*\]|[^\s!"#%-,./;->@\[-^`{-~]+(?=[=~}\s/.)|\]]))"""
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
