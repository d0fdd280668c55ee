"""Texts of our own prompts on their way to a different language: in pieces by their engine, partials written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from promptctl.files.names import PLACEHOLDER
from promptctl.prompts.prompt import Prompt
from promptctl.template_languages.jinja import first_comment, pieces_of
from promptctl.template_languages.partials import PartialsTooLarge, includes_of, inlined
from promptctl.template_languages.pieces import Path, Piece, TextPiece, VariablePiece
from promptctl.templates import BadTemplate

Lose = Callable[[str, int], None]
"""Called with what a part of a template loses, as a clause, and the part's line."""


def own_pieces(prompt: Prompt, text: str, lose: Lose, no_includes: str = "") -> tuple[Piece, ...]:
    """Return a text of a prompt in pieces; `lose` hears of comments, and of what cannot be read.

    `no_includes` says why partials are written out; without it they stay includes.
    """
    if prompt.engine == "none":
        return (TextPiece(text),)
    if prompt.engine == "simple":
        return simple_pieces(text, {name: (name,) for name in prompt.inputs})
    try:
        whole = with_partials(prompt, text, lose, no_includes) if no_includes else text
        pieces, comment = pieces_of(whole), first_comment(whole)
    except BadTemplate as error:
        lose(f"cannot be read: {error}", error.line or 1)
        return (TextPiece(text),)
    if comment is not None:
        lose("has comments, which are left out", comment)
    return pieces


def simple_pieces(text: str, paths: Mapping[str, Path]) -> tuple[Piece, ...]:
    """Return a text of `template: simple`; a `{{name}}` that has no path is text, as nothing fills it in.

    >>> simple_pieces("Hi {{x}}", {"x": ("x",)})
    (TextPiece(text='Hi '), VariablePiece(path=('x',), filters=(), line=1))
    """
    pieces: list[Piece] = []
    line = 1
    for number, part in enumerate(PLACEHOLDER.split(text)):
        if number % 2:
            pieces.append(VariablePiece(paths[part], (), line) if part in paths else TextPiece(f"{{{{{part}}}}}"))
        elif part:
            pieces.append(TextPiece(part))
            line += part.count("\n")
    return tuple(pieces)


def with_partials(prompt: Prompt, text: str, lose: Lose, why: str) -> str:
    """Return a Jinja text of a prompt with its partials written out, which `lose` hears of."""
    try:
        whole = inlined(text, prompt)
    except PartialsTooLarge as error:
        lose(f"cannot be written: {error}", 1)
        return text
    for path, line in includes_of(text):
        lose(f"`{path}` is written out: {why}", line)
    return whole
