"""Schemas that name others: bundled into one that means the same and stands on its own."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry

from promptctl.errors import Problem
from promptctl.files.sources import Sources
from promptctl.files.tree import MemoryTree
from promptctl.schemas.json_schema import Validator
from promptctl.schemas.references import SchemaSource, bundle


def bundled(**files: str) -> tuple[dict[str, Any], list[Problem]]:
    """The schema that is nothing but a reference to `main`, and what was wrong. `a_b` is `prompts/a/b.schema.yaml`."""
    named: dict[str, str | bytes] = {f"prompts/{k.replace('_', '/')}.schema.yaml": text for k, text in files.items()}
    main = str(named.pop("prompts/main.schema.yaml"))
    sources = Sources(MemoryTree({**named, "prompts/main.schema.yaml": main}))
    document = sources.document("prompts/main.schema.yaml", None, "schema")  # type: ignore[arg-type]
    assert document is not None
    return bundle(SchemaSource(document), sources), sources.problems


def sound(**files: str) -> dict[str, Any]:
    schema, problems = bundled(**files)
    assert problems == []
    Draft202012Validator.check_schema(schema)
    return schema


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether the value fits, with nothing else at hand than the schema itself."""
    return Draft202012Validator(schema, registry=Registry()).is_valid(value)


def test_a_schema_without_references_stays_as_it_is() -> None:
    assert sound(main="type: object\nproperties: {b: {type: string}, a: {enum: [1]}}") == {
        "type": "object",
        "properties": {"b": {"type": "string"}, "a": {"enum": [1]}},
    }


def test_a_file_becomes_a_definition_however_often_it_is_named() -> None:
    schema = sound(
        main="properties: {a: {$ref: x/person.schema.yaml}, b: {$ref: ./x/person.schema.yaml, description: Who}}",
        x_person="type: object\nrequired: [name]\n",
    )
    assert schema == {
        "properties": {"a": {"$ref": "#/$defs/person"}, "b": {"$ref": "#/$defs/person", "description": "Who"}},
        "$defs": {"person": {"type": "object", "required": ["name"]}},
    }


def test_paths_are_relative_to_prompts_or_with_a_dot_to_the_file_that_names_them() -> None:
    schema = sound(
        main="allOf: [{$ref: a/one.schema.yaml}]",
        a_one="allOf: [{$ref: ./two.schema.yaml}, {$ref: two.schema.yaml}]",
        a_two="{const: beside}",
        two="{const: above}",
    )
    assert schema["$defs"]["one"]["allOf"] == [{"$ref": "#/$defs/two"}, {"$ref": "#/$defs/two_2"}]
    assert (schema["$defs"]["two"], schema["$defs"]["two_2"]) == ({"const": "beside"}, {"const": "above"})


def test_a_schema_that_is_only_a_reference_is_what_it_refers_to() -> None:
    """Providers want an object at the root, not a reference."""
    schema = sound(
        main="$ref: a.schema.yaml#/$defs/x",
        a="$defs:\n  x: {type: object, properties: {me: {$ref: '#/$defs/x'}, other: {$ref: '#/$defs/y'}}}\n"
        "  y: {type: string}\n",
    )
    assert schema == {
        "type": "object",
        "properties": {"me": {"$ref": "#"}, "other": {"$ref": "#/$defs/y"}},
        "$defs": {"y": {"type": "string"}},
    }
    assert fits(schema, {"me": {"me": {"other": "x"}}})
    assert not fits(schema, {"me": {"me": {"other": 1}}})


def test_references_within_a_file_stay_as_they_are() -> None:
    schema = sound(
        main="$defs: {leaf: {type: string}}\n"
        "properties: {a: {$ref: '#/$defs/leaf'}, b: {$ref: '#'}, c: {$ref: '#/properties/a'}}\n"
    )
    assert schema["properties"] == {
        "a": {"$ref": "#/$defs/leaf"}, "b": {"$ref": "#"}, "c": {"$ref": "#/properties/a"},
    }  # fmt: skip


