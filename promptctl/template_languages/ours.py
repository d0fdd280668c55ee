"""Texts of our own prompts on their way to a different language: in pieces by their engine, partials written out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from promptctl.files.names import PLACEHOLDER, PathRefused, resolve_path
from promptctl.prompts.prompt import Prompt
from promptctl.template_languages.jinja import first_comment, pieces_of
from promptctl.template_languages.pieces import Path, Piece, TextPiece, VariablePiece, joined, split_at
from promptctl.templates import BadTemplate

_INCLUDE = re.compile(
    r"""\{%(?P<before>[-+]?)\s*include\s+(?P<literal>"[^"\n]*"|'[^'\n]*')\s*(?:with context\s*)?(?P<after>[-+]?)%\}"""
)
_MOST_CHARACTERS = 1 << 20
_DEEPEST = 20


class PartialsTooLarge(ValueError):
    """Partials that would make a template too large, or that are nested too deeply."""


def includes_of(template: str) -> list[tuple[str, int]]:
    """Return the path of each include as it is written, and its line."""
    return [(_path(found), template.count("\n", 0, found.start()) + 1) for found in _find(template)]


def with_paths(template: str, paths: Mapping[str, str]) -> str:
    """Return a template in which each include of an old path names the new one; the others stay as written."""
    pieces: list[str] = []
    end = 0
    for found in _find(template):
        path = _path(found)
        if paths.get(path, path) != path:
            pieces += (template[end : found.start("literal")], f'"{paths[path]}"')
            end = found.end("literal")
    return "".join((*pieces, template[end:]))


def inlined(template: str, prompt: Prompt) -> str:
    """Return a template with the text of each partial in place of its include. Raises `PartialsTooLarge`."""
    return _inlined(template, prompt.path, prompt.base, prompt.partials, 0)


def template_line(template: str, prompt: Prompt, line: int) -> int:
    """Return the line of a template that a line of it `inlined` is from: for those of a partial, the include's."""
    end = own = at = 0  # the lines before `end`, and those of them with the partials
    for found in _find(template):
        before = template.count("\n", end, found.start())
        try:
            inner = inlined(found[0], prompt).count("\n")
        except PartialsTooLarge:
            return line  # then nothing was written out
        if line <= at + before + 1:
            break
        if line <= at + before + inner + 1:
            return own + before + 1
        end, own, at = found.end(), own + before + found[0].count("\n"), at + before + inner
    return own + line - at


def _find(template: str) -> list[re.Match[str]]:
    return list(_INCLUDE.finditer(template)) if "include" in template else []


def _path(found: re.Match[str]) -> str:
    return found["literal"][1:-1]


def _inlined(template: str, path: str, base: str, partials: Mapping[str, str], depth: int) -> str:
    pieces: list[str] = []
    end = size = 0
    for found in _find(template):
        try:
            inner = resolve_path(_path(found), path, base)
        except PathRefused:
            continue
        text = partials.get(inner.removeprefix(f"{base}/"))
        if text is None:
            continue
        if depth >= _DEEPEST:
            raise PartialsTooLarge("its partials are nested too deeply to be written out")
        whole = _inlined(text, inner, base, partials, depth + 1)
        # A sign that takes white space away stays on a block that is always printed.
        before, after = found["before"], found["after"]
        whole = f"{{%{before} if true %}}{whole}{{% endif {after}%}}" if before or after else whole
        pieces += (template[end : found.start()], whole)
        end, size = found.end(), size + len(whole)
        if size > _MOST_CHARACTERS:
            raise PartialsTooLarge("it would be too large with its partials written out")
    return "".join((*pieces, template[end:]))


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

    def line_of(line: int) -> int:
        return template_line(text, prompt, line) if no_includes else line

    try:
        whole = with_partials(prompt, text, lose, no_includes) if no_includes else text
        pieces, comment = pieces_of(whole), first_comment(whole)
    except BadTemplate as error:
        lose(f"cannot be read: {error}", line_of(error.line or 1))
        return (TextPiece(text),)
    if comment is not None:
        lose("has comments, which are left out", line_of(comment))
    return pieces


def simple_pieces(text: str, paths: Mapping[str, Path]) -> tuple[Piece, ...]:
    """Return a text of `template: simple`; a `{{name}}` that has no path is text, as nothing fills it in.

    >>> simple_pieces("Hi {{x}}", {"x": ("x",)})
    (TextPiece(text='Hi '), VariablePiece(path=('x',), filters=(), line=1))
    """

    def piece(found: re.Match[str], line: int) -> Piece:
        name = found[1]
        return VariablePiece(paths[name], (), line) if name in paths else TextPiece(f"{{{{{name}}}}}")

    return tuple(joined(split_at(PLACEHOLDER, text, piece)))


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
