"""What differs between two JSON Schemas, and whether each difference lets fewer or more values through.

Two parties can break. A writer gives values that the schema must accept (whoever fills an input): it breaks where the
schema was narrowed. A reader takes values that the schema promises (whoever reads a reply): it breaks where the schema
was widened, and where a property that it read is gone. What cannot be decided counts as a break of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from promptctl.schemas.bounds import compare_bounds, compare_counts
from promptctl.schemas.effects import SchemaChange, below, change, effect_of, narrows, opaque, widens
from promptctl.schemas.objects import compare_objects
from promptctl.schemas.unions import (
    SAID_ONLY,
    UNIONS,
    are_apart,
    by_type,
    describe,
    pairs,
    plain_union,
    without_equals,
)
from promptctl.schemas.values import Finding, canonical, compare_values, kinds_of

Schema = Mapping[str, Any] | bool

# Of one pair of schemas: definitions that share definitions can multiply their differences without end.
_MOST_CHANGES = 300
# Files nest less than this; a long chain of references would exhaust Python's stack.
_DEEPEST = 100
# Keywords whose changes are not looked into.
_OPAQUE = ("not", "dependentSchemas", "dependencies", "$dynamicRef", "$ref")
# What these let through depends on every other keyword.
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")


def compare_schemas(old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
    """Every difference between two schemas, outermost first, in the schema's own order; empty where they are equal."""
    if canonical(old) == canonical(new):
        return ()
    changes = _Comparison(old, new).compare(old, new)
    return changes or (change("schema", "none", "written differently; accepts the same values"),)


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
        changes += _found(compare_values(before, after))
        changes += _found(compare_bounds(before, after, shared))
        if "object" in shared:
            changes += compare_objects(self.compare, before, after)
        if "array" in shared:
            changes += self._arrays(before, after)
        return changes + self._combined(before, after) if shared else changes

    def _arrays(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        (old_first, old_rest), (new_first, new_rest) = _items(old), _items(new)
        changes: list[SchemaChange] = []
        for index in range(max(len(old_first), len(new_first))):
            before = old_first[index] if index < len(old_first) else old_rest
            after = new_first[index] if index < len(new_first) else new_rest
            changes += below(f"[{index}]", self.compare(before, after))
        changes += below("[*]", self.compare(old_rest, new_rest))
        if "contains" in old and "contains" in new:
            return changes + _found(compare_counts(old, new)) + _opaques(("contains",), old, new)
        return changes + _opaques(("contains",), old, new)

    def _combined(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
        changes: list[SchemaChange] = []
        for keyword in UNIONS:
            if keyword in old and keyword in new:
                changes += self._unions(keyword, old[keyword], new[keyword])
            elif keyword in old or keyword in new:
                changes.append(opaque(keyword, old.get(keyword), new.get(keyword)))
        left, right = without_equals(old.get("allOf", ()), new.get("allOf", ()))
        for before, after in zip(left, right, strict=False):
            changes += self.compare(before, after)
        changes += [change("allOf", "widened", "a condition was removed", part) for part in left[len(right) :]]
        changes += [change("allOf", "narrowed", "a condition was added", None, part) for part in right[len(left) :]]
        conditions = [{key: side[key] for key in ("if", "then", "else") if key in side} or None for side in (old, new)]
        if conditions[0] != conditions[1]:
            changes.append(opaque("if", *conditions))
        changes += _opaques(_OPAQUE, old, new)
        if any(keyword in side for keyword in _UNEVALUATED for side in (old, new)) and canonical(old) != canonical(new):
            changes.append(change("unevaluatedProperties", "changed", "what is not evaluated elsewhere may differ"))
        return changes

    def _unions(self, keyword: str, old: Sequence[Schema], new: Sequence[Schema]) -> list[SchemaChange]:
        left, right = without_equals(old, new)
        changes: list[SchemaChange] = []
        for before, after in pairs(left, right):
            changes += self.compare(before, after)
            left = [schema for schema in left if schema is not before]
            right = [schema for schema in right if schema is not after]
        # A value that fits two alternatives is refused by oneOf: a wider or further one can also take values away.
        is_doubtful = keyword == "oneOf" and (left or right or effect_of(changes) != "none")
        if is_doubtful and not (self._are_apart(0, old) and self._are_apart(1, new)):
            changes.append(change(keyword, "changed", "alternatives that may overlap changed"))
        for before in left:
            if all(narrows(self.compare(before, after)) for after in new):
                changes.append(change(keyword, "narrowed", f"no longer accepts {describe(before)}", before))
        for after in right:
            if all(widens(self.compare(before, after)) for before in old):
                changes.append(change(keyword, "widened", f"now also accepts {describe(after)}", None, after))
        return changes

    def _are_apart(self, side: int, schemas: Sequence[Schema]) -> bool:
        return are_apart([_resolve(schema, self._roots[side]) for schema in schemas])


def _first(changes: list[SchemaChange]) -> tuple[SchemaChange, ...]:
    if len(changes) <= _MOST_CHANGES:
        return tuple(changes)
    rest = len(changes) - _MOST_CHANGES
    return (*changes[:_MOST_CHANGES], change("schema", "changed", f"and {rest} more differences"))


def _found(findings: Iterable[Finding]) -> list[SchemaChange]:
    return [change(*finding) for finding in findings]


def _opaques(keywords: Sequence[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    return [
        opaque(keyword, old.get(keyword), new.get(keyword))
        for keyword in keywords
        if canonical(old.get(keyword)) != canonical(new.get(keyword))
    ]


def _said(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[SchemaChange]:
    """Changes of words: no value is let through or refused by them, but a model reads them."""
    return [
        change(
            keyword,
            "none",
            f"{keyword} {'added' if keyword not in old else 'removed' if keyword not in new else 'changed'}",
            old.get(keyword),
            new.get(keyword),
        )
        for keyword in SAID_ONLY
        if canonical(old.get(keyword)) != canonical(new.get(keyword))
    ]


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