def test_files_may_refer_to_each_other_in_circles() -> None:
    schema = sound(
        main="type: object\nproperties: {child: {$ref: other.schema.yaml}}\n",
        other="type: object\n"
        "properties: {parent: {$ref: main.schema.yaml}, twin: {$ref: '#'}, leaf: {$ref: '#/$defs/leaf'}}\n"
        "$defs: {leaf: {type: string}}\n",
    )
    assert schema["$defs"]["other"]["properties"] == {
        "parent": {"$ref": "#"}, "twin": {"$ref": "#/$defs/other"}, "leaf": {"$ref": "#/$defs/leaf"},
    }  # fmt: skip
    assert fits(schema, {"child": {"parent": {"child": {"twin": {"leaf": "x"}}}}})
    assert not fits(schema, {"child": {"parent": {"child": {"twin": {"leaf": 1}}}}})


def test_definitions_of_the_same_name_are_kept_apart() -> None:
    schema = sound(
        main="$defs: {x: {const: 0}}\n"
        "prefixItems: [{$ref: '#/$defs/x'}, {$ref: 'a.schema.yaml#/$defs/x'}, {$ref: b.schema.yaml}]",
        a="$defs: {x: {const: 1}}",
        b="items: {$ref: '#/$defs/x'}\n$defs: {x: {const: 2}}",
    )
    assert fits(schema, [0, 1, [2, 2]])
    assert not fits(schema, [0, 0, [2, 2]])
    assert not fits(schema, [0, 1, [1]])


def test_what_only_looks_like_a_reference_is_data() -> None:
    text = "properties:\n  $ref: {type: string}\n"
    text += "  a: {const: {$ref: no.yaml}, default: {$ref: no.yaml}, enum: [{$ref: no.yaml}]}\n"
    assert sound(main=text + "x-notes: {$ref: no.yaml}\nallOf: [{$ref: a.schema.yaml}]", a="{}")["properties"] == {
        "$ref": {"type": "string"},
        "a": {"const": {"$ref": "no.yaml"}, "default": {"$ref": "no.yaml"}, "enum": [{"$ref": "no.yaml"}]},
    }


def test_pointers_are_unescaped_and_may_lead_anywhere_in_a_file() -> None:
    schema = sound(
        main="allOf: [{$ref: 'a.schema.yaml#/components/a~1b~0c%20d'}, {$ref: 'a.schema.yaml#/allOf/0'}]",
        a="components: {'a/b~c d': {minimum: 1}}\nallOf: [{maximum: 3}]\n",
    )
    assert fits(schema, 2)
    assert not fits(schema, 0)
    assert not fits(schema, 4)


def test_a_pointer_out_of_the_schemas_of_ones_own_file_works_as_well() -> None:
    schema = sound(main="components: {x: {$ref: a.schema.yaml}}\nitems: {$ref: '#/components/x'}\n", a="type: string\n")
    assert fits(schema, ["a"])
    assert not fits(schema, [1])


