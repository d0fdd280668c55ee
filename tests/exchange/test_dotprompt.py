from __future__ import annotations

from typing import Any

import pytest

from promptctl.exchange.dotprompt.reading import is_one
from promptctl.exchange.drafts import ForeignContents
from promptctl.exchange.formats import format_of
from tests.exchange.conftest import read, refused, rendered, said, source

KEPT = "it is written as metadata.config.version"
FULL = """\
# Copyright of somebody
---
name: greeting
model: vertexai/gemini-2.5-pro
config:
  temperature: 0.2
  maxOutputTokens: 100
  stopSequences: [END]
  version: "002"
  apiKey: abc
input:
  schema:
    name: string, whom to greet
    tone?(enum): [kind, curt]
    tags?(array): string
    user(object): {nick?: string}
  default: {tone: kind}
output:
  format: json
  schema: {greeting: string}
tools: [timeOfDay]
toolDefs:
  - {name: look, description: Looks., inputSchema: {q: string}, outputSchema: {}}
metadata: {owner: support}
mycorp.level: 5
later: 1
---

{{role "system"}}Be {{tone}} to {{user.nick}}.
{{#each tags}}
- {{this}}
{{/each}}
{{history}}
{{role "user"}}I am {{name}}{{{name}}}
"""


def imported(template: str, **beside: str) -> ForeignContents:
    return read("it.prompt", template, "dotprompt", **beside)


def text(template: str, **given: Any) -> str:
    """What one message prints with these inputs, and partials as `imported` takes them."""
    beside = {name: given.pop(name) for name in [*given] if name.endswith("_dot_prompt")}
    (message,) = rendered(imported(template, **beside), given)
    return str(message["content"])


def declared(template: str, **beside: str) -> dict[str, object]:
    return dict(imported(template, **beside).prompts[0].data)


def test_every_key_of_the_front_matter_has_its_fate() -> None:
    contents = imported(FULL)
    data = contents.prompts[0].data
    assert data["name"] == "greeting"
    assert data["model"] == "vertex_ai/gemini-2.5-pro"
    assert data["parameters"] == {"temperature": 0.2, "max_tokens": 100, "stop": ["END"]}
    assert data["inputs"] == {
        "name": {"type": "string", "description": "whom to greet"},
        "tone": {"enum": ["kind", "curt"], "default": "kind"},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
        "user": {
            "type": "object",
            "properties": {"nick": {"type": ["string", "null"]}},
            "additionalProperties": False,
        },
        "history": {"type": "array", "default": []},
    }
    assert data["tools"][0]["function"]["parameters"]["required"] == ["q"]
    assert data["metadata"] == {"owner": "support", "mycorp.level": 5, "later": 1, "config": {"version": "002"}}
    assert "abc" not in repr(contents)
    assert [note for note in said(contents) if not note.startswith("kept")] == [
        "changed `model`: is `vertex_ai/gemini-2.5-pro`, as LiteLLM names it",
        f"dropped `config.version`: is no parameter that a prompt has here: {KEPT}, and not sent",
        "dropped `config.apiKey`: keys have no place in a prompt file",
        "changed `output.schema`: is Picoschema, and is written as JSON Schema",
        "dropped `tools[0]`: `timeOfDay` is a name only: what it is and takes is in an application's code",
        "dropped `toolDefs[0].outputSchema`: has no word in a prompt file",
        "changed `mycorp.level`: is written as metadata.mycorp.level",
        "changed `later`: is written as metadata.later; Dotprompt itself leaves it out",
        "changed `input.schema.tags`: is written as inputs.tags with an empty default: a missing one is empty there",
        "changed `{{user.nick}}`: prints nothing if the value is null, false or 0",
    ]
    assert rendered(contents, {"name": "Ada", "tags": ["x"], "user": {"nick": None}}) == [
        {"role": "system", "content": "Be kind to .\n- x\n"},
        {"role": "user", "content": "I am AdaAda"},
    ]


