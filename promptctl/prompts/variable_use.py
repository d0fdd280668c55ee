"""Which variables a prompt's templates use, and where: its messages and the partials that they include."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from promptctl.errors import Place
from promptctl.files.names import PROMPTS, PathRefused, resolve_path
from promptctl.formats.github_dialect import PLACEHOLDER
from promptctl.prompts.closure import Declared, message_texts
from promptctl.templates.bad_template import BadTemplate
from promptctl.templates.reading import assigned, includes, variables

PlaceOf = Callable[[int], Place]

_MARKUP = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)


def used_variables(resolved: Declared) -> dict[str, Place]:
    """Each variable that the templates use and do not set themselves, with the place of its first use.

    What does not parse uses nothing here; that it does not parse is told elsewhere.
    """
    file = resolved.file
    engine = file.data.get("template", "jinja2")
    use = _Use(resolved.partials)
    for text, keys in message_texts(file.data["messages"]):

        def place_of(line: int, keys: tuple[str | int, ...] = keys) -> Place:
            return file.document.line_place(line, *keys)

        if engine == "simple":
            for match in PLACEHOLDER.finditer(text):
                use.found.setdefault(match[1], place_of(text.count("\n", 0, match.start()) + 1))
        elif engine == "jinja2":
            use.walk(text, file.path, place_of, frozenset())
    return use.found


class _Use:
    def __init__(self, partials: Mapping[str, str]) -> None:
        self.found: dict[str, Place] = {}
        self._partials = partials
        self._walked: set[tuple[str, frozenset[str]]] = set()

    def walk(self, text: str, path: str, place_of: PlaceOf, set_above: frozenset[str]) -> None:
        """Add what a template uses. `set_above` is what those that include it have set, which it sees as well."""
        try:
            used, set_here, included = variables(text), assigned(text), includes(text)
        except BadTemplate:
            return
        for name in sorted(used - set_above):
            if name not in self.found:
                self.found[name] = place_of(_line_of(name, text))
        for reference, _ in included:
            self._walk_partial(reference, path, set_above | set_here)

    def _walk_partial(self, reference: str, path: str, set_above: frozenset[str]) -> None:
        try:
            target = resolve_path(reference, path, PROMPTS)
        except PathRefused:
            return
        text = self._partials.get(target.removeprefix(PROMPTS + "/"))
        if text is None or (target, set_above) in self._walked:
            return
        self._walked.add((target, set_above))
        self.walk(text, target, lambda line: Place(target, line), set_above)


def _line_of(name: str, text: str) -> int:
    """The first line of the text on which a variable stands in markup."""
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
    for markup in _MARKUP.finditer(text):
        match = word.search(markup[0])
        if match:
            return text.count("\n", 0, markup.start() + match.start()) + 1
    return 1
