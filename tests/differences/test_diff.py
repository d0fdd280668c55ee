from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from promptctl.differences.diff import PromptDiff, compare_messages, diff_prompts
from promptctl.differences.text_diff import compare_texts
from promptctl.files.tree import MemoryTree
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.prompt import MISSING, Input, Message, Output, Placeholder, Prompt

SYSTEM = Message("system", "You triage tickets.\nBe kind.\nBe brief.\n")
USER = Message("user", "{{ ticket }}\n")
HISTORY = Placeholder("history")
LABELS: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["billing", "other"]}, "reply": {"type": "string"}},
    "required": ["label"],
    "additionalProperties": False,
}


def tool(name: str, **parameters: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": parameters, "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": "Look up.", "parameters": schema}}


BASE = Prompt(
    id="support/triage",
    path="prompts/support/triage.prompt.yaml",
    digest="1:a",
    name="Support triage",
    messages=(SYSTEM, HISTORY, USER),
    model="openai/gpt-4o-mini",
    parameters={"temperature": 0, "max_tokens": 400},
    inputs={
        "ticket": Input("ticket", {"type": "string"}),
        "product": Input("product", {"type": "string"}, default="Acme", is_required=False),
        "tone": Input("tone", {"enum": ["kind", "formal"]}, is_required=False),
    },
    output=Output(schema=LABELS, retries=1),
    tools=(tool("find", query={"type": "string"}), tool("refund", cents={"type": "integer"})),
    metadata={"owner": "support", "content_type": "text"},
    partials={"support/tone.j2": "Be {{ tone }}.\n", "legal.j2": "No advice.\n"},
)


def diff(**changes: Any) -> PromptDiff:
    """What differs when parts of the base prompt are replaced."""
    return diff_prompts(BASE, replace(BASE, **{"digest": "1:b", **changes}))


def with_input(name: str, declared: Input | None) -> dict[str, Input]:
    inputs = {**BASE.inputs, name: declared}
    return {key: value for key, value in inputs.items() if value is not None}


def callers(found: PromptDiff) -> list[tuple[str, str]]:
    return [(part.name, part.reason) for part in found.breaks_callers]


def consumers(found: PromptDiff) -> list[tuple[str, str, str]]:
    return [(part.part, part.name, part.reason) for part in found.breaks_consumers]


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_prompt_does_not_differ_from_itself() -> None:
    found = diff_prompts(BASE, BASE)
    assert found.is_empty
    assert found.is_same_behaviour
    assert found == PromptDiff("1:a", "1:a", is_same_behaviour=True)


def test_the_whole_is_plain_json_and_the_same_each_time() -> None:
    new = replace(
        BASE,
        digest="1:b",
        messages=(USER, SYSTEM),
        inputs=with_input("ticket", None),
        output=Output(schema={**LABELS, "required": []}),
        partials={"new.j2": "New.\n"},
        tools=BASE.tools[::-1],
        model=None,
        tags=("x",),
    )
    first = json.dumps(diff_prompts(BASE, new).to_data())
    assert json.dumps(diff_prompts(BASE, new).to_data()) == first
    assert json.loads(first)["model"] == {
        "name": "model",
        "kind": "removed",
        "before": "openai/gpt-4o-mini",
        "after": None,
    }


def test_what_no_digest_covers_stands_apart_and_breaks_nobody() -> None:
    described = Input("ticket", {"type": "string", "description": "Raw text"})
    found = diff(
        digest=BASE.digest,
        name="Triage",
        status="deprecated",
        tags=("support",),
        metadata={"owner": "sales", "content_type": "text"},
        inputs=with_input("ticket", described),
        inline_dataset={"cases": [1]},
    )
    assert found.is_same_behaviour
    assert [(change.name, change.kind) for change in found.metadata] == [
        ("name", "changed"),
        ("status", "changed"),
        ("tags", "changed"),
        ("metadata.owner", "changed"),
        ("tests", "changed"),
        ("inputs.ticket.description", "added"),
    ]
    assert (found.inputs, found.breaks_callers, found.breaks_consumers) == ((), (), ())
    assert not found.is_empty


def test_an_inactive_prompt_breaks_its_callers() -> None:
    assert callers(diff(status="inactive")) == [("status", "an inactive prompt refuses to run")]
    was = replace(BASE, status="inactive")
    assert diff_prompts(was, replace(was, digest="1:b")).breaks_callers == ()


def test_an_input_that_is_kept_out_of_what_is_stored_no_longer_is_told() -> None:
    hidden = replace(BASE, inputs=with_input("ticket", Input("ticket", {"type": "string"}, is_sensitive=True)))
    (change,) = diff_prompts(hidden, BASE).metadata
    assert (change.name, change.before, change.after) == ("inputs.ticket.sensitive", True, False)


def test_model_engine_parameters_and_response_format_are_told_value_by_value() -> None:
    found = diff(
        model="openai/gpt-4o",
        engine="none",
        parameters={"temperature": 0.0, "max_tokens": 800, "stop": ["END"]},
        output=Output(),
        response_format={"type": "json_object"},
    )
    assert found.model is not None
    assert (found.model.before, found.model.after) == ("openai/gpt-4o-mini", "openai/gpt-4o")
    assert found.engine is not None
    assert (found.engine.name, found.engine.after) == ("template", "none")
    assert [(change.name, change.kind, change.before, change.after) for change in found.parameters] == [
        ("max_tokens", "changed", 400, 800),
        ("stop", "added", None, ["END"]),
    ]
    assert [(change.name, change.kind, change.after) for change in found.response_format] == [
        ("type", "added", "json_object")
    ]


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_changed_text_shows_its_lines() -> None:
    changed = Message("system", "You triage tickets.\nBe formal.\nBe brief.\n")
    (change,) = diff(messages=(changed, HISTORY, USER)).messages
    assert (change.kinds, change.before, change.after) == (("text",), 1, 1)
    (hunk,) = change.hunks
    assert hunk.lines == (" You triage tickets.", "-Be kind.", "+Be formal.", " Be brief.", " ")


def test_messages_are_added_and_removed_where_they_stood() -> None:
    example = Message("assistant", "An example.")
    added = diff(messages=(SYSTEM, example, HISTORY, USER)).messages
    assert [(c.kinds, c.before, c.after, c.role_after) for c in added] == [(("added",), None, 2, "assistant")]
    assert added[0].hunks[0].lines == ("+An example.",)
    removed = diff(messages=(SYSTEM, USER)).messages
    assert [(c.kinds, c.before, c.placeholder) for c in removed] == [(("removed",), 2, "history")]


def test_the_fewest_messages_that_can_have_moved_are_said_to_have() -> None:
    moved = diff(messages=(USER, SYSTEM, HISTORY)).messages
    assert [(c.kinds, c.before, c.after, c.role_after) for c in moved] == [(("moved",), 3, 1, "user")]
    moved = diff(messages=(SYSTEM, USER, HISTORY)).messages
    assert [(c.kinds, c.placeholder or c.role_after) for c in moved] in (
        [(("moved",), "user")],
        [(("moved",), "history")],
    )


def test_a_message_that_moved_and_was_edited_is_one_change() -> None:
    edited = Message("user", SYSTEM.content + "Be quick.\n")  # type: ignore[operator]
    (change,) = diff(messages=(HISTORY, USER, edited)).messages
    assert (change.kinds, change.before, change.after) == (("moved", "role", "text"), 1, 3)
    assert (change.role_before, change.role_after) == ("system", "user")


def test_a_message_written_anew_in_its_place_is_changed_not_replaced() -> None:
    (change,) = diff(messages=(Message("system", "Entirely other words"), HISTORY, USER)).messages
    assert change.kinds == ("text",)
    other_role = diff(messages=(Message("developer", "Entirely other words"), HISTORY, USER)).messages
    assert [c.kinds for c in other_role] == [("removed",), ("added",)]


def test_equal_messages_are_matched_one_to_one() -> None:
    assert [c.kinds for c in compare_messages([USER, USER, SYSTEM], [USER, SYSTEM])] == [("removed",)]


def test_a_placeholder_for_another_input_is_another_placeholder() -> None:
    found = diff(messages=(SYSTEM, Placeholder("earlier"), USER)).messages
    assert [(c.kinds, c.placeholder) for c in found] == [(("removed",), "history"), (("added",), "earlier")]


def test_content_parts_and_protocol_keys_are_compared() -> None:
    def parts(text: str, url: str, **extra: Any) -> Message:
        image = {"type": "image_url", "image_url": {"url": url}}
        return Message("user", ({"type": "text", "text": text}, image), extra=extra)

    old, new = parts("Look:", "{{ a }}"), parts("Look:", "{{ b }}", name="eve")
    (change,) = compare_messages([old], [new])
    assert change.kinds == ("text", "extra")
    assert '-    "url": "{{ a }}"' in change.hunks[0].lines
    assert [(value.name, value.after) for value in change.extra] == [("name", "eve")]
    assert compare_messages([parts("a", "b")], [parts("a", "b")]) == ()


def test_many_messages_are_compared_without_comparing_all_texts() -> None:
    old = [Message("user", f"question {number} " + "word " * 50) for number in range(300)]
    new = [Message("user", f"query {number} " + "word " * 50) for number in range(300)]
    assert [c.kinds for c in compare_messages(old, new)] == [("text",)] * 300


def test_every_message_is_accounted_for_whatever_was_done_to_the_list() -> None:
    rng = random.Random(7)
    for _ in range(60):
        old = [Message("user", rng.choice(["a b c", "a b d", "x y z", "q"])) for _ in range(rng.randint(0, 5))]
        new = [Message("user", rng.choice(["a b c", "a b e", "x y z", "r"])) for _ in range(rng.randint(0, 5))]
        found = compare_messages(old, new)
        untouched = len(old) - sum(c.before is not None for c in found)
        assert untouched == len(new) - sum(c.after is not None for c in found)
        assert (found == ()) == (old == new)


# --- partials --------------------------------------------------------------------------------------------------------


def test_partials_are_told_by_path_with_their_lines() -> None:
    found = diff(partials={"support/tone.j2": "Be {{ tone }}!\n", "law.j2": "No advice.\n", "new.j2": "N\n"}).partials
    assert [(c.path, c.kind, c.moved_from) for c in found] == [
        ("law.j2", "moved", "legal.j2"),
        ("new.j2", "added", None),
        ("support/tone.j2", "changed", None),
    ]
    assert [hunk.lines for hunk in found[2].hunks] == [("-Be {{ tone }}.", "+Be {{ tone }}!", " ")]
    removed = diff(partials={"legal.j2": "No advice.\n"}).partials
    assert [(c.path, c.kind) for c in removed] == [("support/tone.j2", "removed")]


def test_line_ends_are_compared_only_where_they_mean_something() -> None:
    assert compare_texts("a\r\nb\r\n", "a\nb\n") == ()
    assert [hunk.lines for hunk in compare_texts("a\n", "a")] == [(" a", "-")]
    assert [hunk.lines for hunk in compare_texts("", "a")] == [("+a",)]
    far = compare_texts("\n".join(map(str, range(30))), "\n".join(map(str, [*range(1, 29), 99])))
    assert [(h.before_start, h.before_count, h.after_start, h.after_count) for h in far] == [
        (1, 4, 1, 3),
        (27, 4, 26, 4),
    ]


# --- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "breaks"),
    [
        (Input("urgent", {"type": "boolean"}), ["was added without a default: it must be given now"]),
        (Input("urgent", {"type": "boolean"}, default=False, is_required=False), []),
        (Input("urgent", {"type": "boolean"}, default=None, is_required=False), []),
        (Input("urgent", {"type": "boolean"}, is_required=False), []),
    ],
)
def test_an_added_input_breaks_callers_only_without_a_default(declared: Input, breaks: list[str]) -> None:
    found = diff(inputs=with_input("urgent", declared))
    assert [(change.name, change.kind) for change in found.inputs] == [("urgent", "added")]
    assert callers(found) == [("urgent", reason) for reason in breaks]


