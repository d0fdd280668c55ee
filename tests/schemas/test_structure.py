from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from promptctl.errors import Place, Problem
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import KINDS, Kind, load_schema, structure_of
from promptctl.schemas.json_schema import check_schema
from promptctl.schemas.structure import Structure

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "x-instead": {"title": "name"},
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 9},
        "status": {"description": "How it is.", "enum": ["active", "inactive"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 10},
        "share": {"type": "number", "exclusiveMinimum": 0},
        "on": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "minItems": 1},
        "either": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/item"}}]},
        "id": {"description": "Small letters.", "type": "string", "pattern": "^[a-z]+$"},
        "map": {
            "type": "object",
            "propertyNames": {"description": "Small letters.", "pattern": "^[a-z]+$"},
            "additionalProperties": {"type": "number"},
        },
    },
    "$defs": {"item": {"type": "object", "required": ["type"], "properties": {"type": {"const": "x"}}}},
}


def told(text: str) -> list[tuple[str, str, str | None]]:
    problems = Structure(SCHEMA).check(read_yaml(text.encode(), "f"))
    return [(str(problem.place), problem.message, problem.hint) for problem in problems]


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("{nam: x}", "1:2", "unknown key `nam`", "did you mean `name`?"),
        ("{name: x, title: y}", "1:11", "unknown key `title`", "use `name`"),
        ("{name: x, zzz: y}", "1:11", "unknown key `zzz`", "the keys here are name, status, count"),
        ("{on: true}", "1:1", "`name` is missing", "add `name`"),
        ("{name: [x]}", "1:8", '`name` must be text, not `["x"]`', None),
        ("{name: {x}}", "1:8", '`name` must be text, not `{"x": null}`', "quotes or on the lines below `|`"),
        (
            "{name: x, map: true}",
            "1:16",
            "`map` must be a mapping, not true",
            "write keys with values, as in `{key: value}`",
        ),
        ("{name: x, tags: true}", "1:17", "`tags` must be a list, not true", "write `[true]`"),
        ("{name: true}", "1:8", "`name` must be text, not true", "put it in quotes"),
        ("name:", "1:6", "`name` must be text, not null", "write a value, or remove the key"),
        ("{name: ''}", "1:8", "`name` is empty", None),
        ("{name: abcdefghij}", "1:8", "`name` has 10 characters, more than 9", "shorten it"),
        ("{name: x, tags: y}", "1:17", "`tags` must be a list, not the text `y`", "write `[y]`"),
        ("{name: x, tags: []}", "1:17", "`tags` is empty", None),
        ("{name: x, tags: [a, b, a]}", "1:24", "`tags[2]` repeats `a`", "keep one of them"),
        (
            "{name: x, status: activ}",
            "1:19",
            "`status` must be `active` or `inactive`, not `activ`",
            "did you mean `active`",
        ),
        ("{name: x, status: 3}", "1:19", "`status` must be `active` or `inactive`, not 3", "how it is"),
        ("{name: x, on: yes}", "1:15", "`on` must be true or false, not the text `yes`", "without quotes"),
        ("{name: x, count: '3'}", "1:18", "`count` must be a whole number, not the text `3`", "without quotes"),
        ("{name: x, count: 1.5}", "1:18", "`count` must be a whole number, not 1.5", None),
        ("{name: x, count: 0}", "1:18", "`count` must be at least 1, not 0", None),
        ("{name: x, count: 11}", "1:18", "`count` must be at most 10", None),
        ("{name: x, share: 0}", "1:18", "`share` must be more than 0", None),
        ("{name: x, id: A}", "1:15", "`id` does not have the form it must have: `A`", "small letters"),
        ("{name: x, map: {A: 1}}", "1:17", "`map.A` cannot be a key", "small letters"),
        ("{name: x, map: {a: b}}", "1:20", "`map.a` must be a number, not the text `b`", "without quotes"),
        ("{name: x, either: 3.5e0}", "", "", None),
        ("{name: x, either: {a: b}}", "1:19", '`either` must be text or a list, not `{"a": "b"}`', "quotes"),
        ("{name: x, either: [{type: y}]}", "1:27", "`either[0].type` must be `x`, not `y`", None),
        ("[x]", "1:1", 'must be a mapping, not `["x"]`', None),
    ],
)
def test_a_problem_says_where_what_and_what_to_do(text: str, at: str, message: str, hint: str | None) -> None:
    found = told(text)
    if not at:
        assert found == []
        return
    ((place, said, advised),) = found
    assert place == f"f:{at}"
    assert message in said
    assert hint is None or hint in (advised or "")


def test_every_problem_is_told_in_reading_order() -> None:
    found = told("count: 0\nnam: x\ntags: [1.5, [], x, x]\nstatus: no\n")
    assert [place for place, _, _ in found] == ["f:1:8", "f:2:1", "f:3:13", "f:3:20", "f:4:9"]


def test_a_misspelt_key_is_not_also_told_to_be_missing() -> None:
    assert [message for _, message, _ in told("nmae: x")] == ["unknown key `nmae`"]


def test_a_number_where_only_text_will_do_is_the_text_as_written() -> None:
    document = read_yaml(b"name: 1.10\ntags: [0x1F, 1.10, b]\neither: 007\ncount: 3\nmap: {a: 1.50}\n", "f")
    assert Structure(SCHEMA).check(document) == []
    assert document.data == {
        "name": "1.10", "tags": ["0x1F", "1.10", "b"], "either": "007", "count": 3, "map": {"a": 1.5},
    }  # fmt: skip


