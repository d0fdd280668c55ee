"""Pieces of a template that several languages can say: text, values, conditions, loops, includes.

Text is what is printed: whoever reads a language has applied its rules of white space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""A variable and the keys or positions within it: `("order", "items", 0)`."""


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that is printed as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class FilterCall:
    """A filter by Jinja's name, with the constants that it is given."""

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class VariablePiece:
    """A variable's value, printed after the filters, the first one first. `line` counts from 1 in the template."""

    path: Path
    filters: tuple[FilterCall, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class IfTest:
    """A test of a variable: true or not (`operator` is empty), or compared by `==`, `!=`, `<`, `<=`, `>`, `>=`, `in`.

    `operand` is a constant, or a variable as its `Path`. After `is` it is the name of a test of Jinja: `defined`.
    """

    path: Path
    operator: str = ""
    operand: Any = None
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class IfBranch:
    """Pieces that are printed if all the tests hold (`is_any`: if one does)."""

    tests: tuple[IfTest, ...]
    body: tuple[Piece, ...]
    is_any: bool = False


@dataclass(frozen=True, slots=True)
class IfPiece:
    """The body of the first branch that holds, or what is printed if none does."""

    branches: tuple[IfBranch, ...]
    otherwise: tuple[Piece, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class LoopPiece:
    """The body, once for each item of a list; with `key`, for each key and value of a mapping.

    Within the body, `("loop", "index0")`, `index`, `first` and `last` are those of Jinja.
    """

    item: str
    over: Path
    body: tuple[Piece, ...]
    otherwise: tuple[Piece, ...] = ()
    key: str | None = None
    line: int = 1


@dataclass(frozen=True, slots=True)
class IncludePiece:
    """The text of a different template, which sees the same variables. `path` is as it is written."""

    path: str
    line: int = 1


@dataclass(frozen=True, slots=True)
class CodePiece:
    """Anything that only one language says, as it is written there: an expression, an assignment, a call.

    `kind` names it for people: `a call`, `the filter sort`.
    """

    text: str
    kind: str
    line: int = 1


Piece = TextPiece | VariablePiece | IfPiece | LoopPiece | IncludePiece | CodePiece
_KINDS: dict[type, str] = {
    TextPiece: "text",
    VariablePiece: "a filter, or a part of a variable",
    IfPiece: "a condition",
    LoopPiece: "a loop",
    IncludePiece: "an include",
}


def split_at(tags: re.Pattern[str], text: str, piece_of: Callable[[re.Match[str], int], Piece]) -> Iterator[Piece]:
    """Yield a text in pieces: what `piece_of` returns for each tag, given its line, and the texts between them."""
    at, line = 0, 1
    for found in tags.finditer(text):
        line += text.count("\n", at, found.start())
        yield from (TextPiece(text[at : found.start()]), piece_of(found, line))
        line += found[0].count("\n")
        at = found.end()
    yield TextPiece(text[at:])


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces with neighbouring texts as one, and without empty ones."""
    text = ""
    for piece in pieces:
        if isinstance(piece, TextPiece):
            text += piece.text
            continue
        if text:
            yield TextPiece(text)
        text = ""
        yield piece
    if text:
        yield TextPiece(text)


def kind_of(piece: Piece) -> str:
    """Return what a piece is called to people."""
    return piece.kind if isinstance(piece, CodePiece) else _KINDS[type(piece)]
