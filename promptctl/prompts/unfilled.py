"""Variables in a spelling that the prompt's template engine does not fill in, so that they are sent as they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial

from promptctl.errors import Place, Problem
from promptctl.files.names import PLACEHOLDER
from promptctl.prompts.closure import Declared, message_texts
from promptctl.prompts.variable_use import PlaceOf
from promptctl.templates.reading import split_markup

# As f-strings, `str.format`, shells, `%` and other tools write a variable.
_OTHERS = re.compile(
    r"(?<![{\w])\$?\{([A-Za-z_]\w*)\}(?!\})|%\(([A-Za-z_]\w*)\)s|(?<![\w$])\$([A-Za-z_]\w*)|\[\[ ?(\w+) ?\]\]"
)
_SPACED = re.compile(r"\{\{[-+]?\s*([A-Za-z_]\w*)(?:[^\w{}][^{}]*)?\}\}")
_LOGIC = re.compile(
    r"\{%[-+]?\s*(?:if|for|set|include|import|macro|raw|endif|endfor)\b[^%]*%\}|\{\{[#/^>]\s*\w+(?:[^\w{}][^{}]*)?\}\}"
)

_TO_JINJA = {
    "native": "remove `template: {}`: without it messages are Jinja templates",
    "github": "GitHub's files have no logic: write the prompt in promptctl's own format, which has Jinja",
}


def unfilled_variables(resolved: Declared, names: Collection[str]) -> Iterator[tuple[str, Problem]]:
    """Yield the problem of each variable of these names that is sent as it stands, with its name; logic has none.

    Each is reported once, at its first place. Without any names `{name}` is taken for a variable in a prompt that has
    no other.
    """
    engine = resolved.file.data.get("template", "jinja2")
    told: set[str] = set()
    for text, place_of in _texts(resolved):
        found = _in_jinja(text, names) if engine == "jinja2" else _in_plain(text, names, engine, resolved.file.dialect)
        for at, name, written, hint in found:
            if name not in told:
                told.add(name)
                place = place_of(text.count("\n", 0, at) + 1)
                shown = written if len(written) <= 60 else written[:59] + "…"
                yield name, Problem(f"`{shown}` is sent as it stands", place, hint, "not-filled-in", "warning")


def _texts(resolved: Declared) -> Iterator[tuple[str, PlaceOf]]:
    for text, keys in message_texts(resolved.file.data["messages"]):

        def place_of(line: int, keys: tuple[str | int, ...] = keys) -> Place:
            return resolved.file.document.line_place(line, *keys)

        yield text, place_of
    for path, text in resolved.partials.items():
        yield text, partial(Place, f"{resolved.base}/{path}")


_Found = Iterator[tuple[int, str, str, str]]


def _in_jinja(text: str, names: Collection[str]) -> _Found:
    parts = split_markup(text)
    parts[1::2] = [re.sub(r"[^\n]", " ", each) for each in parts[1::2]]
    rest = "".join(parts)
    for match in _OTHERS.finditer(rest):
        name = next(filter(None, match.groups()))
        if name in names or (not names and match[1] and rest == text):
            hint = f"write `{{{{ {name} }}}}`" + (
                "" if names else f", and declare it: `inputs: {{{name}: {{type: string}}}}`"
            )
            yield match.start(), name, match[0], hint


def _in_plain(text: str, names: Collection[str], engine: str, dialect: str) -> _Found:
    to_jinja = _TO_JINJA[dialect].format(engine)
    for match in _LOGIC.finditer(text):
        yield match.start(), "", match[0], to_jinja
    for match in _SPACED.finditer(text):
        is_filled = engine == "simple" and PLACEHOLDER.fullmatch(match[0])
        if not is_filled and (match[1] in names or engine == "simple"):
            hint = f"write `{{{{{match[1]}}}}}`: no blanks and no filters between the braces"
            yield match.start(), match[1], match[0], hint if engine == "simple" else to_jinja
    for match in _OTHERS.finditer(text):
        name = next(filter(None, match.groups()))
        if name in names:
            yield match.start(), name, match[0], f"write `{{{{{name}}}}}`" if engine == "simple" else to_jinja