def test_a_removed_input_breaks_callers() -> None:
    found = diff(inputs=with_input("tone", None))
    assert [(change.name, change.kind) for change in found.inputs] == [("tone", "removed")]
    assert callers(found) == [("tone", "was removed: giving it is an error now")]


def test_an_input_that_must_be_given_now_breaks_callers() -> None:
    no_default = diff(inputs=with_input("product", Input("product", {"type": "string"})))
    assert callers(no_default) == [("product", "must be given now: its default was removed")]
    (change,) = no_default.inputs
    assert change.default is not None
    assert (change.default.kind, change.default.before) == ("removed", "Acme")
    required = diff(inputs=with_input("tone", Input("tone", {"enum": ["kind", "formal"]})))
    assert callers(required) == [("tone", "must be given now: it was optional")]


def test_a_default_that_changes_or_comes_breaks_nobody() -> None:
    found = diff(
        inputs=with_input("product", Input("product", {"type": "string"}, default={"a": 1}, is_required=False))
    )
    (change,) = found.inputs
    assert change.default is not None
    assert (change.default.before, change.default.after, change.required) == ("Acme", {"a": 1}, None)
    added = diff(inputs=with_input("ticket", Input("ticket", {"type": "string"}, default="none", is_required=False)))
    assert added.inputs[0].required is not None
    assert (added.inputs[0].required.before, added.inputs[0].required.after) == (True, False)
    assert callers(found) == callers(added) == []


