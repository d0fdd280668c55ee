"""Variables that a prompt's templates use, with their places: in its messages and the partials they include."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from promptctl.errors import Place
from promptctl.files.names import PLACEHOLDER, PathRefused, resolve_path
from promptctl.prompts.closure import Declared, message_texts
from promptctl.templates import BadTemplate
from promptctl.templates.reading import includes, names

PlaceOf = Callable[[int], Place]


def used_variables(resolved: Declared) -> dict[str, Place]:
    """Return each variable that the templates use and do not set themselves, with the place of its first use.

    A template that does not parse uses nothing here; its fault is reported elsewhere.
    """
    file = resolved.file
    engine = file.data.get("template", "jinja2")
    use = _Use(resolved.partials, resolved.base)
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
    def __init__(self, partials: Mapping[str, str], base: str) -> None:
        self._base = base
        self.found: dict[str, Place] = {}
        self._partials = partials
        self._walked: set[tuple[str, frozenset[str]]] = set()

    def walk(self, text: str, path: str, place_of: PlaceOf, set_above: frozenset[str]) -> None:
        """Add the variables of a template. It also sees those that its includers have set: `set_above`."""
        try:
            (used, set_here), included = names(text), includes(text)
        except BadTemplate:
            return
        for name in sorted(used.keys() - set_above - self.found.keys()):
            self.found[name] = place_of(used[name])
        for reference, _ in included:
            with suppress(PathRefused):
                self._walk_partial(resolve_path(reference, path, self._base), set_above | set_here)

    def _walk_partial(self, path: str, set_above: frozenset[str]) -> None:
        text = self._partials.get(path.removeprefix(self._base + "/"))
        if text is not None and (path, set_above) not in self._walked:
            self._walked.add((path, set_above))
            self.walk(text, path, lambda line: Place(path, line), set_above)
