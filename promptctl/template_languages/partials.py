"""Includes in templates: where they stand, with other paths, and with the texts of the partials in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptctl.files.names import PathRefused, resolve_path
from promptctl.prompts.prompt import Prompt

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
