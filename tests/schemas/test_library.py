"""Schemas that the jsonschema library follows: its verdicts, the compiler's words and bounds."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators
from referencing import Registry

from promptctl.schemas.json_schema import Validator, check_schema
from tests.schemas.test_json_schema import COMBINED, PLAIN

DRAFT_3 = "http://json-schema.org/draft-03/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
CLOSED = {"unevaluatedProperties": False}
PERSON = {"$defs": {"person": {"properties": {"name": {"type": "string"}}}}, "$ref": "#/$defs/person"}
TREE = {
    "$id": "https://example.com/tree",
    "$dynamicAnchor": "node",
    "properties": {"data": True, "children": {"items": {"$dynamicRef": "#node"}}},
}
STRICT = {
    "$id": "https://example.com/strict",
    "$dynamicAnchor": "node",
    "$ref": "tree",
    "unevaluatedProperties": False,
    "$defs": {"tree": TREE},
}
RECURSIVE = {
    "$schema": DRAFT_2019,
    "$id": "https://example.com/strict",
    "$recursiveAnchor": True,
    "$ref": "tree",
    "unevaluatedProperties": False,
    "$defs": {
        "tree": {
            "$id": "tree",
            "$recursiveAnchor": True,
            "properties": {"children": {"items": {"$recursiveRef": "#"}}},
        }
    },
}
KEYWORDS = [
    "$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$ref", "$schema",
    "a", "allOf", "contains", "dependencies", "extends", "id", "items", "not", "properties", "type",
    "unevaluatedItems", "unevaluatedProperties",
]  # fmt: skip
BY_KIND = {
    "oneOf": [
        {"properties": {"kind": {"const": "a"}, "a": {}}, "required": ["kind"]},
        {"properties": {"kind": {"const": "b"}, "b": {}}, "required": ["kind"]},
    ],
    "unevaluatedProperties": False,
}


@pytest.fixture(autouse=True)
def _only_steps_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the clock would stop what is allowed."""
    monkeypatch.setattr("promptctl.schemas.compiler.MAX_TIME_S", 1000.0)


@pytest.mark.parametrize(
    ("schema", "fitting", "other", "problem"),
    [
        ({**PERSON, **CLOSED}, {"name": "A"}, {"name": "A", "age": 1}, "$.age: is an unknown key"),
        ({**PERSON, **CLOSED}, {}, {"name": 1}, "$.name: must be text, not 1"),
        ({**PERSON, "unevaluatedProperties": {"type": "null"}}, {"x": None}, {"x": 1}, "$.x: must be null, not 1"),
        (BY_KIND, {"kind": "a", "a": 1}, {"kind": "a", "b": 1}, "$.b: is an unknown key"),
        (
            {"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}, "required": ["b"]}], **CLOSED},
            {"a": 1, "b": 1},
            {"a": 1, "c": 1},
            "$.c: is an unknown key",
        ),
        (
            {"if": {"properties": {"a": {"const": 1}}, "required": ["a"]}, "then": {"properties": {"b": {}}}, **CLOSED},
            {"a": 1, "b": 1},
            {"b": 1},
            "$.b: is an unknown key",
        ),
        (
            {"patternProperties": {"^x-": True}, "dependentSchemas": {"x-a": {"properties": {"a": {}}}}, **CLOSED},
            {"x-a": 1, "a": 1},
            {"a": 1},
            "$.a: is an unknown key",
        ),
        (
            {"allOf": [{"prefixItems": [{"type": "string"}]}], "unevaluatedItems": False},
            ["a"],
            ["a", 1],
            "$[1]: is not allowed here",
        ),
        ({"contains": {"const": 1}, "unevaluatedItems": {"const": 2}}, [2, 1], [1, 3], "$[1]: must be 2, not 3"),
        (
            {"$schema": DRAFT_2019, "items": [True], "unevaluatedItems": {"type": "null"}},
            [1, None],
            [None, 1],
            "$[1]: must be null, not 1",
        ),
        (TREE, {"daat": 1, "children": [{"data": 1}]}, {"children": 1}, None),
        (STRICT, {"children": [{"data": 1}]}, {"children": [{"daat": 1}]}, "$.children[0].daat: is an unknown key"),
        (RECURSIVE, {"children": [{}]}, {"children": [{"a": 1}]}, "$.children[0].a: is an unknown key"),
        (
            {
                "$defs": {"a": {"$id": "https://example.com/a", "type": "string"}},
                "items": {"$ref": "https://example.com/a"},
            },
            ["a"],
            [1],
            "$[0]: must be text, not 1",
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"a": {"$id": "#a", "type": "string"}},
                "items": {"$ref": "#a", "minLength": 9},
            },
            ["a"],
            [1],
            "$[0]: must be text, not 1",
        ),
        ({"$dynamicRef": "#a", "$defs": {"a": {"$anchor": "a", "not": {}}}}, None, 1, "$: is forbidden by `not`"),
        ({"$dynamicRef": "#/$defs/a", "$defs": {"a": False}, **CLOSED}, None, 1, "$: is not allowed here"),
    ],
)
def test_a_schema_is_followed(schema: dict[str, Any], fitting: Any, other: Any, problem: str | None) -> None:
    assert check_schema(schema) == []
    if fitting is not None:
        assert Validator(schema).problems(fitting) == []
    if problem is not None:
        assert problem in Validator(schema).problems(other)


