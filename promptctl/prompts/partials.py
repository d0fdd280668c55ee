"""The partials that a prompt's messages include, and those that they include, read from one tree."""

from __future__ import annotations

import re
from collections.abc import Callable

from promptctl.errors import Place, Problem
from promptctl.files.names import PROMPTS
from promptctl.files.sources import Sources
from promptctl.templates.bad_template import BadTemplate
from promptctl.templates.reading import includes

# A partial that includes one that includes one: deeper than this nobody can follow any more.
MAX_DEPTH = 10

_OPENING = re.compile(r"\{[{%#]")
_TEXTS = r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'"
_ELEMENTS = {
    "{#": re.compile(r"\{#(?:[^#]|#(?!\}))*+#\}"),
    "{{": re.compile(rf"\{{\{{(?:[^\"'{{}}]|{_TEXTS}|\}}(?!\}}))*+\}}\}}", re.DOTALL),
    "{%": re.compile(rf"\{{%[-+]?\s*(\w+)((?:[^\"'{{}}%]|{_TEXTS}|%(?!\}}))*+)%\}}", re.DOTALL),
}
_LITERAL = re.compile(r"\s+(?:\"([^\"\\\n]+)\"|'([^'\\\n]+)')\s*[-+]?")
# Tags after which other rules hold, or that only the parser should judge.
_NOT_QUICK = frozenset(("block", "extends", "from", "import", "raw"))


class Partials:
    """Collects partials: `texts` by their path below `prompts/`. What is wrong is added to the sources' problems."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.texts: dict[str, str] = {}

    def include_all(self, text: str, path: str, place_of: Callable[[int], Place]) -> None:
        """Read what a template's text includes. `path` is its file; `place_of` gives the place of each of its lines."""
        if "{%" in text:
            self._include(text, path, place_of, ())

    def _include(self, text: str, path: str, place_of: Callable[[int], Place], chain: tuple[str, ...]) -> None:
        try:
            found = quick_includes(text)
            if found is None:
                found = includes(text)
        except BadTemplate as error:
            hint = "mend the template, or put braces that are meant as they stand into {% raw %}…{% endraw %}"
            self._tell(error.message, place_of(error.line), hint, "bad-template")
            return
        for reference, line in found:
            place = place_of(line)
            target = self._sources.locate(reference, path, place)
            if target is None:
                continue
            if target in chain:
                self._tell(f"{target} includes itself", place, "break the circle", "circular-include")
            elif target.removeprefix(PROMPTS + "/") not in self.texts:
                self._read(target, place, (*chain, target))

    def _read(self, path: str, place: Place, chain: tuple[str, ...]) -> None:
        if len(chain) > MAX_DEPTH:
            self._tell(f"partials include each other more than {MAX_DEPTH} deep", place, "flatten them", "too-deep")
            return
        data = self._sources.bytes_of(path, place, "partial")
        if data is None:
            return
        text = decode_partial(data, path)
        if isinstance(text, Problem):
            self._sources.problems.append(text)
            return
        self.texts[path.removeprefix(PROMPTS + "/")] = text
        if "{%" in text:
            self._include(text, path, lambda line: Place(path, line), chain)

    def _tell(self, message: str, place: Place, hint: str, code: str) -> None:
        self._sources.problems.append(Problem(message, place, hint, code))


def quick_includes(text: str) -> list[tuple[str, int]] | None:
    """What `includes` gives, without its parser, for the plain templates that nearly all are; None for any other.

    Finding the versions of a long history reads tens of thousands of templates, and parsing would take most of it.
    """
    found: list[tuple[str, int]] = []
    line, counted = 1, 0
    opening = _OPENING.search(text)
    while opening:
        element = _ELEMENTS[opening[0]].match(text, opening.start())
        if element is None:
            return None
        if opening[0] == "{%":
            if element[1] in _NOT_QUICK:
                return None
            if element[1] == "include":
                literal = _LITERAL.fullmatch(element[2])
                if literal is None:
                    return None
                line += text.count("\n", counted, element.start())
                counted = element.start()
                found.append((literal[1] or literal[2], line))
        opening = _OPENING.search(text, element.end())
    return found


def decode_partial(data: bytes, path: str) -> str | Problem:
    """A partial's text: UTF-8, a byte order mark left out, line ends as LF; what is wrong with it where it is none."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        from promptctl.files.yaml_problems import not_utf8

        return not_utf8(path, data, error)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Problem("the file holds a NUL character", Place(path, line), "remove it", "forbidden-character")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