@pytest.mark.parametrize(
    ("schema", "reasons"),
    [
        ({"type": "string", "maxLength": 500}, ["at most 500 characters now"]),
        ({"type": "string", "pattern": "^T"}, ['pattern "^T" added']),
        ({"type": "string", "enum": ["a"]}, ['limited to "a"']),
        ({"type": "integer"}, ["type string → integer"]),
        ({"type": ["string", "null"]}, []),
        ({}, []),
    ],
)
def test_a_narrowed_input_breaks_callers_and_a_widened_one_does_not(schema: dict[str, Any], reasons: list[str]) -> None:
    found = diff(inputs=with_input("ticket", Input("ticket", schema)))
    assert [change.name for change in found.inputs] == ["ticket"]
    assert callers(found) == [("ticket", reason) for reason in reasons]


def test_a_narrowing_inside_an_input_says_where() -> None:
    items = {"type": "object", "properties": {"id": {"type": "string"}}, "required": []}
    old = replace(BASE, inputs={"cart": Input("cart", {"type": "array", "items": items})})
    new = replace(BASE, inputs={"cart": Input("cart", {"type": "array", "items": {**items, "required": ["id"]}})})
    assert callers(diff_prompts(old, new)) == [("cart", "cart[*].id: is required now")]


def test_an_enum_value_less_breaks_callers_and_one_more_does_not() -> None:
    found = diff(inputs=with_input("tone", Input("tone", {"enum": ["kind", "curt"]}, is_required=False)))
    assert callers(found) == [("tone", 'value "formal" removed')]


