# ruff: noqa: E501 (a schema is easier to read on one line)
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from jsonschema import Draft202012Validator

from promptctl.schemas.json_schema import check_schema
from promptctl.schemas.minimal import CannotFill, minimal_instance
from tests.schemas.test_json_schema import COMBINED

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
    ({"type": "array", "items": {"type": "string", "minLength": 2.0}, "minItems": 1.0}, ["aa"]),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2),
    ({"type": "object", "allOf": [{"required": ["a"]}], "properties": {"a": {"const": 1}}, "unevaluatedProperties": False}, {"a": 1}),
    ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
    ({"type": "integer", "maximum": -4}, -4),
    ({"type": "integer", "exclusiveMinimum": 0}, 1),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
    ({"type": "array", "prefixItems": [{"const": "a"}, {"type": "null"}], "minItems": 2}, ["a", None]),
    ({"anyOf": [{"type": "integer", "minimum": 7}, {"type": "null"}]}, 7),
    ({"anyOf": [False, {"const": 2}]}, 2),
    ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"minimum": 4}}}, {"properties": {"a": {"type": "integer"}}}]}, {"a": 4}),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "minLength": 1}}}, "a"),
    ({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "definitions": {"a": {"const": 1}}}, 1),
    ({"type": "string", "format": "date"}, "2000-01-01"),
    ({"type": "string", "default": "kind", "examples": ["curt"]}, "kind"),
    ({"type": "integer", "default": "none", "examples": [7]}, 0),
    ({"type": "integer", "examples": [7, 8]}, 7),
    ({"type": "number", "multipleOf": 0.1, "exclusiveMinimum": 0.2}, 0.3),
    ({"anyOf": [{"type": "string", "pattern": "^a$"}, {"type": "null"}]}, None),
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
    assert minimal_instance(chain) == {"next": None}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (False, "$: is not allowed here"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "$: has 3 characters, more than 2"),
        ({"required": ["a"], "unevaluatedProperties": False}, "$.a: is an unknown key"),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "$: a schema of draft 3 is only checked"),
        (
            {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#"}}},
            "$.n.n: refers to itself without end",
        ),
        ({"type": "array", "minItems": 10**9}, "asks for very many values"),
        ({"type": "string", "minLength": 10**12}, "$: has 10,000 characters, fewer than 1000000000000"),
        ({"type": "strin"}, "$: `strin` is no type of JSON Schema; did you mean `string`?"),
        (
            {"required": ["code"], "properties": {"code": {"type": "string", "pattern": "^a$"}}},
            "$.code: must match the pattern ^a$",
        ),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 3, "uniqueItems": True}, "$[1]: repeats an item"),
        ({"type": "array", "contains": {"const": 5}}, "$: has 0 items that fit `contains`, too few or too many"),
        ({"type": "object", "minProperties": 2}, "$: has 0 properties, fewer than 2"),
        ({"required": ["a"], "dependentRequired": {"a": ["b"]}}, "$.a: needs `b` beside it"),
        ({"required": ["ab"], "patternProperties": {"^a": {"type": "string"}}}, "$.ab: must be text"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "$: fits more than one of the alternatives"),
        ({"type": "integer", "not": {"const": 0}}, "$: is forbidden by `not`"),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}, "required": ["a"]}, "$: has no `b`"),
    ],
)
def test_a_schema_that_is_not_filled_is_named_with_the_reason(schema: Any, words: str) -> None:
    with pytest.raises(CannotFill) as caught:
        minimal_instance(schema)
    assert words in str(caught.value)


def test_a_hostile_schema_takes_neither_time_nor_memory() -> None:
    both = {f"n{i}": {"allOf": [{"$ref": f"#/$defs/n{i + 1}"}] * 2} for i in range(30)}
    with pytest.raises(CannotFill, match="very many"):
        minimal_instance({"$ref": "#/$defs/n0", "$defs": {**both, "n30": {}}})
    wide = {"allOf": [{"anyOf": [{"const": [i, j]} for j in range(40)]} for i in range(40)]}
    with pytest.raises(CannotFill, match="fits none of the 40 alternatives"):
        minimal_instance(wide)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(schema=COMBINED)
def test_what_is_found_fits_the_schema(schema: dict[str, Any]) -> None:
    assume(not check_schema(schema))
    try:
        value = minimal_instance(schema)
    except CannotFill:
        return
    assert Draft202012Validator(schema).is_valid(value)
