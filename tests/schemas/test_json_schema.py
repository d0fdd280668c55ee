from __future__ import annotations

import itertools
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator, validators
from referencing import Registry

from promptctl.schemas import keywords
from promptctl.schemas.json_schema import Validator, check_schema, types_of
from promptctl.schemas.keywords import Path

TRIAGE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["label", "reply"],
    "properties": {"label": {"enum": ["billing", "bug"]}, "reply": {"type": "string", "maxLength": 20}},
}


def in_full(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema through a reference, where each step of the check is counted."""
    return {"$ref": "#/$defs/it", "$defs": {"it": schema}}


class TestProblems:
    @pytest.mark.parametrize(
        ("schema", "value", "problem"),
        [
            ({"type": "string"}, 3, "$: must be text, not 3"),
            ({"type": ["string", "null"]}, [1], "$: must be text or null, not `[1]`"),
            (
                {"properties": {"label": {"enum": ["billing", "bug"]}}},
                {"label": "billin"},
                "$.label: must be `billing` or `bug`, not `billin`",
            ),
            ({"properties": {"a b": {"const": 1}}}, {"a b": 2}, "$['a b']: must be 1, not 2"),
            (
                {"items": {"items": {"type": "integer"}}},
                [[1, "x"]],
                "$[0][1]: must be a whole number, not the text `x`",
            ),
            ({"required": ["a"]}, {}, "$: has no `a`"),
            (
                {"properties": {"a": {}}, "additionalProperties": False},
                {"a": 1, "b": 2},
                "$.b: is an unknown key",
            ),
            ({"minLength": 3}, "ab", "$: has 2 characters, fewer than 3"),
            ({"maxItems": 1}, [1, 2], "$: has 2 items, more than 1"),
            ({"exclusiveMinimum": 0}, 0, "$: must be more than 0, not 0"),
            ({"maximum": 1000}, 1001.5, "$: must be at most 1000, not 1001.5"),
            ({"multipleOf": 0.1}, 0.35, "$: must be a multiple of 0.1, not 0.35"),
            ({"pattern": "^[a-z]+$"}, "A1", "$: must match the pattern ^[a-z]+$, not `A1`"),
            ({"format": "date"}, "2026-02-30", "$: must be a valid date, not `2026-02-30`"),
            ({"uniqueItems": True}, [1, {"a": 1}, {"a": 1.0}], '$[2]: repeats `{"a": 1.0}`'),
            ({"minProperties": 1}, {}, "$: is empty"),
        ],
    )
    def test_a_problem_says_where_and_what(self, schema: dict[str, Any], value: Any, problem: str) -> None:
        assert Validator(schema).problems(value) == [problem]
        assert Validator(in_full(schema)).problems(value) == [problem]

    @pytest.mark.parametrize(
        ("schema", "value", "problem"),
        [
            (
                {"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]},
                {},
                "fits none of the 2 alternatives; the nearest: has no `a`",
            ),
            ({"oneOf": [{"type": "integer"}, {"minimum": 0}]}, 1, "fits more than one of the alternatives"),
            ({"not": {"type": "null"}}, None, "is forbidden by `not`"),
            ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "has 2 characters, more than 1"),
            ({"contains": {"const": 1}}, [2], "`contains`"),
            ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "$.a: needs `b` beside it"),
            ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, "has no `b`"),
            ({"prefixItems": [{}], "items": False}, [1, 2], "$[1]: is not allowed here"),
            (
                {"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": False},
                {"ab": 1, "c": 1},
                "$.ab: must be null, not 1",
            ),
            ({"properties": {"a": False}}, {"a": 1}, "$.a: is not allowed here"),
        ],
    )
    def test_the_full_language_is_spoken(self, schema: dict[str, Any], value: Any, problem: str) -> None:
        found = Validator(schema).problems(value)
        assert any(problem in each for each in found), found

    def test_the_most_useful_come_first_and_all_are_bounded(self) -> None:
        schema = {
            "anyOf": [{"required": ["x"]}, {"required": ["y"]}],
            "properties": {"a": {"items": {"type": "null"}}},
            "required": ["b"],
        }
        found = Validator(schema).problems({"a": list(range(500)), "c": "x" * 10_000})
        assert found[0] == "$: has no `b`"
        assert len(found) == 21
        assert found[-1].endswith("more problems")
        assert all(len(each) < 400 for each in found)

    def test_hidden_values_are_in_no_message(self) -> None:
        schemas: list[dict[str, Any]] = [
            {"type": "integer"},
            {"enum": ["a"]},
            {"pattern": "^a$"},
            {"not": {}},
            {"anyOf": [{"const": 1}, {"minLength": 99}]},
            {"anyOf": [{"type": "null"}, {"type": "array"}]},
        ]
        for schema in schemas:
            for each in (schema, in_full(schema)):
                assert "hunter2" not in str(Validator(each, shows_values=False).problems("hunter2"))

    def test_true_and_one_are_not_equal(self) -> None:
        for schema in ({"enum": [1]}, {"const": 1}, {"const": [1]}, {"type": "integer"}):
            for each in (schema, in_full(schema)):
                value = [True] if schema.get("const") == [1] else True
                assert Validator(each).problems(value)

    def test_a_schema_may_be_true_or_false(self) -> None:
        assert Validator(True).problems({"a": 1}) == []
        assert Validator(False).problems(1) == ["$: is not allowed here"]


class TestHostility:
    def test_nothing_is_fetched(self, tmp_path: Any) -> None:
        secret = tmp_path / "s.json"
        secret.write_text('{"type": "string"}')
        for reference in (
            "http://127.0.0.1:9/s.json",
            secret.as_uri(),
            "other.schema.yaml",
            "https://json-schema.org/draft/2020-12/schema",
        ):
            problems = Validator({"$ref": reference}).problems(1)
            assert len(problems) == 1
            assert "nothing is ever fetched" in problems[0]
            assert "nothing is ever fetched" in check_schema({"properties": {"a": {"$ref": reference}}})[0]

    @pytest.mark.parametrize(
        "schema",
        [
            {"pattern": "^(a+)+$"},
            in_full({"pattern": "^(a+)+$"}),
            {
                "properties": {"x": {"$schema": "http://json-schema.org/draft-04/schema#", "pattern": "^(a+)+$"}},
                "$ref": "#/properties/x",
            },
            {
                "$ref": "#/const/x",
                "const": {"x": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}},
            },
            {"$schema": "http://json-schema.org/draft-03/schema#", "pattern": "^(a+)+$"},
        ],
    )
    def test_no_pattern_takes_more_than_linear_time(self, schema: dict[str, Any]) -> None:
        assert Validator(schema).problems("a" * 50_000 + "b")

    @pytest.mark.parametrize("keyword", ["patternProperties", "propertyNames"])
    def test_no_pattern_of_names_does_either(self, keyword: str) -> None:
        inner: Any = {"^(a+)+$": {"type": "null"}} if keyword == "patternProperties" else {"pattern": "^(a+)+$"}
        schema = {keyword: inner, "additionalProperties": False}
        assert Validator(schema).problems({"a" * 5000 + "b": 1})

    @pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
    def test_a_schema_of_exponential_time_is_stopped(self, keyword: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("promptctl.schemas.json_schema.MAX_STEPS", 20_000)
        both = {f"n{i}": {keyword: [{"$ref": f"#/$defs/n{i + 1}"}] * 2} for i in range(40)}
        value = "x" if keyword == "anyOf" else 1
        problems = Validator({"$ref": "#/$defs/n0", "$defs": {**both, "n40": {"type": "integer"}}}).problems(value)
        assert "takes too long" in problems[0]

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"allOf": [{"uniqueItems": True}] * 100}, [[1]] * 1000),
            ({"allOf": [{"const": [1]}] * 100}, [[1]] * 1000),
            ({"allOf": [{"enum": [{}]}] * 100}, {f"k{index}": 1 for index in range(1000)}),
            ({"allOf": [{"items": {"type": "array", "minItems": 1}}] * 100}, [[1]] * 1000),
            ({"allOf": [{"properties": {"a": {"minimum": 1}}}] * 100}, {f"k{index}": 1 for index in range(1000)}),
        ],
    )
    def test_what_a_schema_asks_of_each_part_of_a_value_is_counted(
        self, schema: Any, value: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("promptctl.schemas.json_schema.MAX_STEPS", 50_000)
        monkeypatch.setattr("promptctl.schemas.compiler.MAX_TIME_S", 1000.0)
        assert "takes too long" in Validator(schema).problems(value)[0]
        assert "takes too long" not in str(Validator({"allOf": schema["allOf"][:1]}).problems(value))

    @pytest.mark.parametrize(
        "schema",
        [
            {"allOf": [{"minLength": 1}] * 10},
            {"items": {"required": [f"k{index}" for index in range(20)]}},
            {"items": {"dependentRequired": {"a": ["b"]}}},
            {"patternProperties": {"^a": {}}, "additionalProperties": False},
        ],
    )
    def test_the_clock_is_read_again_and_again(self, schema: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("promptctl.schemas.compiler.thread_time", partial(next, itertools.count(0.5, 0.5)))
        monkeypatch.setattr("promptctl.schemas.compiler._STRIDE", 0)
        value: Any = {f"k{index}": 1 for index in range(10)} if "patternProperties" in schema else [{"a": 1}] * 10
        assert "takes too long" in Validator(schema).problems("x" if "allOf" in schema else value)[0]

    @pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
    def test_anchors_are_collected_once(self, keyword: str, monkeypatch: pytest.MonkeyPatch) -> None:
        walked: list[Any] = []
        walk = keywords.schemas_in

        def schemas_in(schema: Any) -> list[tuple[Path, Any]]:
            walked.append(schema)
            return walk(schema)

        monkeypatch.setattr("promptctl.schemas.keywords.schemas_in", schemas_in)
        references = [{keyword: "#none"}] * 50 + [{keyword: "#there"}] * 50
        schema = {"allOf": references, "$defs": {"a": {"$anchor": "there", "type": "null"}, "b": True, "c": {}}}
        assert any("leads nowhere" in problem for problem in check_schema(schema))
        assert types_of({"anyOf": references, "$defs": schema["$defs"]}) == (["null"] if keyword == "$ref" else [])
        assert len(walked) < 1000

    def test_a_reference_can_lead_through_a_list(self) -> None:
        check = Validator({"prefixItems": [{"type": "integer"}, {"$ref": "#/prefixItems/0"}]})
        assert check.problems([1, 2]) == []
        assert check.problems([1, "a"])[0].startswith("$[1]: ")

    def test_a_schema_that_refers_to_itself_is_stopped(self) -> None:
        assert "refers to itself" in Validator({"$ref": "#"}).problems(1)[0]
        assert "refers to itself" in Validator(in_full({"$ref": "#/$defs/it"})).problems(1)[0]

    def test_values_of_any_depth_and_size_are_checked(self) -> None:
        deep: Any = "x"
        for _ in range(5000):
            deep = [deep]
        tree = {"$ref": "#/$defs/tree", "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}}
        assert "nested too deeply" in Validator(tree).problems(deep)[0]
        many: list[Any] = [{"a": number} for number in range(30_000)]
        assert Validator(in_full({"uniqueItems": True})).problems([*many, "x", 1]) == []
        assert Validator({"uniqueItems": True}).problems([*many, many[0]]) == ['$[30000]: repeats `{"a": 0}`']
        assert "too long" in Validator({"pattern": "(x+x+)+y" * 50}).problems("x" * 1_000_000)[0]

    def test_numbers_of_any_size_are_checked(self) -> None:
        for schema in ({"multipleOf": 1e-300}, {"minimum": 1.5}, {"maximum": 10**400}, {"multipleOf": 0.1}):
            Validator(schema).problems(10**4000)
            Validator(in_full(schema)).problems(10**4000)
            Validator(schema).problems(float("inf"))
        assert Validator({"multipleOf": 0.1}).problems(0.3) == []
        assert Validator({"multipleOf": 0.1}).problems(float("inf"))


class TestCheckSchema:
    @pytest.mark.parametrize(
        ("schema", "words"),
        [
            ({"type": "strin"}, "$: `strin` is no type of JSON Schema; did you mean `string`?"),
            ({"properties": {"a": {"required": "x"}}}, "$.properties.a.required: must be a list, not the text `x`"),
            ({"minLength": -1}, "$.minLength: must be at least 0, not -1"),
            ({"propertis": {}}, "did you mean `properties`"),
            ({"items": {"additionalproperties": False}}, "$.items.additionalproperties: `additionalproperties` is no"),
            ({"tpye": "string"}, "did you mean `type`?"),
            ({"enmu": ["a"]}, "did you mean `enum`?"),
            ({"pattren": "a"}, "did you mean `pattern`?"),
            ({"minLenght": 1}, "did you mean `minLength`?"),
            ({"ref": "#"}, "did you mean `$ref`?"),
            ({"pattern": "(?=a)"}, "no lookaround"),
            ({"properties": {"a": {"pattern": r"(a)\1"}}}, "$.properties.a: the pattern"),
            ({"pattern": "["}, "the pattern ["),
            ({"patternProperties": {"(?!a)": {}}}, "no lookaround"),
            ({"$ref": "#/$defs/none"}, "leads nowhere"),
            ({"$schema": "http://example.com/mine"}, "no draft of JSON Schema that is known"),
            (
                {"$schema": "http://json-schema.org/draft-07/schema#", "unevaluatedProperties": False},
                "$: `unevaluatedProperties` does not exist in this draft: write `additionalProperties: false`",
            ),
            ({"$recursiveRef": "#"}, "$: `$recursiveRef` does not exist in this draft: write `$dynamicRef`, or `$ref`"),
            ({"$dynamicRef": "#none", "$defs": {"a": {}}}, "$: `$dynamicRef: #none` leads nowhere"),
            ({"$defs": {"a": {"$id": "http://["}}, "$ref": "a"}, "an `$id` in this schema is no address"),
            ({"enum": "a"}, "$.enum"),
            ([], "a schema is a mapping"),
            ({"type": {1: 2}}, "a key that is not text"),
        ],
    )
    def test_a_mistake_in_a_schema_is_told(self, schema: Any, words: str) -> None:
        assert any(words in problem for problem in check_schema(schema)), check_schema(schema)

    @pytest.mark.parametrize(
        "schema",
        [
            True,
            {},
            TRIAGE,
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "definitions": {"a": {"type": "null"}},
                "items": [{"$ref": "#/definitions/a"}],
            },
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True},
            {"$schema": "https://json-schema.org/draft/2019-09/schema", "$defs": {"a": {}}},
            {"$schema": "http://json-schema.org/draft-03/schema#", "extends": {"type": ["any", {"divisibleBy": 2}]}},
            {"x-mine": 1, "nullable": True, "discriminator": {"propertyName": "kind"}},
            {"pattern": r"^[\u4e00-\u9fff]+\/\d$", "properties": {"propertis": {"const": {"propertis": 1}}}},
            {"title": None, "description": 5, "examples": "x", "readOnly": "x", "$comment": 1, "required": ["a", "a"]},
            {"titel": "x", "descripton": "x", "note": "x", "typ": "x", "when": "x", "allOf": [{"title": 1}]},
            {"$id": "https://example.com/a", "$anchor": "top", "properties": {"a": {"$ref": "#top"}}},
        ],
    )
    def test_a_sound_schema_has_no_problems(self, schema: Any) -> None:
        assert check_schema(schema) == []
        assert "cannot be checked" not in str(Validator(schema).problems(None))

    def test_the_draft_that_a_schema_names_is_kept_to(self) -> None:
        draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True}
        assert Validator(draft4).problems(1)
        assert Validator(draft4).problems(2) == []
        draft7 = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": [{"type": "null"}],
            "additionalItems": False,
        }
        assert Validator(draft7).problems([1, 2])
        assert Validator(draft7).problems([None]) == []

    def test_patterns_are_those_of_json_schema(self) -> None:
        assert Validator({"pattern": r"^[\u4e00-\u9fff]+$"}).problems("中文") == []
        assert Validator({"pattern": r"^\d+$"}).problems("\u0663")  # digits are ASCII
        assert Validator({"pattern": "a$"}).problems("a\n")  # the end is the end
        assert Validator({"pattern": "b"}).problems("abc") == []  # found anywhere

    def test_the_way_out_of_a_pattern_that_takes_too_much_is_said(self) -> None:
        way = "write `+` or `*` there, and bound the length by itself"
        (problem,) = Validator({"pattern": "^.{1,1000}$"}).problems("a" * 900_000)
        assert problem.startswith("$: cannot be checked: the text is too long for the pattern ^.{1,1000}$: ")
        assert way in problem
        (said,) = check_schema({"pattern": r"^\p{L}{1,200}$"})
        assert "it is too large" in said
        assert way in said

    def test_types_are_told_in_order(self) -> None:
        assert types_of({"type": ["null", "string"]}) == ["null", "string"]
        assert types_of({"anyOf": [{"type": "integer"}, {"enum": ["a", True]}]}) == ["integer", "string", "boolean"]
        assert types_of({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "array"}}}) == ["array"]
        assert types_of({"$ref": "#"}) == types_of({}) == []


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.sampled_from([0.5, 1.0, 2.5, -1.0])
    | st.sampled_from(["", "a", "ab", "b1", "2026-01-02", "é"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
    "enum": st.lists(PLAIN, min_size=1, max_size=3),
    "const": PLAIN,
    "minLength": st.integers(0, 3),
    "maxLength": st.integers(0, 3),
    "pattern": st.sampled_from(["^a", "b$", "[0-9]", "^$"]),
    "format": st.sampled_from(["date", "ipv4", "made-up"]),
    "minimum": st.integers(-2, 5) | st.just(0.5),
    "maximum": st.integers(-2, 5) | st.just(2.5),
    "exclusiveMinimum": st.integers(-2, 5),
    "exclusiveMaximum": st.integers(-2, 5),
    "multipleOf": st.integers(1, 3),
    "minItems": st.integers(0, 3),
    "maxItems": st.integers(0, 3),
    "uniqueItems": st.booleans(),
    "minProperties": st.integers(0, 3),
    "maxProperties": st.integers(0, 3),
    "required": st.lists(st.sampled_from("abc"), max_size=3, unique=True),
    "additionalProperties": st.booleans(),
    "description": st.just("words"),
}
SIMPLE = st.recursive(
    st.fixed_dictionaries({}, optional=LEAVES),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **LEAVES,
            "items": inner,
            "additionalProperties": inner | st.booleans(),
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        },
    ),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(schema=SIMPLE, value=PLAIN)
def test_the_compiler_gives_the_librarys_verdict(schema: dict[str, Any], value: Any) -> None:
    oracle = Draft202012Validator(schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    ours = Validator(schema)
    assert bool(ours.problems(value)) is (not oracle.is_valid(value))
    assert ours.problems(value) == Validator(in_full(schema)).problems(value)


COMBINED = st.recursive(
    SIMPLE,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "contains": inner,
            "propertyNames": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "dependentRequired": st.just({"a": ["b"]}),
        },
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(schema=COMBINED, value=PLAIN)
def test_so_it_does_for_combined_schemas(schema: dict[str, Any], value: Any) -> None:
    oracle = Draft202012Validator(schema, registry=Registry(), format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert bool(Validator(schema).problems(value)) is (not oracle.is_valid(value))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(schema=SIMPLE, value=PLAIN)
def test_so_it_does_for_older_drafts(schema: dict[str, Any], value: Any) -> None:
    named = {**in_full(schema), "$schema": "http://json-schema.org/draft-07/schema#"}
    kind = validators.validator_for(named)
    assert kind is Draft7Validator
    oracle = kind(named, registry=Registry(), format_checker=kind.FORMAT_CHECKER)
    assert bool(Validator(named).problems(value)) is (not oracle.is_valid(value))


def test_a_simple_schema_never_loads_the_library() -> None:
    code = f"""
import sys
from promptctl.schemas.json_schema import Validator, check_schema
assert check_schema({TRIAGE!r}) == [] and Validator({TRIAGE!r}).problems({{"label": "bug", "reply": ""}}) == []
print([name for name in ("jsonschema", "re2", "jinja2", "asyncio") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
