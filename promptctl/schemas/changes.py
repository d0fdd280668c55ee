"""Differences between two JSON Schemas; each lets fewer or more values through, or changes words alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.schemas.effects import Effect, SchemaChange, added_or_removed, below, change, effect_of, show
from promptctl.schemas.json_schema import check_schema
from promptctl.schemas.keywords import ANNOTATIONS, LocalReferences, item_schemas
from promptctl.schemas.values import (
    NUMBERS,
    compare_bounds,
    compare_values,
    kind_names,
    kinds_of,
    listed_values,
    value_names,
)

Schema = Mapping[str, Any] | bool
_Compare = Callable[[Schema, Schema], Sequence[SchemaChange]]

# Of one pair of schemas: definitions that share definitions can multiply their differences without end.
_MOST_CHANGES = 300
# Files nest less than this; a long chain of references would exhaust Python's stack.
_DEEPEST = 100
# Keywords whose changes are not looked into.
_OPAQUE = ("not", "dependentSchemas", "dependencies", "$dynamicRef", "$ref")
# What these let through depends on every other keyword.
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")


def compare_schemas(old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
    """Return every difference of two schemas, outermost first, in the schema's own order; empty if they are equal.

    What a schema that is none lets through is not known: that it is none is then the one difference.
    """
    if canonical_json(old) == canonical_json(new):
        return ()
    for verb, schema in (("is", new), ("was", old)):
        if faults := check_schema(schema):
            return (change("schema", "changed", f"{verb} no JSON Schema: {faults[0]}"),)
    changes = _Comparison(old, new).compare(old, new)
    return changes or (change("schema", "none", "written differently; accepts the same values"),)


class _Comparison:
    """One comparison of two documents: resolves each side's references, and compares no pair of schemas twice."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._references = (LocalReferences(old_root), LocalReferences(new_root))
        # By identity, so each schema is kept beside what it resolves to.
        self._resolved: tuple[dict[int, tuple[Schema, Schema]], ...] = ({}, {})
        self._known: dict[tuple[int, int], tuple[SchemaChange, ...]] = {}
        self._depth = 0

    def compare(self, old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
        """Return the differences of two schemas of these documents, with paths that begin at `$`."""
        before, after = self._resolve(0, old), self._resolve(1, new)
        pair = (id(before), id(after))
        if pair not in self._known:
            # A pair that is being compared counts as equal, so that a schema that contains itself comes to an end.
            self._known[pair] = ()
            self._depth += 1
            changes = self._compare(before, after)
            self._depth -= 1
            if len(changes) > _MOST_CHANGES:
                rest = len(changes) - _MOST_CHANGES
                changes[_MOST_CHANGES:] = [change("schema", "changed", f"and {rest} more differences")]
            self._known[pair] = tuple(changes)
        return self._known[pair]

    def _resolve(self, side: int, schema: Schema) -> Schema:
        if id(schema) not in self._resolved[side]:
            self._resolved[side][id(schema)] = schema, _resolved(schema, self._references[side])
        return self._resolved[side][id(schema)][1]

    def _compare(self, old: Schema, new: Schema) -> list[SchemaChange]:
        if old is False or new is False:
            if old is new:
                return []
            text = "nothing is accepted here any more" if new is False else "was not accepted here at all"
            return [change("schema", "narrowed" if new is False else "widened", text, old, new)]
        if self._depth > _DEEPEST:
            return [] if old == new else [change("schema", "changed", "differs too far down to be compared", old, new)]
        before: Mapping[str, Any] = {} if old is True else old
        after: Mapping[str, Any] = {} if new is True else new
        changes = _said(before, after)
        unions = plain_union(before), plain_union(after)
        if (unions[0] is None) != (unions[1] is None):
            # `{type: string}` against `{anyOf: [{type: string}, {type: "null"}]}`: the same thing said in two ways.
            keyword = (unions[0] or unions[1] or ("", []))[0]
            lists = (union[1] if union else by_type(side) for union, side in zip(unions, (before, after), strict=True))
            return changes + self._unions(keyword, *lists)
        shared = kinds_of(before) & kinds_of(after)
        changes += compare_values(before, after) + compare_bounds(before, after, shared)
        if "object" in shared:
            changes += _objects(self.compare, before, after)
        if "array" in shared:
            changes += self._items(before, after)
        return changes + self._combined(before, after) if shared else changes

    def _items(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        (old_first, old_rest), (new_first, new_rest) = item_schemas(old), item_schemas(new)
        changes: list[SchemaChange] = []
        for index in range(max(len(old_first), len(new_first))):
            before = old_first[index] if index < len(old_first) else old_rest
            after = new_first[index] if index < len(new_first) else new_rest
            changes += below(f"[{index}]", self.compare(before, after))
        return changes + below("[*]", self.compare(old_rest, new_rest)) + _opaque(("contains",), old, new)

    def _combined(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        changes: list[SchemaChange] = []
        for keyword in UNIONS:
            if keyword in old and keyword in new:
                changes += self._unions(keyword, old[keyword], new[keyword])
            elif keyword in old or keyword in new:
                changes.append(added_or_removed(keyword, old.get(keyword), new.get(keyword)))
        left, right = without_equals(old.get("allOf", ()), new.get("allOf", ()))
        for before, after in zip(left, right, strict=False):
            changes += self.compare(before, after)
        changes += [change("allOf", "widened", "a condition was removed", part) for part in left[len(right) :]]
        changes += [change("allOf", "narrowed", "a condition was added", None, part) for part in right[len(left) :]]
        conditions = [{key: side[key] for key in ("if", "then", "else") if key in side} or None for side in (old, new)]
        if conditions[0] != conditions[1]:
            changes.append(added_or_removed("if", *conditions))
        changes += _opaque(_OPAQUE, old, new)
        if any(keyword in side for keyword in _UNEVALUATED for side in (old, new)) and old != new:
            changes.append(change("unevaluatedProperties", "changed", "what is not evaluated elsewhere may differ"))
        return changes

    def _unions(self, keyword: str, old: Sequence[Schema], new: Sequence[Schema]) -> list[SchemaChange]:
        left, right = without_equals(old, new)
        changes: list[SchemaChange] = []
        for before, after in pairs(left, right):
            changes += self.compare(before, after)
            left, right = without(left, before), without(right, after)
        # A value that fits two alternatives is refused by oneOf: a wider or further one can also take values away.
        is_doubtful = keyword == "oneOf" and (left or right or effect_of(changes) != "none")
        if is_doubtful and not (self._are_disjoint(0, old) and self._are_disjoint(1, new)):
            changes.append(change(keyword, "changed", "alternatives that may overlap changed"))
        for before in left:
            if all(effect_of(self.compare(before, after)) in ("narrowed", "changed") for after in new):
                changes.append(change(keyword, "narrowed", f"no longer accepts {describe(before)}", before))
        for after in right:
            if all(effect_of(self.compare(before, after)) in ("widened", "changed") for before in old):
                changes.append(change(keyword, "widened", f"now also accepts {describe(after)}", None, after))
        return changes

    def _are_disjoint(self, side: int, schemas: Sequence[Schema]) -> bool:
        return are_disjoint([self._resolve(side, schema) for schema in schemas])


def _objects(compare: _Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
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
        changes += below(_property(name), found)
    # A property that is gone was already said to be removed.
    kept = [name for name in old.get("required", ()) if name in after or name not in before]
    changes += _required(kept, new.get("required", ()), "")
    return changes + _unnamed(compare, old, new)


def _by_pattern(effect: Effect, schema: Mapping[str, Any]) -> Effect:
    """Return the effect if the side without the property may yet know it by a pattern, which is not matched."""
    return "changed" if schema.get("patternProperties") else effect


def _unnamed(compare: _Compare, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
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
        *(found for name in after if name not in before for found in below(_property(name), [now])),
        *(found for name in before if name not in after for found in below(_property(name), [not_now])),
    ]


def _property(name: str) -> str:
    return f".{name}" if _IDENTIFIER.match(name) else f"[{show(name)}]"


def _differing(keywords: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in keywords if canonical_json(old.get(name)) != canonical_json(new.get(name))]


def _opaque(keywords: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    return [added_or_removed(name, old.get(name), new.get(name)) for name in _differing(keywords, old, new)]


def _said(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Return changes of words: they let through and refuse no value, but a model reads them."""
    changes = []
    for keyword in _differing(ANNOTATIONS, old, new):
        verb = "added" if keyword not in old else "removed" if keyword not in new else "changed"
        changes.append(change(keyword, "none", f"{keyword} {verb}", old.get(keyword), new.get(keyword)))
    return changes


def _resolved(schema: Schema, references: LocalReferences) -> Schema:
    """Return the schema that a local `$ref` names, with the keywords beside it; itself if it cannot be found."""
    seen: set[str] = set()
    while not isinstance(schema, bool) and isinstance(schema.get("$ref"), str):
        reference = schema["$ref"]
        target = references.find(reference)
        if not isinstance(target, Mapping | bool) or reference in seen:
            return schema
        seen.add(reference)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if not beside or target is False:
            schema = target
        elif target is True or not (set(beside) - set(ANNOTATIONS)) & set(target):
            schema = {**({} if target is True else target), **beside}
        else:
            schema = {**beside, "allOf": [*beside.get("allOf", ()), target]}
    return schema


UNIONS = ("anyOf", "oneOf")


def plain_union(schema: Mapping[str, Any]) -> tuple[str, list[Schema]] | None:
    """Return `anyOf` or `oneOf` and its alternatives if the schema says nothing else about values."""
    said = [name for name in schema if name not in (*ANNOTATIONS, "$defs", "$schema", "$id", "definitions")]
    return (said[0], list(schema[said[0]])) if len(said) == 1 and said[0] in UNIONS else None


def by_type(schema: Mapping[str, Any]) -> list[Schema]:
    """Return one alternative for each of a list of types, so that `[string, "null"]` can meet an `anyOf`."""
    if not isinstance(schema.get("type"), list) or listed_values(schema) is not None:
        return [schema]
    return [{**schema, "type": name} for name in schema["type"]]


def without_equals(old: Sequence[Schema], new: Sequence[Schema]) -> tuple[list[Schema], list[Schema]]:
    """Return both lists without the schemas that, but for words, stand in both and mean the same there."""
    left: list[Schema] = []
    right = {index: _unworded(schema) for index, schema in enumerate(new)}
    for schema in old:
        key = _unworded(schema)
        # What a reference names can differ.
        same = None if '"$ref"' in key else next((index for index, other in right.items() if other == key), None)
        if same is None:
            left.append(schema)
        else:
            del right[same]
    return left, [new[index] for index in right]


def pairs(old: Sequence[Schema], new: Sequence[Schema]) -> list[tuple[Schema, Schema]]:
    """Return alternatives that are one rewritten: of the same name or tag, or alone of their type on each side."""
    if len(old) == 1 and len(new) == 1:
        return [(old[0], new[0])]
    found: list[tuple[Schema, Schema]] = []
    left, right = list(old), list(new)
    for mark in (_unworded, _name, _kinds):
        for before in list(left):
            same = [schema for schema in right if mark(schema) is not None and mark(schema) == mark(before)]
            if len(same) == 1 and sum(mark(schema) == mark(before) for schema in left) == 1:
                found.append((before, same[0]))
                left, right = without(left, before), without(right, same[0])
    return found


def without(schemas: Sequence[Schema], one: Schema) -> list[Schema]:
    """Return the schemas but for this very one."""
    return [schema for schema in schemas if schema is not one]


def are_disjoint(schemas: Sequence[Schema]) -> bool:
    """Return True if no value fits two of the schemas: different types, or constants of a required property."""
    return all(
        not _kind_set(one) & _kind_set(other)
        or any(not _tags(one)[name] & _tags(other)[name] for name in _tags(one).keys() & _tags(other).keys())
        for index, one in enumerate(schemas)
        for other in schemas[:index]
    )


def describe(schema: Schema) -> str:
    """Return an alternative in a few words: its title, its reference, its values or its type."""
    if isinstance(schema, bool):
        return "anything" if schema else "nothing"
    if "title" in schema or "$ref" in schema:
        return str(schema.get("title", schema.get("$ref")))
    values = listed_values(schema)
    if values is not None:
        return value_names(values)
    return kind_names(kinds_of(schema)) if list(schema) == ["type"] else show(schema)


def _unworded(schema: Schema) -> str:
    if isinstance(schema, bool):
        return canonical_json(schema)
    return canonical_json({key: value for key, value in schema.items() if key not in ANNOTATIONS})


def _name(schema: Schema) -> Any:
    tags = {name: sorted(values) for name, values in _tags(schema).items()}
    reference = None if isinstance(schema, bool) else schema.get("$ref")
    return reference or (canonical_json(tags) if tags else None)


def _kinds(schema: Schema) -> Any:
    return None if isinstance(schema, bool) or "$ref" in schema else _kind_set(schema)


def _kind_set(schema: Schema) -> frozenset[str]:
    kinds = kinds_of({} if isinstance(schema, bool) else schema)
    return kinds | NUMBERS if kinds & NUMBERS else kinds


def _tags(schema: Schema) -> dict[str, frozenset[str]]:
    """Return the required properties that can only hold listed values, as a discriminator does."""
    if isinstance(schema, bool):
        return {}
    listed = {
        name: listed_values(part)
        for name, part in schema.get("properties", {}).items()
        if name in schema.get("required", ()) and isinstance(part, Mapping)
    }
    return {name: frozenset(values) for name, values in listed.items() if values is not None}
