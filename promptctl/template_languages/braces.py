"""Templates without logic: `{name}`, as Python's `str.format` and f-strings have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Formatter

from promptctl.template_languages.pieces import Path, Piece, TextPiece, VariablePiece
from promptctl.templates import BadTemplate

_FIELD = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[[^\[\]]+\])*", re.ASCII)
_STEP = re.compile(r"[.\[]([^.\[\]]+)\]?")


def format_pieces(text: str) -> tuple[Piece, ...]:
    """Return a text for `str.format` in pieces: `{a.b}` and `{a[b]}` are variables, `{{` and `}}` braces.

    Raises `BadTemplate` for a conversion, a format, a position, or a brace alone.

    >>> format_pieces("{{}} {user.name}")
    (TextPiece(text='{} '), VariablePiece(path=('user', 'name'), filters=(), line=1))
    """
    return tuple(_formatted(text))


def _formatted(text: str) -> Iterator[Piece]:
    line, told = 1, ""
    try:
        for literal, field, spec, conversion in Formatter().parse(text):
            told += literal
            if field is None:
                continue
            line += told.count("\n")
            if told:
                yield TextPiece(told)
            told = ""
            if spec or conversion:
                written = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                raise BadTemplate(f"`{{{written}}}` formats a value", line, hint="write it out by hand as Jinja")
            yield VariablePiece(_path(field, line), line=line)
    except ValueError as error:
        raise BadTemplate(str(error), line, hint="write a brace that is text twice: {{ and }}") from None
    if told:
        yield TextPiece(told)


def _path(field: str, line: int) -> Path:
    if not _FIELD.fullmatch(field):
        raise BadTemplate(
            f"`{{{field}}}` is no variable by its name", line, hint="name it with letters, digits and `_`"
        )
    root = re.split(r"[.\[]", field, maxsplit=1)[0]
    keys = (each[1] for each in _STEP.finditer(field, len(root)))
    return (root, *(int(key) if key.isdecimal() else key for key in keys))


def roots(pieces: tuple[Piece, ...]) -> list[str]:
    """Return the variables of a template without logic, in reading order, each once."""
    return list(dict.fromkeys(str(each.path[0]) for each in pieces if isinstance(each, VariablePiece)))
