# ruff: noqa: E501 (a schema stands on one line with its types)
from __future__ import annotations

from functools import cache
from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from promptctl.code_export.python import PythonTypes
from promptctl.code_export.shapes import Choice, Keys, ListOf, NamedShape, OneOf, Plain, Shape, Shapes
from promptctl.code_export.typescript import TypeScriptTypes
from promptctl.schemas.json_schema import Validator

NODE = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}}
TYPED: list[tuple[Any, str, str]] = [
    ({}, "unknown", "Any"),
    ({"type": "string", "pattern": "^a"}, "string", "str"),
    ({"type": "integer"}, "number", "int"),
    ({"type": "number"}, "number", "float"),
    ({"type": ["boolean", "null"]}, "boolean | null", "bool | None"),
    ({"enum": ["a", 1, None, True]}, '"a" | 1 | null | true', 'Literal["a", 1, None, True]'),
    ({"enum": ["a", 1, 2.0], "type": "integer"}, "1 | 2", "Literal[1, 2]"),
    ({"enum": [0.5, [1], {"a": 1}]}, "number | unknown[] | {\n  [key: string]: unknown;\n}", "float | list[Any] | dict[str, Any]"),
    ({"const": 'a"\n'}, '"a\\"\\n"', 'Literal["a\\"\\n"]'),
    ({"type": "array"}, "unknown[]", "list[Any]"),
    ({"type": "array", "items": {"type": ["string", "null"]}}, "(string | null)[]", "list[str | None]"),
    ({"type": "array", "prefixItems": [{"type": "string"}], "items": False}, "string[]", "list[str]"),
    ({"type": "array", "prefixItems": [{"type": "string"}]}, "unknown[]", "list[Any]"),
    ({"type": "object", "additionalProperties": {"type": "number"}}, "{\n  [key: string]: number;\n}", "dict[str, float]"),
    ({"type": "object", "additionalProperties": False}, "Record<string, never>", "dict[str, Never]"),
    ({"type": "object", "patternProperties": {"^x": {"type": "string"}}}, "{\n  [key: string]: unknown;\n}", "dict[str, Any]"),
    ({"anyOf": [{"const": "a"}, {"const": "b"}, {"type": "null"}]}, 'null | "a" | "b"', 'None | Literal["a", "b"]'),
    ({"allOf": [{"type": "string"}, {"enum": ["a", "b"]}]}, '"a" | "b"', 'Literal["a", "b"]'),
    ({"type": "string", "oneOf": [{"minLength": 1}, {"maxLength": 0}]}, "string", "str"),
    (NODE, "Node", "Node"),
    ({"$ref": "#/$defs/none", "$defs": {}}, "unknown", "Any"),
    ({"not": {"type": "string"}}, "unknown", "Any"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "typescript", "python"), TYPED)
def test_a_schema_is_a_type_of_each_language(schema: Any, typescript: str, python: str) -> None:
    shapes = Shapes()
    shape = shapes.of(schema)
    assert TypeScriptTypes(shapes).text(shape) == typescript
    assert PythonTypes(shapes).text(shape, "Output") == python


def test_keys_of_all_parts_are_those_of_the_whole() -> None:
    first = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    second = {"type": "object", "required": ["b"], "properties": {"a": {"enum": ["x"]}, "b": {}, "c": {"type": "null"}}}
    shapes = Shapes()
    text = TypeScriptTypes(shapes).text(shapes.of({"allOf": [first, second]}))
    assert text == '{\n  a: "x";\n  b: unknown;\n  c?: null;\n}'


def test_further_keys_have_a_type_that_takes_the_known_ones_too() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "number"}}
    text = TypeScriptTypes(shapes := Shapes()).text(shapes.of(schema))
    assert text == "{\n  a?: string;\n  [key: string]: number | string | undefined;\n}"


NAMES = ("a", "b", "x1")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from((0.5, 1.0, "a", "b", "")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=5,
)
_types = st.sampled_from(("string", "integer", "number", "boolean", "null"))
schemas: st.SearchStrategy[Any] = st.recursive(
    st.builds(lambda name: {"type": name}, _types)
    | st.builds(lambda names: {"type": names}, st.lists(_types, min_size=1, max_size=2, unique=True))
    | st.builds(lambda enum: {"enum": enum}, st.lists(values, min_size=1, max_size=3))
    | st.just({"$ref": "#"})
    | st.booleans(),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
                "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
                "additionalProperties": inner,
                "patternProperties": st.builds(lambda each: {"^x": each}, inner),
            },
        )
        | st.fixed_dictionaries(
            {"type": st.just("array")},
            optional={"items": inner, "prefixItems": st.lists(inner, min_size=1, max_size=2)},
        )
        | st.builds(lambda word, each: {word: each}, st.sampled_from(("allOf", "anyOf", "oneOf")), st.lists(inner, min_size=1, max_size=2))
        | st.builds(lambda left, right: {**left, "anyOf": [right]} if isinstance(left, dict) else left, inner, inner)
    ),
    max_leaves=5,
)  # fmt: skip


@cache
def _of_type(name: str) -> Validator:
    return Validator({"type": name})


