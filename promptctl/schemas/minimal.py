"""A smallest value that fits a JSON Schema: what the echo model answers where a prompt has an output schema."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import count, islice
from math import ceil, floor
from typing import Any

from promptctl.schemas.json_schema import Validator, check_schema
from promptctl.schemas.keywords import CHECKS, BadPattern, found
from promptctl.schemas.merging import merged
from promptctl.schemas.samples import FORMAT_SAMPLES, NoSample, pattern_sample
from promptctl.schemas.walk import resolve

_MAX_TRIES = 60
_MAX_TIME_S = 2.0
_MAX_STEPS = 5000
_DEPTHS = (2, 5, 24)
_MAX_REFERENCES = 40
# How many values of one alternative, or of one property, are tried.
_MAX_CHOICES = 6
_MAX_ITEMS = 10_000


class _Endless(Exception):
    """The schema asks for values within values without end, or for too much."""


def minimal_instance(schema: Mapping[str, Any] | bool) -> Any:
    """A value that fits the schema, with nothing in it that need not be; the first choice of each enum and union.

    It has been checked. Raises `ValueError` with the reason where none was found.

    >>> minimal_instance({"required": ["label"], "properties": {"label": {"enum": ["billing", "bug"]}, "note": {}}})
    {'label': 'billing'}
    """
    problems = check_schema(schema)
    if problems:
        raise ValueError(f"the schema cannot be used: {problems[0]}")
    validator = Validator(schema)
    reason = "the schema allows no value"
    deadline = time.monotonic() + _MAX_TIME_S
    for depth in _DEPTHS:  # a shallow value, where a schema that refers to itself allows one
        try:
            for value in islice(_Maker(schema, depth).values(schema), _MAX_TRIES):
                problems = validator.problems(value)
                if not problems:
                    return value
                reason = problems[0]
                if time.monotonic() > deadline:
                    raise ValueError(f"no value was found in {_MAX_TIME_S:g} s that fits the schema: {reason}")
        except _Endless:
            reason = "it asks for values within values without end, or for very many"
        except NoSample as error:
            reason = str(error)
    raise ValueError(f"no value was found that fits the schema: {reason}")


class _Maker:
    def __init__(self, root: Any, max_depth: int) -> None:
        self._root = root
        self._max_depth = max_depth
        self._steps = 0

    def values(self, schema: Any, depth: int = 0, most: int = _MAX_CHOICES) -> Iterator[Any]:
        """Values that should fit, the smallest first, at most so many of each alternative; or none."""
        self._step()
        if depth > self._max_depth:
            raise _Endless
        if schema is False:
            return
        if schema is True:
            schema = {}
        failure: Exception | None = None
        is_empty = True
        for flat in self._flattened(schema, 0):
            try:
                for value in islice(self._plain_values(flat, depth), most):
                    is_empty = False
                    yield value
            except (_Endless, NoSample) as error:  # another alternative may do
                failure = failure or error
        if is_empty and failure is not None:
            raise failure

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise _Endless

    def _flattened(self, schema: Mapping[str, Any], followed: int) -> Iterator[dict[str, Any]]:
        """The schema with its references and `allOf` merged in, once for each choice among its alternatives."""
        self._step()
        if followed > _MAX_REFERENCES:
            raise _Endless
        flat = dict(schema)
        if "$ref" in flat:
            target = resolve(self._root, flat.pop("$ref"))
            yield from self._with(flat, [target], followed)
        elif "allOf" in flat:
            yield from self._with(flat, flat.pop("allOf"), followed)
        elif "anyOf" in flat or "oneOf" in flat:
            for alternative in flat.pop("anyOf" if "anyOf" in flat else "oneOf"):
                yield from self._with(flat, [alternative], followed)
        elif "if" in flat:
            condition, then, other = flat.pop("if"), flat.pop("then", True), flat.pop("else", True)
            yield from self._with(flat, [other], followed)
            yield from self._with(flat, [condition, then], followed)
        else:
            yield flat

    def _with(self, schema: Mapping[str, Any], others: list[Any], followed: int) -> Iterator[dict[str, Any]]:
        result = dict(schema)
        for other in others:
            self._step()
            if other is False:
                return
            if isinstance(other, Mapping):
                result = merged(result, other)
        yield from self._flattened(result, followed + 1)

    def _plain_values(self, schema: dict[str, Any], depth: int) -> Iterator[Any]:
        if "const" in schema or "enum" in schema:
            fixed = [schema["const"]] if "const" in schema else schema["enum"]
            yield from (value for value in fixed if _fits(schema, value))
            return
        for name in _types(schema):
            if name == "object":
                yield from self._objects(schema, depth)
            elif name == "array":
                yield from self._arrays(schema, depth)
            elif name == "string":
                yield from _strings(schema)
            elif name in ("integer", "number"):
                yield from _numbers(schema, is_whole=name == "integer")
            else:
                yield from [None] if name == "null" else [False, True]

    def _objects(self, schema: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
        names = list(schema.get("required", ()))
        for name in names:  # grows while it is walked
            names.extend(each for each in schema.get("dependentRequired", {}).get(name, ()) if each not in names)
        optional = [name for name in schema.get("properties", {}) if name not in names]
        missing = schema.get("minProperties", 0) - len(names)
        spare = (f"key{number}" for number in count(1))
        while missing > 0:
            name = optional.pop(0) if optional else next(spare)
            if len(names) > _MAX_ITEMS:
                raise _Endless
            names.append(name)
            missing -= 1
        choices: dict[str, list[Any]] = {}
        for name in names:
            choices[name] = list(islice(self.values(self._schema_of(schema, name), depth + 1), _MAX_CHOICES))
            if not choices[name]:
                return
        first = {name: values[0] for name, values in choices.items()}
        yield first
        for name, values in choices.items():
            yield from ({**first, name: value} for value in values[1:])

    def _schema_of(self, schema: Mapping[str, Any], name: str) -> Any:
        applying = [schema["properties"][name]] if name in schema.get("properties", {}) else []
        for pattern, each in schema.get("patternProperties", {}).items():
            try:
                if found(pattern, name):
                    applying.append(each)
            except BadPattern:
                continue
        if not applying:
            return schema.get("additionalProperties", True)
        return applying[0] if len(applying) == 1 else {"allOf": applying}

    def _arrays(self, schema: dict[str, Any], depth: int) -> Iterator[list[Any]]:
        least = schema.get("minItems", 0)
        contained = schema.get("minContains", 1) if "contains" in schema else 0
        if max(least, contained) > _MAX_ITEMS:
            raise _Endless
        items = schema.get("items", True)
        prefix = list(schema.get("prefixItems", ()))
        if isinstance(items, list):  # before draft 2020-12
            prefix, items = items, schema.get("additionalItems", True)
        made: list[Any] = []
        for index in range(max(least, contained)):
            wanted = prefix[index] if index < len(prefix) else items
            if index < contained:
                wanted = {"allOf": [wanted, schema["contains"]]}
            choices = self.values(wanted, depth + 1, _MAX_ITEMS)
            if schema.get("uniqueItems"):
                choices = (value for value in choices if not any(CHECKS["const"](value, other) for other in made))
            value = next(choices, _NONE)
            if value is _NONE:
                return
            made.append(value)
        yield made


_NONE = object()

# Keywords that tell the type of a value where `type` does not.
_TELLING = {
    "object": ("required", "properties", "minProperties", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "string": ("minLength", "pattern", "format", "maxLength"),
    "number": ("minimum", "exclusiveMinimum", "multipleOf", "maximum", "exclusiveMaximum"),
}


def _types(schema: Mapping[str, Any]) -> list[str]:
    named = schema.get("type")
    if named is not None:
        return list(named) if isinstance(named, list) else [named]
    told = [name for name, keywords in _TELLING.items() if any(keyword in schema for keyword in keywords)]
    rest = ("null", "string", "integer", "boolean", "object", "array")
    return [*told, *(name for name in rest if name not in told)]


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    try:
        return all(CHECKS[keyword](expected, value) for keyword, expected in schema.items() if keyword in CHECKS)
    except BadPattern:
        return False


def _strings(schema: Mapping[str, Any]) -> Iterator[str]:
    least = schema.get("minLength", 0)
    if least > _MAX_ITEMS * 10:
        raise _Endless
    starts = [FORMAT_SAMPLES.get(schema.get("format", ""), "")]
    if "pattern" in schema:
        sample = pattern_sample(schema["pattern"])
        starts = [sample, *(sample + letter * max(least - len(sample), 0) for letter in "a0 ")]
    for start in starts:
        if _fits(schema, start):
            yield start
    for number in range(_MAX_ITEMS):
        text = starts[0] + _counted(number, max(least - len(starts[0]), 0))
        if len(text) > schema.get("maxLength", len(text)):
            return
        if _fits(schema, text):
            yield text
        elif number > _MAX_TRIES:
            return


def _counted(number: int, width: int) -> str:
    """A text of at least so many letters, another one for each number."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = "abcdefghijklmnopqrstuvwxyz"[letter] + letters
    return letters.rjust(width, "a")


def _numbers(schema: Mapping[str, Any], *, is_whole: bool) -> Iterator[int | float]:
    step = Fraction(repr(schema.get("multipleOf", 1)))
    if is_whole and step.denominator != 1:
        step = Fraction(step.numerator)
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    lows = [value for value in (low, above) if value is not None]
    highs = [value for value in (high, below) if value is not None]
    if lows and max(lows) >= 0:
        start, direction = ceil(Fraction(repr(max(lows))) / step), 1
    elif highs and min(highs) <= 0:
        start, direction = floor(Fraction(repr(min(highs))) / step), -1
    else:
        start, direction = 0, 1
    half = Fraction(0) if is_whole or "multipleOf" in schema else Fraction(1, 2)
    for offset in range(_MAX_ITEMS):
        for value in {_number((start + direction * offset) * step + part): None for part in (Fraction(0), half)}:
            if _fits(schema, value):
                yield value
            elif offset > 1:
                return
    if not is_whole and lows and highs:  # between two whole numbers
        value = _number((Fraction(repr(max(lows))) + Fraction(repr(min(highs)))) / 2)
        if _fits(schema, value):
            yield value


def _number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
