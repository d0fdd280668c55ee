"""Pieces of a template that several languages can say: text, values, conditions, loops, includes.

Text is what is printed: whoever reads a language has applied its rules of white space.
"""

from __future__ import annotations

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


def kind_of(piece: Piece) -> str:
    """Return what a piece is called to people."""
    match piece:
        case TextPiece():
            return "text"
        case VariablePiece():
            return "a filter, or a part of a variable"
        case IfPiece():
            return "a condition"
        case LoopPiece():
            return "a loop"
        case IncludePiece():
            return "an include"
        case CodePiece(_, kind):
            return kind
