from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.formats.prompt_file import PromptFile, read_prompt_file
from tests.files.conftest import attempt
from tests.formats.conftest import ProblemsOf


def read(text: str) -> PromptFile:
    return read_prompt_file(text.encode(), "prompts/p.prompt.yaml")


class TestDialects:
    """Told apart by what is in the file, never by its name."""

    @pytest.mark.parametrize(
        "key",
        ["parameters: {}", "inputs: {}", "template: none", "tools: []", "status: active", "formerly: []",
         "response_format: {type: text}", "output: {schema: {}}", "tags: [a]", "metadata: {a: 1}"],
    )  # fmt: skip
    def test_a_key_of_ours_makes_it_native(self, key: str) -> None:
        assert read(f"{key}\nmessages: [{{role: user, content: 'Hi {{{{x}}}}'}}]").dialect == "native"

    @pytest.mark.parametrize(
        "key", ["modelParameters: {}", "testData: []", "evaluators: []", "responseFormat: text", "jsonSchema: '{}'"]
    )
    def test_a_key_of_githubs_makes_it_githubs(self, key: str) -> None:
        assert read(f"{key}\nmessages: [{{role: user, content: Hi}}]").dialect == "github"

    @pytest.mark.parametrize("content", ["Hi {{name}}", "{{a}} and {{b.c-d}}"])
    def test_without_either_plain_placeholders_are_githubs(self, content: str) -> None:
        assert read(f"messages: [{{role: user, content: '{content}'}}]").dialect == "github"

    @pytest.mark.parametrize(
        "content",
        [
            "Hi",
            "Hi {{ name }}",
            "{{name}} {% if x %}{% endif %}",
            "{{name}} {# note #}",
            "{{name|upper}}",
            "{{a}} {{f(x)}}",
        ],
    )
    def test_without_either_text_and_jinja_are_native(self, content: str) -> None:
        assert read(f"messages: [{{role: user, content: '{content}'}}]").dialect == "native"

    def test_without_either_parts_and_placeholders_are_native(self) -> None:
        text = "messages: [{role: user, content: [{type: text, text: '{{x}}'}]}, {role: user, content: '{{x}}'}]"
        assert read(text).dialect == "native"

    def test_a_mixture_is_refused_with_what_to_write_instead(self, problems_of: ProblemsOf) -> None:
        text = "modelParameters: {}\ninputs: {}\ntestData: []\nmessages: [{role: user, content: Hi}]"
        first, second = problems_of(read_prompt_file, text)
        assert str(first.place) == "file.yaml:1:1"
        assert first.message == "`modelParameters` is GitHub's and `inputs` is promptctl's: one file cannot mix the two"
        assert first.hint == "use `parameters` in its place"
        assert second.hint == "use a dataset below datasets/ in its place"


class TestNative:
    def test_the_data_is_the_file(self) -> None:
        file = read("name: 1.10\nmessages:\n  - role: user\n    content: |\n      Hi\n")
        assert file.data == {"name": "1.10", "messages": [{"role": "user", "content": "Hi\n"}]}
        assert str(file.document.text_place("messages", 0, "content")) == "prompts/p.prompt.yaml:5:7"
        assert file.problems == ()

    def test_every_problem_is_told(self, problems_of: ProblemsOf) -> None:
        text = (
            "temperature: 0\nparameters: {temprature: 1, api_base: http://x}\nstatus: on\n"
            "messages:\n- {role: user}\n- {role: usr, content: x}\n"
        )
        told = [(str(each.place), each.hint) for each in problems_of(read_prompt_file, text)]
        assert told == [
            ("file.yaml:1:1", "use `parameters`"),
            ("file.yaml:2:14", "did you mean `temperature`?"),
            ("file.yaml:2:29", "use `models:` in promptctl.yaml"),
            ("file.yaml:3:9", "`active` runs, `deprecated` runs with a warning, `inactive` refuses to run"),
            ("file.yaml:5:3", "add `content`"),
            ("file.yaml:6:10", "did you mean `user`?"),
        ]

    def test_a_form_of_the_reply_is_said_once(self, problems_of: ProblemsOf) -> None:
        text = "output: {schema: {}}\nresponse_format: {type: text}\nmessages: [{role: user, content: Hi}]"
        (problem,) = problems_of(read_prompt_file, text)
        assert problem.message == "`response_format` cannot stand beside `output`"

    def test_a_schema_in_response_format_is_sent_to_output(self, problems_of: ProblemsOf) -> None:
        text = "response_format: {type: json_schema}\nmessages: [{role: user, content: Hi}]"
        (problem,) = problems_of(read_prompt_file, text)
        assert "output: {schema: …}" in (problem.hint or "")

    def test_an_input_with_a_default_is_not_required(self, problems_of: ProblemsOf) -> None:
        text = "inputs: {x: {default: 1, required: true}}\nmessages: [{role: user, content: Hi}]"
        (problem,) = problems_of(read_prompt_file, text)
        assert str(problem.place) == "file.yaml:1:26"

    @pytest.mark.parametrize(
        "key", ["api_base", "api_key", "base_url", "headers", "extra_headers", "mock_response", "model"]
    )
    def test_parameters_cannot_choose_where_a_request_goes(self, key: str, problems_of: ProblemsOf) -> None:
        """A stranger's pull request must not send a key to an address of its own."""
        text = f"parameters: {{{key}: x}}\nmessages: [{{role: user, content: Hi}}]"
        (problem,) = problems_of(read_prompt_file, text)
        assert problem.code == "unknown-key"

    def test_the_body_cannot_be_replaced_by_the_back_door(self, problems_of: ProblemsOf) -> None:
        text = "parameters: {extra_body: {messages: [], top_a: 1}}\nmessages: [{role: user, content: Hi}]"
        (problem,) = problems_of(read_prompt_file, text)
        assert "`parameters.extra_body.messages` cannot be a key" in problem.message


