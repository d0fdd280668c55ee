"""Shapes of values: JSON Schema as type checkers know it, the ground of types for TypeScript and for Python.

A shape takes every value that the schema takes, and more of them where types cannot say what the schema asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import islice
from typing import Any, Literal

from promptctl.files.free_names import FreeNames
from promptctl.prompts.prompt import MISSING, Input, Placeholder, Prompt
from promptctl.schemas.keywords import pointer_keys

Basic = Literal["string", "integer", "number", "boolean", "null", "any", "never", "message"]
MAX_DEPTH = 40
# A type of more alternatives says nothing that anybody reads.
MAX_OPTIONS = 200
MAX_MERGES = 5_000


@dataclass(frozen=True, slots=True)
class Plain:
    """A basic type; `any` takes everything, `message` is one of a list in a placeholder's place."""

    name: Basic


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these texts, whole numbers, true, false or null."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of any length."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a mapping, or an input; `default` is the JSON of its default."""

    name: str
    shape: Shape
    is_required: bool
    description: str = ""
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """A mapping with these keys; further ones have the shape `rest`, if it is not None."""

    fields: tuple[Field, ...] = ()
    rest: Shape | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several shapes."""

    options: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class NamedShape:
    """A shape of the table `Shapes.named`, which may refer to itself."""

    name: str


Shape = Plain | Choice | ListOf | Keys | OneOf | NamedShape

ANY = Plain("any")


@dataclass
class Shapes:
    """Shapes of one module. `named` holds those that `$ref` names, by names that no two share.

    >>> Shapes().of({"type": ["string", "null"]})
    OneOf(options=(Plain(name='string'), Plain(name='null')))
    """

    named: dict[str, Shape] = field(default_factory=dict)
    taken: FreeNames = field(default_factory=lambda: FreeNames(sign=""))

    def of(self, schema: Mapping[str, Any]) -> Shape:
        """Return the shape of a bundled schema; of one that takes nothing, that of anything."""
        before = len(self.named)
        shape = _Reading(self, schema).shape(schema)
        for name in [*islice(self.named, before, None)]:  # nothing that was named before leads to these
            self.named[name] = _or_any(self._grounded(name))
        return _or_any(shape)

    def _grounded(self, name: str) -> Shape:
        """Return a named shape that does not lead to itself but through a list or a mapping: no type is itself."""
        known, leaves, is_circle = {name}, list[Shape](), False
        waiting = [self.named[name]]
        while waiting:
            shape = waiting.pop()
            for each in shape.options if isinstance(shape, OneOf) else [shape]:
                target = self.named[each.name] if isinstance(each, NamedShape) else None
                if not isinstance(target, OneOf | NamedShape) or not isinstance(each, NamedShape):
                    leaves.append(each)
                elif each.name == name:
                    is_circle = True
                elif each.name not in known:
                    known.add(each.name)
                    waiting.append(target)
        return one_of(leaves) if is_circle else self.named[name]

    def free_name(self, wanted: str) -> str:
        """Return a name of a type made of any text, put among those taken.

        >>> Shapes().free_name("refund-reason")
        'RefundReason'
        """
        words = "".join(char if char.isalnum() and char.isascii() else " " for char in wanted).split()
        base = "".join(word[0].upper() + word[1:] for word in words)[:60]
        return self.taken.take(base if base[:1].isalpha() else f"Type{base}")


def _or_any(shape: Shape) -> Shape:
    return ANY if shape == Plain("never") else shape