# --- output and tools ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "breaks"),
    [
        (
            {**LABELS, "properties": {"label": LABELS["properties"]["label"]}},
            [("$.reply", "property removed; it is refused now")],
        ),
        (
            {**LABELS, "properties": {**LABELS["properties"], "label": {"enum": ["billing", "other", "sales"]}}},
            [("$.label", 'value "sales" added')],
        ),
        ({**LABELS, "properties": {**LABELS["properties"], "label": {"enum": ["billing"]}}}, []),
        (
            {**LABELS, "properties": {**LABELS["properties"], "reply": {"type": "integer"}}},
            [("$.reply", "type string → integer")],
        ),
        ({**LABELS, "required": []}, [("$.label", "need not be there now")]),
        ({**LABELS, "properties": {**LABELS["properties"], "score": {"type": "number"}}}, []),
    ],
)
def test_consumers_break_where_replies_can_be_what_they_were_not(
    schema: dict[str, Any], breaks: list[tuple[str, str]]
) -> None:
    found = diff(output=Output(schema=schema, retries=1))
    assert found.output is not None
    assert found.output.schema
    assert consumers(found) == [("output", path, reason) for path, reason in breaks]
    assert found.breaks_callers == ()


def test_a_schema_that_comes_or_goes_breaks_consumers() -> None:
    gone = diff(output=Output())
    assert gone.output is not None
    assert gone.output.kind == "removed"
    assert consumers(gone) == [("output", "schema", "replies were JSON of a schema and are free text now")]
    come = diff_prompts(replace(BASE, output=Output()), BASE)
    assert consumers(come) == [("output", "schema", "replies were free text and are JSON of a schema now")]
    assert diff_prompts(replace(BASE, output=Output()), replace(BASE, output=Output(retries=3))).output is None


