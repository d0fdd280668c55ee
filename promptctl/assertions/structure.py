"""Assertions on a reply's structure: is-json, json-schema, contains-json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from promptctl.assertions.assertion import Assertion, Subject
from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Outcome, Ungraded, Unmet, decided, shown, unmet
from promptctl.assertions.shapes import Shape
from promptctl.models.reading import describe_json_error, read_data, shallow, without_reasoning
from promptctl.schemas.json_schema import Allowance, Validator, check_schema

# A bracket with what may come next in JSON: those of prose are passed over without a try.
_OPENING = re.compile(r'\{(?=[ \t\n\r]*["}])|\[(?=[ \t\n\r]*[]\[{"0-9tfnIN-])')
# A text, its end perhaps missing, or a bracket.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]', re.DOTALL)
# How much is decoded at first; and the longest word of JSON (`-Infinity`, an escape), which the end of a piece may cut.
_FIRST_PIECE, _LONGEST_WORD = 1024, 16
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
    return _fits(schema, value, "is JSON", subject.effort)


def json_schema(subject: Subject, assertion: Assertion) -> Outcome:
    """The parsed reply, or the value at `path`, fits the schema: the value, or else the prompt's output schema."""
    schema = assertion.wanted(subject)
    if schema is None:
        if subject.output_schema is None:
            raise Ungraded("there is no schema: the assertion has no value and the prompt no output schema")
        schema = _from_text(json.dumps(subject.output_schema, sort_keys=True))
    if assertion.find is not None:
        return _fits(schema, assertion.part(subject), "fits the schema", subject.effort)
    try:
        return _fits(schema, subject.parsed, "fits the schema", subject.effort)
    except Unmet as not_json:
        return not_json.outcome


def contains_json(subject: Subject, assertion: Assertion) -> Outcome:
    """Somewhere in the text stands a JSON object or list, and one of them fits the schema if the value is one."""
    schema, text = assertion.wanted(subject), assertion.text(subject)
    nearest: Outcome | None = None
    for value in _json_in(without_reasoning(text), subject.effort):
        outcome = _fits(schema, value, "contains JSON", subject.effort)
        if outcome.passed:
            return outcome
        nearest = nearest or outcome
    return nearest or unmet("contains no JSON object or list", got=text)


def _fits(schema: Schema | None, value: Any, said: str, effort: Effort) -> Outcome:
    problems = schema.validator.problems(value, Allowance(effort.left_s)) if schema is not None else []
    effort.tick()
    if not problems:
        return decided(is_met=True, reason=said, got=value)
    more = len(problems) - _MOST_PROBLEMS_SHOWN
    reason = "; ".join(problems[:_MOST_PROBLEMS_SHOWN]) + (f" (and {more} more)" if more > 0 else "")
    return unmet(reason, expected=schema.written if schema is not None else None, got=value)


def _json_in(text: str, effort: Effort) -> Iterator[Any]:
    """Yield each outermost JSON object or list in the text, in linear time. Raises `Ungraded` if one is too deep.

    Where the decoder stops within an object or list, those within it that are still open would stop there too: none of
    them is tried. So no character is read more than a few times, be it in a text of JSON or outside.
    """
    decoder = json.JSONDecoder()
    position, hopeless = 0, set[int]()
    while found := _OPENING.search(text, position):
        effort.tick()
        opening, position = found.start(), found.end()
        if opening in hopeless:
            continue
        try:
            value, end = _decoded(decoder, text, opening)
        except (ValueError, RecursionError) as error:
            raise Ungraded(f"the reply cannot be searched for JSON: {describe_json_error(error)}") from error
        if value is None:
            hopeless |= _still_open(text, opening, end)
        else:
            position = end
            yield value


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int]:
    """Return the object or list that begins there and where it ends; None and where it stops being JSON.

    It is looked for in growing pieces: what the decoder says of an error takes time by all the text before it.
    """
    size = _FIRST_PIECE
    while True:
        piece = text[start : start + size]
        try:
            value, end = decoder.raw_decode(piece)
        except json.JSONDecodeError as error:
            is_cut = error.pos >= len(piece) - _LONGEST_WORD or error.msg.startswith("Unterminated")
            if start + size >= len(text) or not is_cut:
                return None, start + error.pos
        else:
            return shallow(value, piece[:end]), start + end
        size *= 4


def _still_open(text: str, start: int, end: int) -> set[int]:
    """Return where the objects and lists begin that are open at the end of a stretch of valid JSON."""
    opened: list[int] = []
    for token in _TOKEN.finditer(text, start, end):
        if token[0] in ("{", "["):
            opened.append(token.start())
        elif token[0] in ("}", "]") and opened:
            opened.pop()
    return set(opened)


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