def test_notes_and_problems_name_their_lines() -> None:
    notes = {note.part: note.place.line for note in imported(FULL).notes if note.place}
    assert (notes["model"], notes["config.apiKey"], notes["tools[0]"]) == (4, 10, 21)
    assert (notes['{{role "system"}}'], notes["{{history}}"]) == (29, 33)
    (problem,) = refused("it.prompt", FULL + "{{oops 1}}\n", "dotprompt")
    assert str(problem.place) == "it.prompt:35"


def test_inputs_are_noted_at_their_own_lines() -> None:
    keys = "    a: string\n    tags?(array): string\n    kind(enum): [x]\n    to(object): {b: string}\n    c?: any\n"
    notes = imported(f"---\ninput:\n  schema:\n{keys}---\n{{{{a}}}}").notes
    lines = {note.part: note.place.line for note in notes if note.place}
    assert [lines[f"input.schema.{name}"] for name in ("a", "tags", "kind", "to", "c")] == [4, 5, 6, 7, 8]
    schema = "    type: object\n    properties:\n      a: {type: string}\n"
    notes = imported(f"---\ninput:\n  schema:\n{schema}---\n{{{{a}}}}").notes
    assert ("input.schema.a", 6) in [(note.part, note.place.line) for note in notes if note.place]
    assert declared("---\ninput: {schema: {type: object, properties: {}}}\n---\nHello")["messages"]


@pytest.mark.parametrize("body", ["{{#each to}}{{@key}}={{this}}{{/each}}", "street={{to.street}}"])
@pytest.mark.parametrize("street", ["street", "street?"])
def test_a_mapping_that_may_be_missing_is_empty(body: str, street: str) -> None:
    header = f"---\ninput: {{schema: {{to?(object): {{{street}: string}}}}}}\n---\nTo: "
    assert text(header + body) == ("To: " if "each" in body else "To: street=")
    assert text(header + body, to={"street": "a"}) == "To: street=a"
    more = ", so nothing in it is required" if street == "street" else ""
    note = "is written as inputs.to with an empty default: a missing one is empty there"
    assert f"changed `input.schema.to`: {note}{more}" in said(imported(header + body))


def test_a_type_that_is_none_takes_no_other_away() -> None:
    schema = "{a: string, b(array): My, c(list): string, d(object): {e: My, f: integer}}"
    contents = imported(f"---\ninput: {{schema: {schema}}}\noutput: {{schema: {schema}}}\n---\n{{{{a}}}}")
    expected = {
        "a": {"type": "string"},
        "b": {"type": "array", "items": {}},
        "c": {},
        "d": {
            "type": "object",
            "properties": {"e": {}, "f": {"type": "integer"}},
            "required": ["e", "f"],
            "additionalProperties": False,
        },
    }
    assert contents.prompts[0].data["inputs"] == expected
    assert contents.prompts[0].data["output"]["schema"]["properties"] == expected
    dropped = [each.part for each in contents.notes if each.fate == "dropped"]
    parts = ("b(array)", "c(list)", "d(object).e")
    assert dropped == [f"{key}.schema.{part}" for key in ("output", "input") for part in parts]
    litellm = declared("---\ninput: {schema: {name: string, rows: list}}\n---\nUser: {{ name }}{{ rows | length }}")
    assert litellm["inputs"] == {"name": {"type": "string"}, "rows": {}}


def test_what_may_be_missing_prints_nothing_as_in_handlebars() -> None:
    header = "---\ninput:\n  schema:\n    tone?: string\n    flag: boolean\n---\n"
    body = "{{#if tone}}Be {{tone}}{{else}}Be{{/if}}{{tone}}{{#unless tone}}!{{/unless}}"
    body += "{{#ifEquals tone 'x'}}?{{/ifEquals}}"
    assert declared(header + body)["messages"] == [
        {
            "role": "user",
            "content": '{% if tone is defined and tone %}Be {{ tone }}{% else %}Be{% endif %}{{ tone | default("") }}'
            "{% if tone is not defined or not tone %}!{% endif %}"
            '{% if tone is defined and tone == "x" %}?{% endif %}',
        }
    ]
    assert text(header + body, flag=True) == "Be!"
    assert text(header + body, flag=True, tone="x") == "Be xx?"


