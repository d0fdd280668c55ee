"""A small value that fits a JSON Schema: the echo model's reply to a prompt with an output schema."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from promptctl.schemas.compiler import Compiler, Run, Stopped
from promptctl.schemas.formats import sample_of
from promptctl.schemas.json_schema import compiler_of
from promptctl.schemas.keywords import BadPattern, Path, item_schemas, translated, types_of
from promptctl.schemas.words import path_text, text_of

_LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_MOST_STEPS = 20_000


class CannotFill(ValueError):
    """No value was found for a schema; the message says at which part of it, and why."""


def minimal_instance(schema: Mapping[str, Any] | bool) -> Any:
    """Return a value that fits the schema, with no property that is not required.

    Each part takes its const, its first enum value, its default or first example, else the smallest value of its type;
    of alternatives the first that can be filled. Patterns and conditions are kept to, but no value is searched for:
    raises `CannotFill` if what was found does not fit.

    >>> minimal_instance({"required": ["label"], "properties": {"label": {"enum": ["billing", "bug"]}, "note": {}}})
    {'label': 'billing'}
    """
    try:
        root, compiler = compiler_of(schema)
    except Stopped as unsound:
        raise CannotFill(str(unsound)) from None
    if "draft-03" in compiler.draft:
        raise CannotFill("$: a schema of draft 3 is only checked")
    try:
        return _Filler(compiler).fill(root, ())
    except (Stopped, BadPattern, RecursionError):
        raise CannotFill("$: is nested too deeply, or asks for very many values") from None


class _Filler:
    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._run = Run(_MOST_STEPS)

    def fill(self, schema: Any, path: Path, within: tuple[str, ...] = ()) -> Any:
        """Return a value of the schema at `path`; `within` are the references that are being filled."""
        check = self._compiler.check_of(schema)
        self._run.step()
        reason = f"${path_text(path)}: allows no value"
        known = translated(schema, self._compiler.draft) if isinstance(schema, Mapping) else {}
        for value in self._candidates(known, path, within):
            failures = self._run.tries(check, value, path)
            if not failures:
                return value
            reason = f"${path_text(failures[0].path)}: {text_of(failures[0], shows_values=False)}"
        raise CannotFill(reason)

    def _candidates(self, schema: Mapping[str, Any], path: Path, within: tuple[str, ...]) -> Iterator[Any]:
        choosing = next((keyword for keyword in ("anyOf", "oneOf") if keyword in schema), "")
        if not choosing and schema.keys().isdisjoint(("$ref", "allOf")):
            yield from self._plain(schema, path, within)
            return
        own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", choosing)}
        reference = schema.get("$ref")
        if reference in within:
            raise CannotFill(f"${path_text(path)}: refers to itself without end")
        if reference is not None:
            within = (*within, reference)
            own = _joined(own, self._compiler.references.find(reference))
        for part in schema.get("allOf", ()):
            own = _joined(own, part)
        failed: CannotFill | None = None
        for choice in schema.get(choosing, [True]):
            try:
                yield self.fill(_joined(own, choice), path, within)
            except CannotFill as error:
                failed = failed or error
        if failed:
            raise failed

    def _plain(self, schema: Mapping[str, Any], path: Path, within: tuple[str, ...]) -> Iterator[Any]:
        if "const" in schema or "enum" in schema:
            yield from [schema["const"]] if "const" in schema else schema["enum"]
            return
        examples = schema.get("examples")
        yield from [schema["default"]] if "default" in schema else examples[:1] if isinstance(examples, list) else ()
        kind = next(iter(types_of(schema)), "object" if "required" in schema or "properties" in schema else "null")
        if kind == "object":
            parts, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
            names = schema.get("required", ())
            yield {name: self.fill(parts.get(name, rest), (*path, name), within) for name in names}
        elif kind == "array":
            first, rest = item_schemas(schema)
            indexes = range(int(schema.get("minItems", 0)))
            yield [self.fill(first[i] if i < len(first) else rest, (*path, i), within) for i in indexes]
        elif kind == "string":
            yield sample_of(schema.get("format", "")).ljust(int(min(schema.get("minLength", 0), 10_000)), "a")
        elif kind in ("integer", "number"):
            yield from _numbers(schema)
        else:
            yield False if kind == "boolean" else None


def _numbers(schema: Mapping[str, Any]) -> Iterator[float]:
    """Yield zero, what is next to each limit, and what is between them."""
    step = Fraction(repr(schema.get("multipleOf", 1)))
    limits = [Fraction(repr(schema[name])) for name in _LIMITS if name in schema]
    near = [count for limit in limits for count in (math.ceil(limit / step), math.floor(limit / step))]
    wholes = [count * step for count in (0, *near, *(count + 1 for count in near), *(count - 1 for count in near))]
    for value in (*wholes, sum(limits, Fraction()) / 2):
        yield int(value) if value.denominator == 1 else float(value)


def _joined(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    """Return one schema for both; of a keyword that cannot be joined, the first is kept."""
    if not isinstance(other, Mapping):
        return dict(one) if other else {**one, "not": {}}
    both = {**other, **one}
    for keyword in both.keys() & {"required", "allOf"}:
        both[keyword] = [*one.get(keyword, ()), *other.get(keyword, ())]
    if "properties" in both:
        mine, theirs = one.get("properties", {}), other.get("properties", {})
        shared = {name: {"allOf": [mine[name], theirs[name]]} for name in mine.keys() & theirs.keys()}
        both["properties"] = {**theirs, **mine, **shared}
    return both
