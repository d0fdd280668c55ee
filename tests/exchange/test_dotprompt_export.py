from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptctl.exchange.dotprompt.picoschema import json_schema, picoschema
from promptctl.exchange.dotprompt.reading import read
from promptctl.exchange.dotprompt.writing import write
from promptctl.exchange.written import Written
from promptctl.files.yaml_writing import yaml_text
from promptctl.template_languages.jinja import jinja_text
from promptctl.template_languages.pieces import (
    FilterCall,
    IfBranch,
    IfPiece,
    IfTest,
    LoopPiece,
    Path,
    Piece,
    TextPiece,
    VariablePiece,
)
from tests.exchange.conftest import rendered, source
from tests.exchange.drafted import to_write

INPUTS: dict[str, Any] = {
    "name": {"type": "string", "description": "of whom, exactly"},
    "tone": {"type": "string", "required": False},
    "count": {"type": "integer"},
    "flag": {"type": "boolean", "default": False},
    "tags": {"type": "array", "items": {"type": "string"}},
    "kind": {"enum": ["a", "b"]},
    "json": {},
    "user": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "note": {"type": "string"}, "list": {"type": "array"}},
        "required": ["name", "list"],
    },
    "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
}
HISTORY = {"history": {"type": "array", "default": []}}
TEXTS = st.text("ab{}\\ \n\t~%#!\"'é.", min_size=1, max_size=8)
TESTS: list[tuple[tuple[IfTest, ...], bool]] = [
    ((IfTest(("flag",)),), False),
    ((IfTest(("flag",), is_negated=True),), False),
    ((IfTest(("tone",), "is", "defined"), IfTest(("tone",))), False),
    ((IfTest(("tone",), "is", "defined", is_negated=True), IfTest(("tone",), is_negated=True)), True),
    ((IfTest(("count",), "==", 3),), False),
    ((IfTest(("kind",), "!=", 'b"c'),), False),
    ((IfTest(("name",), "==", ("kind",)),), False),
]


def printed(item: str | None) -> st.SearchStrategy[Piece]:
    """Values as they are printed: outside of loops, or in one over lists of texts or mappings."""
    choices: list[Piece] = [
        VariablePiece(("name",)),
        VariablePiece(("json",)),
        VariablePiece(("user", "name")),
        VariablePiece(("user", "note"), (FilterCall("default", ("",)),)),
        VariablePiece(("tone",), (FilterCall("default", ("",)),)),
        VariablePiece(("tags",), (FilterCall("join", (",",)),)),
        VariablePiece(("tags",), (FilterCall("length"),)),
        VariablePiece(("user",), (FilterCall("tojson", (2,)),)),
    ]
    if item is not None:
        inner: list[Path] = [(item,), (item, "name"), ("loop", "index0")]
        choices += [VariablePiece(path) for path in inner]
    return st.sampled_from(choices)


def templates(depth: int, item: str | None = None) -> st.SearchStrategy[tuple[Piece, ...]]:
    """Templates of which Handlebars says everything."""
    single: list[st.SearchStrategy[Piece]] = [TEXTS.map(TextPiece), printed(item)]
    if depth:
        body, empty = templates(depth - 1, item), st.just(())
        branch = st.builds(
            lambda test, pieces: IfBranch(test[0], pieces, test[1]), st.sampled_from(TESTS), body.filter(bool)
        )
        single.append(st.builds(IfPiece, st.lists(branch, min_size=1, max_size=2).map(tuple), body | empty))
        if item is None:
            over = st.sampled_from([("tags",), ("user", "list")])
            names = st.sampled_from(["item", "each_one"])
            loops = names.flatmap(lambda name: st.tuples(st.just(name), templates(depth - 1, name).filter(bool)))
            single.append(
                st.builds(lambda loop, over, rest: LoopPiece(loop[0], over, loop[1], rest), loops, over, body | empty)
            )
    return st.lists(st.one_of(single), min_size=1, max_size=5).map(tuple)


TEMPLATES = templates(2)


def _sure(pieces: tuple[Piece, ...], *, is_given: bool) -> tuple[Piece, ...]:
    """The pieces with `tone` printed without a default wherever a condition has found it."""
    return tuple(_sure_piece(each, is_given=is_given) for each in pieces)