def test_blocks_see_what_handlebars_sees() -> None:
    loop = "{{#each rows as |row at|}}{{at}}{{row.name}}{{#each subs}}{{this}}{{../name}}{{@root.all}};{{/each}}"
    loop += "{{else}}-{{/each}}"
    rows = [{"name": "a", "subs": ["x"]}, {"name": "b", "subs": []}]
    assert text(loop, rows=rows, all="!") == "0axa!;1b"
    assert text(loop, rows=[], all="") == "-"
    keys = "{{#each map}}{{@key}}={{this}}{{#unless @last}},{{/unless}}{{/each}}"
    assert text(keys, map={"k": 1, "l": 2}) == "k=1,l=2"
    assert text("{{#with user}}{{name}}{{../greeting}}{{/with}}", user={"name": "A"}, greeting="!") == "A!"
    assert text("{{list.length}}{{lookup list 1}}{{list.[0]}}", list=["a", "b"]) == "2ba"


def test_white_space_and_escapes_are_those_of_handlebars() -> None:
    assert text("a\n  {{#if x}}\n  b\n  {{/if}}\nc {{~x~}} \n d", x="X") == "a\n  b\ncXd"
    assert text("{{! note }}\n\\{{x}} \\\\{{x}} {{&x}}", x="X") == "{{x}} \\X X"
    assert declared("Write \\{{x}} and {% raw %}")["template"] == "none"


def test_names_that_jinja_does_not_take_are_renamed() -> None:
    contents = imported("{{user-name}} {{in}} {{[a b]}}")
    assert list(contents.prompts[0].data["inputs"]) == ["user_name", "in_", "a_b"]
    assert "changed `{{user-name}}`: is written as inputs.user_name, a name that Jinja takes, of any type;" in str(
        said(contents)
    )


def test_images_sounds_and_files_are_parts() -> None:
    template = """\
Look:
{{media url=photo contentType="image/png"}}
{{#if more}}{{media url=more}}{{/if}}
{{media url="https://example.com/a.mp3" contentType="audio/mpeg"}}{{media url=pdf contentType="application/pdf"}}"""
    assert declared(template)["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:\n"},
                {"type": "image_url", "image_url": {"url": "{{ photo }}"}},
                {"type": "image_url", "when": "more", "image_url": {"url": "{{ more }}"}},
                {"type": "input_audio", "input_audio": {"data": "https://example.com/a.mp3", "format": "mp3"}},
                {"type": "file", "file": {"file_data": "{{ pdf }}", "format": "application/pdf"}},
            ],
        }
    ]


def test_partials_are_included_or_written_in_place() -> None:
    contents = imported(
        'A\n{{> tone}}\nB {{> who name=user.name mark="!"}}{{#each rows}}{{> row this}}{{/each}}{{> end}}',
        _tone_dot_prompt="Be {{tone}}.\n",
        _who_dot_prompt="{{name}}{{mark}}{{tone}}\n",
        _row_dot_prompt="[{{id}}]",
        _end_dot_prompt='{{role "model"}}Yes',
    )
    assert [(each.path, each.text) for each in contents.files] == [("tone.j2", "Be {{ tone }}.\n")]
    assert '{% include "tone.j2" %}' in contents.prompts[0].data["messages"][0]["content"]
    inputs = {"tone": "kind", "user": {"name": "Ada"}, "rows": [{"id": 1}, {"id": 2}]}
    assert rendered(contents, inputs) == [
        {"role": "user", "content": "A\nBe kind.\nB Ada!kind\n[1][2]"},
        {"role": "assistant", "content": "Yes"},
    ]


def test_an_indented_partial_is_indented_line_by_line() -> None:
    rows = "- {{a}}\n- b\n{{#if a}}\n- c\n- d\n{{/if}}\n  {{> more}}\n"
    contents = imported("List:\n  {{> rows}}\nEnd", _rows_dot_prompt=rows, _more_dot_prompt="- e\n- f")
    rest = "    - e\n    - fEnd"
    assert rendered(contents, {"a": "A"})[0]["content"] == f"List:\n  - A\n  - b\n  - c\n  - d\n{rest}"
    assert rendered(contents, {"a": ""})[0]["content"] == f"List:\n  - \n  - b\n{rest}"
    assert "changed `{{> rows}}`: is indented as a text: lines within a value are not" in said(contents)


