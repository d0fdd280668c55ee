"""Single parts of a Prompty file: each as it is written here, with its note."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import Source
from promptctl.exchange.prompty.reading import read as read_prompty
from promptctl.files.yaml_writing import yaml_text
from tests.exchange.conftest import read, refused, rendered, said, source

GIF = b"GIF89a" + bytes(10)


def header_of(**keys: Any) -> Any:
    """What a file with this header and a body that prints `q` becomes, and its notes."""
    contents = read("x.prompty", f"---\n{yaml_text(keys)}---\nuser:\n{{{{ q }}}}", "prompty")
    return contents.prompts[0].data, said(contents)


@pytest.mark.parametrize(
    ("keys", "expected", "note"),
    [
        ({"name": "a", "displayName": "B"}, {"name": "B"}, "dropped `name`: is not written"),
        ({"name": "x", "displayName": "B"}, {"name": "B"}, "kept `name`: is the id, as the path has it"),
        ({"name": 3}, {"name": "3"}, "changed `name`: is written as a text"),
        ({"metadata": "m"}, {"metadata": {"metadata": "m"}}, "changed `metadata`: is written as `metadata.metadata`"),
        ({"metadata": {"tags": ["a"], "b": 1}}, {"tags": ["a"], "metadata": {"b": 1}}, "kept `metadata`"),
        ({"extra": 1}, {}, "dropped `extra`: is no key of Prompty"),
        ({"model": {"id": "m", "weight": 1}}, {"model": "m"}, "dropped `model.weight`: is no key of a model"),
        ({"model": {"id": "m", "provider": "foundry"}}, {"model": "azure/m"}, "changed `model.provider`"),
        ({"model": {"api": "chat", "response": "full"}}, {}, "dropped `model.response`: what a program does"),
        ({"model": {"configuration": {"type": "openai", "name": "gpt-4o"}}}, {"model": "openai/gpt-4o"}, "changed"),
        ({"model": {"configuration": {"type": "serverless", "model": "m"}}}, {"model": "azure_ai/m"}, "changed"),
        ({"model": {"configuration": {"azure_deployment": "${env:D}"}}}, {}, "names the model; Prompty reads it from"),
        ({"model": {"id": "m", "connection": "${file:c.json}"}}, {"model": "m"}, "dropped `model.connection`: where"),
        ({"model": {"id": "m", "options": 3}}, {"model": "m"}, "dropped `model.options`: is no mapping"),
        ({"model": {"options": {"stream": True}}}, {}, "dropped `model.options.stream`: how a program asks"),
        ({"model": {"options": {"topP": None}}}, {}, "dropped `model.options.topP`: has no value"),
        (
            {"model": {"options": {"topP": 0.5, "additionalProperties": {"x": 1, "logprobs": True}}}},
            {"parameters": {"top_p": 0.5, "logprobs": True, "extra_body": {"x": 1}}},
            "changed `model.options.additionalProperties.x`",
        ),
        (
            {"model": {"parameters": {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}}},
            {"output": {"schema": {}}},
            "changed `model.parameters.response_format`: is written as `output.schema`",
        ),
        (
            {
                "model": {"parameters": {"response_format": {"type": "json_object"}}},
                "outputs": {"a": {"type": "string"}},
            },
            {
                "output": {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
                "response_format": None,
            },
            "changed `outputs`: is written as `output.schema`, which takes the place of `response_format`",
        ),
        (
            {
                "model": {"parameters": {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}},
                "outputs": {"a": {"type": "string"}},
            },
            {"output": {"schema": {}}},
            "dropped `outputs`: `response_format` says the form of the reply",
        ),
        ({"model": {"parameters": {"deployment_name": "gpt-4"}}}, {"model": "gpt-4"}, "is written as `model: gpt-4`"),
        ({"model": {"provider": "openai"}}, {"model": None}, "dropped `model.provider`: there is no id of a model"),
        ({"model": {"parameters": {"response_format": "x"}}}, {}, "is no form of a reply that is known"),
        ({"model": {"apiType": "responses"}}, {}, "changed `model.apiType`: is asked by the chat-completions protocol"),
        ({"template": "nunjucks"}, {}, "kept `template`: is Jinja"),
        ({"template": {"format": "jinja2", "strict": True, "x": 1}}, {}, "dropped `template.x`: is no key"),
        ({"template": {"format": {"kind": "jinja2", "options": {"a": 1}}}}, {}, "dropped `template.format.options`"),
        (
            {"inputs": {"q": {"type": "string", "size": 3}}},
            {"inputs": {"q": {"type": "string"}}},
            "dropped `inputs.q.size`",
        ),
        ({"inputs": {"q": {"type": "date"}}}, {"inputs": {"q": {}}}, "`date` is no kind that has a JSON Schema"),
        ({"inputs": {"q": 1.5}}, {"inputs": {"q": {"type": "number", "default": 1.5}}}, "kept `inputs.q`"),
        (
            {"inputs": {"q": "a", "a-b": 1}},
            {"inputs": {"q": {"type": "string", "default": "a"}}},
            "dropped `inputs.a-b`",
        ),
        (
            {"inputs": [{"name": "q", "kind": "integer", "default": "five"}]},
            {"inputs": {"q": {"default": "five"}}},
            "any value is taken: a value in the file is of another type than integer",
        ),
        (
            {
                "inputs": [
                    {"name": "q", "kind": "union", "oneOf": [{"kind": "string"}], "nullable": True, "required": True}
                ]
            },
            {"inputs": {"q": {"oneOf": [{"type": "string"}, {"type": "null"}]}}},
            "kept `inputs.q`",
        ),
        (
            {
                "inputs": [
                    {
                        "name": "q",
                        "kind": "string",
                        "enumValues": ["a"],
                        "nullable": True,
                        "example": "a",
                        "required": True,
                    }
                ]
            },
            {"inputs": {"q": {"type": ["string", "null"], "enum": ["a", None], "examples": ["a"]}}},
            "kept `inputs.q`",
        ),
        (
            {"inputs": [{"name": "q", "enumValues": ["a"], "nullable": True, "required": True}]},
            {"inputs": {"q": {"enum": ["a", None]}}},
            "kept `inputs.q`",
        ),
        (
            {"outputs": [{"name": "q", "kind": "union", "oneOf": [{"kind": "string"}], "nullable": True}]},
            {
                "output": {
                    "schema": {
                        "type": "object",
                        "properties": {"q": {"oneOf": [{"type": "string"}, {"type": "null"}]}},
                        "required": ["q"],
                        "additionalProperties": False,
                    },
                    "strict": True,
                }
            },
            "changed `outputs`",
        ),
        (
            {"inputs": [{"name": "q", "kind": "image", "description": "A photo.", "required": False}]},
            {
                "inputs": {"q": {"type": "string", "description": "A photo.", "required": False}},
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{ q }}"}, "when": "q"}]}
                ],
            },
            "kept `{{q}}`: is a part of message 1",
        ),
        (
            {"inputs": [{"name": "q", "kind": "file", "default": "abc"}]},
            {"inputs": {"q": {"type": "string", "default": "abc"}}},
            "the input is a file in base64",
        ),
        (
            {"sample": {"q": "x", "z": 1}},
            {"inputs": {"q": {"type": "string"}}},
            "dropped `sample.z`: no message uses it",
        ),
    ],
)
def test_a_part_of_the_header(keys: dict[str, Any], expected: dict[str, Any], note: str) -> None:
    data, notes = header_of(**keys)
    assert {key: data.get(key) for key in expected} == expected
    assert any(note in each for each in notes), notes


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": [1]}, "`model` is no mapping and no name"),
        ({"sample": [1]}, "`sample` is no mapping of inputs"),
        ({"outputs": "x"}, "`outputs` is no list or mapping of properties"),
        ({"template": {"parser": {"kind": "other"}}}, "`template.parser` names `other`"),
        ({"tools": [{"name": "f", "kind": "function", "parameters": 3}]}, "`tools.f.parameters` is no list or mapping"),
    ],
)
def test_a_part_that_keeps_the_file_out(keys: dict[str, Any], message: str) -> None:
    [problem] = refused("x.prompty", f"---\n{yaml_text(keys)}---\nHi", "prompty")
    assert problem.message.startswith(message)


def test_tools_in_each_of_their_shapes() -> None:
    tools = {
        "a": {"kind": "function", "parameters": {"properties": [{"name": "x", "kind": "string", "required": True}]}},
        "b": {"kind": "function", "strict": True, "description": "B.", "extra": 1,
              "bindings": [{"name": "y", "input": "q"}],
              "parameters": {"y": {"kind": "string", "required": True}, "z": {"kind": "integer", "default": 3}}},
        "c": {"kind": "search"},
    }  # fmt: skip
    data, notes = header_of(tools=tools)
    assert [each["function"] for each in data["tools"]] == [
        {
            "name": "a",
            "parameters": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
        },
        {
            "name": "b",
            "description": "B.",
            "parameters": {
                "type": "object",
                "properties": {"z": {"type": "integer", "default": 3}},
                "additionalProperties": False,
            },
            "strict": True,
        },
    ]
    assert any("the tool `c` is of the kind `search`" in each for each in notes)
    assert any("dropped `tools.b.extra`" in each for each in notes)
    assert any("the model is not told of `y`" in each for each in notes)
    function = {"name": "f", "parameters": {"type": "object"}}
    inline = [{"type": "function", "function": function}, {"type": "retrieval"}]
    data, notes = header_of(model={"parameters": {"tools": inline}}, tools=[{"kind": "function"}])
    assert data["tools"] == [{"type": "function", "function": function}]
    assert "dropped `tools.0`: has no name" in notes


def test_a_sample_in_a_file_and_one_that_lacks_an_input() -> None:
    text = "---\nsample: s.json\n---\nuser:\n{{ q }} {{ other }}"
    contents = read("x.prompty", text, "prompty", s_dot_json='{"q": "x"}')
    assert contents.datasets == ()
    assert contents.prompts[0].data["inputs"] == {"q": {"type": "string", "examples": ["x"]}, "other": {}}
    assert any("as a case it lacks `other`" in each for each in said(contents))
    assert not any("is a case of a dataset" in each for each in said(contents))
    [problem] = refused("x.prompty", text, "prompty", s_dot_json="{")
    assert problem.message.startswith("the sample is no JSON: ")
    [problem] = refused("x.prompty", text, "prompty", s_dot_json='{"q": "x", "q": "y"}')
    assert problem.message == "the sample is no JSON: the key `q` is there twice in one object"


def test_messages_of_roles_that_promptctl_does_not_have_and_roles_that_only_values_would_have() -> None:
    text = "---\nauthors: [a]\n---\nfunction:\nx\nuser:\n{{ role }}:\nHi\n![thread]\nmore"
    contents = read("x.prompty", text, "prompty")
    assert contents.prompts[0].data["messages"] == [
        {"role": "user", "content": "{{ role }}:\nHi"},
        {"placeholder": "thread"},
        {"role": "user", "content": "more"},
    ]
    notes = said(contents)
    assert "dropped `function`: a message of this role has no form in promptctl" in notes
    assert "changed `user`: the line is text here, whatever its value: no value can begin a message" in notes
    assert "changed `user`: the text has no role of its own: it is a message of the user" in notes


def test_a_completion_is_one_message_and_a_text_behind_an_image_one_of_its_own() -> None:
    completion = read("x.prompty", "---\nmodel: {api: completion}\n---\nuser:\nHi", "prompty")
    assert rendered(completion) == [{"role": "user", "content": "user:\nHi"}]
    text = "---\ninputs: [{name: a, kind: image}, {name: s, kind: audio}]\n---\nuser:\nSee {{a}} and {{s}} then"
    messages: Any = read("x.prompty", text, "prompty").prompts[0].data["messages"]
    assert [
        [part["type"] for part in each["content"]] if isinstance(each["content"], list) else each["content"]
        for each in messages
    ] == [
        ["text", "image_url"],
        ["text", "input_audio"],
        "then",
    ]


def test_an_image_that_no_prompt_can_hold_is_refused() -> None:
    text = "---\nauthors: [a]\n---\nuser:\n![a](x.bin)"
    for data in (b"text", GIF + bytes(300_000), b"\xff\xfe\x00"):
        with pytest.raises(InvalidFiles) as caught:
            read_prompty(Source("x.prompty", text.encode(), source("x.bin", data).tree))
        assert caught.value.problems[0].place is not None
        assert caught.value.problems[0].place.line == 5


def test_a_sample_of_an_input_is_said_once_and_truly() -> None:
    declared = "inputs:\n  q: {type: string, sample: Why?}\n  other: {type: string}\n"
    lacking = read("x.prompty", f"---\n{declared}---\nuser:\n{{{{ q }}}} {{{{ other }}}}", "prompty")
    assert [each for each in said(lacking) if "sample" in each] == [
        "changed `inputs.q.sample`: is written as `examples`: as a case it lacks `other`"
    ]
    whole = read("x.prompty", f"---\n{declared}---\nuser:\n{{{{ q }}}}", "prompty")
    [dataset] = whole.datasets
    assert dataset.data["cases"][0]["inputs"] == {"q": "Why?"}
    assert [each for each in said(whole) if "sample" in each] == [
        "changed `inputs.q.sample`: is an input of a case of a dataset, which any reply passes"
    ]


def test_files_that_are_named_many_times_are_bounded_in_all() -> None:
    many = {
        "x_dot_json": json.dumps(["${file:y.json}"] * 400),
        "y_dot_json": json.dumps(["${file:z.json}"] * 400),
        "z_dot_json": json.dumps([1] * 4000),
    }
    for text, beside in (
        ("metadata: {a: '${file:x.json}'}", many),
        ("".join(f"k{number}: ${{file:big.txt}}\n" for number in range(20)), {"big_dot_txt": "x" * (200 << 10)}),
    ):
        [problem] = refused("x.prompty", f"---\n{text}\n---\nsystem:\nHi", "prompty", **beside)
        assert problem.message == "the files that it names have more than 2 MiB, each as often as it is named"