def test_what_is_of_the_file_and_not_of_the_schema_is_left_out() -> None:
    draft = "$schema: https://json-schema.org/draft/2020-12/schema\n$id: https://example.com/x\n"
    schema = sound(main=draft + "items: {$ref: a.schema.yaml}\n", a=draft + "$defs: {unused: {}}\ntype: string\n")
    assert schema == {"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "string"}}}


def test_another_draft_is_a_warning() -> None:
    schema, problems = bundled(main="$schema: http://json-schema.org/draft-07/schema#\ntype: string\n")
    assert schema == {"type": "string"}
    assert [(problem.code, problem.severity) for problem in problems] == [("other-draft", "warning")]


@pytest.mark.parametrize(
    ("main", "at", "said", "hint"),
    [
        ("items: {$ref: no.schema.yaml}", "1:15", "there is no schema prompts/no.schema.yaml", ""),
        (
            "items: {$ref: https://example.com/x.json}",
            "1:15",
            "nothing is ever fetched",
            "save the file below prompts/",
        ),
        ("items: {$ref: ../x.yaml}", "1:15", "climbs with `..`", "relative to prompts/"),
        ("items: {$ref: 3}", "1:15", "`$ref` must be text", ""),
        ("items: {$ref: '#name'}", "1:15", "`#name` is no JSON pointer", "#/$defs/name"),
        (
            "items: {$ref: '#/$defs/no'}",
            "1:15",
            "there is nothing at `#/$defs/no` in prompts/main.schema.yaml",
            "`$defs`",
        ),
        ("items: {$ref: 'a.schema.yaml#/x/9'}", "1:15", "there is nothing at `#/x/9` in prompts/a.schema.yaml", "`9`"),
        ("items: {$ref: 'a.schema.yaml#/x'}", "a.schema.yaml:1:4", "a schema must be a mapping", ""),
        ("$ref: main.schema.yaml", "1:7", "the schema refers to itself and to nothing else", ""),
        ("$ref: 'a.schema.yaml#/y'", "a.schema.yaml:3:11", "the schema refers to itself and to nothing else", ""),
        ("$ref: 'a.schema.yaml#/x'", "a.schema.yaml:1:4", "a schema must be a mapping", ""),
    ],
)
def test_a_reference_to_nothing_is_told_where_it_stands(main: str, at: str, said: str, hint: str) -> None:
    _, (problem,) = bundled(main=main, a="x: [text]\ny: {$ref: '#/z'}\nz: {$ref: '#/y'}\n")
    assert str(problem.place) == f"prompts/{at if at[0] == 'a' else 'main.schema.yaml:' + at}"
    assert said in problem.message
    assert hint in (problem.hint or "")


def test_a_schema_of_too_many_parts_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptctl.schemas.references._MAX_VALUES", 3)
    assert bundled(main="allOf: [{}, {}]")[1] == []
    (problem,) = bundled(main="allOf: [{}, {}, {}, {}, {}]")[1]
    assert "more than 3 parts" in problem.message


def test_a_file_that_cannot_be_read_is_told_once() -> None:
    _, problems = bundled(main="prefixItems: [{$ref: a.schema.yaml}, {$ref: 'a.schema.yaml#/x'}]", a="a: &x 1\na: 2\n")
    assert [(str(problem.place), problem.code) for problem in problems] == [
        ("prompts/a.schema.yaml:1:4", "anchor"),
        ("prompts/a.schema.yaml:2:1", "duplicate-key"),
    ]


def test_a_dynamic_reference_becomes_one_to_the_same_place() -> None:
    schema = sound(
        main="properties: {tree: {$ref: tree.schema.yaml}, other: {$dynamicRef: '#/$defs/a'}}\n"
        "$defs: {a: {type: 'null'}}",
        tree="$dynamicAnchor: node\nitems: {$dynamicRef: '#node'}\nunevaluatedItems: false",
    )
    assert schema["$defs"]["tree"]["items"] == {"$ref": "#node"}
    assert schema["properties"]["other"] == {"$ref": "#/$defs/a"}
    assert Validator(schema).problems({"tree": [[[]]], "other": None}) == []
    assert Validator(schema).problems({"tree": [1], "other": 1}) == ["$.other: must be null, not 1"]
    both = sound(main="$ref: '#/$defs/a'\n$dynamicRef: '#b'\n$defs: {a: {}, b: {$dynamicAnchor: b, type: string}}")
    assert Validator(both).problems(1) == ["$: must be text, not 1"]


def test_an_anchor_in_two_files_is_a_problem() -> None:
    tree = "$dynamicAnchor: node\nitems: {$dynamicRef: '#node'}\n"
    _, problems = bundled(main=f"{tree}properties: {{a: {{$ref: a.schema.yaml}}}}", a=tree)
    assert [problem.message for problem in problems] == [
        "`$dynamicAnchor: node` is in two files of this schema: rename one"
    ]
