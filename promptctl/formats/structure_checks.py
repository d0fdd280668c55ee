"""The checks that the keywords of JSON Schema stand for, as functions made once and called for each value.

Only those keywords that the schemas of our own file kinds use; a schema that uses more is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from promptctl.files.document import Document
from promptctl.formats import structure_problems as faults
from promptctl.formats.structure_problems import Fault, Keys

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset(("$schema", "$defs", "title", "description", "default", "x-instead"))

# A fault that may never be told, since another alternative fits, is not put into words before it must be.
Found = tuple[Callable[..., Fault], tuple[Any, ...]]


class Run:
    """One check under way: the faults so far, and the numbers to be taken as the text that they were written as."""

    __slots__ = ("document", "faults", "texts")

    def __init__(self, document: Document | None) -> None:
        self.document = document
        self.faults: list[Found] = []
        self.texts: list[tuple[Keys, str]] = []

    def tell(self, fault: Callable[..., Fault], *about: Any) -> None:
        """Keep a fault, as the function that words it and what that needs."""
        self.faults.append((fault, about))

    def tries(self, check: Check, value: Any, keys: Keys) -> list[Found]:
        """The faults that `check` finds, without keeping them."""
        kept, self.faults = self.faults, []
        check(value, keys, self)
        found, self.faults = self.faults, kept
        return found


Check = Callable[[Any, Keys, Run], None]


def worded(found: Iterable[Found]) -> list[Fault]:
    """The faults, put into words."""
    return [fault(*about) for fault, about in found]


def _as_it_is(fault: Fault) -> Fault:
    return fault


class Compiler:
    """Turns a schema into nested functions, so that checking a sound file costs little more than walking it."""

    def __init__(self, root: Schema) -> None:
        self._definitions: Mapping[str, Schema] = root.get("$defs", {})
        self._compiled: dict[str, Check] = {}

    def compile(self, schema: Schema | bool) -> Check:
        """The check that a schema stands for."""
        if schema is True:
            return _all_of(())
        if schema is False:
            return _refuse
        assert isinstance(schema, Mapping)
        checks: list[Check] = []
        known = set(_ANNOTATIONS)
        for keywords, make in _MAKERS:
            known.update(keywords)
            if not schema.keys().isdisjoint(keywords):
                checks.append(make(self, schema))
        if unknown := schema.keys() - known:
            raise ValueError(f"our schemas do not use {', '.join(sorted(unknown))}")
        return checks[0] if len(checks) == 1 else _all_of(checks)

    def compile_all(self, schemas: Iterable[Schema | bool]) -> list[Check]:
        """The checks of several schemas."""
        return [self.compile(schema) for schema in schemas]

    def reference(self, schema: Schema) -> Check:
        """`$ref` to a definition, which may hold itself."""
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in self._compiled:
            self._compiled[name] = lambda value, keys, run: self._compiled[name](value, keys, run)
            self._compiled[name] = self.compile(self._definitions[name])
        return self._compiled[name]


def _all_of(checks: Iterable[Check]) -> Check:
    each = tuple(checks)

    def check_all(value: Any, keys: Keys, run: Run) -> None:
        for check in each:
            check(value, keys, run)

    return check_all


def _refuse(_: Any, keys: Keys, run: Run) -> None:
    run.tell(faults.refused, keys)


def _make_type(_: Compiler, schema: Schema) -> Check:
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    classes = frozenset(each for name in names for each in _CLASSES[name])
    takes_whole_floats = "integer" in names and "number" not in names

    def check_type(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ in classes or (takes_whole_floats and value.__class__ is float and value.is_integer()):
            return
        run.tell(faults.wrong_type, keys, value, names, schema)

    return check_type


def _make_enum(_: Compiler, schema: Schema) -> Check:
    allowed = schema["enum"] if "enum" in schema else [schema["const"]]
    wanted = {(each.__class__, each) for each in allowed}

    def check_enum(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ in (list, dict) or (value.__class__, value) not in wanted:
            run.tell(faults.unknown_value, keys, value, allowed, schema)

    return check_enum


def _make_text(_: Compiler, schema: Schema) -> Check:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    matches = re.compile(schema["pattern"]).search if "pattern" in schema else None

    def check_text(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ is not str:
            return
        if len(value) < least:
            run.tell(faults.empty, keys, schema)
        elif most is not None and len(value) > most:
            run.tell(faults.too_long, keys, most)
        elif matches is not None and matches(value) is None:
            run.tell(faults.wrong_form, keys, value, schema)

    return check_text


def _make_range(_: Compiler, schema: Schema) -> Check:
    least, most, above = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMinimum")

    def check_range(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ is not int and value.__class__ is not float:
            return
        if least is not None and value < least:
            run.tell(faults.out_of_range, keys, value, f"at least {least}")
        elif above is not None and value <= above:
            run.tell(faults.out_of_range, keys, value, f"more than {above}")
        elif most is not None and value > most:
            run.tell(faults.out_of_range, keys, value, f"at most {most}")

    return check_range


def _make_object(compiler: Compiler, schema: Schema) -> Check:
    properties = {name: compiler.compile(each) for name, each in schema.get("properties", {}).items()}
    rest_schema = schema.get("additionalProperties", True)
    rest = None if rest_schema in (True, False) else compiler.compile(rest_schema)
    names = compiler.compile(schema["propertyNames"]) if "propertyNames" in schema else None
    least = schema.get("minProperties", 0)

    def check_object(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ is not dict:
            return
        for name, item in value.items():
            at = (*keys, name)
            if names is not None and run.tries(names, name, at):
                run.tell(faults.wrong_name, at, name, schema["propertyNames"])
                continue
            check = properties.get(name, rest)
            if check is not None:
                _check_item(check, item, at, run)
            elif rest_schema is False:
                run.tell(faults.unknown_key, at, name, schema)
        if len(value) < least:
            run.tell(faults.empty, keys, schema)

    return check_object


def _make_required(_: Compiler, schema: Schema) -> Check:
    required = schema.get("required", ())
    dependent = schema.get("dependentRequired", {})

    def check_required(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ is not dict:
            return
        for name in required:
            if name not in value:
                run.tell(faults.missing_key, keys, name, schema)
        for name, others in dependent.items():
            if name in value:
                for other in others:
                    if other not in value:
                        run.tell(faults.needs_key, keys, name, other)

    return check_required


def _make_list(compiler: Compiler, schema: Schema) -> Check:
    check = compiler.compile(schema.get("items", True))
    least = schema.get("minItems", 0)
    is_unique = schema.get("uniqueItems", False)

    def check_list(value: Any, keys: Keys, run: Run) -> None:
        if value.__class__ is not list:
            return
        if len(value) < least:
            run.tell(faults.empty, keys, schema)
        for index, item in enumerate(value):
            _check_item(check, item, (*keys, index), run)
        if is_unique:
            for index in _repeats(value):
                run.tell(faults.duplicate_item, (*keys, index), value[index])

    return check_list


def _make_any_of(compiler: Compiler, schema: Schema) -> Check:
    branches = compiler.compile_all(schema["anyOf"])

    def check_any(value: Any, keys: Keys, run: Run) -> None:
        tried: list[list[Found]] = []
        for branch in branches:
            texts = len(run.texts)
            found = run.tries(branch, value, keys)
            if not found:
                return
            del run.texts[texts:]
            tried.append(found)
        for fault in faults.most_telling([worded(found) for found in tried], keys, value, schema):
            run.tell(_as_it_is, fault)

    return check_any


def _make_conjunction(compiler: Compiler, schema: Schema) -> Check:
    return _all_of(compiler.compile_all(schema["allOf"]))


def _make_not(compiler: Compiler, schema: Schema) -> Check:
    refused = compiler.compile(schema["not"])

    def check_not(value: Any, keys: Keys, run: Run) -> None:
        if not run.tries(refused, value, keys):
            run.tell(faults.wrong_form, keys, value, schema)

    return check_not


def _make_if(compiler: Compiler, schema: Schema) -> Check:
    condition = compiler.compile(schema["if"])
    then, otherwise = compiler.compile(schema.get("then", True)), compiler.compile(schema.get("else", True))

    def check_if(value: Any, keys: Keys, run: Run) -> None:
        (otherwise if run.tries(condition, value, keys) else then)(value, keys, run)

    return check_if


def _check_item(check: Check, item: Any, keys: Keys, run: Run) -> None:
    """Check an item; a number that will not do is tried as the text that it was written as."""
    before = len(run.faults)
    check(item, keys, run)
    if len(run.faults) == before or run.document is None or item.__class__ not in (int, float):
        return
    written = run.document.written(*keys)
    if written is not None and not run.tries(check, written, keys):
        del run.faults[before:]
        run.texts.append((keys, written))


def _repeats(items: list[Any]) -> list[int]:
    """The indexes of items that are equal to an earlier one, as JSON values are."""
    seen: set[Any] = set()
    repeats: list[int] = []
    for index, item in enumerate(items):
        key = _hashable(item)
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return repeats


def _hashable(value: Any) -> Any:
    if isinstance(value, dict):
        return ("object", frozenset((key, _hashable(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(_hashable(item) for item in value))
    return ("boolean", value) if isinstance(value, bool) else value


_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}

_MAKERS: tuple[tuple[tuple[str, ...], Callable[[Compiler, Schema], Check]], ...] = (
    (("$ref",), Compiler.reference),
    (("type",), _make_type),
    (("enum", "const"), _make_enum),
    (("minLength", "maxLength", "pattern"), _make_text),
    (("minimum", "maximum", "exclusiveMinimum"), _make_range),
    (("required", "dependentRequired"), _make_required),
    (("properties", "additionalProperties", "propertyNames", "minProperties"), _make_object),
    (("items", "minItems", "uniqueItems"), _make_list),
    (("anyOf",), _make_any_of),
    (("allOf",), _make_conjunction),
    (("not",), _make_not),
    (("if", "then", "else"), _make_if),
)
