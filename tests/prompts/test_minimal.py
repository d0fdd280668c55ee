# ruff: noqa: E501 (a schema is easier to read on one line)
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from jsonschema import Draft202012Validator

from promptctl.schemas.json_schema import check_schema
from promptctl.schemas.minimal import minimal_instance
from tests.prompts.test_json_schema import COMBINED

CASES: list[tuple[Any, Any]] = [
    ({}, None),
    (True, None),
    ({"type": "string"}, ""),
    ({"type": "boolean"}, False),
    ({"type": "array"}, []),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, {}),
    ({"type": ["null", "string"]}, None),
    ({"type": ["string", "null"]}, ""),
    ({"enum": ["billing", "bug"]}, "billing"),
    ({"enum": ["a", "bug"], "minLength": 2}, "bug"),
    ({"const": {"a": [1]}}, {"a": [1]}),
    ({"type": "string", "minLength": 3}, "aaa"),
    ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
    ({"type": "integer", "maximum": -4}, -4),
    ({"type": "integer", "exclusiveMinimum": 0}, 1),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "integer"}}, [0, 1, 2]),
    ({"type": "array", "prefixItems": [{"const": "a"}, {"type": "null"}], "minItems": 2}, ["a", None]),
    ({"type": "array", "contains": {"const": 5}}, [5]),
    ({"type": "object", "minProperties": 2, "properties": {"a": {"const": 1}}}, {"a": 1, "key1": None}),
    ({"required": ["a"], "dependentRequired": {"a": ["b"]}, "additionalProperties": {"type": "integer"}}, {"a": 0, "b": 0}),
    ({"required": ["ab"], "patternProperties": {"^a": {"type": "string"}}}, {"ab": ""}),
    ({"anyOf": [{"type": "integer", "minimum": 7}, {"type": "null"}]}, 7),
    ({"anyOf": [False, {"const": 2}]}, 2),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 0.5),
    ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"minimum": 4}}}, {"properties": {"a": {"type": "integer"}}}]}, {"a": 4}),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "minLength": 1}}}, "a"),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "definitions": {"a": {"const": 1}}}, 1),
    ({"type": "integer", "not": {"const": 0}}, 1),
    ({"required": ["a"], "properties": {"a": {"type": "boolean", "not": {"const": False}}}}, {"a": True}),
    ({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}, "required": ["a"]}, {"a": None, "b": None}),
    ({"type": "string", "format": "date"}, "2000-01-01"),
    ({"type": "string", "pattern": r"^[A-Z]{2}-\d{4}$"}, "AA-0000"),
    ({"type": "string", "pattern": "^(?:foo|bar)_[^a]+(x|y){2}$"}, "foo_Axx"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), CASES)
def test_the_smallest_value_is_found(schema: Any, value: Any) -> None:
    assert minimal_instance(schema) == value


@pytest.mark.parametrize("name", ["date-time", "email", "uri", "uuid", "ipv6", "hostname", "time", "duration"])
def test_formats_have_a_sample(name: str) -> None:
    assert minimal_instance(
        {"type": "object", "required": ["x"], "properties": {"x": {"type": "string", "format": name}}}
    )


def test_a_schema_that_refers_to_itself_ends_as_soon_as_it_can() -> None:
    tree = {"type": "object", "required": ["kids"], "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}}
    assert minimal_instance(tree) == {"kids": []}
    chain = {
        "anyOf": [{"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#"}}}, {"type": "null"}]
    }
    assert minimal_instance(chain) == {"next": {"next": None}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (False, "no value"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "no value"),
        ({"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}}, "without end"),
        ({"type": "array", "minItems": 10**9}, "very many"),
        ({"type": "string", "minLength": 10**12}, "very many"),
        ({"type": "strin"}, "cannot be used"),
        ({"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}}, "no value"),
        ({"allOf": [{"type": "string", "pattern": "^a$"}, {"pattern": "^b$"}]}, "does not match"),
    ],
)
def test_where_there_is_none_the_reason_is_told(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        minimal_instance(schema)


def test_a_hostile_schema_takes_neither_time_nor_memory() -> None:
    both = {f"n{i}": {"allOf": [{"$ref": f"#/$defs/n{i + 1}"}] * 2} for i in range(30)}
    with pytest.raises(ValueError, match="without end"):
        minimal_instance({"$ref": "#/$defs/n0", "$defs": {**both, "n30": {}}})
    wide = {"allOf": [{"anyOf": [{"const": [i, j]} for j in range(40)]} for i in range(40)]}
    with pytest.raises(ValueError, match="no value"):
        minimal_instance(wide)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(schema=COMBINED)
def test_what_is_found_fits_the_schema(schema: dict[str, Any]) -> None:
    assume(not check_schema(schema))
    try:
        value = minimal_instance(schema)
    except ValueError:
        return
    assert Draft202012Validator(schema).is_valid(value)
