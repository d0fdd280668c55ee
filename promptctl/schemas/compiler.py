"""A compiler of JSON Schema: each schema becomes a function that adds to a run whatever does not hold of a value.

Checks the schemas of our own file kinds as well as those that come from strangers. These may be made to take for ever:
a schema can ask exponentially much of one value only by applying several schemas to it, so each time one does, the run
may stop (`Run.step`). Speaks drafts 3 to 2020-12, except what `library` is for; nothing is ever fetched. Tests hold it
to the verdicts of the jsonschema library.
"""

from __future__ import annotations

import math
import operator
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from promptctl.files.canonical_json import canonical_json
from promptctl.schemas.keywords import TYPES, Path, from_draft_3, resolve, type_names, with_numeric_bounds

Schema = Mapping[str, Any]
Check = Callable[[Any, Path, "Run"], None]
Holds = Callable[[Any], bool]

MAX_FAILURES = 1000
MAX_TIME_S = 2.0

# How many failures of the nearest alternative are kept in a bounded run.
_NEAREST_MOST = 4
_NUMBERS = frozenset({int, float})
_OF_KEYS = frozenset({"required", "additionalProperties", "dependentRequired", "false"})


class Stopped(Exception):
    """A value cannot be checked, or the check takes more steps or time than it may."""


class Failure(NamedTuple):
    """One keyword of `schema` that the value at `path` does not satisfy.

    `detail` is what else is known: the property that is missing, the failures of the nearest alternative.
    """

    path: Path
    keyword: str
    schema: Schema
    value: Any
    detail: Any = None


class Run:
    """The check of one value, and its failures so far. With `steps` it is bounded in steps, time and failures."""

    def __init__(self, steps: int | None = None) -> None:
        self.failures: list[Failure] = []
        self.place: Any = None  # where a check by the library is
        self.nearest_most = sys.maxsize if steps is None else _NEAREST_MOST
        self._most = sys.maxsize if steps is None else MAX_FAILURES
        self._steps_left = steps or 0
        self._deadline = 0.0 if steps is None else time.monotonic() + MAX_TIME_S

    def step(self) -> None:
        """Count one more schema that is applied to a value. Raises `Stopped`."""
        if not self._deadline:
            return
        self._steps_left -= 1
        if self._steps_left < 0 or time.monotonic() > self._deadline:
            raise Stopped("it takes too long for this schema and value")

    def fail(self, path: Path, keyword: str, schema: Schema, value: Any, detail: Any = None) -> None:
        """Keep one failure."""
        if len(self.failures) < self._most:
            self.failures.append(Failure(path, keyword, schema, value, detail))

    def tries(self, check: Check, value: Any, path: Path) -> list[Failure]:
        """Return the failures that a check finds, without keeping them."""
        self.step()
        kept, self.failures = self.failures, []
        check(value, path, self)
        tried, self.failures = self.failures, kept
        return tried