def takes(shapes: Shapes, shape: Shape, value: Any) -> bool:
    """Whether a value is of a shape."""
    match shape:
        case Plain("any"):
            return True
        case Plain("never"):
            return False
        case Plain(name):
            return _of_type(name).problems(value) == []
        case Choice(chosen):
            return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in chosen)
        case ListOf(item):
            return isinstance(value, list) and all(takes(shapes, item, each) for each in value)
        case OneOf(options):
            return any(takes(shapes, each, value) for each in options)
        case NamedShape(name):
            return takes(shapes, shapes.named[name], value)
        case Keys(fields, rest):
            if not isinstance(value, dict):
                return False
            known = {each.name: each for each in fields}
            return all(each.name in value or not each.is_required for each in fields) and all(
                takes(shapes, known[key].shape if key in known else rest or Plain("any"), each)
                for key, each in value.items()
            )


@settings(max_examples=70, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    schemas.filter(lambda schema: isinstance(schema, dict) and schema != {"$ref": "#"}),
    st.lists(values, min_size=6, max_size=12),
)
def test_a_type_takes_whatever_its_schema_takes(schema: Any, given: list[Any]) -> None:
    shapes = Shapes()
    shape = shapes.of(schema)
    try:
        validator = Validator(schema)
        fitting = [value for value in given if not validator.problems(value)]
    except RecursionError:
        fitting = []
    assume(fitting)
    assert [value for value in fitting if not takes(shapes, shape, value)] == []


def _written(schema: Any) -> str:
    shapes = Shapes()
    shape = shapes.of(schema)
    types = [
        TypeScriptTypes(shapes).text(shape),
        *(TypeScriptTypes(shapes).text(each) for each in shapes.named.values()),
    ]
    python = PythonTypes(shapes)
    return "\n".join([*types, python.text(shape, "Output"), *python.definitions])


def _chains(count: int) -> Any:
    """Two long chains of types, each named from its end, and both of their beginnings."""
    types = {
        f"{kind}{at}": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{kind}{at + 1}"}}}
        for kind in "ab"
        for at in range(count)
    }
    ends = {f"{kind}{count}": {"type": "string"} for kind in "ab"}
    named = {name: {"$ref": f"#/$defs/{name}"} for name in [*reversed(types)]}
    both = {"allOf": [{"$ref": "#/$defs/a0"}, {"$ref": "#/$defs/b0"}]}
    return {"type": "object", "properties": {**named, "both": both}, "$defs": {**types, **ends}}


def _in_a_circle(count: int) -> Any:
    names = range(count)
    other = {each: [{"$ref": f"#/$defs/d{one}"} for one in names if one != each] for each in names}
    return {"$ref": "#/$defs/d0", "$defs": {f"d{each}": {"anyOf": [*other[each], {"const": each}]} for each in names}}


def _two(kind: str, count: int) -> Any:
    """Types that lead to the next one by two keys each, so that there are many ways to the last."""
    below = {
        f"{kind}{at}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/{kind}{at + 1}"} for key in "pq"}}
        for at in range(count)
    }
    return {**below, f"{kind}{count}": {"type": "object", "properties": {kind: {"type": "string"}}}}


HOSTILE: dict[str, Any] = {
    "each names all others": _in_a_circle(60),
    "all of many alternatives": {"allOf": [{"anyOf": [{"type": "object", "properties": {f"{key}{at}": {}}} for key in "ab"]} for at in range(60)]},
    "too many alternatives": {"anyOf": [{"type": "object", "properties": {"a": {"const": at}, f"b{at}": {}}} for at in range(3_000)]},
    "one name often": {"type": "object", "properties": {chr(0x4E00 + at): {"type": "object", "properties": {"a": {}}} for at in range(5_000)}},
    "both of what holds itself": {
        "properties": {"a": {"$ref": "#/$defs/a0"}, "b": {"$ref": "#/$defs/b0"}, "c": {"allOf": [{"$ref": "#/$defs/a0"}, {"$ref": "#/$defs/b0"}]}},
        "$defs": {f"{name}0": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{name}0"}}} for name in "ab"},
    },
    "both by many ways": {
        "properties": {"a": {"$ref": "#/$defs/a0"}, "b": {"$ref": "#/$defs/b0"}, "c": {"allOf": [{"$ref": "#/$defs/a0"}, {"$ref": "#/$defs/b0"}]}},
        "$defs": {**_two("a", 30), **_two("b", 30)},
    },
    "both of two long chains": _chains(170),
}  # fmt: skip


@pytest.mark.untraced
@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_schema_costs_little(schema: Any) -> None:
    began = process_time()
    text = _written(schema)
    assert process_time() - began < 4
    assert len(text) < 8 << 20


@pytest.mark.untraced
def test_each_of_many_inputs_costs_the_same() -> None:
    kinds = [{"type": "object", "properties": {f"k{at}": {}}} for at in range(4_000)]
    schemas = [{"$ref": "#/$defs/a", "$defs": {"a": kind}} for kind in kinds]
    shapes, began = Shapes(), process_time()
    for schema in schemas:
        shapes.of(schema)
    assert len(shapes.named) == 4_000
    assert process_time() - began < 3


def test_types_that_name_one_another_are_all_that_any_of_them_takes() -> None:
    shapes = Shapes()
    shape = shapes.of(_in_a_circle(3))
    assert takes(shapes, shape, 2)
    assert not takes(shapes, shape, 3)
    assert all(
        not isinstance(each, OneOf) or NamedShape(name) not in each.options for name, each in shapes.named.items()
    )


def test_a_schema_that_takes_the_place_of_another_in_memory_has_shapes_of_its_own() -> None:
    shapes = Shapes()
    for number in range(50):
        shape = shapes.of({"$ref": "#/$defs/part", "$defs": {"part": {"const": number}}})
        assert isinstance(shape, NamedShape)
        assert shapes.named[shape.name] == Choice((number,))