def _sure_piece(piece: Piece, *, is_given: bool) -> Piece:
    if isinstance(piece, VariablePiece) and piece.path == ("tone",) and is_given:
        return VariablePiece(piece.path)
    if isinstance(piece, LoopPiece):
        body = _sure(piece.body, is_given=is_given)
        return replace(piece, body=body, otherwise=_sure(piece.otherwise, is_given=is_given))
    if not isinstance(piece, IfPiece):
        return piece
    branches = []
    for branch in piece.branches:
        is_tone = branch.tests[0].path == ("tone",)
        if is_tone and is_given:
            branch = replace(branch, tests=branch.tests[-1:], is_any=False)
        body = _sure(branch.body, is_given=is_given or (is_tone and not branch.is_any))
        branches.append(replace(branch, body=body))
        is_given = is_given or (is_tone and branch.is_any)
    return IfPiece(tuple(branches), _sure(piece.otherwise, is_given=is_given))


@st.composite
def prompts(draw: st.DrawFn) -> dict[str, Any]:
    """Prompts of which Dotprompt says everything, as an import writes them."""
    roles = [*draw(st.lists(st.sampled_from(["system", "user", "assistant", "history"]), max_size=2))]
    roles.append(draw(st.sampled_from(["user", "assistant", "system"])))
    assume(roles.count("history") <= 1)
    drawn = [(role, _sure(draw(TEMPLATES), is_given=False)) for role in roles if role != "history"]
    assume(all(any(not isinstance(each, TextPiece) or each.text.strip() for each in pieces) for _, pieces in drawn))
    is_plain = all(isinstance(each, TextPiece) for _, pieces in drawn for each in pieces)
    texts = [_plain(pieces) if is_plain else jinja_text(pieces) for _, pieces in drawn]
    messages: list[dict[str, Any]] = [
        {"role": role, "content": text} for (role, _), text in zip(drawn, texts, strict=True)
    ]
    if "history" in roles:
        messages.insert(roles.index("history"), {"placeholder": "history"})
    data: dict[str, Any] = {"inputs": INPUTS | HISTORY if "history" in roles else INPUTS, "messages": messages}
    if is_plain and any(_plain(pieces) != jinja_text(pieces) for _, pieces in drawn):
        data["template"] = "none"
    optional: dict[str, Any] = {
        "name": "A title",
        "description": "What it is for: people.",
        "tags": ["a", "b"],
        "model": "gemini/gemini-2.5-flash",
        "parameters": {"temperature": 0.5, "max_tokens": 10, "stop": ["END"], "extra_body": {"k": 1}},
        "output": {"schema": {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "additionalProperties": False}},
        "metadata": {"owner": "support", "a.b": {"c": [1]}},
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    }
    return data | {key: optional[key] for key in draw(st.sets(st.sampled_from(sorted(optional))))}


def _plain(pieces: tuple[Piece, ...]) -> str:
    return "".join(each.text for each in pieces if isinstance(each, TextPiece))


def exported(data: dict[str, Any], **beside: str) -> Written:
    """The prompt as an export writes it, with files beside it."""
    files = {f"prompts/{name.replace('_dot_', '.')}": text for name, text in beside.items()}
    return write([to_write("it", {**files, "prompts/it.prompt.yaml": yaml_text(data)})])


@settings(max_examples=80)
@given(prompts())
def test_what_dotprompt_can_say_comes_back_as_it_was(data: dict[str, Any]) -> None:
    written = exported(data)
    assert written.losses == ()
    back = read(source("it.prompt", written.files["it.prompt"]))
    assert back.prompts[0].data == data


