"""The part of Jinja that every runtime of Prompty has, and what of a template lies outside of it.

Source: spec/jinja-subset.md and spec/jinja-grammar.md of microsoft/prompty.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from promptctl.template_languages.jinja import jinja_path, pieces_of
from promptctl.template_languages.pieces import (
    CodePiece,
    IfBranch,
    IfPiece,
    IfTest,
    LoopPiece,
    Path,
    Piece,
    VariablePiece,
)

_FILTERS = frozenset(("upper", "lower", "trim", "join", "length", "default"))
_LOOP = frozenset(("index", "index0", "first", "last", "length"))
_OTHER_TEXTS = {"boolean": "true or false", "array": "a list", "object": "an object"}
_RAW = re.compile(r"\{%[-+]?\s*raw\b")
_BRACES = re.compile(r"\{(?=[{%#])|\{\Z")
_OUTSIDE = "is outside of the Jinja that every runtime of Prompty has"


def literal(text: str) -> str:
    """Return a text as a template that prints it, with nothing but what every runtime has.

    >>> literal("{{x}}")
    '{{ "{" }}{x}}'
    """
    return _BRACES.sub('{{ "{" }}', text)


def outside(text: str, kinds: Mapping[str, Any], rich: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the line and description of each part of a template that Prompty may not print as promptctl does.

    `kinds` are the JSON types of the inputs, `rich` those that stand for more than text.
    """
    for found in _RAW.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, f"`raw` {_OUTSIDE}"
    yield from _pieces(pieces_of(text), kinds, rich, 0)


def _pieces(
    pieces: Sequence[Piece], kinds: Mapping[str, Any], rich: Collection[str], loops: int
) -> Iterator[tuple[int, str]]:
    for piece in pieces:
        match piece:
            case VariablePiece(path, filters, line):
                yield from ((line, each) for each in _variable(path, kinds, rich, loops, is_printed=not filters))
                for each in filters:
                    if each.name not in _FILTERS or len(each.arguments) > 1:
                        yield line, f"the filter `{each.name}` {_OUTSIDE}"
            case IfPiece(branches, otherwise, line):
                for branch in branches:
                    yield from ((line, each) for each in _tests(branch, kinds, rich, loops))
                    yield from _pieces(branch.body, kinds, rich, loops)
                yield from _pieces(otherwise, kinds, rich, loops)
            case LoopPiece(_, over, body, otherwise, key, line):
                yield from ((line, each) for each in _variable(over, kinds, rich, loops))
                if key is not None or otherwise:
                    yield line, f"a loop over keys, or with `else`, {_OUTSIDE}"
                yield from _pieces(body, kinds, rich, loops + 1)
                yield from _pieces(otherwise, kinds, rich, loops)
            case CodePiece(_, kind, line):
                yield line, f"{kind} {_OUTSIDE}"


def _tests(branch: IfBranch, kinds: Mapping[str, Any], rich: Collection[str], loops: int) -> Iterator[str]:
    for test in branch.tests:
        yield from _variable(test.path, kinds, rich, loops)
        if test.operator == "is":
            yield f"the test `is {test.operand}` {_OUTSIDE}"
        elif isinstance(test.operand, tuple):
            yield from _variable(test.operand, kinds, rich, loops)
        elif isinstance(test.operand, list):
            yield f"a list in a test {_OUTSIDE}"
        yield from _quoted(test)


def _quoted(test: IfTest) -> Iterator[str]:
    if isinstance(test.operand, str) and ("\\" in test.operand or '"' in test.operand):
        yield f"a text with a quote or a backslash in a test {_OUTSIDE}"


def _variable(
    path: Path, kinds: Mapping[str, Any], rich: Collection[str], loops: int, *, is_printed: bool = False
) -> Iterator[str]:
    root, *keys = path
    if root == "loop" and loops and keys[:1] and keys[0] not in _LOOP:
        yield f"`{jinja_path(path)}` {_OUTSIDE}"
    if root in rich:
        yield f"`{root}` stands for more than text in Prompty, and cannot be used as text too"
    kind = kinds.get(str(root)) if is_printed and not keys else None
    if isinstance(kind, str) and kind in _OTHER_TEXTS:
        yield f"`{root}` is {_OTHER_TEXTS[kind]}, which Prompty's runtimes do not all print as JSON"
