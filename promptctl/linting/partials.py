"""Partials that one prompt includes, or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from promptctl.errors import Place
from promptctl.files.names import PARTIAL_SUFFIX, PathRefused, resolve_path
from promptctl.linting.rules import LintFinding, finding
from promptctl.prompts.closure import Declared
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes

# A longer one has its own file so that the prompt can be read.
_MOST_CHARACTERS = 1_500


class Includes:
    """The places that include each partial, over all prompts that were added."""

    def __init__(self) -> None:
        self._places: dict[str, list[Place]] = defaultdict(list)
        self._sizes: dict[str, int] = {}

    def add(self, declared: Declared) -> None:
        """Add those of a prompt and of the partials that it includes."""
        for text, path, place_of in declared.templates() if declared.is_jinja else ():
            if path not in self._sizes:
                self._sizes |= {path: len(text)} if path != declared.file.path else {}
                for included, line in _included(text, path, declared.base):
                    self._places[included].append(place_of(line))

    def findings(self, paths: Iterable[str]) -> Iterator[LintFinding]:
        """Yield P105 for the partials among these paths."""
        for path in paths:
            places = self._places.get(path, [])
            if not path.endswith(PARTIAL_SUFFIX) or len(places) > 1 or self._sizes.get(path, 0) > _MOST_CHARACTERS:
                continue
            where = next(iter(places), None)
            if where is None:
                message, hint = "no prompt includes this partial", "remove it, or include it"
            else:
                message, hint = f"only {where} includes this partial", "write its text there, and remove the file"
            yield finding("P105", message, Place(path), hint, also=(where,) if where else ())


def _included(text: str, path: str, base: str) -> Iterator[tuple[str, int]]:
    try:
        found = includes(text)
    except BadTemplate:
        return
    for reference, line in found:
        try:
            yield resolve_path(reference, path, base), line
        except PathRefused:
            continue
