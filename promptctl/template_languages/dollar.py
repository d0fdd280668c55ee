"""Texts of Python's `string.Template` into pieces: `$name`, `${name}`, and `$$` for a dollar sign."""

from __future__ import annotations

import re

from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece, joined, split_at

_PLACEHOLDER = re.compile(r"\$(?:(\$)|([_a-z][_a-z0-9]*)|\{([_a-z][_a-z0-9]*)\}|)", re.IGNORECASE | re.ASCII)


def dollar_pieces(text: str) -> tuple[Piece, ...]:
    """Return a text in pieces; a `$` that begins no name, at which Python fails, is text.

    >>> dollar_pieces("${who} pays $$5")
    (VariablePiece(path=('who',), filters=(), line=1), TextPiece(text=' pays $5'))
    """
    return tuple(joined(split_at(_PLACEHOLDER, text, _piece)))


def has_stray_dollar(text: str) -> bool:
    """Return True for a text with a `$` that begins no name."""
    return any(not any(each.groups()) for each in _PLACEHOLDER.finditer(text))


def _piece(found: re.Match[str], line: int) -> Piece:
    name = found[2] or found[3]
    return VariablePiece((name,), (), line) if name else TextPiece("$")
