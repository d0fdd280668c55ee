from __future__ import annotations

import json

import pytest

from tests.exchange.conftest import read, refused, rendered, said

CHAT = """\
name: Shop
description: Answers customers.
template_format: liquid
template: |
    This is never sent.
    <message role="system">
        You answer {{customer.first_name}} &amp; co.
        {% if customer.age > 65 and customer.member == 'gold' %}Be polite.{% endif %}
    </message>
    {% for item in history %}
    <message role="{{item.role}}">
        {{item.content}}
    </message>
    {% endfor %}
    <message role="user">{{question}}</message>
input_variables:
  - {name: customer, description: Who asks., is_required: true}
  - {name: history, is_required: true}
  - {name: question, is_required: false, allow_dangerously_set_content: true}
execution_settings:
  other: {temperature: 1}
  default: {model_id: gpt-4o, temperature: 0, stop_sequences: [END], function_choice_behavior: {type: auto}}
"""
OWN = """\
name: greet
template: |
  Greet {{$name}} in {{ $language }}{{"!"}}{{$mark}}
template_format: semantic-kernel
input_variables:
  - {name: name, is_required: true}
  - {name: mark, default: "?"}
"""


def test_messages_are_split_and_a_loop_over_them_is_a_placeholder() -> None:
    contents = read("shop.yaml", CHAT, "semantic-kernel")
    history = [{"role": "user", "content": "Hi"}]
    customer = {"first_name": "Ada", "age": 70, "member": "gold"}
    assert rendered(contents, {"customer": customer, "history": history, "question": "Why?"}) == [
        {"role": "system", "content": "You answer Ada & co.\n    Be polite."},
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "Why?"},
    ]
    assert contents.prompts[0].data["parameters"] == {"temperature": 0, "stop": ["END"]}
    assert contents.prompts[0].data["inputs"]["customer"]["description"] == "Who asks."


def test_every_part_has_its_fate() -> None:
    notes = said(read("shop.yaml", CHAT, "semantic-kernel"))
    assert "dropped `template`: text outside of the messages was never sent" in notes
    assert "dropped `execution_settings.other`: only those of default are kept" in notes
    assert "dropped `function_choice_behavior`: is no parameter that a prompt has here" in notes
    assert "changed `input_variables.question`: is empty if it is not given, as it printed nothing then" in notes
    assert any("count as true in Liquid" in note for note in notes)


def test_the_language_of_its_own_has_variables_and_texts() -> None:
    contents = read("greet.yaml", OWN, "semantic-kernel")
    assert rendered(contents, {"name": "{{$x}}", "language": "French"})[0]["content"] == "Greet {{$x}} in French!?\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OWN.replace("{{$name}}", "{{Time.Now}}"), "3: `{{Time.Now}}` calls a function"),
        (CHAT.replace("{% for item in history %}", "{% for item in history limit:2 %}"), "a tag stands outside"),
        (CHAT.replace("{{question}}", "{{ question | money }}"), "15: the filter `money` has no counterpart"),
        (CHAT.replace('role="user"', 'role="wizard"'), "the role `wizard` is not written out"),
        (CHAT.replace("{{question}}", "<image>x</image>"), "an image, a sound or a file"),
        (OWN.replace("semantic-kernel", "mustache"), "the template is of the format `mustache`"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_line(text: str, says: str) -> None:
    assert says in str(refused("x.yaml", text, "semantic-kernel")[0])


def test_a_text_beside_its_settings() -> None:
    config = '{"schema": 1, "description": "D", "execution_settings": {"default": {"max_tokens": 5}}}'
    contents = read(
        "Joke/config.json", config, "semantic-kernel", Joke__skprompt_dot_txt="Tell a joke about {{$input}}"
    )
    assert contents.prompts[0].wish == "Joke"
    assert rendered(contents, {"input": "cats"}) == [{"role": "user", "content": "Tell a joke about cats"}]
    assert "there is no file `skprompt.txt`" in str(refused("config.json", config, "semantic-kernel")[0])


def test_the_first_form_of_the_settings() -> None:
    settings = {"completion": {"temperature": 0.3}, "input": {"parameters": [{"name": "input"}]}}
    config = json.dumps({"schema": 1, "type": "completion", **settings})
    contents = read("Joke/config.json", config, "semantic-kernel", Joke__skprompt_dot_txt="About {{$input}}")
    assert contents.prompts[0].data["parameters"] == {"temperature": 0.3}
