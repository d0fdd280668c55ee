from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from promptctl.schemas.changes import compare_schemas
from promptctl.schemas.effects import SchemaChange

OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["billing", "other"]}, "reply": {"type": "string", "maxLength": 100}},
    "required": ["label"],
    "additionalProperties": False,
}


def only(old: Any, new: Any) -> SchemaChange:
    changes = compare_schemas(old, new)
    assert len(changes) == 1, changes
    return changes[0]


def effects(old: Any, new: Any) -> list[tuple[str, str]]:
    return [(change.path, change.effect) for change in compare_schemas(old, new)]


def with_property(name: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {**OBJECT, "properties": {**OBJECT["properties"], name: schema}, **more}


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"type": "string"}, {}),
        ({"type": "string"}, True),
        ({"type": "integer"}, {"type": "number"}),
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": "string", "enum": ["a"]}, {"type": "string"}),
        ({"enum": ["a"]}, {"type": "string"}),
        ({"const": "a"}, {"enum": ["a", "b"]}),
        ({"type": "string", "minLength": 2}, {"type": "string"}),
        ({"type": "string", "maxLength": 10}, {"type": "string", "maxLength": 20}),
        ({"type": "string", "pattern": "^a"}, {"type": "string"}),
        ({"type": "string", "format": "date"}, {"type": "string"}),
        ({"type": "integer", "minimum": 3}, {"type": "integer", "minimum": 2}),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}),
        ({"type": "number", "maximum": 1}, {"type": "number"}),
        ({"type": "integer", "multipleOf": 6}, {"type": "integer", "multipleOf": 3}),
        ({"type": "array", "maxItems": 3}, {"type": "array"}),
        ({"type": "array", "uniqueItems": True}, {"type": "array"}),
        ({"type": "array", "items": {"type": "string"}}, {"type": "array"}),
        ({"type": "object", "required": ["a"]}, {"type": "object"}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, {"type": "object"}),
        ({"allOf": [{"type": "string"}, {"minLength": 3}]}, {"allOf": [{"type": "string"}]}),
        ({"oneOf": [{"type": "string"}]}, {"oneOf": [{"type": "string"}, {"type": "null"}]}),
        ({"type": "string", "not": {"const": "x"}}, {"type": "string"}),
        (False, {"type": "string"}),
    ],
)
def test_a_narrower_schema_is_told_from_a_wider_one(narrow: Any, wide: Any) -> None:
    widening, narrowing = only(narrow, wide), only(wide, narrow)
    assert (widening.effect, widening.breaks_writers, widening.breaks_readers) == ("widened", False, True)
    assert (narrowing.effect, narrowing.breaks_writers, narrowing.breaks_readers) == ("narrowed", True, False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string"}, {"type": "integer"}),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}),
        ({"type": "string", "not": {"const": "x"}}, {"type": "string", "not": {"const": "y"}}),
        ({"enum": ["a", 1]}, {"type": "string"}),
        ({"oneOf": [{"minLength": 1}, False]}, {"oneOf": [{"minLength": 1}, True]}),
        ({"type": "integer", "multipleOf": 4}, {"type": "integer", "multipleOf": 6}),
        ({"if": {"type": "string"}, "then": {"minLength": 1}}, {"if": {"type": "string"}, "then": {"minLength": 2}}),
        ({"$ref": "https://example.com/a"}, {"$ref": "https://example.com/b"}),
    ],
)
def test_what_cannot_be_decided_breaks_both_sides(old: Any, new: Any) -> None:
    changes = compare_schemas(old, new)
    assert any(change.breaks_writers for change in changes)
    assert any(change.breaks_readers for change in changes)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"minimum": 1.0}, {"minimum": 1}),
        ({"enum": ["a", "b"]}, {"enum": ["b", "a"], "type": "string"}),
        ({"const": "a"}, {"enum": ["a"]}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
        ({"type": "string"}, {"type": "string", "minLength": 0, "minItems": 4}),
        ({"type": "object"}, {"type": "object", "additionalProperties": True, "properties": {}}),
    ],
)
def test_another_way_of_saying_the_same_changes_nothing(old: Any, new: Any) -> None:
    assert [change.effect for change in compare_schemas(old, new)] in ([], ["none"])


def test_equal_schemas_have_no_changes() -> None:
    assert compare_schemas(OBJECT, dict(reversed(OBJECT.items()))) == ()


