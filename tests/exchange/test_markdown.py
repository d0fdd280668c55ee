from __future__ import annotations

from promptctl.exchange.formats import format_of, named
from promptctl.exchange.importing import _unknown
from tests.exchange.conftest import read, refused, rendered, said, source

HEADER = """\
---
model: m
description: Says it.
inputs:
  - tone
  - {name: size, type: integer, default: 3}
  - a-b
---
"""


def test_a_text_without_headings_is_a_users_message() -> None:
    contents = read("x.md", f"{HEADER}\nBe {{{{tone}}}}, {{x}} {{{{ size }}}}.\n", "markdown")
    assert rendered(contents, {"tone": "{{size}}"}) == [{"role": "user", "content": "Be {{size}}, {x} 3.\n"}]
    assert "dropped `inputs.2`: is no name of an input" in said(contents)
    data = contents.prompts[0].data
    assert (data["model"], data["description"], "metadata" in data) == ("m", "Says it.", False)


def test_headings_that_name_roles_part_the_messages_and_others_are_text() -> None:
    contents = read("x.md", HEADER + "# System prompt\nA\n## Rules\nB\n# User:\n{{tone}}\n", "markdown")
    assert rendered(contents, {"tone": "kind"}) == [
        {"role": "system", "content": "A\n## Rules\nB\n"},
        {"role": "user", "content": "kind\n"},
    ]


def test_a_page_is_no_prompt_until_it_is_said_to_be_one() -> None:
    for name in ("x.md", "x.txt"):
        page = source(name, "Greet {{name}}.\n## Rules\n{x}\n")
        assert format_of(page) is None
        assert "--from markdown takes it whole as a message" in str(_unknown(page).hint)
        contents = named("markdown").reader().read(page)
        assert rendered(contents, {"name": "Ada"}) == [{"role": "user", "content": "Greet Ada.\n## Rules\n{x}\n"}]
        assert "there is no header" in str(refused("x.yaml", "a: 1\n", "markdown")[0])
        assert "there is no text in the file" in str(refused(name, " \n", "markdown")[0])


def test_headings_below_a_text_are_said_to_be_text() -> None:
    contents = read("x.md", HEADER + "First.\n\n## System\nS\n", "markdown")
    assert [message["role"] for message in rendered(contents, {"tone": "kind"})] == ["user"]
    assert any("kept `## System`: a heading that names a role is text here" in note for note in said(contents))