@pytest.mark.parametrize(
    ("schema", "fitting", "other", "problem"),
    [
        ({"type": "any"}, 1, None, None),
        ({"type": ["string", {"properties": {"a": {"type": "null"}}}]}, {"a": None}, {"a": 1}, "$: fits none of the 2"),
        ({"properties": {"a": {"required": True}, "b": {}}}, {"a": 1}, {"b": 1}, "$: has no `a`"),
        ({"divisibleBy": 3}, 9, 10, "$: must be a multiple of 3, not 10"),
        ({"extends": {"minimum": 3}}, 3, 2, "$: must be at least 3, not 2"),
        ({"extends": [{"minimum": 3}, {"maximum": 5}]}, 3, 6, "$: must be at most 5, not 6"),
        ({"disallow": ["string", {"type": "number", "minimum": 5}]}, 4, 6, "$: is forbidden by `not`"),
        ({"dependencies": {"a": "b"}}, {"a": 1, "b": 1}, {"a": 1}, "$.a: needs `b` beside it"),
        ({"minimum": 1, "exclusiveMinimum": True}, 2, 1, "$: must be more than 1, not 1"),
        ({"items": [{"type": "null"}], "additionalItems": False}, [None], [None, 1], "$[1]: is not allowed here"),
    ],
)
def test_draft_3_is_spoken(schema: dict[str, Any], fitting: Any, other: Any, problem: str | None) -> None:
    named = {"$schema": DRAFT_3, **schema}
    assert check_schema(named) == []
    assert Validator(named).problems(fitting) == []
    if problem is not None:
        assert any(problem in each for each in Validator(named).problems(other)), Validator(named).problems(other)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(schema=COMBINED, value=PLAIN)
def test_the_words_are_those_of_the_compiler(schema: dict[str, Any], value: Any) -> None:
    followed = {"$dynamicRef": "#it", "$defs": {"it": {"$dynamicAnchor": "it", **schema}}}
    assert Validator(followed).problems(value) == Validator(schema).problems(value)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(schema=COMBINED, others=st.booleans() | COMBINED, value=PLAIN)