def test_each_enum_value_is_named() -> None:
    changes = compare_schemas(OBJECT, with_property("label", {"enum": ["billing", "sales"]}))
    assert [(change.path, change.text, change.effect) for change in changes] == [
        ("$.label", 'value "other" removed', "narrowed"),
        ("$.label", 'value "sales" added', "widened"),
    ]


def test_a_removed_property_breaks_who_read_it_even_where_it_was_optional() -> None:
    without = {**OBJECT, "properties": {"label": OBJECT["properties"]["label"]}}
    change = only(OBJECT, without)
    assert (change.path, change.text) == ("$.reply", "property removed; it is refused now")
    assert change.breaks_readers
    assert change.breaks_writers
    is_open = only({**OBJECT, "additionalProperties": True}, {**without, "additionalProperties": True})
    assert is_open.breaks_readers
    assert not is_open.breaks_writers


def test_a_removed_required_property_is_said_once() -> None:
    without = {**OBJECT, "properties": {"reply": OBJECT["properties"]["reply"]}, "required": []}
    assert [change.path for change in compare_schemas(OBJECT, without)] == ["$.label"]


def test_an_added_property_breaks_writers_only_where_it_is_required_or_the_object_was_free() -> None:
    added = only(OBJECT, with_property("tone", {"type": "string"}))
    assert (added.path, added.effect, added.breaks_writers, added.breaks_readers) == ("$.tone", "widened", False, False)
    required = compare_schemas(OBJECT, with_property("tone", {"type": "string"}, required=["label", "tone"]))
    assert [(change.text, change.breaks_writers) for change in required] == [
        ("property added", False),
        ("is required now", True),
    ]
    was_open = only({"properties": {"a": {}}}, {"properties": {"a": {}, "b": {"type": "string"}}})
    assert not was_open.breaks_writers
    was_free = only({"type": "object"}, {"type": "object", "properties": {"b": {"type": "string"}}})
    assert was_free.breaks_writers


def test_an_optional_property_may_be_missing_for_readers() -> None:
    change = only(OBJECT, {**OBJECT, "required": []})
    assert (change.path, change.text, change.breaks_readers) == ("$.label", "need not be there now", True)


def test_paths_lead_to_the_part_that_changed() -> None:
    def nested(leaf: Any) -> Any:
        items = {"type": "object", "properties": {"the name": {"type": "array", "prefixItems": [True, leaf]}}}
        return {"type": "array", "items": items}

    assert effects(nested({"type": "string"}), nested({"type": "null"})) == [('$[*]["the name"][1]', "changed")]
    free = {"additionalProperties": {"maximum": 3}}, {"additionalProperties": {"maximum": 4}}
    assert effects(*free) == [("$.*", "widened")]


def test_words_are_told_apart_from_what_is_accepted() -> None:
    change = only(OBJECT, {**OBJECT, "description": "What came back."})
    assert (change.effect, change.text, change.after) == ("none", "description added", "What came back.")
    assert not change.breaks_readers
    assert not change.breaks_writers


def test_limits_that_cannot_matter_for_the_type_are_left_out() -> None:
    assert effects({"type": "string"}, {"type": ["string", "integer"], "minimum": 3}) == [("$", "widened")]


def test_references_are_followed_on_each_side() -> None:
    def schema(label: Any) -> Any:
        return {"$defs": {"label": label}, "properties": {"a": {"$ref": "#/$defs/label"}}}

    assert effects(schema({"type": "string"}), schema({"type": "string", "maxLength": 3})) == [("$.a", "narrowed")]
    inline = {"properties": {"a": {"type": "string"}}}
    assert effects(schema({"type": "string"}), inline) == [("$", "none")]
    beside = {**schema({"type": "string"}), "properties": {"a": {"$ref": "#/$defs/label", "minLength": 1}}}
    assert effects(schema({"type": "string"}), beside) == [("$.a", "narrowed")]


def test_a_reference_that_stands_in_both_unions_is_looked_into() -> None:
    def schema(item: Any) -> Any:
        return {"$defs": {"Item": item}, "anyOf": [{"$ref": "#/$defs/Item"}, {"type": "null"}]}

    assert effects(schema({"type": "string"}), schema({"type": "integer"})) == [("$", "changed")]


def test_a_schema_that_contains_itself_is_compared() -> None:
    def tree(value: str) -> Any:
        node = {"properties": {"value": {"type": value}, "children": {"type": "array", "items": {"$ref": "#"}}}}
        return {"type": "object", **node}

    assert effects(tree("string"), tree("integer")) == [("$.value", "changed")]
    assert effects({"$ref": "#"}, {"$ref": "#/"}) == [("$", "changed")]