def test_paths_in_a_partial_begin_where_its_call_says() -> None:
    inside, nested = "{{name}}", 'A {{> p x="!"}}'
    assert text("{{> p user}}", _p_dot_prompt=inside, user={"name": "Ada"}) == "Ada"
    assert text("{{#with user}}{{> p ../pet}}{{/with}}", _p_dot_prompt=inside, user=1, pet={"name": "Rex"}) == "Rex"
    assert text("{{#each list}}{{> p @index}}{{/each}}", _p_dot_prompt="{{this}}", list=["a", "b"]) == "01"
    assert text(nested, _p_dot_prompt="{{x}}{{> q}}", _q_dot_prompt="{{x}}{{name}}", name="Ada") == "A !!Ada"
    assert not imported(nested, _p_dot_prompt="{{x}}{{> q}}", _q_dot_prompt="{{name}}").files
    assert [each.text for each in imported("{{> p}}", _p_dot_prompt="x{{> q}}", _q_dot_prompt="y").files] == ["xy"]


def test_a_cycle_of_partials_is_refused_with_its_chain() -> None:
    (problem,) = refused(
        "it.prompt", "{{> a}}", "dotprompt", _a_dot_prompt="{{> b}}", _b_dot_prompt="{{#if x}}{{> a}}{{/if}}"
    )
    assert problem.message == "the partial `a` calls itself: a → b → a"
    assert str(problem.place) == "_b.prompt:1"


def test_partials_that_double_end_in_time() -> None:
    beside = {f"_p{number}_dot_prompt": f"{{{{> p{number + 1} a=1}}}}" * 2 for number in range(18)}
    problems = refused("it.prompt", "{{> p0 a=1}}", "dotprompt", **beside, _p18_dot_prompt="x")
    assert "called more than 5,000 times" in problems[0].message


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{translate text}}", "`{{translate text}}` calls the helper `translate`, which is code of an application"),
        ('{{#each rows}}{{role "user"}}{{this}}{{/each}}', "stands within a block or a partial that is not simple"),
        ("{{#each images}}{{media url=this}}{{/each}}x", "stands within a block or a partial that is not simple"),
        ("{{#flag}}x{{/flag}}", "`{{#flag}}` is a section of Mustache or a helper of an application"),
        ("{{^flag}}x{{/flag}}", "`{{^flag}}` is a section of Mustache"),
        ("{{#if (eq a b)}}x{{/if}}", "calls a helper within a tag"),
        ("{{> nowhere}}", "the partial `nowhere` is not there"),
        ("{{> ../up}}", "does not lie in the folder that is imported"),
        ("{{../up}}", "leads out of the template"),
        ("{{json this}}", "`this` means all inputs at once"),
        ("{{@metadata.prompt.model}}", "reads the prompt's own metadata"),
        ("{{#each a}}{{#each b}}{{@../index}}{{/each}}{{/each}}", "is of a loop around"),
        ('{{role "tool"}}x', "there is no role `tool` here"),
        ("{{role who}}x", "takes the role from a value"),
        ("{{history}}a{{history}}", "`{{history}}` stands here for the second time"),
        ('{{media url=x contentType="video/mp4"}}', "there is no part of the kind `video/mp4`"),
        ("{{media url=x size=1}}", "takes `url=` and `contentType=`"),
        ("{{media x url=x}}", "takes `url=` and `contentType=`"),
        ("{{#if x}}text {{media url=x}}{{/if}}", "stands within a block or a partial that is not simple"),
        ("{{#if x.y}}{{media url=x}}{{/if}}", "stands within a block or a partial that is not simple"),
        ("{{#if a}}x", "`{{#if a}}` is never closed"),
        ("{{#if a}}x{{/each}}", "`{{/each}}` closes `{{#if a}}`"),
        ("{{else}}", "`{{else}}` belongs to no block here"),
        ("Hi {{name", "`{{name` is not closed"),
        ("{{.Query}}", "`{{.Query}}` does not parse"),
        ("{{! never", "the comment is never closed"),
        ("{{{{raw}}}}x{{{{/raw}}}}", "opens a raw block"),
        ("{{#if a}}" * 50, "blocks are nested more than 40 deep"),
        ("  \n", "there is no message"),
        ("---\n- a\n---\nx", "the front matter is not a mapping"),
    ],
)
def test_what_our_files_cannot_say_is_refused_by_name(template: str, why: str) -> None:
    problems = refused("it.prompt", template, "dotprompt")
    assert any(why in problem.message for problem in problems), problems
    assert all(problem.place for problem in problems)