@pytest.mark.parametrize(
    ("old", "new", "part", "reason"),
    [
        ({}, {"type": "json_object"}, "response_format", "free text and are any JSON object"),
        ({"type": "json_object"}, {}, "response_format", "any JSON object and are free text"),
        ({"type": "text"}, {}, "", ""),
        ({"type": "json_object"}, LABELS, "", ""),
        ({"type": "json_object"}, {"type": ["object"]}, "", ""),
        ({"type": "json_object"}, {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}, "", ""),
        ({"type": "object"}, {"type": "json_object"}, "", ""),
        ({"type": "json_object"}, {"enum": ["a", "b"]}, "output", "any JSON object and are JSON of a schema"),
        (LABELS, {"type": "json_object"}, "output", "JSON of a schema and are any JSON object"),
    ],
)
def test_a_different_form_of_replies_is_one_break_and_an_object_with_a_schema_is_none(
    old: dict[str, Any], new: dict[str, Any], part: str, reason: str
) -> None:
    def asking(form: dict[str, Any]) -> Prompt:
        if form.get("type") in ("text", "json_object"):
            return replace(BASE, output=Output(), response_format=form)
        return replace(BASE, output=Output(schema=form or None))

    found = consumers(diff_prompts(asking(old), asking(new)))
    name = "schema" if part == "output" else "type"
    assert found == ([(part, name, f"replies were {reason} now")] if part else [])


def test_output_settings_and_the_order_of_keys_are_changes_that_break_nobody() -> None:
    settings = diff(output=Output(schema=LABELS, retries=2, is_strict=True)).output
    assert settings is not None
    assert [(change.name, change.after) for change in settings.settings] == [("strict", True), ("retries", 2)]
    found = diff(output=Output(schema=dict(reversed(LABELS.items())), retries=1))
    assert found.output is not None
    assert [change.text for change in found.output.schema] == ["its keys are in a different order"]
    assert consumers(found) == []


def test_tools_are_told_by_name() -> None:
    wider = tool("find", query={"type": ["string", "null"]}, limit={"type": "integer"})
    found = diff(tools=(wider, tool("escalate")))
    assert [(change.name, change.kind) for change in found.tools] == [
        ("find", "changed"),
        ("refund", "removed"),
        ("escalate", "added"),
    ]
    assert [change.path for change in found.tools[0].parameters] == ["$.query", "$.limit"]
    assert consumers(found) == [
        ("tool", "find", "query: type string → null or string"),
        ("tool", "escalate", "was added: the code that runs tools must know it"),
    ]


