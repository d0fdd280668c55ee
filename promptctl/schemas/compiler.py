"""JSON Schema compiled: each schema becomes a function that adds to a run whatever does not hold of a value.

Checks the schemas of our own file kinds as well as those that come from strangers. These may be made to take for ever:
a schema can ask exponentially much of one value only by applying several schemas to it, so each time one does, the run
may stop (`Run.step`). Speaks drafts 4 to 2020-12; nothing is ever fetched. Tests hold it to the
verdicts of the jsonschema library.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from promptctl.files.canonical_json import canonical_json
from promptctl.schemas.formats import fits
from promptctl.schemas.keywords import TYPES, Path, resolve, type_names, with_numeric_bounds

Schema = Mapping[str, Any]
Check = Callable[[Any, Path, "Run"], None]
Holds = Callable[[Any], bool]

_NUMBERS = frozenset({int, float})


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
    """The check of one value: its failures so far, of which `most` are kept, `nearest_most` of each alternative."""

    __slots__ = ("failures", "most", "nearest_most", "step")

    def __init__(
        self, step: Callable[[], None] = lambda: None, most: int = sys.maxsize, nearest_most: int = sys.maxsize
    ) -> None:
        self.step = step
        self.most = most
        self.nearest_most = nearest_most
        self.failures: list[Failure] = []

    def fail(self, path: Path, keyword: str, schema: Schema, value: Any, detail: Any = None) -> None:
        """Keep one failure."""
        if len(self.failures) < self.most:
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

    def __init__(self, root: Schema | bool, searches: Callable[[str, str], Any]) -> None:
        self._root = root
        self._searches = searches
        self._targets: dict[int, Check] = {}
        draft = str(root.get("$schema", "")) if isinstance(root, Mapping) else ""
        self._has_lone_references = any(f"draft-0{number}" in draft for number in (4, 6, 7))

    def compile(self, schema: Any) -> Check:
        """Return the check that a sound schema stands for."""
        if schema is False:
            return _refuse
        if schema is True or not schema:
            return _allow
        if self._has_lone_references:
            schema = {"$ref": schema["$ref"]} if "$ref" in schema else with_numeric_bounds(schema)
        leaves = [(keyword, _LEAVES[keyword](schema[keyword])) for keyword in schema if keyword in _LEAVES]
        parts = [make(self, schema) for keywords, make in _PARTS if not schema.keys().isdisjoint(keywords)]

        def check(value: Any, path: Path, run: Run) -> None:
            for keyword, holds in leaves:
                if not holds(value):
                    run.fail(path, keyword, schema, value)
            for part in parts:
                part(value, path, run)

        return check

    def _compile_named(self, schema: Schema, *keywords: str) -> dict[str, Check]:
        return {name: self.compile(each) for keyword in keywords for name, each in schema.get(keyword, {}).items()}

    def _reference(self, schema: Schema) -> Check:
        """Compile a `$ref`'s target on first use: schemas may refer to each other in long chains and in circles."""
        target = resolve(self._root, schema["$ref"])

        def check(value: Any, path: Path, run: Run) -> None:
            run.step()
            if id(target) not in self._targets:
                self._targets[id(target)] = self.compile(target)
            self._targets[id(target)](value, path, run)

        return check

    def _pattern(self, schema: Schema) -> Check:
        matches = partial(self._searches, schema["pattern"])

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is str:
                run.step()
                if not matches(value):
                    run.fail(path, "pattern", schema, value)

        return check

    def _object(self, schema: Schema) -> Check:
        properties = self._compile_named(schema, "properties")
        patterns = [
            (partial(self._searches, pattern), self.compile(each))
            for pattern, each in schema.get("patternProperties", {}).items()
        ]
        rest_schema = schema.get("additionalProperties", True)
        rest = self.compile(rest_schema)
        names = self.compile(schema.get("propertyNames", True))

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is not dict:
                return
            for name, item in value.items():
                at = (*path, name)
                if names is not _allow and (wrong := run.tries(names, name, at)):
                    run.fail(at, "propertyNames", schema, name, wrong)
                    continue
                known = name in properties
                if known:
                    properties[name](item, at, run)
                for matches, each in patterns:
                    run.step()
                    if matches(name):
                        known = True
                        each(item, at, run)
                if known or rest is _allow:
                    continue
                if rest_schema is False:
                    run.fail(at, "additionalProperties", schema, item)
                else:
                    rest(item, at, run)

        return check

    def _required(self, schema: Schema) -> Check:
        names = schema["required"]

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is dict:
                for name in names:
                    if name not in value:
                        run.fail(path, "required", schema, value, name)

        return check

    def _dependents(self, schema: Schema) -> Check:
        keywords = ("dependentRequired", "dependentSchemas", "dependencies")
        rules = [rule for keyword in keywords for rule in schema.get(keyword, {}).items()]
        needed = [(name, others) for name, others in rules if isinstance(others, list)]
        applied = [(name, self.compile(each)) for name, each in rules if not isinstance(each, list)]

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is not dict:
                return
            for name, others in needed:
                for other in others if name in value else ():
                    if other not in value:
                        run.fail((*path, name), "dependentRequired", schema, value, other)
            for name, each in applied:
                if name in value:
                    run.step()
                    each(value, path, run)

        return check

    def _list(self, schema: Schema) -> Check:
        first, rest = schema.get("prefixItems", ()), schema.get("items", True)
        if isinstance(rest, list):  # before draft 2020-12
            first, rest = rest, schema.get("additionalItems", True)
        first, others = [self.compile(each) for each in first], self.compile(rest)
        is_unique = schema.get("uniqueItems", False)

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is not list:
                return
            for index, item in enumerate(value if others is not _allow else value[: len(first)]):
                (first[index] if index < len(first) else others)(item, (*path, index), run)
            for index in _repeats(value) if is_unique else ():
                run.fail((*path, index), "uniqueItems", schema, value[index])

        return check

    def _contains(self, schema: Schema) -> Check:
        wanted = self.compile(schema["contains"])
        least, most = schema.get("minContains", 1), schema.get("maxContains", math.inf)

        def check(value: Any, path: Path, run: Run) -> None:
            if value.__class__ is list:
                count = sum(not run.tries(wanted, item, path) for item in value)
                if not least <= count <= most:
                    run.fail(path, "contains", schema, value, count)

        return check

    def _all_of(self, schema: Schema) -> Check:
        checks = [self.compile(each) for each in schema["allOf"]]

        def check(value: Any, path: Path, run: Run) -> None:
            for each in checks:
                run.step()
                each(value, path, run)

        return check

    def _any_of(self, schema: Schema) -> Check:
        return self._union(schema, "anyOf", 1)

    def _one_of(self, schema: Schema) -> Check:
        return self._union(schema, "oneOf", 2)

    def _union(self, schema: Schema, keyword: str, enough: int) -> Check:
        """Compile alternatives; the check ends when `enough` of them fit."""
        checks = [self.compile(each) for each in schema[keyword]]

        def check(value: Any, path: Path, run: Run) -> None:
            tried: list[list[Failure]] = []
            fitting = 0
            for each in checks:
                tried.append(run.tries(each, value, path))
                fitting += not tried[-1]
                if fitting == enough:
                    break
            if not fitting:
                _fail_all(run, path, keyword, schema, value, tried)
            elif fitting > 1:
                run.fail(path, keyword, schema, value)

        return check

    def _not(self, schema: Schema) -> Check:
        refused = self.compile(schema["not"])

        def check(value: Any, path: Path, run: Run) -> None:
            if not run.tries(refused, value, path):
                run.fail(path, "not", schema, value)

        return check

    def _if(self, schema: Schema) -> Check:
        condition, then, other = (self.compile(schema.get(name, True)) for name in ("if", "then", "else"))

        def check(value: Any, path: Path, run: Run) -> None:
            (other if run.tries(condition, value, path) else then)(value, path, run)

        return check


def _allow(_value: Any, _path: Path, _run: Run) -> None:
    pass


def _refuse(value: Any, path: Path, run: Run) -> None:
    run.fail(path, "false", {}, value)


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
    keys = sum(failure.keyword in ("required", "additionalProperties", "dependentRequired", "false")
               and len(failure.path) <= len(path) + 1 for failure in failures)  # fmt: skip
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
    "format": lambda name: lambda value: value.__class__ is not str or fits(name, value),
}

_PARTS: tuple[tuple[tuple[str, ...], Callable[[Compiler, Schema], Check]], ...] = (
    (("$ref",), Compiler._reference),
    (("pattern",), Compiler._pattern),
    (("required",), Compiler._required),
    (("dependentRequired", "dependentSchemas", "dependencies"), Compiler._dependents),
    (("properties", "patternProperties", "additionalProperties", "propertyNames"), Compiler._object),
    (("items", "prefixItems", "additionalItems", "uniqueItems"), Compiler._list),
    (("contains",), Compiler._contains),
    (("allOf",), Compiler._all_of),
    (("anyOf",), Compiler._any_of),
    (("oneOf",), Compiler._one_of),
    (("not",), Compiler._not),
    (("if",), Compiler._if),
)
