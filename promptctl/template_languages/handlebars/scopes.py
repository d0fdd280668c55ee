"""Scopes of a Handlebars template: what a path means where it stands, and what is known of its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import Place
from promptctl.files.free_names import FreeNames
from promptctl.template_languages.handlebars.nodes import Block, Constant, Node, Partial, PathNode, Print, TagCall
from promptctl.template_languages.input_names import input_name
from promptctl.template_languages.pieces import Path

LOOP_MARKS = {"index": "index0", "first": "first", "last": "last"}


class NotSaid(Exception):
    """Something that our templates have no word for, with what to do."""

    def __init__(self, message: str, hint: str | None = None, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place


@dataclass(frozen=True, slots=True)
class TagValue:
    """A variable where it is used. `schema` is None if nothing is known; `is_optional` if it may be undefined."""

    path: Path
    schema: Mapping[str, Any] | None = None
    is_optional: bool = False

    @property
    def types(self) -> tuple[str, ...]:
        """The JSON types that its schema allows; empty if it says none."""
        declared = (self.schema or {}).get("type", ())
        return (declared,) if isinstance(declared, str) else tuple(map(str, declared))

    def within(self, keys: tuple[str, ...]) -> TagValue:
        """Return the value at these keys of this one."""
        value = self
        for key in keys:
            value = value._item(key)
        return value

    def _item(self, key: str) -> TagValue:
        is_position = key.isdecimal() and len(key) < 10 and "object" not in self.types
        schema = self.schema or {}
        if is_position:
            items = schema.get("items")
            return TagValue((*self.path, int(key)), items if isinstance(items, Mapping) else None)
        properties = schema.get("properties")
        known = properties.get(key) if isinstance(properties, Mapping) else None
        is_optional = isinstance(properties, Mapping) and key not in schema.get("required", ())
        return TagValue((*self.path, key), known if isinstance(known, Mapping) else None, is_optional)


@dataclass(frozen=True, slots=True)
class TagScope:
    """The values that paths are read from. `this` is None where all inputs are meant; `outer` is what `../` leads to.

    `names` are those after `as |…|`, `values` the arguments of a partial, `given` the optional values that a condition
    around has found.
    """

    this: TagValue | None = None
    outer: TagScope | None = None
    names: Mapping[str, TagValue] = field(default_factory=dict)
    values: Mapping[str, TagValue | Constant] = field(default_factory=dict)
    given: frozenset[Path] = frozenset()
    loops: int = 0
    key: str | None = None


class Inputs:
    """The inputs of a prompt: declared by a JSON Schema, or found in its templates; their names as Jinja takes them."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self.schema: Mapping[str, Any] = schema or {}
        self.is_declared = schema is not None
        self.found: dict[str, Mapping[str, Any]] = {}
        self.renamed: dict[str, str] = {}
        self._free = FreeNames(sign="_")
        self.defaults: dict[str, Any] = {}
        self.added_defaults: set[str] = set()
        self.loosened: set[str] = set()
        for name in self.schema.get("properties", {}):
            self.name_of(str(name))

    def default_to(self, key: str, value: Any) -> None:
        """Give an input this default if it has none: where Handlebars takes what is missing for empty."""
        if key in self.defaults:
            return
        self.defaults[key] = value
        self.added_defaults.add(key)
        known = self.schema.get("properties", {}).get(key)
        if value == {} and isinstance(known, Mapping) and known.get("required"):
            looser = {word: each for word, each in known.items() if word != "required"}
            self.schema = {**self.schema, "properties": {**self.schema["properties"], key: looser}}
            self.loosened.add(key)

    def name_of(self, key: str) -> str:
        """Return the name that an input has here."""
        if key not in self.renamed:
            self.renamed[key] = self._free.take(input_name(key))
        return self.renamed[key]

    def value(self, key: str, given: frozenset[Path]) -> TagValue:
        """Return the input of this name. One that is not declared becomes known by it."""
        name = self.name_of(key)
        known = self.schema.get("properties", {}).get(key)
        if known is None:
            self.found.setdefault(key, {})
            return TagValue((name,), None, self.is_declared and (name,) not in given)
        is_there = key in self.schema.get("required", ()) or key in self.defaults or (name,) in given
        return TagValue((name,), known if isinstance(known, Mapping) else None, not is_there)


