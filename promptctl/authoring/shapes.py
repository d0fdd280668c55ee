"""Shapes of inputs, as the templates of a prompt use them: what each use says of a value's type, and what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.schemas.from_values import MANY, few_words, schema_of
from promptctl.schemas.json_schema import Validator, types_of
from promptctl.templates.events import ITEM, VALUE, Branch, Condition, Event, Path, Printed, Text, Use

_OPTIONAL_ACTS = frozenset(("defined", "default", "when"))
# What a value is, if nothing tells more than that it is used so.
_WEAKLY = (("added", "number"), ("print", "string"), ("sized", "array"), ("truth", "boolean"))
_NAMES = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}


@dataclass(slots=True)
class UsedValue:
    """Uses of one value, and the shapes of what is below it.

    It `is_needed` if a template that gets there fails without it, and `is_needed_when_true` if only to ask whether it
    is empty.
    """

    acts: set[str] = field(default_factory=set)
    literals: list[Any] = field(default_factory=list)
    defaults: list[Any] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    below: dict[str, UsedValue] = field(default_factory=dict)
    is_needed: bool = False
    is_tested: bool = False
    has_other_values: bool = False

    @property
    def types(self) -> list[str]:
        """The types that the uses need, JSON Schema's names; none if any value does."""
        found = self.needed_types
        if not found:
            found = list(dict.fromkeys(_NAMES[type(each)] for each in self.defaults if each is not None))
        if not found:
            # The greatest of some values may be printed whether they are numbers or texts.
            weak = self.acts - ({"print"} if "ordered" in self.acts else set())
            found = [name for act, name in _WEAKLY if act in weak][:1]
        if {"integer", "number"} <= set(found):
            found.remove("number")
        is_null = "null" in self.acts or None in self.literals
        return found + sorted(self.asked - set(found)) + (["null"] if is_null and found else [])

    @property
    def is_vague(self) -> bool:
        """True if the uses would take values of other types: it is only printed, tested or passed on."""
        return not self.needed_types and not self.asked

    @property
    def words(self) -> list[str]:
        """The texts that the template distinguishes, if there are several and it does nothing with any other."""
        words = [each for each in dict.fromkeys(self.literals) if each is not None]
        are_texts = len(words) > 1 and all(isinstance(each, str) for each in words)
        is_compared_alone = self.acts <= {"equal", "null", "defined", "default"} and not self.has_other_values
        others = [each for each in self.defaults if each is not None and each not in words]
        return [*words, *others] if are_texts and is_compared_alone else []

    @property
    def needed_types(self) -> list[str]:
        """The types without which what the templates do makes no sense."""
        found = []
        names = self.below.keys() - {ITEM}
        if names or "mapping" in self.acts:
            found.append("object")
        elif self.acts & {"list", "messages"} or (ITEM in self.below and not self.acts & {"print", "text"}):
            found.append("array")
        found += [
            name for act, name in (("text", "string"), ("integer", "integer"), ("number", "number")) if act in self.acts
        ]
        found += [_NAMES[type(each)] for each in self.literals if each is not None]
        return list(dict.fromkeys(found))


def shapes_of(events: Iterable[Event]) -> dict[str, UsedValue]:
    """Return the shape of each variable that the events use, in reading order."""
    root = UsedValue()
    compared: set[Path] = set()
    kept = list(events)
    for event in kept:
        if isinstance(event, Use):
            _add(root, event)
            if event.act == "equal":
                compared.add(event.path)
    for path in compared:
        _at(root, path)[-1].has_other_values = any(_reaches_others(event, path) for event in kept)
    return root.below


def _add(root: UsedValue, use: Use) -> None:
    *above, shape = _at(root, use.path)
    shape.acts.add(use.act)
    if use.act == "equal":
        shape.literals += use.values
    elif use.act == "default":
        shape.defaults += use.values
    elif use.act == "is":
        shape.asked |= set(use.values)
    for depth, each in enumerate([*above, shape], 1):
        path = use.path[:depth]
        if (each is shape and use.act in _OPTIONAL_ACTS) or _is_defined(path, use.holds):
            continue
        is_asked = any(hold.kind == "true" and hold.path == path for hold in use.holds)
        if is_asked or (each is shape and use.act == "truth"):
            each.is_tested = True
        else:
            each.is_needed = True


def _at(root: UsedValue, path: Path) -> list[UsedValue]:
    """Return the shapes on the way to a path, itself last."""
    found = []
    for step in path:
        root = root.below.setdefault(step, UsedValue())
        found.append(root)
    return found


def _is_defined(path: Path, holds: Sequence[Condition]) -> bool:
    """Return True if one of the conditions says that the value, or something below it, is defined."""
    return any(each.kind == "defined" and each.path[: len(path)] == path for each in holds)


def _reaches_others(event: Event, path: Path) -> bool:
    """Return True if the template prints something for values that it does not name: in an `else`, or inline."""
    if isinstance(event, Branch):
        return event.kind == "inline" and any(each.path == path for each in _leaves(event.condition))
    if not isinstance(event, Printed) and not (isinstance(event, Text) and event.text.strip()):
        return False
    is_denied = any(each.path == path for hold in event.holds if hold.kind == "not" for each in _leaves(hold))
    return is_denied and not any(each.kind == "equal" and each.path == path for each in event.holds)


