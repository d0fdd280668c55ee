"""Uses of the variables of one template, for who asks for inputs' schemas and for who looks for risks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from functools import lru_cache

from promptctl.files.names import PLACEHOLDER
from promptctl.templates import BadTemplate
from promptctl.templates.events import Branch, Condition, Event, Include, Origin, Path, Printed, Text, Use
from promptctl.templates.reading import has_markup, plain_pieces


def uses(text: str) -> tuple[Event, ...]:
    """Return everything that this Jinja template does, in reading order. Raises `BadTemplate`.

    >>> [(use.path, use.act) for use in uses("{% for tag in tags %}{{ tag.name }}{% endfor %}") if type(use) is Use]
    [(('tags',), 'list'), (('tags', '[]', 'name'), 'print')]
    """
    if not has_markup(text):
        return (Text(text=text, line=1),) if text else ()
    found = _uses(text)
    if isinstance(found, BadTemplate):
        raise copy(found)
    return found


# Many prompts include the same partials.
@lru_cache(maxsize=256)
def _uses(text: str) -> tuple[Event, ...] | BadTemplate:
    pieces = plain_pieces(text)
    if pieces is not None:
        return tuple(_plain(pieces))
    from promptctl.templates.walking import walk

    try:
        return walk(text)
    except BadTemplate as error:
        return copy(error)


def variables(text: str) -> set[str]:
    """Return the variables this template reads and does not set itself: roots only (`user.name` gives `user`).

    Includes are not followed. Raises `BadTemplate`.

    >>> sorted(variables("{% set who = user.name %}{{ who }} asks about {{ topic }}"))
    ['topic', 'user']
    """
    return {event.path[0] for event in uses(text) if isinstance(event, Use)}


def simple_uses(text: str) -> tuple[Event, ...]:
    """Return what a template of `{{name}}` alone does."""
    return tuple(_plain(PLACEHOLDER.split(text)))


def _plain(pieces: list[str]) -> Iterator[Event]:
    line = 1
    for number, piece in enumerate(pieces):
        if number % 2:
            yield Use(path=(piece,), act="print", line=line)
            yield Printed(sources=((piece,),), line=line)
        elif piece:
            yield Text(text=piece, line=line)
            line += piece.count("\n")


def bound(events: Iterable[Event], include: Include) -> Iterator[Event]:
    """Yield the events of a partial where it is included: with the variables that are set there, under the tests.

    What the partial does with a value that is computed is left out.
    """
    bindings, is_repeated = include.bindings, include.is_repeated
    for event in events:
        under = (*include.holds, *(_bound_condition(each, bindings) for each in event.holds))
        if isinstance(event, Use):
            value = _bound(event.path, bindings)
            if value.path:
                yield replace(event, path=value.path, holds=(*under, *value.holds))
        elif isinstance(event, Printed):
            sources = tuple(path for source in event.sources for path in _bound(source, bindings).sources)
            yield replace(event, sources=sources, holds=under, is_repeated=is_repeated or event.is_repeated)
        elif isinstance(event, Branch):
            yield replace(event, condition=_bound_condition(event.condition, bindings), holds=under)
        elif isinstance(event, Include):
            own = {name: _rebound(value, bindings) for name, value in event.bindings.items()}
            merged = {**bindings, **own}
            yield replace(event, bindings=merged, holds=under, is_repeated=is_repeated or event.is_repeated)
        else:
            yield replace(event, holds=under, is_repeated=is_repeated or event.is_repeated)


def _bound(path: Path, bindings: Mapping[str, Origin]) -> Origin:
    value = bindings.get(path[0])
    if value is None:
        return Origin(path, (path,))
    for step in path[1:]:
        value = value.at(step)
    return value


def _rebound(value: Origin, bindings: Mapping[str, Origin]) -> Origin:
    origin = _bound(value.path, bindings) if value.path else Origin()
    return replace(
        value,
        path=origin.path,
        sources=tuple(path for source in value.sources for path in _bound(source, bindings).sources),
        items=_rebound(value.items, bindings) if value.items else origin.items,
        parts=tuple(_rebound(part, bindings) for part in value.parts),
        holds=(*origin.holds, *(_bound_condition(each, bindings) for each in value.holds)),
        is_either=value.is_either or origin.is_either,
    )


def _bound_condition(condition: Condition, bindings: Mapping[str, Origin]) -> Condition:
    if not bindings:
        return condition
    if condition.parts:
        return replace(condition, parts=tuple(_bound_condition(part, bindings) for part in condition.parts))
    if not condition.path:
        return condition
    value = _bound(condition.path, bindings)
    is_of_either = condition.is_of_either or value.is_either
    if not value.path:
        return Condition("other", text=f"{condition.path} {condition.values}")
    return replace(condition, path=value.path, is_of_either=is_of_either)
