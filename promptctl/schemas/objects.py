"""Differences in a schema's properties: those it names, those it requires, and all the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.schemas.effects import Effect, SchemaChange, added_or_removed, below, change, effect_of, show

Schema = Mapping[str, Any] | bool
Compare = Callable[[Schema, Schema], Sequence[SchemaChange]]

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")


def compare_objects(compare: Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Return the differences that concern objects; `compare` compares the schemas of their properties."""
    before, after = old.get("properties", {}), new.get("properties", {})
    rest_before, rest_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    changes: list[SchemaChange] = []
    for name in {**before, **after}:
        if name not in after:
            effect = _by_pattern(effect_of(compare(before[name], rest_after)), new)
            text = "property removed; it is refused now" if rest_after is False else "property removed"
            found = [replace(change("properties", effect, text, before[name]), breaks_readers=True)]
        elif name not in before:
            effect = _by_pattern(effect_of(compare(rest_before, after[name])), old)
            # An object that accepts further properties took any value under this name before, so strictly it was
            # narrowed. That breaks writers only if the object had no named properties at all and was filled freely.
            breaks_writers = effect != "none" and rest_before is not False and not before
            added = change("properties", effect, "property added", None, after[name])
            found = [replace(added, breaks_writers=breaks_writers, breaks_readers=False)]
        else:
            found = list(compare(before[name], after[name]))
        changes += below(_step(name), found)
    # A property that is gone was already said to be removed.
    kept = [name for name in old.get("required", ()) if name in after or name not in before]
    changes += _required(kept, new.get("required", ()), "")
    return changes + _unnamed(compare, old, new)


def _by_pattern(effect: Effect, schema: Mapping[str, Any]) -> Effect:
    """Return the effect if the side without the property may yet know it by a pattern, which is not matched."""
    return "changed" if schema.get("patternProperties") else effect


def _unnamed(compare: Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    changes: list[SchemaChange] = []
    open_before, open_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
    for pattern in {**before, **after}:
        if pattern in before and pattern in after:
            found = list(compare(before[pattern], after[pattern]))
        elif open_before is True and open_after is True:
            found = [added_or_removed("patternProperties", before.get(pattern), after.get(pattern))]
        else:
            found = [change("patternProperties", "changed", "other names", before.get(pattern), after.get(pattern))]
        changes += below(f"[{show(pattern)}]", found)
    if (open_before is False) != (open_after is False):
        text = "properties that are not named are " + ("refused now" if open_after is False else "accepted now")
        effect: Effect = "narrowed" if open_after is False else "widened"
        changes.append(change("additionalProperties", effect, text, open_before, open_after))
    else:
        changes += below(".*", compare(open_before, open_after))
    names = compare(old.get("propertyNames", True), new.get("propertyNames", True))
    changes += [replace(found, text=f"names of properties: {found.text}") for found in names]
    before, after = old.get("dependentRequired", {}), new.get("dependentRequired", {})
    for name in {**before, **after}:
        changes += _required(before.get(name, ()), after.get(name, ()), f" where {name} is given")
    return changes


def _required(before: Sequence[str], after: Sequence[str], where: str) -> list[SchemaChange]:
    now = change("required", "narrowed", f"is required now{where}")
    not_now = change("required", "widened", f"need not be there now{where}")
    return [
        *(found for name in after if name not in before for found in below(_step(name), [now])),
        *(found for name in before if name not in after for found in below(_step(name), [not_now])),
    ]


def _step(name: str) -> str:
    return f".{name}" if _IDENTIFIER.match(name) else f"[{show(name)}]"