@dataclass
class _Reading:
    """One schema, with the names of its parts by their pointers.

    `within` are the pairs that are being merged, which shapes that hold themselves lead to again.
    """

    shapes: Shapes
    root: Mapping[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    within: list[tuple[Shape, Shape]] = field(default_factory=list)
    merges: int = 0

    def shape(self, schema: Any, depth: int = 0) -> Shape:
        if schema is False:
            return Plain("never")
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
            return ANY
        parts = [self._own(schema, depth)]
        if isinstance(schema.get("$ref"), str):
            parts.append(self._referred(schema["$ref"], depth))
        parts += [self.shape(each, depth + 1) for each in schema.get("allOf", ())]
        for keyword in ("anyOf", "oneOf"):
            if schema.get(keyword):
                parts.append(one_of([self.shape(each, depth + 1) for each in schema[keyword]]))
        return reduce(self._both, parts)

    def _own(self, schema: Mapping[str, Any], depth: int) -> Shape:
        """Return the shape by the keywords that name types and values."""
        if "const" in schema or "enum" in schema:
            return _chosen(schema["enum"] if "enum" in schema else [schema["const"]], schema.get("type"))
        types = schema.get("type")
        if isinstance(types, list):
            return one_of([self._of_type(each, schema, depth) for each in types])
        if types is None and schema.keys() & {"properties", "additionalProperties"}:
            types = "object"
        return self._of_type(types, schema, depth)

    def _of_type(self, name: Any, schema: Mapping[str, Any], depth: int) -> Shape:
        if name == "array":
            return ListOf(self._items(schema, depth))
        if name == "object":
            return self._keys(schema, depth)
        return Plain(name) if name in ("string", "integer", "number", "boolean", "null") else ANY

    def _items(self, schema: Mapping[str, Any], depth: int) -> Shape:
        first = [self.shape(each, depth + 1) for each in schema.get("prefixItems", ())]
        if first and schema.get("items") is False:
            return one_of(first)
        return one_of([*first, self.shape(schema.get("items", True), depth + 1)])

    def _keys(self, schema: Mapping[str, Any], depth: int) -> Shape:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = schema.get("required")
        needed: Sequence[str] = required if isinstance(required, list) else ()
        fields = [
            Field(name, self.shape(each, depth + 1), name in needed, description_of(each))
            for name, each in properties.items()
        ]
        fields += [Field(name, ANY, is_required=True) for name in dict.fromkeys(needed) if name not in properties]
        more, patterns = schema.get("additionalProperties"), schema.get("patternProperties", {})
        if more is None and (patterns or not fields):
            more = True
        rests = [self.shape(each, depth + 1) for each in patterns.values()]
        if more is not None and more is not False:
            rests.append(self.shape(more, depth + 1))
        return Keys(tuple(fields), one_of(rests) if rests else None)

    def _referred(self, reference: str, depth: int) -> Shape:
        pointer = reference.removeprefix("#")
        target: Any = self.root
        if pointer and not pointer.startswith("/"):  # an anchor
            return ANY
        try:
            for key in pointer_keys(pointer):
                target = target[int(key)] if isinstance(target, list) else target[key]
        except (LookupError, TypeError, ValueError):
            return ANY
        if pointer not in self.names:
            name = self.names[pointer] = self.shapes.free_name(pointer.rpartition("/")[2] or "Root")
            self.shapes.named[name] = self.shape(target, depth + 1)
        return NamedShape(self.names[pointer])

    def _both(self, left: Shape, right: Shape) -> Shape:
        """Return a shape that takes at least what both take."""
        if left == ANY or right == ANY:
            return right if left == ANY else left
        if isinstance(left, OneOf) or isinstance(right, OneOf):
            lefts, rights = (each.options if isinstance(each, OneOf) else (each,) for each in (left, right))
            if len(lefts) * len(rights) > MAX_OPTIONS:
                return left
            return one_of([self._both(each, other) for each in lefts for other in rights])
        first, second = (
            self.shapes.named.get(each.name, each) if isinstance(each, NamedShape) else each for each in (left, right)
        )
        if not isinstance(first, Keys) or not isinstance(second, Keys):
            return second if isinstance(second, Choice) else first
        self.merges += 1
        if (left, right) in self.within or self.merges > MAX_MERGES or len(self.within) >= MAX_DEPTH:
            return left
        self.within.append((left, right))
        merged = self._merged(first, second)
        self.within.pop()
        return merged

    def _merged(self, left: Keys, right: Keys) -> Keys:
        fields = {each.name: each for each in left.fields}
        for each in right.fields:
            before = fields.get(each.name)
            if before is None:
                fields[each.name] = each
            else:
                shape, is_required = self._both(before.shape, each.shape), before.is_required or each.is_required
                description = before.description or each.description
                fields[each.name] = replace(each, shape=shape, is_required=is_required, description=description)
        return Keys(tuple(fields.values()), left.rest if left.rest is not None else right.rest)


def one_of(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that takes what any of these takes."""
    options: dict[Shape, None] = {}
    for shape in shapes:
        options |= dict.fromkeys(shape.options if isinstance(shape, OneOf) else [shape])
    if ANY in options:
        return ANY
    options.pop(Plain("never"), None)
    chosen = [each for each in options if isinstance(each, Choice)]
    if len(chosen) > 1:
        values = tuple(value for each in chosen for value in each.values)
        options = {**{each: None for each in options if each not in chosen}, _unlike(values): None}
    if len(options) > MAX_OPTIONS:
        return ANY
    return OneOf(tuple(options)) if len(options) > 1 else next(iter(options), Plain("never"))


def _chosen(values: Sequence[Any], types: Any) -> Shape:
    """Return the shape of an `enum`: of its values, or of their types where no type is one value."""
    allowed = [types] if isinstance(types, str) else types
    names = [_type_of(value) for value in values]
    kept = [
        (value, name)
        for value, name in zip(values, names, strict=True)
        if allowed is None or name in allowed or (name == "integer" and "number" in allowed)
    ]
    simple = [each for each in kept if each[1] in ("string", "integer", "boolean", "null")]
    plain = [int(value) if name == "integer" else value for value, name in simple]
    others = [_of_value(name) for _, name in kept if name in ("number", "array", "object")]
    return one_of([*([_unlike(plain)] if plain else []), *others])


def _unlike(values: Sequence[Any]) -> Choice:
    return Choice(tuple({(type(value), value): value for value in values}.values()))


def _of_value(name: str) -> Shape:
    return Plain("number") if name == "number" else ListOf(ANY) if name == "array" else Keys(rest=ANY)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() and abs(value) < 2**53 else "number"
    names = {str: "string", int: "integer", type(None): "null", list: "array", dict: "object"}
    return names.get(type(value), "object")


def description_of(schema: Any) -> str:
    """Return a schema's description, else its title, else an empty text."""
    if not isinstance(schema, Mapping):
        return ""
    return str(schema.get("description") or schema.get("title") or "")


def signature_of(prompt: Prompt, shapes: Shapes) -> tuple[Keys, Shape]:
    """Return the shapes of the inputs and of the reply: text, where there is no output schema."""
    lists = {each.input for each in prompt.messages if isinstance(each, Placeholder)}
    fields = [_field(each, shapes, is_list=each.name in lists) for each in prompt.inputs.values()]
    schema = prompt.output.schema
    return Keys(tuple(fields)), Plain("string") if schema is None else shapes.of(schema)


def _field(declared: Input, shapes: Shapes, *, is_list: bool) -> Field:
    shape = shapes.of(declared.schema)
    if is_list and (shape == ANY or (isinstance(shape, ListOf) and shape.item in (ANY, Keys(rest=ANY)))):
        shape = ListOf(Plain("message"))
    default = None if declared.default is MISSING else json.dumps(declared.default, ensure_ascii=False)
    return Field(declared.name, shape, declared.is_required, declared.description, default)
