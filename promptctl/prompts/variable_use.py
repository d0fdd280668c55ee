"""Uses of variables in a prompt, in its messages and the partials they include, each with its place.

Also those in a spelling that the prompt's template engine does not fill in, so that they are sent as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from promptctl.errors import Place, Problem
from promptctl.files.document import Key
from promptctl.files.names import PLACEHOLDER, PathRefused, resolve_path
from promptctl.files.wording import clip
from promptctl.prompts.closure import Declared, part_texts
from promptctl.templates import BadTemplate
from promptctl.templates.events import Condition, Event, Include, Text, Use
from promptctl.templates.reading import split_markup
from promptctl.templates.uses import bound, simple_uses, uses

PlaceOf = Callable[[int], Place]
_Placed = Iterator[tuple[Event, Place]]
_Found = Iterator[tuple[int, str, str, str]]

# Partials are read no further that are included again and again: nothing new is in them.
_MOST_EVENTS = 50_000

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


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """Event of a template, with its place in the prompt's file or in a partial, and the message it belongs to.

    `part` counts the parts of a message that has several.
    """

    event: Event
    place: Place
    message: int
    role: str
    part: int | None = None


def used_variables(resolved: Declared) -> dict[str, Place]:
    """Return each variable that the templates use and do not set themselves, with the place of its first use.

    A template that does not parse uses nothing here; its fault is reported elsewhere.
    """
    found: dict[str, Place] = {}
    for each in variable_uses(resolved):
        event = each.event
        if isinstance(event, Use) and event.act not in ("messages", "when"):
            found.setdefault(event.path[0], each.place)
    return found


def variable_uses(resolved: Declared) -> Iterator[PlacedEvent]:
    """Yield what the messages print and do, in reading order, and what their partials do where they are included.

    A variable that a template sets is replaced by what it is set to, and includes are replaced by their events.
    """
    document = resolved.file.document
    walk = _MessageWalk(resolved)
    for index, message in enumerate(resolved.file.data["messages"]):
        role = message.get("role", "")
        if "placeholder" in message:
            place = document.place("messages", index, "placeholder")
            use = Use(path=(message["placeholder"],), act="messages", line=1)
            yield PlacedEvent(use, place, index, role)
        content = message.get("content")
        if isinstance(content, str):
            for event, place in walk.text(content, ("messages", index, "content")):
                yield PlacedEvent(event, place, index, role)
        for number, part in enumerate(content if isinstance(content, list) else ()):
            keys = ("messages", index, "content", number)
            holds: tuple[Condition, ...] = ()
            if "when" in part:
                use = Use(path=(part["when"],), act="when", line=1)
                yield PlacedEvent(use, document.place(*keys, "when"), index, role, number)
                holds = (Condition("defined", use.path), Condition("true", use.path))
            for text, below in part_texts(part):
                for event, place in walk.text(text, (*keys, *below)):
                    placed = replace(event, holds=(*holds, *event.holds)) if holds else event
                    yield PlacedEvent(placed, place, index, role, number)


class _MessageWalk:
    def __init__(self, resolved: Declared) -> None:
        self._document = resolved.file.document
        self._engine = resolved.file.data.get("template", "jinja2")
        self._partials = resolved.partials
        self._path = resolved.file.path
        self._base = resolved.base
        self._count = 0
        self._walked: set[str] = set()

    def text(self, text: str, keys: tuple[Key, ...]) -> _Placed:
        """Yield what one text of the messages does."""
        place_of = self._document.line_placer(*keys)
        if self._engine == "jinja2":
            with suppress(BadTemplate):
                yield from self._jinja(uses(text), self._path, place_of)
            return
        for event in simple_uses(text) if self._engine == "simple" else (Text(text=text, line=1),):
            yield event, place_of(event.line)

    def _jinja(self, events: Iterable[Event], path: str, place_of: PlaceOf, chain: tuple[str, ...] = ()) -> _Placed:
        for event in events:
            self._count += 1
            if not isinstance(event, Include):
                yield event, place_of(event.line)
                continue
            with suppress(PathRefused, BadTemplate):
                partial_path = resolve_path(event.reference, path, self._base)
                yield from self._partial(partial_path, event, chain)

    def _partial(self, path: str, include: Include, chain: tuple[str, ...]) -> _Placed:
        text = self._partials.get(path.removeprefix(self._base + "/"))
        if text is None or path in chain or (self._count > _MOST_EVENTS and path in self._walked):
            return
        self._walked.add(path)
        events = bound(uses(text), include)
        yield from self._jinja(events, path, partial(Place, path), (*chain, path))


def unfilled_variables(resolved: Declared, names: Collection[str]) -> Iterator[tuple[str, Problem]]:
    """Yield the problem of each variable of these names that is sent as it stands, with its name; logic has none.

    Each is reported once, at its first place. Without any names `{name}` is taken for a variable in a prompt that has
    no other.
    """
    engine = resolved.file.data.get("template", "jinja2")
    told: set[str] = set()
    for text, _, place_of in resolved.templates():
        found = _in_jinja(text, names) if engine == "jinja2" else _in_plain(text, names, engine, resolved.file.dialect)
        for at, name, written, hint in found:
            if name not in told:
                told.add(name)
                place = place_of(text.count("\n", 0, at) + 1)
                shown = clip(written, 60)
                yield name, Problem(f"`{shown}` is sent as it stands", place, hint, "not-filled-in", "warning")


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
