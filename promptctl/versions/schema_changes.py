"""What differs between two JSON Schemas, and whether each difference lets fewer or more values through.

Two parties can break. A writer gives values that the schema must accept (whoever fills an input): it breaks where the
schema was narrowed. A reader takes values that the schema promises (whoever reads a reply): it breaks where the schema
was widened, and where a property that it read is gone. What cannot be decided counts as a break of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from promptctl.versions.schema_bounds import compare_bounds
from promptctl.versions.schema_unions import (
    SAID_ONLY,
    UNIONS,
    are_apart,
    by_type,
    describe,
    pairs,
    plain_union,
    without_equals,
)
from promptctl.versions.schema_values import Effect, Finding, canonical, compare_values, kinds_of, show

Schema = Mapping[str, Any] | bool

# Of one pair of schemas: definitions that share definitions can multiply their differences without end.
_MOST_CHANGES = 300
# Files nest less than this; a long chain of references would exhaust Python's stack.
_DEEPEST = 100
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*\Z")
# Keywords whose changes are not looked into.
_OPAQUE = ("contains", "minContains", "maxContains", "not", "dependentSchemas", "dependencies", "unevaluatedProperties",
           "unevaluatedItems", "$dynamicRef", "$ref")  # fmt: skip


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


def compare_schemas(old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
    """Every difference between two schemas, outermost first, in the schema's own order; empty where they are equal."""
    if canonical(old) == canonical(new):
        return ()
    changes = _Comparison(old, new).compare(old, new)
    return changes or (_change("schema", "none", "written differently; accepts the same values"),)