def test_litellms_dialect_is_told_by_its_content() -> None:
    contents = imported(
        "---\nmodel: gpt-4o\ntemperature: 0.7\nuser_key: 1\ninput:\n  schema: {name: string}\n---\n"
        "System: You help {{ name | upper }}.\n  Be kind.\n\nUser: {% if q %}{{ q }}{% endif %}\n"
    )
    data = contents.prompts[0].data
    assert data["parameters"] == {"temperature": 0.7}
    assert data["messages"] == [
        {"role": "system", "content": "You help {{ name | upper }}.\nBe kind."},
        {"role": "user", "content": "{% if q %}{{ q }}{% endif %}"},
    ]
    assert data["inputs"] == {"name": {"type": "string"}, "q": {"default": ""}}
    assert rendered(contents, {"name": "a<b"})[0]["content"] == "You help A<B.\nBe kind."
    assert any("as HTML has them" in note for note in said(contents))
    assert any(note.startswith("changed `dialect`: is LiteLLM's") for note in said(contents))
    assert refused("it.prompt", "System: {% if %}", "dotprompt")[0].place is not None
    texts = declared("{{ b | upper }}{{ a }}\nUser: x \n  y \nSystem:")
    assert texts["inputs"] == {"b": {"default": ""}, "a": {"default": ""}}
    assert texts["messages"] == [
        {"role": "user", "content": "{{ b | upper }}{{ a }}"},
        {"role": "user", "content": "x\ny"},
    ]


def test_an_empty_key_of_the_front_matter_says_nothing() -> None:
    for body in ("Hi", "System: Hi"):
        empty = "".join(f"{key}:\n" for key in ("name", "description", "metadata", "config", "output", "tools"))
        contents = imported(f"---\n{empty if body == 'Hi' else 'description:'}\n---\n{body}")
        assert contents.prompts[0].data.keys() == {"messages"}
        assert not any(note.fate == "dropped" for note in contents.notes)
    assert "metadata" in str(said(imported("---\nmetadata: 5\n---\nHi")))


@pytest.mark.parametrize(
    ("given", "dropped"),
    [
        ("{default: [1]}", "dropped `input.default`: is not a mapping of names to values"),
        ("{more: 1}", "dropped `input.more`: has no word in a prompt file"),
        ("{schema: {type: array, items: {}}}", "dropped `input.schema`: is the schema of one value"),
        ("{schema: {(*): any}}", "dropped `input.schema`: allows other properties"),
        (
            "{schema: {type: object, properties: {}, minProperties: 1}}",
            "dropped `input.schema.minProperties`: is about",
        ),
    ],
)
def test_what_inputs_cannot_say_is_dropped_by_name(given: str, dropped: str) -> None:
    notes = said(imported(f"---\ninput: {given}\n---\nHi"))
    assert [each.startswith(dropped) for each in notes if each.startswith("dropped")] == [True]


def test_the_history_is_at_the_end_unless_a_user_is_last() -> None:
    contents = imported('{{role "system"}}Be kind.')
    assert contents.prompts[0].data["messages"][-1] == {"placeholder": "history"}
    assert "changed `history`: is a placeholder at the end" in str(said(contents))
    assert declared("---\npromptctl.history: false\n---\n{{role 'system'}}Be kind.")["messages"] == [
        {"role": "system", "content": "Be kind."}
    ]


