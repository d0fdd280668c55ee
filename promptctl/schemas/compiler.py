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
from collections.abc import Callable, Mapping
from functools import partial
from time import thread_time
from typing import Any, NamedTuple

from promptctl.files.plain import canonical_json
from promptctl.schemas.keywords import ANNOTATIONS, TYPES, LocalReferences, Path, item_schemas, translated, type_names

Schema = Mapping[str, Any]
Check = Callable[[Any, Path, "Run"], None]
Holds = Callable[[Any], bool]
SearchOf = Callable[[str], Callable[[str], Any]]

MAX_FAILURES = 1000
MAX_TIME_S = 2.0
_STRIDE = 16  # steps between looks at the clock, which most values end before

# Lists and mappings of no more parts than this take less time than a step, and are not counted.
_FEW = 16

# How many failures of the nearest alternative are kept in a bounded run.
_NEAREST_MOST = 4
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

    place: Any = None  # where a check by the library is
    nearest_most = _most = sys.maxsize
    is_bounded = False
    begun_s: float | None = None  # of the processor, so that a busy machine refuses no sound value

    def __init__(self, steps: int | None = None, most_s: float = MAX_TIME_S) -> None:
        self.failures: list[Failure] = []
        if steps is not None:
            self.is_bounded = True
            self.nearest_most, self._most = _NEAREST_MOST, MAX_FAILURES
            self._steps_left, self._next_look, self._most_s = steps, steps - _STRIDE, most_s

    def step(self, count: int = 1) -> None:
        """Count schemas that are applied to a value. Raises `Stopped`."""
        if not self.is_bounded:
            return
        self._steps_left = left = self._steps_left - count
        if left < self._next_look:
            self._next_look, now = left - _STRIDE, thread_time()
            self.begun_s = self.begun_s or now
            if left < 0 or now > self.begun_s + self._most_s:
                raise Stopped("it takes too long for this schema and value")

    def fail(self, path: Path, keyword: str, schema: Schema, value: Any, detail: Any = None) -> None:
        """Keep one failure."""
        if len(self.failures) < self._most:
            # Made as a tuple, in a third of the time: most failures are of conditions and alternatives, and never told.
            self.failures.append(tuple.__new__(Failure, (path, keyword, schema, value, detail)))

    def tries(self, check: Check, value: Any, path: Path) -> list[Failure]:
        """Return the failures that a check finds, without keeping them."""
        self.step()
        kept, self.failures = self.failures, []
        check(value, path, self)
        tried, self.failures = self.failures, kept
        return tried


class Compiler:
    """Compiles the schemas of one document. `search_of(pattern)` returns the function that finds it in a text."""

    enough_fitting = 1  # alternatives of an `anyOf`

    def __init__(self, root: Schema | bool, search_of: SearchOf) -> None:
        self.references = LocalReferences(root)
        self.search_of = search_of
        # By identity, so each schema is kept beside its check.
        self._checks: dict[int, tuple[Any, Check]] = {id(each): (each, check) for each, check in _OF_BOOLEANS}
        self.draft = str(root.get("$schema", "")) if isinstance(root, Mapping) else ""

    def check_of(self, schema: Any) -> Check:
        """Return the check of a sound schema, compiled on first use: schemas refer to each other in circles."""
        known = self._checks.get(id(schema))
        if known is None:
            known = self._checks[id(schema)] = schema, self._compiled(schema)
        return known[1]

    def _compiled(self, schema: Schema) -> Check:
        schema = translated(schema, self.draft)
        if "$ref" in schema and schema.keys() <= _ALONE:
            return _PARTS["$ref"](self, schema)
        by_class: dict[type, Check | None] = {}

        def check(value: Any, path: Path, run: Run) -> None:
            known = by_class.get(value.__class__, check_first)
            if known is not None:
                known(value, path, run)

        def check_first(value: Any, path: Path, run: Run) -> None:
            by_class[value.__class__] = self._keywords_for(value.__class__, schema)
            check(value, path, run)

        return check

    def _keywords_for(self, kind: type, schema: Schema) -> Check | None:
        """Return the check of what can fail for values of one class; None if nothing can."""
        leaves: list[tuple[str, Holds]] = []
        if "type" in schema and not any(kind in TYPES[name] for name in type_names(schema)):
            is_whole = kind is float and "integer" in type_names(schema)
            leaves.append(("type", float.is_integer if is_whole else lambda _: False))
        leaves += [(name, make(schema[name])) for name, make in _LEAVES.get(kind, {}).items() if name in schema]
        choices = [("enum", _enum(schema["enum"], kind))] if "enum" in schema else []
        choices += [("const", _enum([schema["const"]], kind))] if "const" in schema else []
        makers = {**_PARTS, **_PARTS_OF.get(kind, {})}
        parts: list[Check] = []
        if kind in (list, dict):
            parts += [partial(_check_whole, schema, choices)] if choices else []
        else:
            leaves += choices
        parts += [make(self, schema) for make in dict.fromkeys(makers[name] for name in makers if name in schema)]

        def check(value: Any, path: Path, run: Run) -> None:
            for keyword, holds in leaves:
                if not holds(value):
                    run.fail(path, keyword, schema, value)
            for part in parts:
                part(value, path, run)

        return check if leaves or len(parts) > 1 else next(iter(parts), None)

    def object_of(self, schema: Schema) -> Check:
        """Return the check of `properties`, `additionalProperties` and `required`."""
        properties = {name: self.check_of(each) for name, each in schema.get("properties", {}).items()}
        searches = [self.search_of(pattern) for pattern in schema.get("patternProperties", ())]
        others = schema.get("additionalProperties", True)
        rest = self.check_of(others) if others is not False else partial(refuse_key, schema)
        required = schema.get("required", ())
        named = len(required) + len(properties)

        def check(value: Any, path: Path, run: Run) -> None:
            if named + len(value) > _FEW:
                run.step(len(value))
            for name in required:
                if name not in value:
                    run.fail(path, "required", schema, value, name)
            if rest is _allow:
                for name, known in properties.items():
                    if name in value:
                        known(value[name], (*path, name), run)
            else:
                for name, item in value.items():
                    own = properties.get(name)
                    if own is None:
                        own = _allow if searches and _is_found(name, searches, run) else rest
                    own(item, (*path, name), run)

        return check

    def list_of(self, schema: Schema) -> Check:
        """Return the check of `items`, `prefixItems` and `uniqueItems`."""
        listed, rest = item_schemas(schema)
        first, others = [*map(self.check_of, listed)], self.check_of(rest)

        def check(value: Any, path: Path, run: Run) -> None:
            items = value if others is not _allow else value[: len(first)]
            if len(items) > _FEW:
                run.step(len(items))
            for index, item in enumerate(items):
                (first[index] if index < len(first) else others)(item, (*path, index), run)
            if schema.get("uniqueItems"):
                if len(value) > _FEW:
                    run.step(len(value))
                for index in _repeats(value):
                    run.fail((*path, index), "uniqueItems", schema, value[index])

        return check