def test_the_verdict_is_the_librarys(schema: dict[str, Any], others: Any, value: Any) -> None:
    closed = {**schema, "unevaluatedProperties": others, "unevaluatedItems": others}
    oracle = Draft202012Validator(closed, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert bool(Validator(closed).problems(value)) is (not oracle.is_valid(value))


ODD = st.recursive(
    st.sampled_from([None, True, False, 3, 1.5, "", "#", "#a", "#/$defs/a", "a", "http://[", DRAFT_3, DRAFT_2019]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(schema=st.dictionaries(st.sampled_from(KEYWORDS), ODD, max_size=5), value=PLAIN)
def test_no_schema_at_all_is_an_error(schema: dict[str, Any], value: Any) -> None:
    faults, problems = check_schema(schema), Validator(schema).problems(value)
    assert not faults or problems == [f"$: cannot be checked: {faults[0]}"]


class TestHostility:
    @pytest.mark.parametrize(
        "reference", ["http://127.0.0.1:9/s.json", "file:///etc/hosts", "other.yaml", "https://json-schema.org/schema"]
    )
    @pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
    def test_nothing_is_fetched(self, keyword: str, reference: str) -> None:
        problems = Validator({"items": {keyword: reference}, **CLOSED}).problems(1)
        text = f"`{keyword}: {reference}` is not in this schema, and nothing is ever fetched: copy it to `$defs`"
        assert problems == [f"$: cannot be checked: $.items: {text}"]

    @pytest.mark.parametrize(
        "schema",
        [
            {"patternProperties": {"^(a+)+$": {"type": "string"}}, **CLOSED},
            {"propertyNames": {"pattern": "^(a+)+$"}, "unevaluatedProperties": True},
            {"allOf": [{"patternProperties": {"^(a+)+$": True}}, {"$ref": "#/$defs/x"}], "$defs": {"x": {}}, **CLOSED},
            {"properties": {"a": {"$schema": DRAFT_3}}, "patternProperties": {"^(a+)+$": {}}, **CLOSED},
        ],
    )
    def test_no_pattern_takes_more_than_linear_time(self, schema: dict[str, Any]) -> None:
        assert Validator(schema).problems({"a" * 5000 + "b": 1})

    def test_no_schema_within_leaves_the_bounds(self) -> None:
        inner = {"$schema": DRAFT_2019, "$id": "https://example.com/in", "pattern": "^(a+)+$"}
        for schema in ({"$defs": {"in": inner}, "$ref": "in"}, {"const": inner, "$ref": "#/const"}):
            text = Validator({**schema, "$id": "https://example.com/out", **CLOSED}).problems("a" * 5000 + "b")[-1]
            assert "must match the pattern" in text

    @pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
    def test_a_schema_of_exponential_time_is_stopped(self, keyword: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("promptctl.schemas.json_schema.MAX_STEPS", 5_000)
        both = {f"n{i}": {keyword: [{"$dynamicRef": f"#/$defs/n{i + 1}"}] * 2} for i in range(20)}
        value = "x" if keyword == "anyOf" else 1
        problems = Validator({"$ref": "#/$defs/n0", "$defs": {**both, "n20": {"type": "integer"}}}).problems(value)
        assert "takes too long" in problems[0]

    def test_so_are_references_that_multiply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("promptctl.schemas.json_schema.MAX_STEPS", 5_000)
        for keywords in (("$ref", "$dynamicRef"), ("dependentSchemas",)):
            parts = {}
            for i in range(20):
                target = f"#/$defs/n{i + 1}"
                each = {"$ref": target} if len(keywords) == 1 else target
                parts[f"n{i}"] = {name: {"a": each, "b": each} if len(keywords) == 1 else each for name in keywords}
            problems = Validator({"$ref": "#/$defs/n0", "$defs": {**parts, "n20": {}}, **CLOSED}).problems(
                {"a": 1, "b": 1}
            )
            assert "takes too long" in problems[0]

    def test_a_schema_that_refers_to_itself_is_stopped(self) -> None:
        for schema in ({"$dynamicRef": "#"}, {"$ref": "#", **CLOSED}, {"$schema": DRAFT_2019, "$recursiveRef": "#"}):
            assert "refers to itself" in Validator(schema).problems(1)[0]

    def test_values_of_any_depth_and_size_are_checked(self) -> None:
        deep: Any = "x"
        for _ in range(5000):
            deep = [deep]
        assert "nested too deeply" in Validator({"items": {"$dynamicRef": "#"}}).problems(deep)[0]
        many = list(range(30_000))
        begun = time.process_time()
        assert Validator({"prefixItems": [{}] * 3, "unevaluatedItems": {"type": "integer"}}).problems(many) == []
        assert Validator({"unevaluatedProperties": {"type": "integer"}}).problems({str(i): i for i in many}) == []
        assert time.process_time() - begun < 4

    def test_a_reference_that_the_library_loses_is_reported(self) -> None:
        parts: dict[str, dict[str, Any]] = {
            "foo": {"$dynamicAnchor": "items", "$ref": "#/$defs/only"},
            "only": {"type": "string"},
            "list": {
                "$id": "list",
                "$defs": {"any": {"$dynamicAnchor": "items"}},
                "items": {"$dynamicRef": "#items"},
            },
        }
        schema = {"$id": "https://example.com/root", "$ref": "list", "$defs": parts}
        assert "`#/$defs/only` leads nowhere: write the `$id`" in Validator(schema).problems([1])[0]
        parts["foo"]["$ref"] = "https://example.com/root#/$defs/only"
        assert Validator(schema).problems([1]) == ["$[0]: must be text, not 1"]

    def test_no_key_of_a_schema_is_taken_for_one_of_ours(self) -> None:
        schema = {"": False, "type": "string", "$dynamicRef": "#/$defs/a", "$defs": {"a": {"": {}}}}
        assert Validator(schema).problems(1) == ["$: must be text, not 1"]
        assert "refers to itself" in Validator({"$ref": "", **CLOSED}).problems(1)[0]


def test_the_library_is_loaded_for_these_alone() -> None:
    code = """
import sys
from promptctl.schemas.json_schema import Validator, check_schema
for schema in ({"type": "string"}, {"$schema": "http://json-schema.org/draft-03/schema#", "divisibleBy": 2}):
    assert check_schema(schema) == [] and Validator(schema).problems(None) is not None
print("jsonschema" in sys.modules)
assert check_schema({"unevaluatedProperties": False}) == []
print("jsonschema" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("draft", ["draft-03", "draft-04", "draft-06", "draft-07", "draft/2019-09", "draft/2020-12"])
@pytest.mark.parametrize(
    ("keyword", "asked", "value"),
    [
        ("dependencies", {"a": ["b"]}, {"a": 1}),
        ("dependentRequired", {"a": ["b"]}, {"a": 1}),
        ("dependentSchemas", {"a": False}, {"a": 1}),
        ("prefixItems", [False], [1]),
        ("if", {}, 1),
        ("const", 2, 1),
        ("contains", False, [1]),
        ("propertyNames", False, {"a": 1}),
        ("allOf", [{"enum": [2]}], 1),
        ("not", {}, 1),
        ("multipleOf", 2, 1),
        ("minProperties", 2, {}),
    ],
)
def test_a_keyword_of_other_drafts_asks_nothing(draft: str, keyword: str, asked: Any, value: Any) -> None:
    schema = {"$schema": f"http://json-schema.org/{draft}/schema#", keyword: asked, "then": False}
    if "draft-0" not in draft:
        schema["$schema"] = f"https://json-schema.org/{draft}/schema"
    known = validators.validator_for(schema).VALIDATORS
    assert bool(Validator(schema).problems(value)) is (keyword in known)