def messages(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": each} for each in texts]


def body(written: Written, path: str = "it.prompt") -> str:
    return written.files[path].decode().rpartition("---\n")[2]


def lost(data: dict[str, Any], **beside: str) -> list[str]:
    return [f"{each.part} {each.message}" for each in exported(data, **beside).losses]


def test_the_file_reads_as_people_would_write_it() -> None:
    written = exported(
        {
            "description": "Sorts tickets.",
            "tags": ["support"],
            "model": "vertex_ai/gemini-2.5-pro",
            "parameters": {"max_tokens": 50},
            "inputs": {
                "rows": {"type": "array", "items": {"type": "string"}, "default": []},
                "tone": {"type": "string", "required": False},
                "history": {"type": "array", "default": []},
            },
            "messages": [
                {
                    "role": "system",
                    "content": "Rows:\n{% for item in rows %}- {{ item }}\n{% endfor %}"
                    '{% if tone is defined and tone %}Be {{ tone }}.\n{% endif %}{"a": "{{ tone | default("") }}"}\n',
                },
                {"placeholder": "history"},
                {"role": "user", "content": "Go."},
            ],
        }
    )
    assert written.losses == ()
    assert (
        written.files["it.prompt"].decode()
        == """\
---
model: vertexai/gemini-2.5-pro
description: Sorts tickets.
promptctl.tags: [support]
config: {maxOutputTokens: 50}
input:
  schema: {"rows?(array)": string, "tone?": string}
  default: {rows: []}
---
{{role "system"}}Rows:
{{#each rows}}
- {{this}}
{{/each}}
{{#if tone}}
Be {{tone}}.
{{/if}}
{"a": "{{tone}}"}
{{history}}{{role "user"}}Go.
"""
    )


def test_the_end_of_a_text_is_kept_where_dotprompt_trims_it() -> None:
    assert body(exported({"messages": messages("Hi.\n")})) == "Hi.\n{{! end }}\n"
    assert body(exported({"messages": messages("\nHi.")})) == '{{role "user"}}\nHi.\n'
    # It would be taken for LiteLLM's dialect.
    assert body(exported({"messages": messages("System: hi {% x")})) == '{{role "user"}}System: hi {% x\n'


def test_partials_are_files_beside_by_their_own_names() -> None:
    written = exported(
        {
            "inputs": {"x": {}},
            "messages": messages('A {% include "a/tone.j2" %} B\n{% include "b/tone.j2" %}\nC{% include "./end.j2" %}'),
        },
        **{"a/tone_dot_j2": "Be {{ x }}.", "b/tone_dot_j2": 'Or {% include "./a.j2" %}'},
        **{"b/a_dot_j2": "a", "end_dot_j2": "."},
    )
    assert written.losses == ()
    assert body(written) == "A {{> tone}} B\n{{> b-tone}}\n\nC{{> end}}\n"
    assert {path: data.decode() for path, data in written.files.items() if path.startswith("_")} == {
        "_tone.prompt": "Be {{x}}.",
        "_b-tone.prompt": "Or {{> a}}",
        "_a.prompt": "a",
        "_end.prompt": ".",
    }


def test_partials_come_back_as_files() -> None:
    tone = "Be {{ x }}.\n{% if x %}\n!{% endif %}\n"
    inputs = {"x": {}, "y": {"type": "string", "required": False}}
    text = 'A\n{% include "tone.j2" %}\nB{% if y is defined and y %}{% include "tone.j2" %}{% endif %}'
    data = {"inputs": inputs, "messages": messages(text)}
    written = exported(data, tone_dot_j2=tone)
    files = {path.replace(".", "_dot_"): each.decode() for path, each in written.files.items() if path[0] == "_"}
    back = read(source("it.prompt", written.files["it.prompt"], **files))
    assert back.prompts[0].data == data
    assert [(each.path, each.text) for each in back.files] == [("tone.j2", tone)]


def test_parts_are_media_and_conditions_around_it() -> None:
    written = exported(
        {
            "inputs": {"photo": {"type": "string"}, "more": {"type": "string", "required": False}},
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Look: "},
                        {"type": "image_url", "image_url": {"url": "{{ photo }}"}},
                        {"type": "image_url", "when": "more", "image_url": {"url": "{{ more }}"}},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    ],
                }
            ],
        }
    )
    assert written.losses == ()
    assert body(written) == (
        'Look: {{media url=photo}}{{#if more}}{{media url=more}}{{/if}}{{media url="https://example.com/a.png"}}\n'
    )
    assert read(source("it.prompt", written.files["it.prompt"])).prompts[0].data["messages"][0]["content"][2] == {
        "type": "image_url",
        "when": "more",
        "image_url": {"url": "{{ more }}"},
    }