class Compiler:
    """Compiles the schemas of one document. `searches(pattern, text)` finds patterns."""

    _enough_fitting = 1  # alternatives of an `anyOf`

    def __init__(self, root: Schema | bool, searches: Callable[[str, str], Any]) -> None:
        self._root = root
        self._searches = searches
        # By identity, so each schema is kept beside its check.
        self._checks: dict[int, tuple[Any, Check]] = {id(each): (each, check) for each, check in _OF_BOOLEANS}
        draft = str(root.get("$schema", "")) if isinstance(root, Mapping) else ""
        self._targets: dict[str, Check] = {}
        self._has_lone_references = any(f"draft-0{number}" in draft for number in (3, 4, 6, 7))
        self._is_draft_3 = "draft-03" in draft

    def check_of(self, schema: Any) -> Check:
        """Return the check of a sound schema, compiled on first use: schemas refer to each other in circles."""
        known = self._checks.get(id(schema))
        if known is None:
            known = self._checks[id(schema)] = schema, self._compiled(schema)
        return known[1]

    def _compiled(self, schema: Schema) -> Check:
        if self._is_draft_3:
            schema = from_draft_3(schema)
        if self._has_lone_references:
            schema = {"$ref": schema["$ref"]} if "$ref" in schema else with_numeric_bounds(schema)
        leaves = [(keyword, _LEAVES[keyword](schema[keyword])) for keyword in schema if keyword in _LEAVES]
        parts: list[Check] = [partial(part, self, schema) for keyword, part in _PARTS.items() if keyword in schema]
        for keywords, make in ((_OF_OBJECTS, self._object), (_OF_LISTS, self._list)):
            if not schema.keys().isdisjoint(keywords):
                parts.append(make(schema))
        if not leaves and len(parts) == 1:
            return parts[0]
        if len(leaves) == 1 and not parts:
            keyword, holds = leaves[0]
            return lambda value, path, run: None if holds(value) else run.fail(path, keyword, schema, value)

        def check(value: Any, path: Path, run: Run) -> None:
            for keyword, holds in leaves:
                if not holds(value):
                    run.fail(path, keyword, schema, value)
            for part in parts:
                part(value, path, run)

        return check

    def _object(self, schema: Schema) -> Check:
        properties = {name: self.check_of(each) for name, each in schema.get("properties", {}).items()}
        patterns = schema.get("patternProperties", {})
        others = schema.get("additionalProperties", True)
        rest = self.check_of(others) if others is not False else partial(refuse_key, schema)

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is not dict:
                return
            for name, item in value.items():
                known = properties.get(name)
                if known is not None:
                    known(item, (*path, name), run)
                elif rest is not _allow and not any(self._searches(pattern, name) for pattern in patterns):
                    rest(item, (*path, name), run)

        return check

    def _list(self, schema: Schema) -> Check:
        first, rest = schema.get("prefixItems", ()), schema.get("items", True)
        if isinstance(rest, list):  # before draft 2020-12
            first, rest = rest, schema.get("additionalItems", True)
        first, others = [self.check_of(each) for each in first], self.check_of(rest)

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is not list:
                return
            for index, item in enumerate(value if others is not _allow else value[: len(first)]):
                (first[index] if index < len(first) else others)(item, (*path, index), run)
            for index in _repeats(value) if schema.get("uniqueItems") else ():
                run.fail((*path, index), "uniqueItems", schema, value[index])

        return check

    def _reference(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        run.step()
        check = self._targets.get(schema["$ref"])
        if check is None:
            check = self._targets[schema["$ref"]] = self.check_of(resolve(self._root, schema["$ref"]))
        check(value, path, run)

    def _pattern(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        run.step()
        if value.__class__ is str and not self._searches(schema["pattern"], value):
            run.fail(path, "pattern", schema, value)

    def _pattern_properties(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        for pattern, each in schema["patternProperties"].items() if value.__class__ is dict else ():
            for name, item in value.items():
                run.step()
                if self._searches(pattern, name):
                    self.check_of(each)(item, (*path, name), run)

    def _property_names(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        for name in value if value.__class__ is dict else ():
            if wrong := run.tries(self.check_of(schema["propertyNames"]), name, path):
                run.fail((*path, name), "propertyNames", schema, name, wrong)

    def _required(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        for name in schema["required"] if value.__class__ is dict else ():
            if name not in value:
                run.fail(path, "required", schema, value, name)

    def _dependents(self, schema: Schema, value: Any, path: Path, run: Run, *, keyword: str) -> None:
        for name, rule in schema[keyword].items():
            if value.__class__ is not dict or name not in value:
                continue
            if not isinstance(rule, list):
                run.step()
                self.check_of(rule)(value, path, run)
                continue
            for other in rule:
                if other not in value:
                    run.fail((*path, name), "dependentRequired", schema, value, other)

    def _contains(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        if value.__class__ is list:
            wanted = self.check_of(schema["contains"])
            count = sum(not run.tries(wanted, item, path) for item in value)
            if not schema.get("minContains", 1) <= count <= schema.get("maxContains", math.inf):
                run.fail(path, "contains", schema, value, count)

    def _all_of(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        for each in schema["allOf"]:
            run.step()
            self.check_of(each)(value, path, run)

    def _union(self, schema: Schema, value: Any, path: Path, run: Run, *, keyword: str) -> None:
        """Try alternatives until enough of them fit."""
        enough = 2 if keyword == "oneOf" else self._enough_fitting
        tried: list[list[Failure]] = []
        fitting = 0
        for each in schema[keyword]:
            tried.append(run.tries(self.check_of(each), value, path))
            fitting += not tried[-1]
            if fitting == enough:
                break
        if not fitting:
            _fail_all(run, path, keyword, schema, value, tried)
        elif fitting > 1 and keyword == "oneOf":
            run.fail(path, keyword, schema, value)

    def _not(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        if not run.tries(self.check_of(schema["not"]), value, path):
            run.fail(path, "not", schema, value)

    def _if(self, schema: Schema, value: Any, path: Path, run: Run) -> None:
        branch = "else" if run.tries(self.check_of(schema["if"]), value, path) else "then"
        self.check_of(schema.get(branch, True))(value, path, run)


def _allow(_value: Any, _path: Path, _run: Run) -> None:
    pass


def _refuse(value: Any, path: Path, run: Run) -> None:
    run.fail(path, "false", {}, value)


def refuse_key(schema: Schema, value: Any, path: Path, run: Run) -> None:
    """Fail a key that the schema does not allow, which is the last of the path."""
    run.fail(path, "additionalProperties", schema, value)


def _fail_all(run: Run, path: Path, keyword: str, schema: Schema, value: Any, tried: list[list[Failure]]) -> None:
    """Fail every alternative: for its type if no alternative has it, else with the failures of the nearest."""
    of_types = [_wrong_type(failures, path) for failures in tried]
    if all(of_types):
        names = dict.fromkeys(name for failure in of_types if failure for name in type_names(failure.schema))
        run.fail(path, "type", {**schema, "type": list(names)}, value)
    else:
        nearest = min(tried, key=partial(_distance, path))
        run.fail(path, keyword, schema, value, nearest[: run.nearest_most])


def _wrong_type(failures: list[Failure], path: Path) -> Failure | None:
    return next((failure for failure in failures if failure.path == path and failure.keyword == "type"), None)


def _distance(path: Path, failures: list[Failure]) -> tuple[int, int]:
    """Measure how far a value is from an alternative: of a different type, then of a different tag, then in faults."""
    has_other_tag = any(
        len(failure.path) == len(path) + 1 and (failure.path[-1] == "type" or failure.keyword == "const")
        for failure in failures
    )
    keys = sum(failure.keyword in _OF_KEYS and len(failure.path) <= len(path) + 1 for failure in failures)
    kind = 2 if _wrong_type(failures, path) else 1 if has_other_tag else 0
    return kind, keys * 100 + len(failures)


def _repeats(items: list[Any]) -> list[int]:
    """Return the indexes of items that are equal to an earlier one."""
    seen: set[str] = set()
    repeats: list[int] = []
    for index, item in enumerate(items):
        key = canonical_json(item)
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return repeats


def _type(named: str | list[str]) -> Holds:
    names = [named] if isinstance(named, str) else named
    classes = frozenset(each for name in names for each in TYPES[name])
    if "integer" not in names or "number" in names:
        return lambda value: value.__class__ in classes
    return lambda value: value.__class__ in classes or (value.__class__ is float and value.is_integer())


def _enum(allowed: list[Any]) -> Holds:
    """Return a check that takes no longer for many values than for few."""
    texts = frozenset(each for each in allowed if isinstance(each, str))
    others = frozenset(canonical_json(each) for each in allowed if not isinstance(each, str))
    return lambda value: value in texts if value.__class__ is str else bool(others) and canonical_json(value) in others


def _multiple(step: float) -> Holds:
    """Check for whole multiples, decimals taken as written: 0.3 is one of 0.1."""

    def holds(value: Any) -> bool:
        if value.__class__ not in _NUMBERS:
            return True
        if isinstance(step, int) and isinstance(value, int):
            return value % step == 0
        if isinstance(value, float) and not math.isfinite(value):
            return False
        from fractions import Fraction

        return (Fraction(repr(value)) / Fraction(repr(step))).denominator == 1

    return holds


def _bound(compares: Callable[[Any, Any], bool]) -> Callable[[Any], Holds]:
    return lambda bound: lambda value: value.__class__ not in _NUMBERS or compares(value, bound)


def _size(of: type[str | list[Any] | dict[str, Any]], compares: Callable[[Any, Any], bool]) -> Callable[[Any], Holds]:
    return lambda bound: lambda value: not isinstance(value, of) or compares(len(value), bound)


def _format(name: str) -> Holds:
    from promptctl.schemas.formats import fits

    return lambda value: value.__class__ is not str or fits(name, value)


# Keywords that look at nothing but the value itself.
_LEAVES: dict[str, Callable[[Any], Holds]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda expected: _enum([expected]),
    "minLength": _size(str, operator.ge),
    "maxLength": _size(str, operator.le),
    "minItems": _size(list, operator.ge),
    "maxItems": _size(list, operator.le),
    "minProperties": _size(dict, operator.ge),
    "maxProperties": _size(dict, operator.le),
    "minimum": _bound(operator.ge),
    "maximum": _bound(operator.le),
    "exclusiveMinimum": _bound(operator.gt),
    "exclusiveMaximum": _bound(operator.lt),
    "multipleOf": _multiple,
    "format": _format,
}

_OF_BOOLEANS = ((True, _allow), (False, _refuse))
_OF_OBJECTS = ("properties", "additionalProperties")
_OF_LISTS = ("items", "prefixItems", "uniqueItems")

# Keywords that apply other schemas, or need the document: (compiler, schema, value, path, run).
_PARTS: dict[str, Callable[..., None]] = {
    "$ref": Compiler._reference,
    "pattern": Compiler._pattern,
    "patternProperties": Compiler._pattern_properties,
    "propertyNames": Compiler._property_names,
    "required": Compiler._required,
    **{
        keyword: partial(Compiler._dependents, keyword=keyword)
        for keyword in ("dependentRequired", "dependentSchemas", "dependencies")
    },
    "contains": Compiler._contains,
    "allOf": Compiler._all_of,
    "anyOf": partial(Compiler._union, keyword="anyOf"),
    "oneOf": partial(Compiler._union, keyword="oneOf"),
    "not": Compiler._not,
    "if": Compiler._if,
}