class _Comparison:
    """One comparison of two documents: resolves each side's references, and compares no pair of schemas twice."""

    def __init__(self, old_root: Schema, new_root: Schema) -> None:
        self._roots = (old_root, new_root)
        # By identity, so everything compared is kept: as written, and with references resolved. A pair that is being
        # compared counts as equal, so that a schema that contains itself comes to an end.
        self._written: dict[tuple[int, int], tuple[SchemaChange, ...]] = {}
        self._resolved: dict[tuple[int, int], tuple[SchemaChange, ...]] = {}
        self._kept: list[Schema] = []
        self._depth = 0

    def compare(self, old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
        """The differences of two schemas of these documents, with paths that begin at `$`."""
        written = (id(old), id(new))
        if written not in self._written:
            self._written[written] = ()
            before, after = _resolve(old, self._roots[0]), _resolve(new, self._roots[1])
            self._kept += [old, new, before, after]
            resolved = (id(before), id(after))
            if resolved not in self._resolved:
                self._resolved[resolved] = ()
                self._depth += 1
                self._resolved[resolved] = _first(self._compare(before, after))
                self._depth -= 1
            self._written[written] = self._resolved[resolved]
        return self._written[written]

    def _compare(self, old: Schema, new: Schema) -> list[SchemaChange]:
        if old is False or new is False:
            if old is new:
                return []
            text = "nothing is accepted here any more" if new is False else "was not accepted here at all"
            return [_change("schema", "narrowed" if new is False else "widened", text, old, new)]
        if self._depth > _DEEPEST:
            return [] if old == new else [_change("schema", "changed", "differs too far down to be compared", old, new)]
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
        changes += _found(compare_values(before, after))
        changes += _found(compare_bounds(before, after, shared))
        if "object" in shared:
            changes += self._objects(before, after)
        if "array" in shared:
            changes += self._arrays(before, after)
        return changes + self._combined(before, after) if shared else changes

    def _objects(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        before: Mapping[str, Schema] = old.get("properties", {})
        after: Mapping[str, Schema] = new.get("properties", {})
        changes: list[SchemaChange] = []
        for name, schema in before.items():
            if name in after:
                changes += _below(_step(name), self.compare(schema, after[name]))
            else:
                changes += _below(_step(name), [self._property_removed(schema, new)])
        for name, schema in after.items():
            if name not in before:
                changes += _below(_step(name), [_property_added(schema, old)])
        changes += _required(old, new)
        return changes + self._unnamed(old, new)

    def _property_removed(self, schema: Schema, new: Mapping[str, Any]) -> SchemaChange:
        rest = _schema_of_unnamed(new)
        effect: Effect = "narrowed" if _narrows(self.compare(schema, rest)) else "widened"
        text = "property removed; it is refused now" if rest is False else "property removed"
        return replace(_change("properties", effect, text, schema), breaks_readers=True)

    def _unnamed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        changes: list[SchemaChange] = []
        before, after = old.get("patternProperties", {}), new.get("patternProperties", {})
        for pattern in _union(before, after):
            if pattern in before and pattern in after:
                found = list(self.compare(before[pattern], after[pattern]))
            else:
                found = [_opaque("patternProperties", before.get(pattern), after.get(pattern))]
            changes += _below(f"[{show(pattern)}]", found)
        open_before, open_after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if (open_before is False) != (open_after is False):
            text = "properties that are not named are " + ("refused now" if open_after is False else "accepted now")
            effect: Effect = "narrowed" if open_after is False else "widened"
            changes.append(_change("additionalProperties", effect, text, open_before, open_after))
        else:
            changes += _below(".*", self.compare(open_before, open_after))
        names = self.compare(old.get("propertyNames", True), new.get("propertyNames", True))
        changes += [replace(change, text=f"names of properties: {change.text}") for change in names]
        before, after = old.get("dependentRequired", {}), new.get("dependentRequired", {})
        for name in _union(before, after):
            changes += _names_required(before.get(name, ()), after.get(name, ()), f" where {name} is given")
        return changes

    def _arrays(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        (old_first, old_rest), (new_first, new_rest) = _items(old), _items(new)
        changes: list[SchemaChange] = []
        for index in range(max(len(old_first), len(new_first))):
            before = old_first[index] if index < len(old_first) else old_rest
            after = new_first[index] if index < len(new_first) else new_rest
            changes += _below(f"[{index}]", self.compare(before, after))
        return changes + _below("[*]", self.compare(old_rest, new_rest))

    def _combined(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        changes: list[SchemaChange] = []
        for keyword in UNIONS:
            if keyword in old and keyword in new:
                changes += self._unions(keyword, old[keyword], new[keyword])
            elif keyword in old or keyword in new:
                changes.append(_opaque(keyword, old.get(keyword), new.get(keyword)))
        left, right = without_equals(old.get("allOf", ()), new.get("allOf", ()))
        for before, after in zip(left, right, strict=False):
            changes += self.compare(before, after)
        changes += [_change("allOf", "widened", "a condition was removed", part) for part in left[len(right) :]]
        changes += [_change("allOf", "narrowed", "a condition was added", None, part) for part in right[len(left) :]]
        conditions = [{key: side[key] for key in ("if", "then", "else") if key in side} or None for side in (old, new)]
        if conditions[0] != conditions[1]:
            changes.append(_opaque("if", *conditions))
        return changes + [
            _opaque(keyword, old.get(keyword), new.get(keyword))
            for keyword in _OPAQUE
            if canonical(old.get(keyword)) != canonical(new.get(keyword))
        ]

    def _unions(self, keyword: str, old: Sequence[Schema], new: Sequence[Schema]) -> list[SchemaChange]:
        left, right = without_equals(old, new)
        if keyword == "oneOf" and len(left) != len(right) and not (are_apart(old) and are_apart(new)):
            # A value that fits two alternatives is refused by oneOf: one more alternative can also take values away.
            return [_change(keyword, "changed", "other alternatives", list(old), list(new))]
        changes: list[SchemaChange] = []
        for before, after in pairs(left, right):
            changes += self.compare(before, after)
            left = [schema for schema in left if schema is not before]
            right = [schema for schema in right if schema is not after]
        for before in left:
            if all(_narrows(self.compare(before, after)) for after in new):
                changes.append(_change(keyword, "narrowed", f"no longer accepts {describe(before)}", before))
        for after in right:
            if all(_widens(self.compare(before, after)) for before in old):
                changes.append(_change(keyword, "widened", f"now also accepts {describe(after)}", None, after))
        return changes


def _change(keyword: str, effect: Effect, text: str, before: Any = None, after: Any = None) -> SchemaChange:
    breaks_writers, breaks_readers = effect in ("narrowed", "changed"), effect in ("widened", "changed")
    return SchemaChange("$", keyword, effect, text, before, after, breaks_writers, breaks_readers)


def _first(changes: list[SchemaChange]) -> tuple[SchemaChange, ...]:
    if len(changes) <= _MOST_CHANGES:
        return tuple(changes)
    rest = len(changes) - _MOST_CHANGES
    return (*changes[:_MOST_CHANGES], _change("schema", "changed", f"and {rest} more differences"))


def _found(findings: Iterable[Finding]) -> list[SchemaChange]:
    return [_change(*finding) for finding in findings]


def _below(step: str, changes: Iterable[SchemaChange]) -> list[SchemaChange]:
    return [replace(change, path="$" + step + change.path[1:]) for change in changes]


def _step(name: str) -> str:
    return f".{name}" if _IDENTIFIER.match(name) else f"[{show(name)}]"


def _union(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*old, *(name for name in new if name not in old)]


def _narrows(changes: Iterable[SchemaChange]) -> bool:
    return any(change.effect in ("narrowed", "changed") for change in changes)


def _widens(changes: Iterable[SchemaChange]) -> bool:
    return any(change.effect in ("widened", "changed") for change in changes)


def _opaque(keyword: str, before: Any, after: Any) -> SchemaChange:
    """A keyword that is not looked into: adding a condition narrows, removing one widens."""
    if before is None:
        return _change(keyword, "narrowed", f"{keyword} added", before, after)
    if after is None:
        return _change(keyword, "widened", f"{keyword} removed", before, after)
    return _change(keyword, "changed", f"{keyword} changed", before, after)


def _said(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Changes of words: no value is let through or refused by them, but a model reads them."""
    return [
        _change(
            keyword,
            "none",
            f"{keyword} {'added' if keyword not in old else 'removed' if keyword not in new else 'changed'}",
            old.get(keyword),
            new.get(keyword),
        )
        for keyword in SAID_ONLY
        if canonical(old.get(keyword)) != canonical(new.get(keyword))
    ]


def _property_added(schema: Schema, old: Mapping[str, Any]) -> SchemaChange:
    """A named property where there was none.

    An object that accepts further properties took any value under this name before, so strictly it was narrowed. That
    breaks writers only where the object had no named properties at all and was filled freely.
    """
    was_open = _schema_of_unnamed(old) is not False
    change = _change("properties", "narrowed" if was_open else "widened", "property added", None, schema)
    return replace(change, breaks_writers=was_open and not old.get("properties"), breaks_readers=False)


def _schema_of_unnamed(schema: Mapping[str, Any]) -> Schema:
    """What a schema says of a property that it does not name; names given by pattern are not matched."""
    return schema.get("additionalProperties", True)  # type: ignore[no-any-return]


def _required(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    named = new.get("properties", {})
    gone = [name for name in old.get("properties", {}) if name not in named]
    # A property that is gone was already said to be removed.
    before = [name for name in old.get("required", ()) if name not in gone]
    return _names_required(before, new.get("required", ()), "")


def _names_required(before: Sequence[str], after: Sequence[str], where: str) -> list[SchemaChange]:
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    now = [_below(_step(name), [_change("required", "narrowed", f"is required now{where}")]) for name in added]
    not_now = [
        _below(_step(name), [_change("required", "widened", f"need not be there now{where}")]) for name in removed
    ]
    return [change for found in [*now, *not_now] for change in found]


def _items(schema: Mapping[str, Any]) -> tuple[Sequence[Schema], Schema]:
    """The schemas of the first items and of all others, also as older drafts wrote them (`items` as a list)."""
    items = schema.get("items", True)
    if isinstance(items, list):
        return items, schema.get("additionalItems", True)
    return schema.get("prefixItems", ()), items


def _resolve(schema: Schema, root: Schema) -> Schema:
    """The schema that a local `$ref` names, with what stands beside it; itself where it cannot be found."""
    seen: set[str] = set()
    while not isinstance(schema, bool) and isinstance(schema.get("$ref"), str):
        reference = schema["$ref"]
        target = _at_pointer(root, reference)
        if target is None or reference in seen:
            return schema
        seen.add(reference)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if not beside or target is False:
            schema = target
        elif target is True or not (set(beside) - set(SAID_ONLY)) & set(target):
            schema = {**({} if target is True else target), **beside}
        else:
            schema = {**beside, "allOf": [*beside.get("allOf", ()), target]}
    return schema


def _at_pointer(root: Schema, reference: str) -> Schema | None:
    if reference != "#" and not reference.startswith("#/"):
        return None
    found: Any = root
    for part in reference.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found if isinstance(found, Mapping | bool) else None