def _allow(_value: Any, _path: Path, _run: Run) -> None:
    pass


def _refuse(value: Any, path: Path, run: Run) -> None:
    run.fail(path, "false", {}, value)


def refuse_key(schema: Schema, value: Any, path: Path, run: Run) -> None:
    """Fail a key that the schema does not allow, which is the last of the path."""
    run.fail(path, "additionalProperties", schema, value)


def _apply_all(checks: list[Check], value: Any, path: Path, run: Run) -> None:
    for check in checks:
        run.step()
        check(value, path, run)


def _apply_one(checks: list[Check], value: Any, path: Path, run: Run) -> None:
    condition, then, other = checks
    (other if run.tries(condition, value, path) else then)(value, path, run)


def _check_whole(schema: Schema, choices: list[tuple[str, Holds]], value: Any, path: Path, run: Run) -> None:
    for keyword, holds in choices:
        run.step(len(value))
        if not holds(value):
            run.fail(path, keyword, schema, value)


def _match(schema: Schema, search: Holds, value: Any, path: Path, run: Run) -> None:
    run.step()
    if not search(value):
        run.fail(path, "pattern", schema, value)


def _is_found(name: str, searches: list[Callable[[str], Any]], run: Run) -> bool:
    run.step()
    return any(search(name) for search in searches)


def _apply_by_pattern(checks: list[tuple[Holds, Check]], value: Any, path: Path, run: Run) -> None:
    for search, check in checks:
        for name, item in value.items():
            run.step()
            if search(name):
                check(item, (*path, name), run)


def _check_names(schema: Schema, check: Check, value: Any, path: Path, run: Run) -> None:
    for name in value:
        if wrong := run.tries(check, name, path):
            run.fail((*path, name), "propertyNames", schema, name, wrong)


def _check_dependents(schema: Schema, rules: list[tuple[str, Any]], value: Any, path: Path, run: Run) -> None:
    for name, rule in rules:
        run.step()
        if name in value and isinstance(rule, list):
            for other in rule:
                if other not in value:
                    run.fail((*path, name), "dependentRequired", schema, value, other)
        elif name in value:
            rule(value, path, run)


def _count_fitting(schema: Schema, check: Check, value: Any, path: Path, run: Run) -> None:
    count = sum(not run.tries(check, item, path) for item in value)
    if not schema.get("minContains", 1) <= count <= schema.get("maxContains", math.inf):
        run.fail(path, "contains", schema, value, count)


def _refuse_fitting(schema: Schema, check: Check, value: Any, path: Path, run: Run) -> None:
    if not run.tries(check, value, path):
        run.fail(path, "not", schema, value)


