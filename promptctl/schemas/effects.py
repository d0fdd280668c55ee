"""One difference between two JSON Schemas, and what became of the values that are let through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promptctl.schemas.values import Effect


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference at one place of a schema.

    `path` is where in the described value: `$` is the value itself, `$.items[*].name` a part of it, `.*` a property
    that is not named. `effect` says what became of the set of values let through; `none` is for words only.
    `before` and `after` are plain JSON, None where there was nothing.
    """

    path: str
    keyword: str
    effect: Effect
    text: str
    before: Any = None
    after: Any = None
    breaks_writers: bool = False
    breaks_readers: bool = False


def change(keyword: str, effect: Effect, text: str, before: Any = None, after: Any = None) -> SchemaChange:
    """A change of the whole value at hand; who breaks follows from the effect."""
    breaks_writers, breaks_readers = effect in ("narrowed", "changed"), effect in ("widened", "changed")
    return SchemaChange("$", keyword, effect, text, before, after, breaks_writers, breaks_readers)


def below(step: str, changes: Iterable[SchemaChange]) -> list[SchemaChange]:
    """Changes of a part of the value, told from the whole: `step` leads to that part."""
    return [replace(found, path="$" + step + found.path[1:]) for found in changes]


def narrows(changes: Iterable[SchemaChange]) -> bool:
    """Whether a value that was let through may not be any more."""
    return any(found.effect in ("narrowed", "changed") for found in changes)


def widens(changes: Iterable[SchemaChange]) -> bool:
    """Whether a value may be let through that was not."""
    return any(found.effect in ("widened", "changed") for found in changes)


def effect_of(changes: Iterable[SchemaChange]) -> Effect:
    """What several changes of one schema make of the values it lets through, together."""
    found = list(changes)
    if narrows(found):
        return "changed" if widens(found) else "narrowed"
    return "widened" if widens(found) else "none"


def opaque(keyword: str, before: Any, after: Any) -> SchemaChange:
    """A keyword that is not looked into: adding a condition narrows, removing one widens."""
    if before is None:
        return change(keyword, "narrowed", f"{keyword} added", before, after)
    if after is None:
        return change(keyword, "widened", f"{keyword} removed", before, after)
    return change(keyword, "changed", f"{keyword} changed", before, after)
