"""JSON Schema: whether a value fits, and what to say where it does not. The only owner of the jsonschema library.

Schemas and values come from strangers: no reference is fetched, patterns run in linear time, and a check that would
take long is stopped and said to be. Simple schemas never load the library.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.schemas.keywords import CHECKS, BadPattern, found
from promptctl.schemas.messages import Failure, message, path_text, rank, shown_value
from promptctl.schemas.simple import MAX_FAILURES, Check, compile_simple, listed_names
from promptctl.schemas.walk import schema_problems, types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Validator", "check_schema", "types_of"]

MAX_PROBLEMS = 20
MAX_STEPS = 1_000_000
MAX_TIME_S = 2.0

# How many failures of each alternative of an anyOf are kept to choose the most telling from.
_KEPT = 4

# Keywords that mean something else in the two oldest drafts; these are left as the library has them.
_OLD_MEANINGS = {
    "http://json-schema.org/draft-03/schema": frozenset({"type", "minimum", "maximum", "properties"}),
    "http://json-schema.org/draft-04/schema": frozenset({"type", "minimum", "maximum"}),
}


class Validator:
    """Checks values against one schema. Cheap to make, safe to share among threads.

    With `shows_values` False no message holds any part of the value.
    """

    def __init__(self, schema: Mapping[str, Any] | bool, *, shows_values: bool = True) -> None:
        self._schema = schema
        self._shows_values = shows_values
        self._simple = compile_simple(schema)
        self._full: _Full | None = None

    @property
    def is_simple(self) -> bool:
        """Whether the schema is checked without the library."""
        return self._simple is not None

    def faults(self, value: Any) -> list[tuple[str, str]]:
        """What is wrong with the value, most useful first: pairs of path below the root and message."""
        if self._simple is not None:
            failures = _simple_failures(self._simple, value)
        else:
            if self._full is None:
                self._full = _Full(self._schema)
            failures = self._full.failures(value, shows_values=self._shows_values)
        if not failures:
            return []
        failures.sort(key=rank)
        told = [(path_text(each.path), message(each, shows_values=self._shows_values)) for each in failures]
        told = list(dict.fromkeys(told))
        if len(told) > MAX_PROBLEMS:
            more = len(told) - MAX_PROBLEMS
            told[MAX_PROBLEMS:] = [("", f"has {more}{' or' if len(failures) >= MAX_FAILURES else ''} more problems")]
        return told

    def problems(self, value: Any) -> list[str]:
        """What is wrong with the value, as `$.path: message`, most useful first; empty where it fits.

        >>> Validator({"properties": {"label": {"enum": ["billing", "bug"]}}}).problems({"label": "billin"})
        ["$.label: 'billin' is not one of 'billing', 'bug'"]
        """
        return [f"${path}: {text}" for path, text in self.faults(value)]


def _simple_failures(check: Check, value: Any) -> list[Failure]:
    failures: list[Failure] = []
    try:
        check(value, (), failures)
    except BadPattern as error:
        failures.insert(0, _stopped(f"at a pattern: {error}"))
    except RecursionError:
        failures.insert(0, _stopped("the value is nested too deeply"))
    return failures


def _stopped(reason: str) -> Failure:
    return Failure((), "schema", None, None, f"the check was stopped: {reason}")


def check_schema(schema: Any) -> list[str]:
    """What is wrong with a schema itself, as `$.path: message`; empty where values can be checked against it."""
    try:
        schema = plain(schema, Measure())
    except NotPlain as error:
        return [f"$: {error}"]
    if isinstance(schema, bool):
        return []
    if not isinstance(schema, dict):
        return [f"$: a schema is a mapping, not {shown_value(schema)}"]
    problems = schema_problems(schema)
    if any(problem.endswith("levels deep") for problem in problems):
        return problems
    if compile_simple(schema) is not None:
        return problems
    return (problems + _meta_problems(schema))[:MAX_PROBLEMS]


def _meta_problems(schema: dict[str, Any]) -> list[str]:
    """What the schema's own draft says about it."""
    from jsonschema import Draft202012Validator, validators

    draft = schema.get("$schema")
    kind = (
        validators.validator_for(schema, default=Draft202012Validator)
        if isinstance(draft, str)
        else Draft202012Validator
    )
    if draft is not None and kind.META_SCHEMA.get("$schema", "").rstrip("#") != str(draft).rstrip("#"):
        return [f"$: `$schema: {str(draft)[:80]}` is no draft of JSON Schema that is known here"]
    errors = islice(kind(kind.META_SCHEMA).iter_errors(_undialected(schema)), MAX_FAILURES)
    try:
        failures = sorted((_failure(error) for error in errors), key=rank)
    except RecursionError:
        return ["$: the schema is nested too deeply"]
    return list(dict.fromkeys(f"${path_text(each.path)}: {message(each)}" for each in failures))


class _TooLong(Exception):
    """The check took more steps or time than it may."""


class _Steps:
    """The account of one check. It travels as the validator's format checker, which is handed down everywhere."""

    def __init__(self, *, shows_values: bool) -> None:
        self.shows_values = shows_values
        self.left = MAX_STEPS
        self.deadline = time.monotonic() + MAX_TIME_S

    def step(self) -> None:
        self.left -= 1
        if self.left < 0 or time.monotonic() > self.deadline:
            raise _TooLong