def _choose(schema: Schema, keyword: str, enough: int, checks: list[Check], value: Any, path: Path, run: Run) -> None:
    """Try alternatives until enough of them fit."""
    tried: list[list[Failure]] = []
    fitting = 0
    for check in checks:
        tried.append(run.tries(check, value, path))
        fitting += not tried[-1]
        if fitting == enough:
            break
    if not fitting:
        _fail_all(run, path, keyword, schema, value, tried)
    elif fitting > 1 and keyword == "oneOf":
        run.fail(path, keyword, schema, value)


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
    seen: set[Any] = set()
    repeats: list[int] = []
    for index, item in enumerate(items):
        key = (item,) if item.__class__ is str else canonical_json(item)
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return repeats


def _enum(allowed: list[Any], kind: type) -> Holds:
    """Return a check of values of one class that takes no longer for many allowed values than for few."""
    if kind is str:
        return frozenset(each for each in allowed if isinstance(each, str)).__contains__
    others = frozenset(canonical_json(each) for each in allowed if not isinstance(each, str))
    return lambda value: bool(others) and canonical_json(value) in others


def _multiple(step: float) -> Holds:
    """Check for whole multiples, decimals taken as written: 0.3 is one of 0.1."""

    def holds(value: Any) -> bool:
        if isinstance(step, int) and isinstance(value, int):
            return value % step == 0
        if isinstance(value, float) and not math.isfinite(value):
            return False
        from fractions import Fraction

        return (Fraction(repr(value)) / Fraction(repr(step))).denominator == 1

    return holds


def _bound(compares: Callable[[Any, Any], bool]) -> Callable[[Any], Holds]:
    return lambda bound: lambda value: compares(value, bound)


def _size(compares: Callable[[Any, Any], bool]) -> Callable[[Any], Holds]:
    return lambda bound: lambda value: compares(len(value), bound)


def _format(name: str) -> Holds:
    from promptctl.schemas.formats import fits

    return partial(fits, name)


_OF_NUMBERS: dict[str, Callable[[Any], Holds]] = {
    "minimum": _bound(operator.ge),
    "maximum": _bound(operator.le),
    "exclusiveMinimum": _bound(operator.gt),
    "exclusiveMaximum": _bound(operator.lt),
    "multipleOf": _multiple,
}
# Keywords that look at nothing but the value itself, by its class.
_LEAVES: dict[type, dict[str, Callable[[Any], Holds]]] = {
    str: {"minLength": _size(operator.ge), "maxLength": _size(operator.le), "format": _format},
    list: {"minItems": _size(operator.ge), "maxItems": _size(operator.le)},
    dict: {"minProperties": _size(operator.ge), "maxProperties": _size(operator.le)},
    int: _OF_NUMBERS,
    float: _OF_NUMBERS,
}

_OF_BOOLEANS = ((True, _allow), (False, _refuse))
_ALONE = frozenset({"$ref", "$defs", "definitions", *ANNOTATIONS})


def _dependents(keyword: str, of: Compiler, schema: Schema) -> Check:
    rules = [(name, rule if isinstance(rule, list) else of.check_of(rule)) for name, rule in schema[keyword].items()]
    return partial(_check_dependents, schema, rules)


def _by_pattern(of: Compiler, schema: Schema) -> Check:
    checks = [(of.search_of(pattern), of.check_of(each)) for pattern, each in schema["patternProperties"].items()]
    return partial(_apply_by_pattern, checks)


# Keywords that apply other schemas, or look for patterns: those of every class of value, and those of one.
_PARTS: dict[str, Callable[[Compiler, Schema], Check]] = {
    "$ref": lambda of, schema: partial(_apply_all, [of.check_of(of.references.find(schema["$ref"]))]),
    "allOf": lambda of, schema: partial(_apply_all, [*map(of.check_of, schema["allOf"])]),
    "anyOf": lambda of, schema: partial(
        _choose, schema, "anyOf", of.enough_fitting, [*map(of.check_of, schema["anyOf"])]
    ),
    "oneOf": lambda of, schema: partial(_choose, schema, "oneOf", 2, [*map(of.check_of, schema["oneOf"])]),
    "not": lambda of, schema: partial(_refuse_fitting, schema, of.check_of(schema["not"])),
    "if": lambda of, schema: partial(
        _apply_one, [of.check_of(schema.get(each, True)) for each in ("if", "then", "else")]
    ),
}
_PARTS_OF: dict[type, dict[str, Callable[[Compiler, Schema], Check]]] = {
    str: {"pattern": lambda of, schema: partial(_match, schema, of.search_of(schema["pattern"]))},
    list: {
        "contains": lambda of, schema: partial(_count_fitting, schema, of.check_of(schema["contains"])),
        **dict.fromkeys(("items", "prefixItems", "uniqueItems"), Compiler.list_of),
    },
    dict: {
        "patternProperties": _by_pattern,
        "propertyNames": lambda of, schema: partial(_check_names, schema, of.check_of(schema["propertyNames"])),
        **{each: partial(_dependents, each) for each in ("dependentRequired", "dependentSchemas", "dependencies")},
        **dict.fromkeys(("properties", "additionalProperties", "required"), Compiler.object_of),
    },
}
