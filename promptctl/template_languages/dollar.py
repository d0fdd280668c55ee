"""Texts of Python's `string.Template` into pieces: `$name`, `${name}`, and `$$` for a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Iterator

from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece

_PLACEHOLDER = re.compile(r"\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\}|)", re.IGNORECASE | re.ASCII)


def dollar_pieces(text: str) -> tuple[Piece, ...]:
    """Return a text in pieces; a `$` that begins no name, at which Python fails, is text.

    >>> dollar_pieces("${who} pays $$5")
    (VariablePiece(path=('who',), filters=(), line=1), TextPiece(text=' pays $5'))
    """
    return tuple(_pieces(text))


def has_stray_dollar(text: str) -> bool:
    """Return True for a text with a `$` that begins no name."""
    return any(not any(each.groups()) for each in _PLACEHOLDER.finditer(text))


def _pieces(text: str) -> Iterator[Piece]:
    plain, at, line = "", 0, 1
    for match in _PLACEHOLDER.finditer(text):
        plain += text[at : match.start()]
        at = match.end()
        name = match[2] or match[3]
        if not name:
            plain += "$"
            continue
        if plain:
            yield TextPiece(plain)
        line += plain.count("\n")
        plain = ""
        yield VariablePiece((name,), (), line)
    if plain + text[at:]:
        yield TextPiece(plain + text[at:])
