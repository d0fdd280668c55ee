"""Assertions on a reply's structure: is-json, json-schema, contains-json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from promptctl.assertions.assertion import Assertion
from promptctl.assertions.outcome import Outcome, Ungraded, Unmet, decided, shown, unmet
from promptctl.assertions.shapes import Shape
from promptctl.assertions.subject import Subject
from promptctl.models.reading import describe_json_error, read_data, without_reasoning
from promptctl.schemas.json_schema import Validator, check_schema

_OPENING = re.compile(r"[{\[]")
# How many characters are read in vain before the search is given up: a reply of many openings and no end to any would
# be read once for each. One that is nested too deeply does not say how far it was read.
_MOST_READ_IN_VAIN = 10_000_000
_READ_IN_VAIN_AT_LEAST = 100
_READ_TOO_DEEP = 10_000
_MOST_PROBLEMS_SHOWN = 3


def is_json(subject: Subject, assertion: Assertion) -> Outcome:
    """The reply, or the text at `path`, is JSON, and fits the schema if the value is one."""
    schema, part = assertion.wanted(subject), assertion.part(subject)
    try:
        value = part if not isinstance(part, str) else subject.parsed if assertion.find is None else read_data(part)
    except (ValueError, RecursionError) as error:
        return unmet(f"is not JSON: {describe_json_error(error)}", got=part)
    except Unmet as not_json:
        return not_json.outcome
    return _fits(schema, value, "is JSON")


def json_schema(subject: Subject, assertion: Assertion) -> Outcome:
    """The parsed reply, or the value at `path`, fits the schema: the value, or else the prompt's output schema."""
    schema = assertion.wanted(subject)
    if schema is None:
        if subject.output_schema is None:
            raise Ungraded("there is no schema: the assertion has no value and the prompt no output schema")
        schema = _from_text(json.dumps(subject.output_schema, sort_keys=True))
    if assertion.find is not None:
        return _fits(schema, assertion.part(subject), "fits the schema")
    try:
        return _fits(schema, subject.parsed, "fits the schema")
    except Unmet as not_json:
        return not_json.outcome


def contains_json(subject: Subject, assertion: Assertion) -> Outcome:
    """Somewhere in the text stands a JSON object or list, and one of them fits the schema if the value is one."""
    schema, text = assertion.wanted(subject), assertion.text(subject)
    nearest: Outcome | None = None
    for value in _json_in(without_reasoning(text)):
        outcome = _fits(schema, value, "contains JSON")
        if outcome.passed:
            return outcome
        nearest = nearest or outcome
    return nearest or unmet("contains no JSON object or list", got=text)


def _fits(schema: Schema | None, value: Any, said: str) -> Outcome:
    problems = schema.validator.problems(value) if schema is not None else []
    if not problems:
        return decided(is_met=True, reason=said, got=value)
    more = len(problems) - _MOST_PROBLEMS_SHOWN
    reason = "; ".join(problems[:_MOST_PROBLEMS_SHOWN]) + (f" (and {more} more)" if more > 0 else "")
    return unmet(reason, expected=schema.written if schema is not None else None, got=value)


def _json_in(text: str) -> Iterator[Any]:
    """Each outermost JSON object or list that stands in the text. Raises `Ungraded` if the search takes too long."""
    decoder = json.JSONDecoder()
    position = read_in_vain = 0
    while read_in_vain < _MOST_READ_IN_VAIN:
        found = _OPENING.search(text, position)
        if found is None:
            return
        opening, position = found.start(), found.end()
        try:
            value, position = decoder.raw_decode(text, opening)
        except json.JSONDecodeError as error:
            read_in_vain += max(error.pos - opening, _READ_IN_VAIN_AT_LEAST)
        except (ValueError, RecursionError):
            read_in_vain += _READ_TOO_DEEP
        else:
            yield value
    raise Ungraded("the reply has too many brackets and braces that begin no JSON to be searched for some")


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema as it is written, and ready to check values with."""

    written: Any
    validator: Validator


@lru_cache(maxsize=64)
def _from_text(schema: str) -> Schema:
    written = json.loads(schema)
    return Schema(written, Validator(written))


def read_schema(value: Any) -> Schema:
    """A JSON Schema that values can be checked against."""
    if not isinstance(value, (Mapping, bool)):
        raise ValueError(f"must be a JSON Schema or {{$ref: file}}, not {shown(value)}")
    problems = check_schema(value)
    if problems:
        raise ValueError(f"is no JSON Schema: {problems[0]}")
    return Schema(value, Validator(value))


# Braces in a schema are its own: a template in one would make it another for each case.
SCHEMA = Shape(read_schema, is_required=False, is_templated=False)