def test_alternatives_are_paired_by_their_tag() -> None:
    def event(kind: str, **properties: Any) -> Any:
        return {"type": "object", "properties": {"kind": {"const": kind}, **properties}, "required": ["kind"]}

    old = {"oneOf": [event("a", x={"type": "string"}), event("b")]}
    new = {"oneOf": [event("b"), event("a", x={"type": "integer"}), event("c")]}
    changes = compare_schemas(old, new)
    assert [(change.path, change.effect) for change in changes] == [("$.x", "changed"), ("$", "widened")]
    assert changes[1].text.startswith("now also accepts ")


def test_definitions_that_multiply_each_other_come_to_an_end() -> None:
    def many(leaf: str) -> Any:
        defs: dict[str, Any] = {"d0": {"type": leaf}}
        for level in range(1, 60):
            ref = {"$ref": f"#/$defs/d{level - 1}"}
            defs[f"d{level}"] = {"properties": {"left": ref, "right": dict(ref)}}
        return {"$defs": defs, "$ref": "#/$defs/d59"}

    changes = compare_schemas(many("string"), many("integer"))
    assert len(changes) <= 301
    assert changes[-1].text.startswith("and ")
    assert changes[-1].breaks_readers


def test_a_long_chain_of_references_does_not_exhaust_the_stack() -> None:
    def chain(leaf: str) -> Any:
        defs: dict[str, Any] = {"d0": {"type": leaf}}
        for level in range(1, 5000):
            defs[f"d{level}"] = {"items": {"$ref": f"#/$defs/d{level - 1}"}}
        return {"$defs": defs, "$ref": "#/$defs/d4999"}

    assert compare_schemas(chain("string"), chain("integer"))


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0]), st.text("ab", max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=3),
    max_leaves=5,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    size = st.integers(0, 3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(SCALARS, min_size=1, max_size=3),
            "minLength": size,
            "maxLength": size,
            "pattern": st.sampled_from(["a", "^b"]),
            "minimum": st.integers(-2, 2),
            "exclusiveMaximum": st.integers(-2, 2),
            "multipleOf": st.sampled_from([1, 2, 0.5]),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "maxItems": size,
            "uniqueItems": st.booleans(),
            "properties": st.dictionaries(st.sampled_from("pqr"), inner, max_size=2),
            "contains": inner,
            "minContains": size,
            "patternProperties": st.dictionaries(st.sampled_from(["p", "^q"]), inner, max_size=1),
            "unevaluatedProperties": st.booleans(),
            "propertyNames": inner,
            "required": st.lists(st.sampled_from("pqr"), max_size=2, unique=True),
            "additionalProperties": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(st.booleans() | st.just({}), keywords, max_leaves=4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": 0},
        {"type": ["string", 3]},
        {"type": {}},
        {"enum": 3},
        {"required": 3},
        {"required": [{}]},
        {"properties": "a"},
        {"properties": {"label": 3}},
        {"patternProperties": []},
        {"anyOf": 3},
        {"allOf": None},
        {"maxProperties": []},
        {"multipleOf": {}},
        {"$ref": 3},
    ],
    ids=str,
)
def test_a_schema_that_is_none_is_the_one_difference(wrong: Any) -> None:
    broken = {"type": "object", "properties": {"a": {**OBJECT, **wrong}}}
    sound = {"type": "object", "properties": {"a": OBJECT}}
    for old, new, verb in ((sound, broken, "is"), (broken, sound, "was")):
        change = only(old, new)
        assert change.text.startswith(f"{verb} no JSON Schema: $.properties.a.{next(iter(wrong))}")
        assert (change.effect, change.breaks_writers, change.breaks_readers) == ("changed", True, True)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(old=SCHEMAS, new=SCHEMAS, values=st.lists(VALUES, min_size=4, max_size=12))
def test_no_value_is_lost_or_gained_without_a_change_that_says_so(old: Any, new: Any, values: list[Any]) -> None:
    changes = compare_schemas(old, new)
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    for value in values:
        if before.is_valid(value) and not after.is_valid(value):
            assert any(change.effect in ("narrowed", "changed") for change in changes), value
        if after.is_valid(value) and not before.is_valid(value):
            assert any(change.effect in ("widened", "changed") for change in changes), value