def test_of_a_value_that_fits_two_alternatives_the_problem_is_told() -> None:
    (problem,) = Structure({"oneOf": [{"type": "string"}, {"minLength": 1}]}).check(read_yaml(b"x", "f"))
    assert problem.message == "fits more than one of the alternatives, and should fit one"


def test_a_number_as_text_must_still_be_sound() -> None:
    assert [message for _, message, _ in told("name: x\nid: 12")] == ["`id` must be text, not 12"]


def test_data_of_one_place_is_checked_without_a_document() -> None:
    place = Place("cases.jsonl", 3)
    assert Structure(SCHEMA).check_data({"name": "x"}, place) == []
    (problem,) = Structure(SCHEMA).check_data({"nam": "x"}, place)
    assert problem == Problem("unknown key `nam`", place, "did you mean `name`?", "unknown-key")
    deep: Any = {"type": "assert-set"}
    for _ in range(100_000):
        deep = {"type": "assert-set", "assert": [deep]}
    (problem,) = structure_of("dataset", "assertion").check_data(deep, place)
    assert problem.code == "too-deep"


def test_of_very_many_problems_the_first_hundred_are_told() -> None:
    found = told("".join(f"k{n}: x\n" for n in range(50_000)) + "name: x\n")
    assert len(found) == 101
    assert found[0][1] == "there are 49,900 more problems"


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_schemas_use_no_keyword_that_would_be_passed_over(kind: Kind) -> None:
    assert check_schema(load_schema(kind)) == []


class TestVerdictsAreThoseOfAFullValidator:
    """Hypothesis makes documents near each schema: values it names, with some of them spoilt."""

    @pytest.mark.parametrize("kind", KINDS)
    @settings(max_examples=75, deadline=None)
    @given(data=st.data())
    def test_for(self, kind: Kind, data: st.DataObject) -> None:
        schema = load_schema(kind)
        document = data.draw(_near(schema, schema, 4))
        text = json.dumps(document)
        # Only what the reader would give: no NUL, and short enough to be a key.
        is_sound = Draft202012Validator(schema).is_valid(json.loads(text))
        problems = structure_of(kind).check_data(json.loads(text), Place("f"))
        assert (not problems) == is_sound, problems


_junk = st.sampled_from(
    [None, True, 0, 1, -1, 2.5, 3.0, 99, "", "x", "a b", "{{x}}", [], ["x"], ["x", "x"], {}, {"x": 1}]
)


def _near(schema: Any, root: Any, depth: int) -> st.SearchStrategy[Any]:
    """Documents that the schema allows, or nearly."""
    if not isinstance(schema, dict) or depth == 0:
        return _junk
    if "$ref" in schema:
        return _near(root["$defs"][schema["$ref"].rpartition("/")[2]], root, depth)
    return st.one_of(_junk, *_near_options(schema, root, depth))


def _near_options(schema: Any, root: Any, depth: int) -> list[st.SearchStrategy[Any]]:
    options: list[st.SearchStrategy[Any]] = []
    if "enum" in schema:
        options += [st.sampled_from(schema["enum"])] * 4
    if "const" in schema:
        options += [st.just(schema["const"])] * 4
    for branch in schema.get("anyOf", ()):
        if "required" not in branch:
            options += [_near(branch, root, depth)] * 3
    if "properties" in schema or "additionalProperties" in schema:
        options += [_near_object(schema, root, depth)] * 12
    elif "items" in schema:
        options += [st.lists(_near(schema["items"], root, depth - 1), max_size=3)] * 6
    elif "pattern" in schema:
        options += [
            st.sampled_from(["a", "support/triage", "openai/x", "$.a", "x.jsonl", "http://h/v1", "KEY", "main"])
        ] * 5
    elif schema.get("type") == "string":
        options += [st.sampled_from(["x", "text", "Hello {{ name }}"])] * 5
    elif schema.get("type") in ("integer", "number"):
        options += [st.sampled_from([0, 1, 2, 0.5])] * 5
    elif schema.get("type") == "boolean":
        options += [st.booleans()] * 5
    return options


def _near_object(schema: Any, root: Any, depth: int) -> st.SearchStrategy[Any]:
    properties = schema.get("properties", {})
    required = {name: _near(properties.get(name, {}), root, depth - 1) for name in schema.get("required", ())}
    optional = {name: _near(each, root, depth - 1) for name, each in properties.items() if name not in required}
    rest = schema.get("additionalProperties", True)
    extra = st.dictionaries(
        st.sampled_from(["extra", "a", "Bad Name", "*", "model", "Authorization"]),
        _near(rest, root, depth - 1) if isinstance(rest, dict) else _junk,
        max_size=1 if depth > 1 else 0,
    )
    sound = st.fixed_dictionaries(required, optional=optional)
    few = st.integers(0, 3)

    def merged(parts: tuple[dict[str, Any], dict[str, Any], int, int]) -> dict[str, Any]:
        document, more, chance, keep = parts
        names = [name for index, name in enumerate(document) if name in required or index % 4 <= keep]
        kept = {name: document[name] for name in names}
        return {**kept, **more} if chance == 0 else kept

    return st.tuples(sound, extra, few, few).map(merged)