def test_conditions_that_no_helper_takes_together_are_nested() -> None:
    inputs = {name: {"type": "boolean"} for name in "abc"}
    text = "{% if a and b %}x{% endif %}{% if a and b %}1{% elif c %}2{% else %}3{% endif %}"
    text += "{% if a or b %}4{% endif %}"
    written = exported({"inputs": inputs, "messages": messages(text)})
    assert written.losses == ()
    nested = read(source("it.prompt", written.files["it.prompt"]))
    for case in range(8):
        given = {name: bool(case >> at & 1) for at, name in enumerate("abc")}
        either, both = given["a"] or given["b"], given["a"] and given["b"]
        expected = "x" * both + ("1" if both else "2" if given["c"] else "3") + "4" * either
        assert rendered(nested, given)[0]["content"] == expected


def test_simple_and_plain_templates_are_written_as_they_print() -> None:
    simple = exported({"inputs": {"a": {}}, "template": "simple", "messages": messages("{{a}} {{b}} {{{a}}}")})
    assert body(simple) == "{{a}} \\{{b}} { {{~a~}} }\n"
    assert body(exported({"template": "none", "messages": messages("{{a}} \\{{b")})) == "\\{{a}} \\\\{{!}}\\{{b\n"


LOSSES = {
    "{{ a | upper }}": "has `upper`, for which Handlebars has no helper",
    "{{ a | tojson }}": "has `tojson`: there JSON has no blanks",
    "{{ rows }}": "prints JSON, which has no blanks there",
    '{{ a | default("x") }}': "has `default`: there an empty text counts as none, too",
    "{% if n > 2 %}x{% endif %}": "compares `n` by `>`, for which Handlebars has no helper",
    "{% if a is defined %}x{% endif %}": "tests if `a` is defined: there an empty value counts as not given",
    "{% for r in rows %}{{ loop.index }}{% endfor %}": "uses `loop.index`",
    "{% set x = 1 %}y": "has an assignment, which Handlebars has no word for",
    "{{ n + 1 }}": "has an expression, which Handlebars has no word for",
    "a{# why #}": "has comments, which are left out",
    '{% for r in rows %}{% include "p.j2" %}{% endfor %}': "includes `p.j2` within a loop",
    "<<<dotprompt:role:system>>>": "which Dotprompt takes for a mark of its own",
    "{{ o | length }}": "has `length`, which there only lists and texts have",
    "{% if o %}x{% endif %}": "tests the mapping `o`: there an empty one counts as true",
}


@pytest.mark.parametrize(("text", "why"), LOSSES.items())
def test_what_handlebars_cannot_say_is_a_loss_with_its_line(text: str, why: str) -> None:
    inputs: dict[str, Any] = {"a": {"type": "string"}, "n": {"type": "integer"}, "rows": {"type": "array"}}
    inputs["o"] = {"type": "object"}
    data = {"inputs": inputs, "messages": [*messages("x"), {"role": "user", "content": f"\nx{text}\n"}]}
    losses = exported(data, p_dot_j2="p").losses
    assert len(losses) == 1
    assert why in str(losses[0])
    assert losses[0].place is not None
    assert losses[0].place.line == 12


