"""Checks values against the plain kind of schema, without any library: the kind that nearly every input has.

A schema of other keywords than those below is not simple, and neither is one that says something wrong; both are for
the full validator. A test holds the two to the same verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptctl.schemas.keywords import CHECKS, TYPES, BadPattern, compiled, one_of
from promptctl.schemas.messages import Failure, shown_value

Path = tuple[str | int, ...]
Check = Callable[[Any, Path, list[Failure]], None]

MAX_FAILURES = 1000
_MAX_DEPTH = 40
_MAX_PATTERN = 100

_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema"}
)
_DRAFTS = frozenset(
    {
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
    }
)
_STRUCTURE = frozenset({"properties", "required", "additionalProperties", "items"})
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def compile_simple(schema: Any, depth: int = 0) -> Check | None:
    """The check of a simple schema, which appends to a list of failures; None where the schema is not simple."""
    if schema is True:
        return _nothing
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    leaves: list[tuple[str, Any, Callable[[Any, Any], bool]]] = []
    for keyword, expected in schema.items():
        if keyword in _ANNOTATIONS:
            if keyword == "$schema" and expected not in _DRAFTS:
                return None
        elif keyword in CHECKS:
            if not _is_sound(keyword, expected):
                return None
            leaves.append((keyword, expected, one_of(expected) if keyword == "enum" else CHECKS[keyword]))
        elif keyword not in _STRUCTURE:
            return None
    parts = _compile_structure(schema, depth)
    if parts is None:
        return None
    return _check_of(leaves, parts)


def _nothing(_: Any, _path: Path, _failures: list[Failure]) -> None:
    pass


def _check_of(leaves: list[tuple[str, Any, Callable[[Any, Any], bool]]], parts: list[Check]) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        for keyword, expected, holds in leaves:
            if not holds(expected, value):
                failures.append(Failure(path, keyword, expected, value))
        for part in parts:
            part(value, path, failures)

    return check


def _is_sound(keyword: str, expected: Any) -> bool:
    """Whether the keyword's own value is as it has to be."""
    if keyword == "type":
        names = expected if isinstance(expected, list) else [expected]
        return bool(names) and all(isinstance(name, str) and name in TYPES for name in names)
    if keyword == "enum":
        return isinstance(expected, list) and bool(expected)
    if keyword in _COUNTS:
        return TYPES["integer"](expected) and expected >= 0
    if keyword in _BOUNDS:
        return TYPES["number"](expected)
    if keyword == "multipleOf":
        return TYPES["number"](expected) and expected > 0
    if keyword == "uniqueItems":
        return isinstance(expected, bool)
    if keyword == "pattern":
        return isinstance(expected, str) and _is_pattern(expected)
    return keyword != "format" or isinstance(expected, str)


def _is_pattern(pattern: str) -> bool:
    """Whether the pattern can be searched for without a clock at hand: it is small."""
    try:
        return int(compiled(pattern).programsize) <= _MAX_PATTERN
    except BadPattern:
        return False


def _compile_structure(schema: Mapping[str, Any], depth: int) -> list[Check] | None:
    parts: list[Check] = []
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        return None
    checks: dict[str, Check] = {}
    for name, subschema in properties.items():
        check = compile_simple(subschema, depth + 1)
        if check is None:
            return None
        checks[name] = check
    if checks:
        parts.append(_properties(checks))
    if "required" in schema:
        required = schema["required"]
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            return None
        parts.append(_required(required, schema))
    others = schema.get("additionalProperties", True)
    if others is False:
        parts.append(_no_others(frozenset(checks), schema))
    elif others is not True:
        check = compile_simple(others, depth + 1)
        if check is None:
            return None
        parts.append(_others(frozenset(checks), check))
    if schema.get("items", True) is not True:
        check = compile_simple(schema["items"], depth + 1)
        if check is None:
            return None
        parts.append(_items(check))
    return parts


def _properties(checks: dict[str, Check]) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        if isinstance(value, dict):
            for name, inner in checks.items():
                if name in value:
                    inner(value[name], (*path, name), failures)

    return check


def _required(names: list[str], schema: Mapping[str, Any]) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        if isinstance(value, dict):
            failures.extend(
                Failure(path, "required", schema["required"], value, shown_value(name))
                for name in names
                if name not in value
            )

    return check


def _no_others(names: frozenset[str], schema: Mapping[str, Any]) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        if isinstance(value, dict) and not names.issuperset(value):
            detail = listed_names([name for name in value if name not in names])
            failures.append(Failure(path, "additionalProperties", schema["additionalProperties"], value, detail))

    return check


def _others(names: frozenset[str], inner: Check) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if name not in names and len(failures) < MAX_FAILURES:
                    inner(item, (*path, name), failures)

    return check


def _items(inner: Check) -> Check:
    def check(value: Any, path: Path, failures: list[Failure]) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                if len(failures) >= MAX_FAILURES:
                    return
                inner(item, (*path, index), failures)

    return check


def listed_names(names: list[str]) -> str:
    """Names of properties as a message shows them, few of many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(shown_value(name) for name in names[:10]) + more