def test_a_tool_without_a_name_is_dropped() -> None:
    contents = imported("---\ntools: [a]\ntoolDefs: [{name: 5}, 7, {name: a}]\n---\nHi")
    assert contents.prompts[0].data["tools"] == [{"type": "function", "function": {"name": "a"}}]
    dropped = [str(note) for note in contents.notes if note.fate == "dropped"]
    assert dropped == ["dropped `toolDefs[0]`: has no name", "dropped `toolDefs[1]`: has no name"]


def test_an_address_in_the_file_is_no_template() -> None:
    (message,) = rendered(imported('{{media url="https://example.com/{{x}}"}}Hi {{name}}'), {"name": "Ada"})
    assert message["content"][0]["image_url"] == {"url": "https://example.com/{{x}}"}


def test_a_long_chain_of_conditions_is_read() -> None:
    chain = "{{#if a0}}0" + "".join(f"{{{{else if a{number}}}}}{number}" for number in range(1, 100)) + "{{/if}}"
    inputs = {f"a{number}": number == 70 for number in range(100)}
    assert text(chain, **inputs) == "70"


def test_a_partial_by_itself_is_no_prompt() -> None:
    contents = read("_rules.prompt", "Be kind.", "dotprompt")
    assert contents.prompts == ()
    assert said(contents) == ["dropped `_rules.prompt`: is a partial, which is imported with the prompts that call it"]


def test_what_handlebars_would_take_has_a_hint_of_its_own() -> None:
    assert refused("it.prompt", "{{#if (eq a b)}}x{{/if}}", "dotprompt")[0].hint == (
        "compare with `#ifEquals`, or give the result as an input"
    )
    assert "text/template" in str(refused("it.prompt", "{{.Query}}", "dotprompt")[0].hint)


def test_no_sign_of_a_file_reaches_the_terminal_as_it_is() -> None:
    (problem,) = refused("it.prompt", '{{translate "\x1b[31mred"\n"x"}}', "dotprompt")
    assert problem.message.startswith('`{{translate "\\x1b[31mred" "x"}}` calls the helper')


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.md", "---\ntitle: A page\n---\nHello {{name}}"),
        ("a.prompt.yaml", "messages: [{role: user, content: Hi}]"),
        ("a.txt", "Hello {{name}}"),
        ("a.prompt", '{"a": 1}'),
        ("a.prompt", "name: x\nmessages:\n  - role: user\n    content: Hi"),
    ],
)
def test_other_files_are_none(path: str, content: str) -> None:
    assert not is_one(source(path, content))


def test_a_file_of_any_name_is_told_by_its_helpers_or_keys() -> None:
    for content in ('{{role "system"}}Hi', "---\nmodel: googleai/x\n---\nHi"):
        found = format_of(source("a.txt", content))
        assert found is not None
        assert found.name == "dotprompt"


def test_a_type_that_is_none_takes_no_others_away() -> None:
    template = """\
---
input:
  schema:
    a: string
    b?: integer
    c: MySchema
    d?(list): string
---
{{a}}{{#if b}}{{b}}{{/if}}{{c}}"""
    contents = imported(template)
    inputs = contents.prompts[0].data["inputs"]
    assert inputs == {"a": {"type": "string"}, "b": {"type": "integer", "required": False}, "c": {}, "d": inputs["d"]}
    dropped = {note.part: note.place and note.place.line for note in contents.notes if note.fate == "dropped"}
    assert dropped == {"input.schema.c": 6, "input.schema.d?(list)": 7}
    assert {note.part: note.place and note.place.line for note in contents.notes}["input.schema.b"] == 5


def test_a_loop_over_what_may_be_missing_prints_nothing_then() -> None:
    header = "---\ninput: {schema: {map?(object): {street: string}, list?(array): string}}\n---\n"
    loops = header + "{{#each map}}{{@key}}={{this}}{{else}}-{{/each}}{{#each list}}{{this}}{{/each}}."
    assert text(loops) == "-."
    assert text(loops, map={"street": "s"}, list=["a", "b"]) == "street=sab."
