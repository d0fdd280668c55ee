"""One difference between two JSON Schemas, and its effect on the values that are let through."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from promptctl.files.wording import clip

Effect = Literal["none", "narrowed", "widened", "changed"]


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference at one place of a schema.

    `path` is where in the described value: `$` is the value itself, `$.items[*].name` a part of it, `.*` a property
    that is not named. `effect` says what became of the set of values let through; `none` is for words only.
    `before` and `after` are plain JSON, None if there was nothing.
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
    """Return a change of the whole value at hand; who breaks follows from the effect."""
    breaks_writers, breaks_readers = effect in ("narrowed", "changed"), effect in ("widened", "changed")
    return SchemaChange("$", keyword, effect, text, before, after, breaks_writers, breaks_readers)


def below(step: str, changes: Iterable[SchemaChange]) -> list[SchemaChange]:
    """Return the changes of a part as changes of the whole: `step` leads to that part."""
    return [replace(found, path="$" + step + found.path[1:]) for found in changes]


def effect_of(changes: Iterable[SchemaChange]) -> Effect:
    """Return the effect that several changes of one schema have together."""
    effects = {found.effect for found in changes}
    if "changed" in effects or effects >= {"narrowed", "widened"}:
        return "changed"
    return "narrowed" if "narrowed" in effects else "widened" if "widened" in effects else "none"


def added_or_removed(keyword: str, before: Any, after: Any) -> SchemaChange:
    """Return the change of a condition that is not looked into: adding one narrows, removing one widens."""
    if before is not None and after is not None:
        text = f"{keyword} {show(before)} → {show(after)}" if isinstance(before, str) else f"{keyword} changed"
        return change(keyword, "changed", text, before, after)
    value = after if before is None else before
    text = f"{keyword} {show(value)}" if value.__class__ in (str, int, float) else keyword
    if before is None:
        return change(keyword, "narrowed", f"{text} added", before, after)
    return change(keyword, "widened", f"{text} removed", before, after)


def show(value: Any) -> str:
    """Return the value as one short line of JSON."""
    return clip(json.dumps(value, ensure_ascii=False, sort_keys=True, default=str), 80)
