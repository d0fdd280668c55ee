"""Partials that a prompt's messages include, and those that they include, read from one tree."""

from __future__ import annotations

from collections.abc import Callable

from promptctl.errors import Place, Problem
from promptctl.files.names import PROMPTS
from promptctl.files.sources import Sources
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

# A partial that includes one that includes one: deeper than this nobody can follow.
MAX_DEPTH = 10


class Partials:
    """Collector of partials: `texts` by their path below `prompts/`. Problems are added to those of the sources."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.texts: dict[str, str] = {}

    def include_all(self, text: str, path: str, place_of: Callable[[int], Place], chain: tuple[str, ...] = ()) -> None:
        """Read what a template's text includes.

        `path` is its file; `place_of` returns the place of each of its lines; `chain` holds its includers' paths.
        """
        try:
            found = includes(text)
        except BadTemplate as error:
            hint = "mend the template, or put braces that are meant as they stand into {% raw %}…{% endraw %}"
            self._report(error.message, place_of(error.line), hint, "bad-template")
            return
        for reference, line in found:
            place = place_of(line)
            target = self._sources.locate(reference, path, place)
            if target in chain:
                self._report(f"{target} includes itself", place, "break the circle", "circular-include")
            elif target is not None and target.removeprefix(PROMPTS + "/") not in self.texts:
                self._read(target, place, (*chain, target))

    def _read(self, path: str, place: Place, chain: tuple[str, ...]) -> None:
        if len(chain) > MAX_DEPTH:
            self._report(f"partials include each other more than {MAX_DEPTH} deep", place, "flatten them", "too-deep")
            return
        data = self._sources.bytes_of(path, place, "partial")
        if data is None:
            return
        text = decode_partial(data, path)
        if isinstance(text, Problem):
            self._sources.problems.append(text)
            return
        self.texts[path.removeprefix(PROMPTS + "/")] = text
        self.include_all(text, path, lambda line: Place(path, line), chain)

    def _report(self, message: str, place: Place, hint: str, code: str) -> None:
        self._sources.problems.append(Problem(message, place, hint, code))


def decode_partial(data: bytes, path: str) -> str | Problem:
    """Return a partial's text (UTF-8, a byte order mark left out, line ends as LF), or the problem if it is none."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        from promptctl.files.yaml_problems import not_utf8

        return not_utf8(path, data, error)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Problem("the file holds a NUL character", Place(path, line), "remove it", "forbidden-character")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