def resolve(node: PathNode | Constant, scope: TagScope, inputs: Inputs) -> TagValue | Constant:
    """Return what a path or a constant in a tag means. Raises `NotSaid`."""
    if isinstance(node, Constant):
        return node
    found = _resolved(node, scope, inputs)
    if isinstance(found, TagValue) and found.path in scope.given:
        return TagValue(found.path, found.schema)
    return found


def _resolved(node: PathNode, scope: TagScope, inputs: Inputs) -> TagValue | Constant:
    if node.is_data:
        return _data(node, scope, inputs)
    if not node.depth and not node.is_scoped and node.keys[0] in scope.names:
        return scope.names[node.keys[0]].within(node.keys[1:])
    for _ in range(node.depth):
        if scope.outer is None:
            raise NotSaid(f"`{node.text}` leads out of the template")
        scope = scope.outer
    if node.keys and node.keys[0] in scope.values:
        value = scope.values[node.keys[0]]
        if isinstance(value, Constant):
            return value if len(node.keys) == 1 else Constant(None)
        return value.within(node.keys[1:])
    if scope.this is not None:
        return scope.this.within(node.keys)
    if not node.keys:
        raise NotSaid(f"`{node.text}` means all inputs at once", "name the inputs that are meant")
    return _deep(node.keys, scope.given, inputs)


def _deep(way: tuple[str, ...], given: frozenset[Path], inputs: Inputs) -> TagValue:
    """Return an input or a value within it; an input that may be left out is an empty mapping then."""
    name, *keys = way
    root = inputs.value(name, given)
    if keys and root.is_optional:
        inputs.default_to(name, {})
        root = inputs.value(name, given)
    return root.within(tuple(keys))


def _data(node: PathNode, scope: TagScope, inputs: Inputs) -> TagValue | Constant:
    if not node.keys:
        raise NotSaid(f"`{node.text}` is no variable")
    name, *rest = node.keys
    if name == "root":
        if not rest:
            raise NotSaid(f"`{node.text}` means all inputs at once", "name the inputs that are meant")
        return _deep(tuple(rest), scope.given, inputs)
    if name in (*LOOP_MARKS, "key"):
        if node.depth or not scope.loops:
            raise NotSaid(f"`{node.text}` is of a loop around, which Jinja does not see")
        if name == "key" and scope.key:
            return TagValue((scope.key,), {"type": "string"})
        mark = LOOP_MARKS.get(name, "index0")
        return TagValue(("loop", mark), {"type": "integer" if mark == "index0" else "boolean"})
    if name == "metadata":
        raise NotSaid(f"`{node.text}` reads the prompt's own metadata", "write the value into the text, or as an input")
    inputs.found.setdefault(name, {"type": "object"} if rest else {})
    if rest:
        inputs.default_to(name, {})
    value = TagValue((inputs.name_of(name),)).within(tuple(rest))
    return TagValue(value.path, None, is_optional=True)


def calls_in(nodes: list[Node]) -> Iterator[TagCall]:
    """Yield every call of a template, those within blocks too."""
    for node in nodes:
        if isinstance(node, Print | Partial | Block):
            yield node.call
        if isinstance(node, Block):
            yield from calls_in(node.body)
            yield from calls_in(node.otherwise or [])


def paths_in(nodes: list[Node]) -> Iterator[PathNode]:
    """Yield every path of a template's tags, those within blocks too."""
    for call in calls_in(nodes):
        yield from (each for each in (call.head, *call.arguments, *call.options.values()) if isinstance(each, PathNode))


def uses_key(nodes: list[Node]) -> bool:
    """Return True if a loop's body prints `@key`, and not `@index`: it goes over a mapping."""
    used = {path.keys[0] for path in paths_in(nodes) if path.is_data and path.keys}
    return "key" in used and "index" not in used


def items_around(scope: TagScope | None) -> Iterator[str]:
    """Yield the variables of the loops around."""
    while scope is not None:
        if scope.this is not None:
            yield str(scope.this.path[0])
        if scope.key:
            yield scope.key
        scope = scope.outer


def outer_names(scope: TagScope) -> dict[str, TagValue]:
    """Return the names of blocks around that still mean the same: not the position in a loop, which Jinja hides."""
    return {name: value for name, value in scope.names.items() if value.path[0] != "loop"}