@pytest.mark.parametrize(
    ("text", "looks_like"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("just text", "this is text"),
        ("- a\n- b\n", "this is a list"),
        ("- {role: user, content: Hi}\n", "a list of messages without a prompt around it"),
        (
            "name: x\ntemplate: |\n  {{$input}}\ntemplate_format: liquid\ninput_variables: []\n",
            "Semantic Kernel or LangChain",
        ),
        ("name: x\ntemplate: hi\nexecution_settings: {default: {max_tokens: 1}}\n", "Semantic Kernel or LangChain"),
        ("_type: prompt\ninput_variables: [a]\ntemplate: Hi {a}\n", "LangChain"),
        ("description: x\nprompts: ['{{q}}']\nproviders: [openai:gpt-4o]\ntests: []\n", "a promptfoo configuration"),
        ("prompts: p.yaml\nproviders: [a]\ntests: t.yaml\n", "a promptfoo configuration"),
        ("prompts: [a]\ncases: [{id: a}]\n", "a dataset"),
        ("$schema: x\ntype: object\nproperties: {}\n", "a JSON Schema"),
        (
            "name: x\nauthors: [a]\nmodel: {api: chat, configuration: {}}\nsample: {a: 1}\n",
            "the header of a Prompty file",
        ),
        ("model: {name: gpt-4}\nprompt: |\n  Hi {{x}}\n", "a template of another tool"),
        ("system: You are kind\nprompt: Hi $x\n", "a template of another tool"),
        ("name: x\ntext: Hi {x}\nmeta: {authors: []}\n", "a template of another tool"),
    ],
)
def test_prompts_of_other_tools_are_refused_by_name(text: str, looks_like: str, problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_prompt_file, text)
    assert looks_like in problem.message
    assert problem.code == "foreign-format"
    assert problem.hint
    assert problem.place


def test_a_native_prompt_that_lacks_messages_is_not_taken_for_another_tools(problems_of: ProblemsOf) -> None:
    (problem,) = problems_of(read_prompt_file, "name: x\ninputs: {a: {type: string}}\n")
    assert problem.message == "`messages` is missing"


_keys = st.sampled_from(
    ["name", "model", "messages", "role", "content", "inputs", "output", "schema", "tools", "type", "text", "testData",
     "evaluators", "modelParameters", "jsonSchema", "responseFormat", "template", "when", "placeholder", "parameters",
     "default", "required", "string", "llm", "uses", "equals", "$ref", "x"]
)  # fmt: skip
_values = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "", "user", "{{x}}", "{{ x }}", "json_schema", "function", "{", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=16,
)
_prompts = st.dictionaries(_keys, _values, max_size=5).map(lambda data: json.dumps(data).encode())


@given(st.binary(max_size=100) | _prompts)
def test_any_bytes_are_a_prompt_or_refused_with_what_to_do(data: bytes) -> None:
    file, problems = attempt(read_prompt_file, data, "p.prompt.yaml")
    assert all(problem.place and problem.message for problem in problems)
    assert problems or file.data["messages"]
