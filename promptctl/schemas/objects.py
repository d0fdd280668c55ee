"""What differs in a schema's properties: those it names, those it requires, and all the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.schemas.effects import SchemaChange, below, change, effect_of, opaque
from promptctl.schemas.values import Effect, show

Schema = Mapping[str, Any] | bool
Compare = Callable[[Schema, Schema], Sequence[SchemaChange]]

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")


def compare_objects(compare: Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """The differences that concern objects; `compare` compares the schemas of their properties."""
    before: Mapping[str, Schema] = old.get("properties", {})
    after: Mapping[str, Schema] = new.get("properties", {})
    changes: list[SchemaChange] = []
    for name, schema in before.items():
        if name in after:
            changes += below(_step(name), compare(schema, after[name]))
        else:
            changes += below(_step(name), [_property_removed(compare, schema, new)])
    for name, schema in after.items():
        if name not in before:
            changes += below(_step(name), [_property_added(compare, schema, old)])
    return changes + _required(old, new) + _unnamed(compare, old, new)


def _property_removed(compare: Compare, schema: Schema, new: Mapping[str, Any]) -> SchemaChange:
    rest: Schema = new.get("additionalProperties", True)
    effect = effect_of(compare(schema, rest))
    text = "property removed; it is refused now" if rest is False else "property removed"
    return replace(change("properties", _by_pattern(effect, new), text, schema), breaks_readers=True)


def _property_added(compare: Compare, schema: Schema, old: Mapping[str, Any]) -> SchemaChange:
    """A named property where there was none.

    An object that accepts further properties took any value under this name before, so strictly it was narrowed. That
    breaks writers only where the object had no named properties at all and was filled freely.
    """
    rest: Schema = old.get("additionalProperties", True)
    effect = _by_pattern(effect_of(compare(rest, schema)), old)
    found = change("properties", effect, "property added", None, schema)
    return replace(found, breaks_writers=effect != "none" and rest is not False and not old.get("properties"),
                   breaks_readers=False)  # fmt: skip


def _by_pattern(effect: Effect, schema: Mapping[str, Any]) -> Effect:
    """The effect where the side that does not name a property may yet know it by a pattern, which is not matched."""
    return "changed" if schema.get("patternProperties") else effect


def _unnamed(compare: Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    changes: list[SchemaChange] = []
    open_before, open_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
    for pattern in _union(before, after):
        if pattern in before and pattern in after:
            found = list(compare(before[pattern], after[pattern]))
        elif open_before is True and open_after is True:
            found = [opaque("patternProperties", before.get(pattern), after.get(pattern))]
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
    for name in _union(before, after):
        changes += _names_required(before.get(name, ()), after.get(name, ()), f" where {name} is given")
    return changes


def _required(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    named = new.get("properties", {})
    gone = [name for name in old.get("properties", {}) if name not in named]
    # A property that is gone was already said to be removed.
    before = [name for name in old.get("required", ()) if name not in gone]
    return _names_required(before, new.get("required", ()), "")


def _names_required(before: Sequence[str], after: Sequence[str], where: str) -> list[SchemaChange]:
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    now = [below(_step(name), [change("required", "narrowed", f"is required now{where}")]) for name in added]
    not_now = [below(_step(name), [change("required", "widened", f"need not be there now{where}")]) for name in removed]
    return [found for part in [*now, *not_now] for found in part]


def _step(name: str) -> str:
    return f".{name}" if _IDENTIFIER.match(name) else f"[{show(name)}]"


def _union(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*old, *(name for name in new if name not in old)]
