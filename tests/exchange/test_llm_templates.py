"""Templates of llm, as a prompt with what its `evaluate` would have made of them."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptctl.exchange import llm_templates
from promptctl.files.yaml_writing import yaml_text
from tests.exchange.conftest import read, refused, rendered, said, source

FULL = """\
name: roast
model: gpt-4o
system: |
  You speak like $voice, for $$5 and $fee.
prompt: 'Summarize in {{braces}}: $input'
defaults:
  voice: GlaDOS
  length: 3
  fee: 1
options:
  temperature: 0.5
  max_tokens: 100
  json_object: true
  num_ctx: 4096
extract: true
tools:
- llm_time
- Datasette("db")
"""


def test_a_template_becomes_a_prompt() -> None:
    contents = read("roast.yaml", FULL, "llm")
    [draft] = contents.prompts
    assert (draft.wish, draft.data["model"]) == ("roast", "openai/gpt-4o")
    assert draft.data["parameters"] == {"temperature": 0.5, "max_tokens": 100}
    assert draft.data["response_format"] == {"type": "json_object"}
    assert draft.data["inputs"] == {
        "voice": {"type": "string", "default": "GlaDOS"},
        "fee": {"type": "string", "default": "1"},
        "input": {"type": "string"},
    }
    assert rendered(contents, {"input": "$voice"}) == [
        {"role": "system", "content": "You speak like GlaDOS, for $5 and 1."},
        {"role": "user", "content": "Summarize in {{braces}}: $voice"},
    ]


def test_every_part_has_its_fate() -> None:
    notes = said(read("roast.yaml", FULL, "llm"))
    assert [each for each in notes if each.startswith("dropped")] == [
        "dropped `defaults.length`: no text uses it",
        "dropped `options.num_ctx`: is an option of a plugin of llm",
        "dropped `extract`: what a program does with the reply is no part of a prompt",
        "dropped `tools.0`: `llm_time` is a tool of a plugin of llm, which no prompt file describes",
        'dropped `tools.1`: `Datasette("db")` is a tool of a plugin of llm, which no prompt file describes',
    ]


def test_the_input_is_the_message_if_there_is_no_prompt_and_goes_below_one_that_does_not_name_it() -> None:
    alone = read("fr.yaml", "system: Speak French\n", "llm")
    assert rendered(alone, {"input": "Hi"})[1] == {"role": "user", "content": "Hi"}
    below = read("s.yaml", "prompt: 'Summarize this:'\n", "llm")
    assert rendered(below, {"input": "text"}) == [{"role": "user", "content": "Summarize this:\ntext"}]
    assert rendered(below) == [{"role": "user", "content": "Summarize this:"}]


def test_fragments_are_partials_in_the_order_in_which_llm_puts_them_together() -> None:
    text = "system: Be $tone.\nsystem_fragments: [a.txt]\nfragments: [notes/a.txt, notes/b.md]\nprompt: Ask $input\n"
    beside = {"a_dot_txt": "  House {% rules %}\n", "notes__a_dot_txt": "A\n", "notes__b_dot_md": "B"}
    contents = read("t.yaml", text, "llm", **beside)
    assert [each.path for each in contents.files] == ["a.txt.j2", "notes/a.txt.j2", "notes/b.md.j2"]
    assert rendered(contents, {"tone": "kind", "input": "x"}) == [
        {"role": "system", "content": "House {% rules %}\n\nBe kind."},
        {"role": "user", "content": "A\n\nB\nAsk x"},
    ]


def test_code_and_whatever_is_in_no_file_is_refused_by_name_all_at_once() -> None:
    text = """\
prompt: x
functions: |
  def run(command):
      return command
fragments:
- https://example.com/robots.txt
- github:simonw/llm
- 993fd38d898d2b59fd2d16c811da5bdac658faa34f0f4d411edde7c17ebb0680
- /etc/passwd
- ../../secret.txt
- missing.txt
"""
    problems = refused("x.yaml", text, "llm")
    assert [(each.message, each.place.line if each.place else None) for each in problems] == [
        ("`functions` is Python code, which no prompt of promptctl runs", 2),
        ("`fragments.0` is a fragment on the network, and nothing is fetched", 6),
        ("`fragments.1` is a fragment that a plugin of llm loads (github:…)", 7),
        ("`fragments.2` is a fragment that is in no file", 8),
        ("`/etc/passwd` does not lie in the folder that is imported", 9),
        ("`../../secret.txt` does not lie in the folder that is imported", 10),
        ("there is no file `missing.txt`", 11),
    ]


def test_images_are_parts_and_other_attachments_are_dropped_by_name() -> None:
    text = "prompt: What is it?\nattachments: [https://example.com/a.png, https://example.com/a.mp3, note.txt]\n"
    contents = read("x.yaml", text, "llm", note_dot_txt="x")
    content: Any = contents.prompts[0].data["messages"][0]["content"]
    assert content[1:] == [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert sum(note.startswith("dropped `attachments.") for note in said(contents)) == 2


def test_a_schema_is_the_output() -> None:
    contents = read(
        "d.yaml", "prompt: A dog\nschema_object: {type: object, properties: {name: {type: string}}}\n", "llm"
    )
    assert contents.prompts[0].data["output"] == {
        "schema": {"type": "object", "properties": {"name": {"type": "string"}}}
    }


@pytest.mark.parametrize(
    "text",
    [
        "messages: []\nprompt: x\n",
        "prompt: {a: b}\n",
        "prompt: x\nother: 1\n",
        "name: x\n",
        "- prompt: x\n",
        "prompt: [x\n",
    ],
)
def test_other_files_are_none(text: str) -> None:
    assert not llm_templates.is_one(source("x.yaml", text))


PIECES = st.lists(
    st.sampled_from(("$name", "${name}", "$$", "{{", "{%", "#}", "$other_1", "a", " ", "\n", "}")), max_size=8
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(pieces=PIECES)
def test_texts_print_what_pythons_own_template_prints(pieces: list[str]) -> None:
    text = "Ask " + "|".join(pieces) + " end $input"
    contents = llm_templates.read(source("x.yaml", yaml_text({"prompt": text})))
    values = {"name": "{{ 1 }}", "other_1": "$name", "input": "i"}
    given_values = {name: value for name, value in values.items() if name in contents.prompts[0].data["inputs"]}
    assert rendered(contents, given_values) == [{"role": "user", "content": string.Template(text).substitute(values)}]