def _leaves(condition: Condition) -> Iterator[Condition]:
    if not condition.parts:
        yield condition
    for part in condition.parts:
        yield from _leaves(part)


def schema_of_shape(shape: UsedValue) -> dict[str, Any]:
    """Return the JSON Schema of a shape, without what is needed of it itself."""
    types = shape.types
    schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types} if types else {}
    if words := shape.words:
        return {"type": types[0], "enum": words} if "null" not in types else {"enum": [*words, None]}
    if "array" in types and ITEM in shape.below and (items := schema_of_shape(shape.below[ITEM])):
        schema["items"] = items
    if "object" in types:
        names = {name: below for name, below in shape.below.items() if name not in (ITEM, VALUE)}
        if names:
            schema["properties"] = {name: schema_of_shape(below) for name, below in names.items()}
            needed = [name for name, below in names.items() if below.is_needed or below.is_tested]
            schema |= {"required": needed} if needed else {}
        if VALUE in shape.below and (values := schema_of_shape(shape.below[VALUE])) and not names:
            schema["additionalProperties"] = values
    return schema


def own_keys(shape: UsedValue, types: Sequence[str]) -> dict[str, Any]:
    """Return `default` or `required: false` for an input of that shape and these types; nothing if it is needed."""
    defaults = [each for each in shape.defaults if each is not None]
    if not shape.is_needed and not shape.is_tested and "messages" not in shape.acts:
        return {"required": False}
    empty = {"string": "", "array": [], "boolean": False}.get(types[0] if types else "")
    if defaults and all(each == defaults[0] for each in defaults):
        return {"default": defaults[0]}
    is_only_tested = shape.is_tested and not shape.is_needed
    return {"default": empty} if empty is not None and (is_only_tested or shape.acts == {"messages"}) else {}


def declared_input(
    shape: UsedValue, by_calls: Sequence[Any], by_cases: Sequence[Any], *, has_words: bool
) -> dict[str, Any]:
    """Return what a prompt's file says of an input: its JSON Schema, with `default` or `required: false` beside it.

    Every value given fits it. Only calls make an enum, and of one that `has_words` alone: a secret has none.
    """
    values = [*by_calls, *by_cases]
    schema = _refined(schema_of_shape(shape), shape, values)
    if has_words and schema == {"type": "string"} and (words := few_words([v for v in by_calls if isinstance(v, str)])):
        schema["enum"] = words
    if "enum" in schema and not _fit(schema, values):
        del schema["enum"]
    if not _fit(schema, values):
        schema = schema_of(values)
    own = own_keys(shape, types_of(schema))
    if "default" in own and not _fit(schema, [own["default"]]):
        own = {}
    if own and "required" in schema:  # the keys that an object needs stand under the same name
        del schema["required"]
    return {**schema, **own}


def missing_keys(given: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys found that an input's declaration lacks; what is written by hand is never changed."""
    if given.keys() & {"$ref", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if"}:
        return {}
    own = ("default", "required")
    if "type" not in given:
        return {key: value for key, value in found.items() if key not in given and key not in own}
    if given["type"] != found.get("type"):
        return {}
    keys = ("items", "prefixItems") if given["type"] == "array" else ("properties", "additionalProperties")
    below = {key: found[key] for key in keys if key in found}
    return {} if given.keys() & set(keys) or given["type"] not in ("array", "object") else below


def _refined(schema: dict[str, Any], shape: UsedValue, values: Sequence[Any]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if not known:
        return schema
    if shape.is_vague and "enum" not in schema:
        refined = schema_of(values)
        return refined if refined.get("type") != "array" or "messages" not in shape.acts else schema
    refined = dict(schema)
    if schema.get("type") == "number" and len(known) >= MANY and all(type(value) is int for value in known):
        refined["type"] = "integer"
    if schema.get("type") == "array" and "messages" not in shape.acts:
        items = [item for value in known if isinstance(value, list) for item in value]
        below = _refined(schema.get("items", {}), shape.below.get(ITEM, UsedValue()), items)
        refined |= {"items": below} if below else {}
    if schema.get("type") == "object":
        _refine_entries(refined, shape, [value for value in known if isinstance(value, Mapping)])
    if len(known) < len(values) and isinstance(refined.get("type"), str):
        refined["type"] = [refined["type"], "null"]
    return refined


def _refine_entries(schema: dict[str, Any], shape: UsedValue, objects: Sequence[Mapping[str, Any]]) -> None:
    if "properties" in schema:
        schema["properties"] = {
            name: _refined(below, shape.below[name], [each[name] for each in objects if name in each])
            for name, below in schema["properties"].items()
        }
    elif VALUE in shape.below or "additionalProperties" in schema:
        entries = [value for each in objects for value in each.values()]
        below = _refined(schema.get("additionalProperties", {}), shape.below.get(VALUE, UsedValue()), entries)
        if below:
            schema["additionalProperties"] = below


def _fit(schema: Mapping[str, Any], values: Sequence[Any]) -> bool:
    validator = Validator(schema, shows_values=False)
    return not any(validator.faults(value) for value in values)
