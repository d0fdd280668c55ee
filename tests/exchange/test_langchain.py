from __future__ import annotations

import json
from typing import Any

import pytest

from promptctl.errors import RenderError
from tests.exchange.conftest import read, refused, rendered, said

CHAT = """\
_type: chat
input_variables: [adjective]
partial_variables: {content: dogs}
template:
  - role: system
    content: 'You answer as {{"a": 1}}.'
  - role: human
    content: Tell me a {adjective} joke about {content}.
output_parser: {_type: regex_parser, regex: x}
"""
FEW_SHOT = json.dumps(
    {
        "_type": "few_shot",
        "input_variables": ["adjective"],
        "prefix": "Write antonyms.",
        "example_prompt": {"_type": "prompt", "input_variables": ["i", "o"], "template": "Input: {i}\nOutput: {o}"},
        "examples": "examples.json",
        "suffix": "Input: {adjective}\nOutput:",
    }
)
EXAMPLES = '[{"i": "happy", "o": "{{sad}}"}, {"i": "tall", "o": "short"}]'


def constructed(name: str, **given: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain_core", "prompts", name], "kwargs": given}


def test_a_chat_prompt() -> None:
    contents = read("joke.yaml", CHAT, "langchain")
    assert rendered(contents, {"adjective": "{x}"}) == [
        {"role": "system", "content": 'You answer as {"a": 1}.'},
        {"role": "user", "content": "Tell me a {x} joke about dogs."},
    ]
    assert "dropped `output_parser`: has no counterpart here" in said(contents)


def test_examples_are_written_out() -> None:
    contents = read("antonyms.json", FEW_SHOT, "langchain", examples_dot_json=EXAMPLES)
    [message] = rendered(contents, {"adjective": "big"})
    assert message["content"] == (
        "Write antonyms.\n\nInput: happy\nOutput: {{sad}}\n\nInput: tall\nOutput: short\n\nInput: big\nOutput:"
    )


def test_a_template_in_a_file_beside_it() -> None:
    text = '{"_type": "prompt", "input_variables": ["name"], "template_path": "greet.txt"}'
    contents = read("greet.json", text, "langchain", greet_dot_txt="Hello {name}")
    assert rendered(contents, {"name": "Ada"})[0]["content"] == "Hello Ada"
    assert "does not lie in the folder" in str(
        refused("greet.json", text.replace("greet.txt", "../../etc/passwd"), "langchain")[0]
    )


def test_a_serialised_chat_prompt() -> None:
    system = constructed("SystemMessagePromptTemplate", prompt=constructed("PromptTemplate", template="Be {tone}."))
    last = constructed("HumanMessagePromptTemplate", prompt=constructed("PromptTemplate", template="{question}"))
    history = constructed("MessagesPlaceholder", variable_name="history", optional=True)
    more = constructed("MessagesPlaceholder", variable_name="more")
    literal = constructed("AIMessage", content="Hello {you}")
    prompt = constructed(
        "ChatPromptTemplate", messages=[system, history, more, literal, last], input_variables=["tone", "question"]
    )
    contents = read("chat.json", json.dumps(prompt), "langchain")
    assert [each["content"] for each in rendered(contents, {"tone": "kind", "question": "Why?", "more": []})] == [
        "Be kind.",
        "Hello {you}",
        "Why?",
    ]
    inputs = contents.prompts[0].data["inputs"]
    assert [name for name in inputs if inputs[name] == inputs["more"]] == ["more"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CHAT.replace("{adjective}", "{adjective!r}"), "8: `{adjective!r}` formats a value"),
        (CHAT.replace("role: human", "role: wizard"), "a message without a known role"),
        (CHAT + "template_format: mustache\n", "the template is of the format `mustache`"),
        (json.dumps(constructed("ChatPromptTemplate", messages=[constructed("Evil")])), "class `Evil`"),
    ],
)
def test_what_has_no_counterpart_is_refused(text: str, says: str) -> None:
    assert says in str(refused("x.yaml", text, "langchain")[0])


def test_jinja_runs_in_our_sandbox_alone() -> None:
    text = json.dumps({"_type": "prompt", "template_format": "jinja2", "template": "{{ x.__class__ }}"})
    with pytest.raises(RenderError):
        rendered(read("x.json", text, "langchain"), {"x": "a"})