def test_a_tools_words_and_place_are_changes_too() -> None:
    described = {"type": "function", "function": {**BASE.tools[0]["function"], "description": "Find tickets."}}
    (change,) = diff(tools=(described, BASE.tools[1])).tools
    assert [(value.name, value.before, value.after) for value in change.settings] == [
        ("function.description", "Look up.", "Find tickets.")
    ]
    moved = diff(tools=BASE.tools[::-1])
    assert len(moved.tools) == 1
    assert moved.tools[0].kind == "moved"
    assert consumers(moved) == []


def test_missing_stands_for_no_default_and_never_reaches_the_data() -> None:
    found = diff(inputs=with_input("product", Input("product", {"type": "string"}, default=MISSING)))
    assert "MISSING" not in json.dumps(found.to_data())


# --- against the digest ----------------------------------------------------------------------------------------------

FILE = """\
name: Triage
description: Sorts tickets.
tags: [support]
model: openai/gpt-4o-mini
parameters: {temperature: 0, max_tokens: 400}
inputs:
  ticket: {type: string, description: Raw text}
  product: {type: string, default: Acme}
  tone: {enum: [kind, formal], required: false}
  history: {type: array, default: []}
messages:
  - role: system
    content: |
      You triage {{ product }}. {{ tone }}
      {% include "tone.j2" %}
  - placeholder: history
  - role: user
    content: "{{ ticket }}"
output:
  schema: {$ref: triage.schema.yaml}
  retries: 2
tools:
  - type: function
    function: {name: find, parameters: {type: object, properties: {query: {type: string}}}}
metadata: {owner: support}
"""
SCHEMA = "{type: object, properties: {label: {type: string}, reply: {type: string}}, required: [label]}\n"


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("prompt", "name: Triage", "name: Sort"),
        ("prompt", "Sorts", "Orders"),
        ("prompt", "[support]", "[support, new]"),
        ("prompt", "owner: support", "owner: sales"),
        ("prompt", "description: Raw text", "description: Text"),
        ("prompt", "temperature: 0", "temperature: 0.0"),
        ("prompt", "name: Triage", "# a comment\nname: Triage"),
        ("prompt", "{type: string, default: Acme}", "{default: Acme, type: string}"),
        ("prompt", "gpt-4o-mini", "gpt-4o"),
        ("prompt", "max_tokens: 400", "max_tokens: 401"),
        ("prompt", "default: Acme", "default: Bcme"),
        ("prompt", ", required: false", ""),
        ("prompt", "[kind, formal]", "[formal, kind]"),
        ("prompt", "You triage", "You sort"),
        ("prompt", "- role: user", "- role: developer"),
        ("prompt", "  - placeholder: history\n", ""),
        ("prompt", "retries: 2", "retries: 3"),
        ("prompt", "retries: 2", "strict: true"),
        ("prompt", "name: find,", "name: find, description: Finds.,"),
        ("prompt", "name: find,", "name: search,"),
        ("prompt", "{query: {type: string}}", "{query: {type: integer}}"),
        (
            "prompt",
            "type: object, properties: {query: {type: string}}",
            "properties: {query: {type: string}}, type: object",
        ),
        ("tone.j2", "Be kind.", "Be brief."),
        ("triage.schema.yaml", "required: [label]", "required: [reply]"),
        (
            "triage.schema.yaml",
            "label: {type: string}, reply: {type: string}",
            "reply: {type: string}, label: {type: string}",
        ),
    ],
)
def test_what_the_digest_covers_is_told_as_behaviour_and_nothing_else_is(path: str, old: str, new: str) -> None:
    files = {"t.prompt.yaml": FILE, "tone.j2": "Be kind.\n", "triage.schema.yaml": SCHEMA}
    edited = "t.prompt.yaml" if path == "prompt" else path
    assert old in files[edited]
    changed = {**files, edited: files[edited].replace(old, new)}
    before, after = (
        load_prompt(MemoryTree({f"prompts/{name}": text for name, text in side.items()}), "t")
        for side in (files, changed)
    )
    found = diff_prompts(before, after)
    assert found.is_same_behaviour == (before.digest == after.digest)
    assert replace(found, metadata=()).is_empty == found.is_same_behaviour