def test_what_dotprompt_has_no_word_for_is_a_loss() -> None:
    data = {
        "inputs": {"key": {"type": "string", "sensitive": True}},
        "messages": [
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "name": "ada", "content": "{{ key }}"},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
            {"placeholder": "one"},
            {"placeholder": "two"},
            {"role": "user", "content": " "},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": 'https://example.com/"a"', "detail": "low"}},
                    {"type": "text", "text": " "},
                ],
            },
        ],
        "output": {"schema": {"type": "object"}, "retries": 2, "strict": True, "name": "reply"},
        "tools": [{"type": "web_search"}, {"type": "function", "function": {"name": "f", "strict": True}}],
    }
    data["inputs"] |= {"one": {"type": "array", "default": []}, "two": {"type": "array", "default": []}}  # type: ignore[operator]
    assert lost(data) == [
        "inputs.key.sensitive is lost: Dotprompt keeps no value back",
        "output.retries is lost: nothing asks again there",
        "output.strict is lost: that is an application's affair there",
        "output.name is lost: a schema has no name there",
        "tools.0 is a tool that the provider runs, which Dotprompt does not have",
        "tools.1.strict has no word in Dotprompt",
        "messages.0.role is `developer`, and becomes `system`",
        "messages.1.name has no word in Dotprompt",
        "messages.2 has the role `tool`, which has no text there",
        "messages.3 is written as `history`, the name that it has there",
        "messages.4 is a second placeholder, and there is one history",
        "messages.5 is empty, and is left out there",
        "messages.6.content.0.image_url.detail has no word in Dotprompt",
        "messages.6.content.0.image_url is put together from texts and values: there it is one of them",
        "messages.6.content.1 is blank, and is left out there",
    ]


@pytest.mark.parametrize(
    ("schema", "lost_there", "written"),
    [
        ({"enum": ["a"]}, ["says no `type`: Dotprompt would take it for Picoschema"], None),
        ({"properties": {"a": {}}}, ["says no `type`: Dotprompt takes it for an object"], {"properties": {"a": {}}}),
        ({"type": "array", "items": {"type": "string"}}, [], {"type": "array", "items": {"type": "string"}}),
    ],
)
def test_a_schema_that_picoschema_cannot_say_is_written_as_it_is(
    schema: dict[str, Any], lost_there: list[str], written: Any
) -> None:
    data = {"messages": messages("x"), "output": {"schema": schema}}
    assert lost(data) == [f"output.schema {each}" for each in lost_there]
    assert ("schema:" in exported(data).files["it.prompt"].decode()) == (written is not None)
    back = read(source("it.prompt", exported(data).files["it.prompt"])).prompts[0].data
    assert back.get("output", {}).get("schema", {}).items() >= (written or {}).items()


def test_sounds_and_files_are_media_and_texts_are_joined() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
        {"type": "input_audio", "input_audio": {"data": "{{ x }}", "format": "wav"}},
        {"type": "file", "file": {"file_data": "{{ x }}"}},
        {"type": "file", "file": {"file_id": "f1"}},
    ]
    data = {"inputs": {"x": {"type": "string"}}, "messages": [{"role": "user", "content": content}]}
    sound, pdf = 'contentType="audio/wav"', 'contentType="application/pdf"'
    assert body(exported(data)) == f"ab{{{{media url=x {sound}}}}}{{{{media url=x {pdf}}}}}\n"
    assert lost(data) == [
        "messages.0.content.1 is joined with the text before it",
        "messages.0.content.1.cache_control has no word in Dotprompt",
        "messages.0.content.2.input_audio is an address or a `data:` URL there, not base64 alone",
        "messages.0.content.4.file.file_id has no word in Dotprompt",
    ]


@pytest.mark.parametrize(
    ("history", "loss"),
    [
        ({"default": []}, []),
        ({}, ["inputs.history is lost: a history there begins empty"]),
        ({"default": [{}]}, ["inputs.history.default is lost: a history there begins empty"]),
        ({"default": [], "maxItems": 3}, ["inputs.history is a history without `maxItems` there"]),
    ],
)
def test_a_history_begins_empty_there(history: dict[str, Any], loss: list[str]) -> None:
    assert lost({"inputs": {"history": {"type": "array", **history}}, "messages": [{"placeholder": "history"}]}) == loss


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b?", "c(object)", "d?(object, a d)", "(*)", "e(array, some)", "f?(array)"])
    values = st.just(["x", 1])
    return st.one_of(
        st.dictionaries(names, inner.filter(lambda value: isinstance(value, dict)) | inner, max_size=3),
        st.dictionaries(st.sampled_from(["g(enum)", "h?(enum, one of)"]), values, max_size=2),
    )


@given(st.recursive(st.sampled_from(["string", "number, how many", "any", "integer"]), _objects, max_leaves=6))
def test_picoschema_comes_back_as_it_was(short: Any) -> None:
    schema = json_schema(short)
    assert json_schema(picoschema(schema)) == schema