class _Full:
    """A schema made ready for the library."""

    def __init__(self, schema: Any) -> None:
        self._problems = check_schema(schema)
        if self._problems:
            return
        from jsonschema import Draft202012Validator, validators

        schema = plain(schema, Measure())
        self._kind = _bounded(validators.validator_for(schema, default=Draft202012Validator))
        self._schema = _undialected(schema)

    def failures(self, value: Any, *, shows_values: bool) -> list[Failure]:
        if self._problems:
            return [Failure((), "schema", None, None, self._problems[0])]
        from referencing import Registry

        validator = self._kind(self._schema, registry=Registry(), format_checker=_Steps(shows_values=shows_values))
        try:
            return [_failure(error) for error in islice(validator.iter_errors(value), MAX_FAILURES)]
        except _TooLong:
            return [_stopped("it takes too long for this schema and value")]
        except RecursionError:
            return [_stopped("schema or value are nested too deeply, or the schema refers to itself")]
        except BadPattern as error:
            return [_stopped(f"at a pattern: {error}")]


def _undialected(value: Any) -> Any:
    """A copy without `$schema` and `$id` below the root, which would hand parts to an unbounded validator."""
    if isinstance(value, dict):
        return {
            key: _undialected(item)
            for key, item in value.items()
            if not (key in ("$schema", "$id") and isinstance(item, str))
        }
    return [_undialected(item) for item in value] if isinstance(value, list) else value


def _bounded(kind: Any) -> Any:
    """The draft's validator with every keyword counted, and those replaced that take long or print values."""
    from jsonschema import validators

    own: dict[str, Any] = {
        **{name: _leaf(name) for name in CHECKS},
        "required": _required,
        "properties": _properties,
        "additionalProperties": _additional_properties,
        "patternProperties": _pattern_properties,
        "anyOf": _any_of,
        "oneOf": _one_of,
        "not": _not,
    }
    stock = _OLD_MEANINGS.get(str(kind.META_SCHEMA.get("$schema", "")).rstrip("#"), frozenset())
    keywords = {name: keyword if name in stock else own.get(name, keyword) for name, keyword in kind.VALIDATORS.items()}
    extend: Any = validators.extend
    return extend(kind, {name: _counted(keyword) for name, keyword in keywords.items()})


def _counted(keyword: Callable[..., Any]) -> Callable[..., Any]:
    def count(validator: Any, expected: Any, instance: Any, schema: Any) -> Any:
        validator.format_checker.step()
        return keyword(validator, expected, instance, schema)

    return count


def _error(detail: str = "", **known: Any) -> Any:
    from jsonschema import ValidationError

    return ValidationError(detail, **known)


def _leaf(name: str) -> Callable[..., Iterator[Any]]:
    holds = CHECKS[name]

    def check(_: Any, expected: Any, instance: Any, _schema: Any) -> Iterator[Any]:
        if not holds(expected, instance):
            yield _error()

    return check


def _required(_: Any, names: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        yield from (_error(shown_value(name)) for name in names if name not in instance)


def _properties(validator: Any, properties: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for name, subschema in properties.items():
        if name in instance and subschema is False:  # the library would not say which
            yield _error(path=(name,), validator="false", validator_value=False, instance=instance[name])
        elif name in instance:
            yield from validator.descend(instance[name], subschema, path=name, schema_path=name)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), list(schema.get("patternProperties", {}))
    extras = []
    for name in instance:
        validator.format_checker.step()
        if name not in known and not any(found(pattern, name) for pattern in patterns):
            extras.append(name)
    if isinstance(allowed, dict):
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extras:
        yield _error(listed_names(extras))


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        for name, value in instance.items():
            validator.format_checker.step()
            if found(pattern, name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _any_of(validator: Any, alternatives: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    branches = []
    for subschema in alternatives:
        errors = list(islice(validator.descend(instance, subschema), _KEPT))
        if not errors:
            return
        branches.append(errors)
    yield _error(_nearest(branches, shows_values=validator.format_checker.shows_values))


def _one_of(validator: Any, alternatives: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    branches = []
    fitting = 0
    for subschema in alternatives:
        errors = list(islice(validator.descend(instance, subschema), _KEPT))
        branches.append(errors)
        fitting += not errors
        if fitting > 1:
            yield _error(_SEVERAL)
            return
    if not fitting:
        yield _error(_nearest(branches, shows_values=validator.format_checker.shows_values))


def _not(validator: Any, forbidden: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if next(validator.descend(instance, forbidden), None) is None:
        yield _error()


def _failure(error: Any) -> Failure:
    """The library's error as a failure of ours."""
    keyword = error.validator or "false"
    detail = error.message if keyword in _DETAILED and not error.context else ""
    return Failure(tuple(error.absolute_path), keyword, error.validator_value, error.instance, detail)


# What `oneOf` says where more than one alternative fits.
_SEVERAL = "several"

_DETAILED = frozenset({"required", "additionalProperties", "dependentRequired", "dependencies", "anyOf", "oneOf"})


def _nearest(branches: list[list[Any]], *, shows_values: bool) -> str:
    """The first failure of the alternative that came nearest: not failing at the root, and failing least.

    Told at once, as text: kept errors would keep those of the alternatives within them, and so on.
    """
    if not branches:
        return ""
    errors = min(branches, key=lambda each: (any(e.validator == "type" and not e.path for e in each), len(each)))
    nearest = min(errors, key=lambda error: rank(_failure(error)))
    path = path_text(tuple(nearest.path))
    return f"{path} {message(_failure(nearest), shows_values=shows_values)}".strip()[:200]
